use super::*;
use crate::store::sql::{LOOK, LOOK_SIGNED, Value};

/// A folder that is removed with its last user.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("ssf-sqlite-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn database(&self) -> std::path::PathBuf {
        self.0.join("transmitter.db")
    }

    async fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(self.database(), SqliteOptions::default()).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const VERSION: &str = "SELECT max(version) FROM ssf_migrations";

async fn set_version(store: &SqliteStore, version: i64, least: i64) {
    let mut transaction = store.database.begin(Access::Write).await.unwrap();
    let statement = "INSERT INTO ssf_migrations (version, least) VALUES ($1, $2)";
    transaction.run(statement, &[version.into(), least.into()]).await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn a_file_is_made_for_its_owner_only_and_opened_again() {
    let folder = Folder::new("again");
    for _ in 0..2 {
        let store = folder.open().await.unwrap();
        let mut read = store.database.begin(Access::Read).await.unwrap();
        assert_eq!(read.rows(VERSION, &[]).await.unwrap()[0].int(0).unwrap(), 1);
        drop(read);
        store.close().await;
    }
    #[cfg(unix)]
    for beside in ["", ".lock"] {
        let mut path = folder.database().into_os_string();
        path.push(beside);
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(path).unwrap());
        assert_eq!(mode & 0o777, 0o600, "{beside}");
    }
}

#[tokio::test]
async fn a_second_transmitter_is_refused() {
    let folder = Folder::new("second");
    let first = folder.open().await.unwrap();
    assert!(matches!(folder.open().await, Err(OpenError::InUse)));
    first.close().await;
    folder.open().await.unwrap().close().await;
}

#[tokio::test]
async fn a_schema_of_a_newer_library_is_refused_unless_it_says_otherwise() {
    let folder = Folder::new("newer");
    let store = folder.open().await.unwrap();
    set_version(&store, 2, 1).await;
    store.close().await;
    let store = folder.open().await.unwrap();
    set_version(&store, 3, 2).await;
    store.close().await;
    let refused = folder.open().await.unwrap_err();
    assert!(matches!(refused, OpenError::Schema(SchemaError::Unknown { found: 3 })), "{refused:?}");
}

#[tokio::test]
async fn a_host_that_migrates_itself_is_told_what_is_missing() {
    let folder = Folder::new("check");
    let options = SqliteOptions { migration: Migration::Check, ..SqliteOptions::default() };
    let refused = SqliteStore::open(folder.database(), options).await.unwrap_err();
    let missing = SchemaError::Missing { found: 0, wanted: 1 };
    assert!(matches!(refused, OpenError::Schema(error) if error == missing), "{refused:?}");
}

#[tokio::test]
async fn what_is_not_committed_leaves_nothing_behind() {
    let folder = Folder::new("rollback");
    let store = folder.open().await.unwrap();
    let insert = "INSERT INTO ssf_issuers (issuer) VALUES ($1) RETURNING no";
    let mut begun = store.database.begin(Access::Write).await.unwrap();
    begun.rows(insert, &["https://tr.example.com".into()]).await.unwrap();
    drop(begun);
    let mut next = store.database.begin(Access::Write).await.unwrap();
    let count = next.rows("SELECT count(*) FROM ssf_issuers", &[]).await.unwrap();
    assert_eq!(count[0].int(0).unwrap(), 0);
    next.run(insert, &["https://tr.example.com".into()]).await.unwrap();
    let taken = next.run(insert, &["https://tr.example.com".into()]).await.unwrap_err();
    assert!(matches!(taken, StoreError::IdTaken), "{taken:?}");
}

#[tokio::test]
async fn values_come_back() {
    let folder = Folder::new("values");
    let store = folder.open().await.unwrap();
    let mut read = store.database.begin(Access::Read).await.unwrap();
    let arguments = [Value::from(i64::MIN), "ä\n".into(), None::<i64>.into(), None::<&str>.into()];
    let rows = read.rows("SELECT $1, $2, $3, $4, 1 = 1", &arguments).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), i64::MIN);
    assert_eq!(rows[0].text(1).unwrap(), "ä\n");
    assert_eq!(rows[0].opt_int(2).unwrap(), None);
    assert_eq!(rows[0].opt_text(3).unwrap(), None);
    assert_eq!(rows[0].int(4).unwrap(), 1);
    assert!(matches!(rows[0].int(1), Err(StoreError::Corrupt(_))));
    let rows = "SELECT a, b, n FROM {rows $1: a text, b bigint} r ORDER BY n";
    let rows = read.rows(rows, &[r#"[["x", 1], [null, 2]]"#.into()]).await.unwrap();
    assert_eq!((rows[0].text(0).unwrap(), rows[0].int(1).unwrap()), ("x", 1));
    assert_eq!((rows[1].opt_text(0).unwrap(), rows[1].int(2).unwrap()), (None, 1));
}

// Worker 4: SQLite, too, finds each kind by an index that leads to it.
#[tokio::test]
async fn each_kind_of_entry_is_found_by_an_index_of_its_own() {
    let folder = Folder::new("look");
    let store = folder.open().await.unwrap();
    let mut session = store.database.begin(Access::Read).await.unwrap();
    for look in [LOOK, LOOK_SIGNED] {
        let explain: &'static str = Box::leak(format!("EXPLAIN QUERY PLAN {look}").into());
        let arguments = ["[]".into(), 1.into(), 1.into(), "[]".into()];
        let plan = session.rows(explain, &arguments).await.unwrap();
        let steps = plan.iter().map(|row| row.text(3).unwrap());
        let heads: Vec<_> = steps.filter(|step| step.starts_with("SEARCH h")).collect();
        assert!(heads.len() >= 5, "{plan:?}");
        // All but those of leases, which is of nothing else, lead further than to the stream.
        let led = |step: &&&str| step.contains(" AND ") || step.contains("ssf_entries_8 ");
        let astray: Vec<_> = heads.iter().filter(|step| !led(step)).collect();
        assert!(astray.is_empty(), "{astray:?}");
    }
}
