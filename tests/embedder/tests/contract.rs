//! The store of vectors keeps the contract of stores.
//!
//! This is how a store outside the library's repository proves itself: a factory and a macro. It
//! promises nothing about identities, so it does not ask for their cases.

use async_trait::async_trait;
use embedder::VecStore;
use ssf_transmitter::testkit::store::StoreFactory;

#[derive(Debug)]
struct Vectors;

#[async_trait]
impl StoreFactory for Vectors {
    type Store = VecStore;
    type Guard = ();

    async fn open(&self) -> (VecStore, ()) {
        (VecStore::default(), ())
    }
}

ssf_transmitter::store_contract!(Vectors);
