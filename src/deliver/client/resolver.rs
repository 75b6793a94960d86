//! Names become addresses, and every address is vetted before one is connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::{EgressError, EgressPolicy};

/// The name resolved to an address that may not be called.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to an address that may not be called")]
pub(super) struct BlockedAnswer(#[source] EgressError);

/// The name did not resolve.
#[derive(Debug, thiserror::Error)]
#[error("the name did not resolve")]
pub(super) struct Unresolved(#[source] Option<io::Error>);

/// Where the addresses of a name come from.
#[async_trait]
pub(super) trait Lookup: fmt::Debug + Send + Sync + 'static {
    /// All addresses of that name.
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver.
#[derive(Debug)]
pub(super) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// Hands out the addresses of a name only if all of them may be called: an answer that mixes
/// public and private addresses is an attack, not a choice.
#[derive(Clone, Debug)]
pub(super) struct VettingResolver {
    policy: EgressPolicy,
    lookup: Arc<dyn Lookup>,
}

impl VettingResolver {
    pub(super) fn new(policy: EgressPolicy, lookup: Arc<dyn Lookup>) -> Self {
        Self { policy, lookup }
    }

    async fn vetted(&self, name: &str) -> Result<Addrs, Box<dyn std::error::Error + Send + Sync>> {
        let addresses = self.lookup.lookup(name).await.map_err(|error| Unresolved(Some(error)))?;
        if addresses.is_empty() {
            return Err(Unresolved(None).into());
        }
        for address in &addresses {
            self.policy.check_address(*address).map_err(BlockedAnswer)?;
        }
        // Port 0 stands for the port of the URL.
        Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))))
    }
}

impl Resolve for VettingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move { resolver.vetted(name.as_str()).await })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::deliver::client::PushClient;
    use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
    use crate::outbox::TransportFailure;
    use crate::stream::EndpointUrl;

    const PUBLIC: &str = "93.184.215.14";

    /// Answers from a script, one answer per lookup; then the name does not exist.
    #[derive(Debug)]
    struct Script(Mutex<VecDeque<Vec<IpAddr>>>);

    #[async_trait]
    impl Lookup for Script {
        async fn lookup(&self, name: &str) -> io::Result<Vec<IpAddr>> {
            assert_eq!(name, "rp.example");
            let answer = self.0.lock().unwrap().pop_front();
            answer.ok_or_else(|| io::ErrorKind::NotFound.into())
        }
    }

    fn script(answers: &[&[&str]]) -> Arc<dyn Lookup> {
        let answer = |addresses: &&[&str]| addresses.iter().map(|a| a.parse().unwrap()).collect();
        Arc::new(Script(Mutex::new(answers.iter().map(answer).collect())))
    }

    async fn push(
        policy: EgressPolicy,
        lookup: Arc<dyn Lookup>,
        url: String,
    ) -> Result<PushResponse, DeliverError> {
        let mut builder = PushClient::builder(policy);
        builder.lookup = lookup;
        let client = builder.build().unwrap();
        let endpoint = EndpointUrl::parse(&url).unwrap();
        let within = Duration::from_secs(5);
        client.deliver(PushRequest::new(endpoint, None, "e30..".into(), within)).await
    }

    fn trap() -> (TcpListener, u16) {
        let trap = TcpListener::bind("127.0.0.1:0").unwrap();
        trap.set_nonblocking(true).unwrap();
        let port = trap.local_addr().unwrap().port();
        (trap, port)
    }

    #[tokio::test]
    async fn one_blocked_address_refuses_the_whole_answer_and_nothing_is_connected() {
        for answer in [["127.0.0.1", PUBLIC], [PUBLIC, "127.0.0.1"]] {
            let (trap, port) = trap();
            let lookup = script(&[&answer]);
            let url = format!("https://rp.example:{port}/");
            let error = push(EgressPolicy::public(), lookup, url).await.unwrap_err();
            assert_eq!(error.kind, TransportFailure::Blocked);
            assert_eq!(trap.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[tokio::test]
    async fn every_resolution_is_vetted_anew_so_that_a_name_cannot_be_rebound() {
        let lookup = script(&[&[PUBLIC], &["127.0.0.1"]]);
        let resolver = VettingResolver::new(EgressPolicy::public(), lookup);
        let first: Vec<_> = resolver.vetted("rp.example").await.unwrap().collect();
        assert_eq!(first, [SocketAddr::new(PUBLIC.parse().unwrap(), 0)]);
        let second = resolver.vetted("rp.example").await.err().unwrap();
        assert!(second.is::<BlockedAnswer>());
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_or_resolves_to_nothing_is_unresolved() {
        for lookup in [script(&[]), script(&[&[]])] {
            let url = "https://rp.example/".to_owned();
            let error = push(EgressPolicy::public(), lookup, url).await.unwrap_err();
            assert_eq!(error.kind, TransportFailure::Resolve);
        }
    }

    #[tokio::test]
    async fn the_connection_is_made_to_the_vetted_address_at_the_port_of_the_url() {
        let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = receiver.local_addr().unwrap().port();
        let answering = std::thread::spawn(move || {
            let (mut connection, _) = receiver.accept().unwrap();
            let mut head = [0; 1024];
            let length = connection.read(&mut head).unwrap();
            connection.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let url = format!("http://rp.example:{port}/");
        let lookup = script(&[&["127.0.0.1"]]);
        let response = push(EgressPolicy::allow_private(), lookup, url).await.unwrap();
        assert_eq!(response.status, 202);
        assert!(answering.join().unwrap().contains(&format!("host: rp.example:{port}\r\n")));
    }
}
