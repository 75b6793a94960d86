//! The store in memory: the reference.

mod backlog;
mod identities;
mod interest;
mod later;
mod operator;
mod outbox;
mod receiver;
mod schedule;
mod state;
mod stream;
mod streams;
mod types;
mod worker;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use self::outbox::MemoryOutbox;
use self::state::State;
use super::{Outbox, StreamStore};

/// A store that keeps everything in memory and forgets it when the process ends.
///
/// It is the reference for the contracts of the [port](super), for tests, for development and for
/// hosts whose events need not outlive them. What a call costs depends on what it returns or
/// changes, not on what else the store holds; [`totals`](super::OperatorStore::totals) alone looks
/// at every stream.
///
/// One lock guards everything. It is held for one call, never across an await, so a dropped future
/// has done all of its work or none.
///
/// ```
/// use std::sync::Arc;
///
/// use ssf_transmitter::store::StreamStore;
/// use ssf_transmitter::store::memory::MemoryStore;
///
/// let store: Arc<dyn StreamStore> = Arc::new(MemoryStore::new());
/// ```
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics halfway through a change; a host's panic leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StreamStore for MemoryStore {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(MemoryOutbox::new(self))
    }
}

impl fmt::Debug for MemoryStore {
    /// Says nothing of the contents: they are other people's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}
