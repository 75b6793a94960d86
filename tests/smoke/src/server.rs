//! A server under test: a process of its own.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::http::Client;

/// The receiver that the test speaks for, the operator's token, and polls that wait for longer than
/// the test would.
const FLAGS: [&str; 5] = [
    "--listen=127.0.0.1:0",
    "--receiver=rp=t0ken,aud=https://rp.example",
    "--admin-token=adm1n",
    "--poll-timeout=600",
    "--min-verification-interval=0",
];

pub(crate) struct Server {
    process: Child,
    url: String,
}

impl Server {
    /// Starts that program, with more flags than all have, and waits until it says where it listens.
    pub(crate) async fn start(program: &str, more: &[&str]) -> Self {
        let mut process = Command::new(program)
            .args(FLAGS)
            .args(more)
            // Lets the receiver be on this machine; as a variable, which a flag may be as well.
            .env("SSF_ALLOW_PRIVATE_PUSH", "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().unwrap();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { process, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(&self.url, token)
    }

    /// Tells the server to stop and sees it end well.
    pub(crate) async fn stop(mut self) {
        let id = self.process.id().unwrap().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success());
        let status = self.process.wait().await.unwrap();
        assert!(status.success(), "{status}");
    }
}
