//! Identities in an SQLite file.

use std::sync::Arc;

use crate::reporters::{self, Reporter};
use crate::world::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn two_reporters_of_one_change_fire_once() {
    let folder = Folder::new();
    let store = Arc::new(folder.open().await);
    let reporters = [Reporter::new(&store), Reporter::new(&store)];
    reporters::two_reporters_of_one_change_fire_once(reporters, 50).await;
}

#[tokio::test]
async fn a_crash_at_any_point_fires_once() {
    let folder = Folder::new();
    let store = Arc::new(folder.open().await);
    reporters::a_crash_at_any_point_fires_once(Reporter::new(&store)).await;
}
