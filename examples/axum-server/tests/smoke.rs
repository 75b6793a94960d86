//! The server passes the smoke test that all example servers pass.

#[tokio::test]
async fn the_server_passes_the_smoke_test() {
    smoke::run(env!("CARGO_BIN_EXE_axum-server")).await;
}
