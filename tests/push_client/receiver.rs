//! Receivers that do as they are told, and what every test needs to push to them.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener as StdListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ssf_transmitter::deliver::client::PushClient;
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

pub(crate) const TOKEN: &str = "eyJhbGciOiJub25lIn0.e30.";
pub(crate) const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n";
/// Any port on loopback.
pub(crate) const LOOPBACK: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
/// Far enough away for every exchange that is to succeed.
pub(crate) const AMPLE: Duration = Duration::from_secs(10);

/// What a receiver does once it has a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Sends these bytes and waits for the next request.
    Bytes(Vec<u8>),
    /// Sends these bytes and then the same chunk for ever.
    Endless(&'static [u8], &'static [u8]),
    /// Sends these bytes, and then one byte every 100 ms.
    Drip(&'static [u8]),
    /// Sends nothing until the client goes away.
    Hang,
    /// Sends these bytes and resets the connection.
    Reset(&'static [u8]),
}

/// A receiver on loopback that gives every request the same answer.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Vec<u8>>>,
    /// A request has come.
    came: Notify,
    /// A client has gone while the receiver was hanging.
    gone: Notify,
}

impl Receiver {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::listen(LOOPBACK, answer, None).await
    }

    pub(crate) async fn start_tls(answer: Answer, tls: TlsAcceptor) -> Self {
        Self::listen(LOOPBACK, answer, Some(tls)).await
    }

    /// A receiver at that address; port 0 is any.
    pub(crate) async fn listen(
        address: SocketAddr,
        answer: Answer,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        tokio::spawn(accept(listener, answer, tls, seen.clone()));
        Self { address, seen }
    }

    /// The requests so far, byte by byte.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.seen.requests.lock().unwrap();
        requests.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    pub(crate) async fn came(&self) {
        self.seen.came.notified().await;
    }

    pub(crate) async fn gone(&self) {
        self.seen.gone.notified().await;
    }
}

/// A listener that nobody is to connect to.
#[derive(Debug)]
pub(crate) struct Trap(StdListener);

impl Trap {
    pub(crate) fn set() -> Self {
        Self::set_at(LOOPBACK)
    }

    pub(crate) fn set_at(address: SocketAddr) -> Self {
        let listener = StdListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Whether anybody has connected since the last look.
    pub(crate) fn caught(&self) -> bool {
        self.0.accept().is_ok()
    }
}

#[test]
fn a_trap_notices_a_connection() {
    let trap = Trap::set();
    assert!(!trap.caught());
    let _connection = std::net::TcpStream::connect(trap.address()).unwrap();
    assert!(trap.caught());
}

/// A client that may call loopback.
pub(crate) fn client() -> PushClient {
    PushClient::builder(EgressPolicy::allow_private()).build().unwrap()
}

pub(crate) fn request(url: &str, authorization: Option<&str>, within: Duration) -> PushRequest {
    PushRequest::new(
        EndpointUrl::parse(url).unwrap(),
        authorization.map(|text| AuthorizationHeader::parse(text).unwrap()),
        TOKEN.into(),
        within,
    )
}

/// Pushes to a plain receiver.
pub(crate) async fn push(
    address: SocketAddr,
    within: Duration,
) -> Result<PushResponse, DeliverError> {
    client().deliver(request(&format!("http://{address}/"), None, within)).await
}

/// All that an operator could print of an error.
pub(crate) fn shown(error: &DeliverError) -> String {
    let mut shown = String::new();
    let mut next: Option<&dyn Error> = Some(error);
    while let Some(error) = next {
        shown += &format!("{error} {error:?}\n");
        next = error.source();
    }
    shown
}

async fn accept(listener: TcpListener, answer: Answer, tls: Option<TlsAcceptor>, seen: Arc<Seen>) {
    while let Ok((connection, _)) = listener.accept().await {
        seen.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(connection, answer.clone(), tls.clone(), seen.clone()));
    }
}

/// Broken connections are what some tests are about, so they end in silence here.
async fn serve(
    connection: TcpStream,
    answer: Answer,
    tls: Option<TlsAcceptor>,
    seen: Arc<Seen>,
) -> std::io::Result<()> {
    if matches!(answer, Answer::Reset(_)) {
        connection.set_zero_linger()?;
    }
    match tls {
        None => converse(connection, answer, &seen).await,
        Some(tls) => converse(tls.accept(connection).await?, answer, &seen).await,
    }
}

async fn converse(
    mut connection: impl AsyncRead + AsyncWrite + Unpin,
    answer: Answer,
    seen: &Seen,
) -> std::io::Result<()> {
    loop {
        let request = read_request(&mut connection).await?;
        seen.requests.lock().unwrap().push(request);
        seen.came.notify_one();
        match &answer {
            Answer::Bytes(bytes) => connection.write_all(bytes).await?,
            Answer::Endless(head, chunk) => {
                connection.write_all(head).await?;
                loop {
                    connection.write_all(chunk).await?;
                }
            }
            Answer::Drip(head) => {
                connection.write_all(head).await?;
                let mut beat = tokio::time::interval(Duration::from_millis(100));
                loop {
                    beat.tick().await;
                    connection.write_all(b"x").await?;
                    connection.flush().await?;
                }
            }
            Answer::Hang => {
                while connection.read_u8().await.is_ok() {}
                seen.gone.notify_one();
                return Ok(());
            }
            Answer::Reset(bytes) => return connection.write_all(bytes).await,
        }
        connection.flush().await?;
    }
}

/// Reads a head and as much body as its `content-length` says.
async fn read_request(connection: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    connection.read_exact(&mut body).await?;
    request.extend(body);
    Ok(request)
}
