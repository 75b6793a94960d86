//! TLS for the listener: 1.2 and 1.3, with the provider named explicitly.

use std::io::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

/// A client that does not finish its handshake in this time is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A listener whose connections have finished their handshake.
pub(crate) struct TlsListener {
    connections: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    /// Serves TLS on that listener. Handshakes run beside each other: a slow client delays nobody.
    pub(crate) fn new(listener: TcpListener, cert: &Path, key: &Path) -> Result<Self, Error> {
        let acceptor = TlsAcceptor::from(Arc::new(config(cert, key).map_err(Error::other)?));
        let address = listener.local_addr()?;
        let (ready, connections) = mpsc::channel(64);
        tokio::spawn(async move {
            let mut listener = listener;
            loop {
                let (stream, peer) = Listener::accept(&mut listener).await;
                let (acceptor, ready) = (acceptor.clone(), ready.clone());
                tokio::spawn(async move {
                    let handshake = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        let _ = ready.send((stream, peer)).await;
                    }
                });
            }
        });
        Ok(Self { connections, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The accepting task lives as long as the runtime.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> Result<SocketAddr, Error> {
        Ok(self.address)
    }
}

fn config(
    cert: &Path,
    key: &Path,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)?.collect();
    let key = PrivateKeyDer::from_pem_file(key)?;
    Ok(ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain?, key)?)
}
