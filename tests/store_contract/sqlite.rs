//! The store in an SQLite file.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::testkit::store::StoreFactory;

/// A file for each case.
#[derive(Debug)]
struct Sqlite;

#[async_trait]
impl StoreFactory for Sqlite {
    type Store = SqliteStore;
    type Guard = PathBuf;

    async fn open(&self) -> (SqliteStore, PathBuf) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("ssf-contract-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("transmitter.db");
        (SqliteStore::open(file, SqliteOptions::default()).await.unwrap(), folder)
    }

    async fn close(&self, folder: PathBuf) {
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Each commit is on the disk before the next begins.
    fn histories(&self) -> u32 {
        4
    }
}

ssf_transmitter::store_contract!(Sqlite);
ssf_transmitter::identity_contract!(Sqlite);
