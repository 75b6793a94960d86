//! The contract of stores as test cases that any store can run.
//!
//! Every numbered sentence of [`crate::store`] has cases here whose names begin with it:
//! `worker_2_of_each_order_key_only_the_oldest_is_claimed` is a case of sentence 2 of
//! [`WorkerStore`](crate::store::WorkerStore). The cases hold a store to what the contract says and to nothing more: where
//! it leaves the order of entries open, any order passes. Time is an argument, so nothing waits.
//!
//! A store runs all of them by a [`StoreFactory`] and two macros,
//! [`store_contract!`](crate::store_contract) and, if it keeps identities,
//! [`identity_contract!`](crate::identity_contract). Each makes one `#[tokio::test]` per case, so a
//! failure is named by the sentence that is broken. Who has a test harness of his own runs
//! [`cases`] with [`run`].
//!
//! ```
//! use async_trait::async_trait;
//! use ssf_transmitter::MemoryStore;
//! use ssf_transmitter::testkit::store::StoreFactory;
//!
//! #[derive(Debug)]
//! struct Memory;
//!
//! #[async_trait]
//! impl StoreFactory for Memory {
//!     type Store = MemoryStore;
//!     type Guard = ();
//!
//!     async fn open(&self) -> (MemoryStore, ()) {
//!         (MemoryStore::new(), ())
//!     }
//! }
//!
//! mod memory {
//!     ssf_transmitter::store_contract!(super::Memory);
//!     ssf_transmitter::identity_contract!(super::Memory);
//! }
//! ```
//!
//! What a store does at which cost is not tested here: that needs its own means.

#![expect(clippy::unwrap_used, reason = "a case that cannot go on has failed")]

pub mod bench;
mod contract;
mod dice;

pub mod acknowledgements;
pub mod all_faces;
pub mod breaker;
pub mod compared;
pub mod dropped;
pub mod history;
pub mod identities;
pub mod isolation;
pub mod operator;
pub mod outbox;
pub mod places;
pub mod polls;
pub mod settling;
pub mod streams;
pub mod subjects;
pub mod upkeep;
pub mod verifications;
pub mod worker;

use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use bench::{Bench, Ended, IdentityBench, LEASE, Spawn, Task};

use crate::store::{IdentityStore, StreamStore};

/// A case that lasts longer has failed: something in it waits for what does not come.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The end of a task that lasted longer than [`LONGEST`].
///
/// # Errors
/// Always.
pub fn too_long() -> std::thread::Result<()> {
    Err(Box::new(TooLong))
}

struct TooLong;

/// Makes stores to be tested.
#[async_trait]
pub trait StoreFactory: fmt::Debug + Send + Sync {
    /// The store.
    type Store: StreamStore;
    /// What is kept while a store is tested: a folder, the name of a schema.
    type Guard: Send;

    /// Opens a store for one case. It may be shared by cases, also by those that run at the same
    /// time: each has an issuer of its own.
    async fn open(&self) -> (Self::Store, Self::Guard);

    /// The same store as another process has it; `None` when a process has it alone.
    async fn beside(&self, _guard: &Self::Guard) -> Option<Self::Store> {
        None
    }

    /// Removes what `open` made, when no handle of the store is left; also after a case that
    /// failed.
    async fn close(&self, _guard: Self::Guard) {}

    /// How many random histories the cases run that run such. Each is some hundred calls.
    fn histories(&self) -> u32 {
        64
    }
}

/// A case, for test harnesses of one's own.
#[derive(Clone, Copy, Debug)]
pub struct Case<B> {
    name: &'static str,
    run: fn(B) -> Task,
}

impl<B> Case<B> {
    /// The case of that name.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, run: fn(B) -> Task) -> Self {
        Self { name, run }
    }

    /// The sentence it holds a store to.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// All cases of the three faces and the outbox.
#[must_use]
pub fn cases() -> Vec<Case<Bench>> {
    crate::store_contract!(@cases table)
}

/// All cases of the identities face.
#[must_use]
pub fn identity_cases() -> Vec<Case<IdentityBench>> {
    crate::identity_contract!(@cases table)
}

/// Runs a case and panics when the store fails it. The tasks it starts are run by `spawn`.
pub async fn run<F: StoreFactory>(factory: &F, case: &Case<Bench>, spawn: Spawn) {
    run_with(factory, case, spawn, |_, bench| bench).await;
}

/// The same for a case of the identities face.
pub async fn run_identity<F>(factory: &F, case: &Case<IdentityBench>, spawn: Spawn)
where
    F: StoreFactory<Store: IdentityStore>,
{
    run_with(factory, case, spawn, |store, bench| IdentityBench::new(bench, store)).await;
}

async fn run_with<F: StoreFactory, B>(
    factory: &F,
    case: &Case<B>,
    spawn: Spawn,
    bench: impl FnOnce(Arc<F::Store>, Bench) -> B,
) {
    let (store, guard) = factory.open().await;
    let store = Arc::new(store);
    let mut others: Vec<Arc<dyn StreamStore>> = Vec::new();
    if let Some(other) = factory.beside(&guard).await {
        others.push(Arc::new(other));
    }
    let streams: Arc<dyn StreamStore> = Arc::<F::Store>::clone(&store);
    let streams = Bench::new(streams, others, case.name, factory.histories(), spawn);
    let ended = spawn((case.run)(bench(store, streams))).await;
    factory.close(guard).await;
    if let Err(failure) = ended {
        assert!(!failure.is::<TooLong>(), "{} waits for what does not come", case.name);
        resume_unwind(failure);
    }
}
