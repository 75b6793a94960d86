//! Where the addresses of a name come from.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves the names of push endpoints.
///
/// # Contract
/// 1. The answer is every address of the name that the client could connect to, in the order in
///    which they should be tried. An empty answer is a name that does not resolve.
/// 2. It is asked before every push, so it should remember answers as long as their time to live
///    allows. It must not remember them longer: a receiver that moves would not be found.
/// 3. It vets nothing: the client vets whatever comes.
/// 4. The future may be dropped at any time.
///
/// # Example
/// ```
/// use std::net::IpAddr;
/// use ssf_transmitter::deliver::client::Resolver;
///
/// /// Every name is the egress gateway.
/// #[derive(Debug)]
/// struct Gateway(IpAddr);
///
/// #[async_trait::async_trait]
/// impl Resolver for Gateway {
///     async fn resolve(&self, _name: &str) -> std::io::Result<Vec<IpAddr>> {
///         Ok(vec![self.0])
///     }
/// }
/// ```
#[async_trait]
pub trait Resolver: fmt::Debug + Send + Sync + 'static {
    /// All addresses of that name.
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

#[async_trait]
impl<T: Resolver + ?Sized> Resolver for Arc<T> {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        (**self).resolve(name).await
    }
}

/// The operating system's resolver: the default. It asks the system each time; a host that pushes
/// much to names should have a caching resolver on the machine, or bring its own. A question that the
/// system does not answer keeps a thread of tokio's blocking pool until the system gives up, which
/// may be long after the push that asked has failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// What the HTTP client resolves every name to: addresses that were vetted before. It never asks
/// anybody.
#[derive(Debug)]
pub(super) struct Pinned(pub(super) Arc<[IpAddr]>);

impl Resolve for Pinned {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses = Arc::clone(&self.0);
        // Port 0 stands for the port of the URL.
        let addresses = (0..addresses.len()).map(move |at| SocketAddr::new(addresses[at], 0));
        Box::pin(async move { Ok(Box::new(addresses) as Addrs) })
    }
}
