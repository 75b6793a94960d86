//! The servers, which are killed and started again.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::receiver::{Client, Receiver};

pub(crate) const ISSUER: &str = "https://tr.example.com";
pub(crate) const REVOKED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
pub(crate) const CHANGED: &str =
    "https://schemas.openid.net/secevent/caep/event-type/credential-change";
pub(crate) const OPERATOR: &str = "adm1n";

/// The receivers: two that are pushed to, each wanting one type of event, and two that poll both types.
pub(crate) const PUSHED: [(&str, &str); 2] = [("push-a", REVOKED), ("push-b", CHANGED)];
pub(crate) const POLLED: [&str; 2] = ["poll-c", "poll-d"];

const FLAGS: [&str; 9] = [
    "--listen=127.0.0.1:0",
    "--issuer=https://tr.example.com",
    "--receiver=push-a=push-a,aud=push-a",
    "--receiver=push-b=push-b,aud=push-b",
    "--receiver=poll-c=poll-c,aud=poll-c",
    "--receiver=poll-d=poll-d,aud=poll-d",
    "--admin-token=adm1n",
    "--lease=2",
    "--push-deadline=0.5",
];
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Where each server listens now.
pub(crate) type Urls = Arc<Mutex<Vec<String>>>;

pub(crate) struct Fleet {
    flags: Vec<String>,
    servers: Vec<Child>,
    urls: Urls,
    kills: Vec<Instant>,
}

impl Fleet {
    pub(crate) async fn start(flags: &[&str], servers: usize) -> Self {
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        let (urls, kills) = (Urls::default(), Vec::new());
        let mut fleet = Self { flags, servers: Vec::new(), urls, kills };
        for _ in 0..servers {
            let (server, url) = fleet.spawn().await;
            fleet.servers.push(server);
            fleet.urls.lock().unwrap().push(url);
        }
        fleet
    }

    async fn spawn(&self) -> (Child, String) {
        let mut server = Command::new(env!("CARGO_BIN_EXE_axum-server"))
            .args(FLAGS)
            .args(&self.flags)
            .args(["--log=error", "--poll-timeout=1", "--allow-private-push"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let line = timeout(STARTS_WITHIN, lines.next_line()).await.unwrap().unwrap().unwrap();
        (server, line.strip_prefix("listening on ").unwrap().to_owned())
    }

    /// Kills a server (SIGKILL) and starts another in its place.
    pub(crate) async fn kill(&mut self, server: usize) {
        self.servers[server].start_kill().unwrap();
        self.kills.push(Instant::now());
        self.servers[server].wait().await.unwrap();
        let (child, url) = self.spawn().await;
        self.servers[server] = child;
        self.urls.lock().unwrap()[server] = url;
    }

    pub(crate) fn kills(&self) -> Vec<Instant> {
        self.kills.clone()
    }

    /// Calls all servers, wherever they are.
    pub(crate) fn client(&self, token: &str) -> Client {
        Client::new(Arc::clone(&self.urls), token)
    }

    /// Creates the streams; returns those that are polled.
    pub(crate) async fn create_streams(&self, receiver: &Receiver) -> [String; 2] {
        for (client, event_type) in PUSHED {
            let delivery = json!({
                "method": "urn:ietf:rfc:8935", "endpoint_url": receiver.url(client),
            });
            self.create(client, json!({"delivery": delivery, "events_requested": [event_type]}))
                .await;
        }
        let polled = json!({"delivery": {"method": "urn:ietf:rfc:8936"}});
        let [c, d] = POLLED;
        [self.create(c, polled.clone()).await, self.create(d, polled).await]
    }

    async fn create(&self, client: &str, stream: Value) -> String {
        let created = self.client(client).post("/ssf/streams", &[], &stream).await.unwrap();
        assert_eq!(created.0, 201, "{created:?}");
        created.1["stream_id"].as_str().unwrap().to_owned()
    }

    /// Waits until no stream has anything that waits.
    pub(crate) async fn until_nothing_waits(&self) {
        let operator = self.client(OPERATOR);
        loop {
            let streams = operator.get("/admin/streams").await.unwrap_or_default().1;
            let streams = streams["streams"].as_array().cloned().unwrap_or_default();
            if !streams.is_empty() && streams.iter().all(|stream| stream["backlog"] == 0) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the servers as an operator does.
    pub(crate) async fn stop(&mut self) {
        for server in &mut self.servers {
            let id = server.id().unwrap().to_string();
            assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
            let ended = timeout(STARTS_WITHIN, server.wait()).await.unwrap().unwrap();
            assert!(ended.success(), "{ended}");
        }
    }
}
