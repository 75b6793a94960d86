//! An HTTP server on loopback that answers as it is told and counts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 200 with this JSON.
    Json(String),
    /// That status, with a place to be redirected to.
    Status(u16),
    /// The connection is closed.
    Nothing,
    /// 200, and then a body without an end.
    Endless,
    /// Nothing until [`Server::release`], then 200 with this JSON.
    Held(String),
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    reply: Mutex<Reply>,
    requests: Mutex<Vec<String>>,
    came: Notify,
    release: Notify,
}

impl Server {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            reply: Mutex::new(reply),
            requests: Mutex::default(),
            came: Notify::new(),
            release: Notify::new(),
        });
        let served = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(serve(connection, Arc::clone(&served)));
            }
        });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/endpoint?key=s3cret", self.address)
    }

    pub(crate) fn reply(&self, reply: Reply) {
        *self.state.reply.lock().unwrap() = reply;
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.requests().len()
    }

    /// Waits for a request.
    pub(crate) async fn came(&self) {
        self.state.came.notified().await;
    }

    /// Lets one held reply go.
    pub(crate) fn release(&self) {
        self.state.release.notify_one();
    }
}

/// An address where nobody listens.
pub(crate) fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/endpoint?key=s3cret", listener.local_addr().unwrap())
}

async fn serve(mut connection: TcpStream, state: Arc<State>) -> std::io::Result<()> {
    let request = read_request(&mut connection).await?;
    state.requests.lock().unwrap().push(request);
    state.came.notify_one();
    let reply = state.reply.lock().unwrap().clone();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    match reply {
        Reply::Json(json) => {
            let length = json.len();
            let answer = format!("{head}content-length: {length}\r\n\r\n{json}");
            connection.write_all(answer.as_bytes()).await
        }
        Reply::Status(status) => {
            let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\nlocation: /other\r\n");
            connection.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).await
        }
        Reply::Nothing => Ok(()),
        Reply::Endless => {
            connection.write_all(format!("{head}\r\n").as_bytes()).await?;
            loop {
                connection.write_all(&[b' '; 4096]).await?;
            }
        }
        Reply::Held(json) => {
            state.release.notified().await;
            let length = json.len();
            let answer = format!("{head}content-length: {length}\r\n\r\n{json}");
            connection.write_all(answer.as_bytes()).await
        }
    }
}

/// Reads the head and as much of a body as it announces.
async fn read_request(connection: &mut TcpStream) -> std::io::Result<String> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= announced.map_or(0, |length| length.parse().unwrap()) {
                return Ok(text.into_owned());
            }
        }
        if connection.read_buf(&mut request).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}
