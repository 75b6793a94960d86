//! The server passes the smoke test over each store that outlives it.

#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

use cluster::{Cases, Server};

const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-server");

fn main() -> ExitCode {
    Cases::new()
        .without_server("the_server_passes_the_smoke_test_over_sqlite", sqlite)
        .with("the_server_passes_the_smoke_test_over_postgres", postgres)
        .main()
}

fn folder(name: &str) -> PathBuf {
    let folder = env::temp_dir().join(format!("ssf-stores-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

async fn sqlite() {
    let folder = folder("sqlite");
    let file = folder.join("transmitter.db");
    smoke::run_with(PROGRAM, &[&format!("--store=sqlite:{}", file.display())]).await;
    for name in ["transmitter.db", "transmitter.db.keys.json"] {
        let mode = fs::metadata(folder.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    fs::remove_dir_all(folder).unwrap();
}

async fn postgres(server: Arc<Server>) {
    let (schema, folder) = (server.new_schema(), folder("postgres"));
    let store = format!("--store={}", server.url_in(&schema).await);
    let keys = format!("--signing-key={}", folder.join("keys.json").display());
    smoke::run_with(PROGRAM, &[&store, &keys]).await;
    server.drop_schema(&schema).await;
    fs::remove_dir_all(folder).unwrap();
}
