//! A line to a server that can be cut: by an answer that says so, or by silence.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use crate::Server;

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Line {
    /// It goes through.
    Through,
    /// It is cut, and nobody answers a call.
    Cut,
    /// It is silent: what is sent arrives nowhere. Connections that saw it are lost.
    Silent,
}

/// A line to a server.
#[derive(Debug)]
pub struct Proxy {
    url: String,
    line: watch::Sender<Line>,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An end of a line.
trait End: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> End for T {}

impl Proxy {
    /// A line that goes through.
    pub async fn to(server: &Server) -> Self {
        let target = Arc::new(Url::parse(server.url()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = Url::parse(server.url()).unwrap();
        let address = listener.local_addr().unwrap();
        url.set_ip_host(address.ip()).unwrap();
        url.set_port(Some(address.port())).unwrap();
        url.set_query(None);
        let (line, state) = watch::channel(Line::Through);
        let task = tokio::spawn(serve(listener, target, state));
        Self { url: url.into(), line, task }
    }

    /// The URL of the server over this line.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the line does from now on.
    pub fn set(&self, line: Line) {
        self.line.send_replace(line);
    }
}

async fn serve(listener: TcpListener, target: Arc<Url>, mut state: watch::Receiver<Line>) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        if *state.borrow_and_update() == Line::Cut {
            // Nobody listens, so callers are refused.
            drop(listener.take());
            state.changed().await.unwrap();
            continue;
        }
        if listener.is_none() {
            listener = TcpListener::bind(address).await.ok();
        }
        let Some(listening) = &listener else { continue };
        tokio::select! {
            changed = state.changed() => changed.unwrap(),
            caller = listening.accept() => {
                let (caller, _) = caller.unwrap();
                tokio::spawn(carry(caller, Arc::clone(&target), state.clone()));
            }
        }
    }
}

/// Carries one connection until the line does something else.
async fn carry(mut caller: TcpStream, target: Arc<Url>, mut state: watch::Receiver<Line>) {
    if *state.borrow_and_update() == Line::Through {
        let Some(mut server) = connect(&target).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut caller, &mut server) => return,
            _ = state.changed() => {}
        }
    }
    while *state.borrow_and_update() == Line::Silent && state.changed().await.is_ok() {}
}

async fn connect(target: &Url) -> Option<Box<dyn End>> {
    let port = target.port().unwrap_or(5432);
    let socket = target.query_pairs().find(|(name, _)| name == "host");
    match socket {
        Some((_, folder)) => {
            let socket = UnixStream::connect(format!("{folder}/.s.PGSQL.{port}")).await.ok()?;
            Some(Box::new(socket))
        }
        None => Some(Box::new(TcpStream::connect((target.host_str()?, port)).await.ok()?)),
    }
}
