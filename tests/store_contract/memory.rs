//! The store in memory, as itself and behind each of the pointers that are stores.

use std::sync::Arc;

use async_trait::async_trait;
use ssf_transmitter::MemoryStore;
use ssf_transmitter::store::StreamStore;
use ssf_transmitter::testkit::store::StoreFactory;

#[derive(Debug)]
struct Memory;

#[async_trait]
impl StoreFactory for Memory {
    type Store = MemoryStore;
    type Guard = ();

    async fn open(&self) -> (MemoryStore, ()) {
        (MemoryStore::new(), ())
    }

    fn histories(&self) -> u32 {
        256
    }
}

#[derive(Debug)]
struct Boxed;

#[async_trait]
impl StoreFactory for Boxed {
    type Store = Box<dyn StreamStore>;
    type Guard = ();

    async fn open(&self) -> (Self::Store, ()) {
        (Box::new(MemoryStore::new()), ())
    }
}

#[derive(Debug)]
struct Shared;

#[async_trait]
impl StoreFactory for Shared {
    type Store = Arc<dyn StreamStore>;
    type Guard = Arc<dyn StreamStore>;

    async fn open(&self) -> (Self::Store, Self::Guard) {
        let store: Self::Store = Arc::new(MemoryStore::new());
        (Arc::clone(&store), store)
    }

    async fn beside(&self, store: &Self::Guard) -> Option<Self::Store> {
        Some(Arc::clone(store))
    }
}

mod itself {
    ssf_transmitter::store_contract!(super::Memory);
    ssf_transmitter::identity_contract!(super::Memory);
}

mod boxed {
    ssf_transmitter::store_contract!(super::Boxed);
}

mod shared {
    ssf_transmitter::store_contract!(super::Shared);
}
