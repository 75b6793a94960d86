//! Where everything is: the paths of a transmitter (SSF 1.0 §7.2, RFC 9728 §3).

use url::Url;

use super::profile::Profile;
use super::stream::DeliveryMethod;
use crate::id::{Issuer, StreamId};

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Endpoint {
    /// The transmitter configuration document (SSF 1.0 §7.2). Public.
    Metadata,
    /// The public keys. Public.
    Jwks,
    /// The metadata of the protected resource at that path (RFC 9728). Public.
    ResourceMetadata(String),
    /// Streams (SSF 1.0 §8.1.1).
    Configuration,
    /// Their status (SSF 1.0 §8.1.2).
    Status,
    /// Adding a subject (SSF 1.0 §8.1.3.2).
    AddSubject,
    /// Removing a subject (SSF 1.0 §8.1.3.3).
    RemoveSubject,
    /// Verification (SSF 1.0 §8.1.4).
    Verification,
    /// Polling a stream (RFC 8936); an identifier that is no stream identifier is `None`.
    Poll(Option<StreamId>),
}

/// The paths of one transmitter. An issuer with a path has it before its endpoints and behind its
/// well-known documents.
#[derive(Clone, Debug)]
pub struct Paths {
    origin: String,
    base: String,
    /// What each path behind that of the issuer leads to.
    inner: Vec<(String, Endpoint)>,
    /// The paths of the transmitter configuration document.
    metadata: Vec<String>,
}

const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";

/// The path of a well-known document for an identifier with that path: the document's name goes
/// between host and path, and a terminating slash of the path is removed first (SSF 1.0 §7.2.1,
/// RFC 9728 §3.1).
#[must_use]
pub fn well_known(document: &str, path: &str) -> String {
    format!("{document}{}", path.strip_suffix('/').unwrap_or(path))
}

impl Paths {
    /// The paths of the transmitter with that issuer and profile.
    #[must_use]
    pub fn new(issuer: &Issuer, profile: &Profile) -> Self {
        let (origin, path) = match Url::parse(issuer.as_str()) {
            Ok(url) => (url.origin().ascii_serialization(), url.path().to_owned()),
            // An issuer is a URL by construction.
            Err(_) => (issuer.as_str().to_owned(), String::new()),
        };
        let base = path.strip_suffix('/').unwrap_or(&path).to_owned();
        let (mut inner, mut metadata) = (Vec::new(), Vec::new());
        for (path, endpoint) in profile.locations.table() {
            match endpoint {
                Endpoint::Metadata => metadata.push(well_known(path, &base)),
                // Where nothing can be polled there is no endpoint.
                Endpoint::Poll(_) if !profile.delivers_by(DeliveryMethod::Poll) => {}
                endpoint => inner.push((path.to_owned(), endpoint)),
            }
        }
        Self { origin, base, inner, metadata }
    }

    /// What a path leads to.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Endpoint> {
        if self.metadata.iter().any(|known| known == path) {
            return Some(Endpoint::Metadata);
        }
        if let Some(resource) = path.strip_prefix(RESOURCE_METADATA) {
            let known = resource == self.base || self.is_protected(resource);
            return known.then(|| Endpoint::ResourceMetadata(resource.to_owned()));
        }
        self.find_inner(path)
    }

    /// The URL of an endpoint; `None` when this transmitter does not have it.
    #[must_use]
    pub fn url(&self, endpoint: &Endpoint) -> Option<String> {
        let Self { origin, base, .. } = self;
        let path = |wanted: &Endpoint| {
            let found = self.inner.iter().find(|(_, endpoint)| endpoint == wanted);
            found.map(|(path, _)| format!("{origin}{base}{path}"))
        };
        match endpoint {
            Endpoint::Metadata => self.metadata.first().map(|path| format!("{origin}{path}")),
            Endpoint::ResourceMetadata(path) => {
                Some(format!("{origin}{}", well_known(RESOURCE_METADATA, path)))
            }
            Endpoint::Poll(id) => {
                let id = id.as_ref().map_or("", StreamId::as_str);
                path(&Endpoint::Poll(None)).map(|url| url + id)
            }
            other => path(other),
        }
    }

    /// The URL of the resource that has that path: what RFC 9728 §2 calls `resource`.
    #[must_use]
    pub fn resource(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    fn is_protected(&self, path: &str) -> bool {
        match self.find_inner(path) {
            Some(Endpoint::Poll(stream)) => stream.is_some(),
            Some(endpoint) => endpoint != Endpoint::Jwks,
            None => false,
        }
    }

    /// What a path behind that of the issuer leads to.
    fn find_inner(&self, path: &str) -> Option<Endpoint> {
        let inner = path.strip_prefix(&self.base)?;
        self.inner.iter().find_map(|(path, endpoint)| match endpoint {
            Endpoint::Poll(_) => {
                inner.strip_prefix(path).map(|id| Endpoint::Poll(StreamId::parse(id).ok()))
            }
            endpoint => (path == inner).then(|| endpoint.clone()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(issuer: &str) -> Paths {
        Paths::new(&Issuer::parse(issuer).unwrap(), &Profile::ssf())
    }

    #[test]
    fn the_document_goes_between_host_and_path_ssf_1_0_7_2_1() {
        for (issuer, url) in [
            ("https://h.example", "https://h.example/.well-known/ssf-configuration"),
            ("https://h.example/", "https://h.example/.well-known/ssf-configuration"),
            ("https://h.example/a", "https://h.example/.well-known/ssf-configuration/a"),
            ("https://h.example/a/", "https://h.example/.well-known/ssf-configuration/a"),
            (
                "https://h.example:8443/a/b",
                "https://h.example:8443/.well-known/ssf-configuration/a/b",
            ),
        ] {
            let paths = paths(issuer);
            assert_eq!(paths.url(&Endpoint::Metadata).as_deref(), Some(url));
            let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap();
            assert_eq!(paths.find(&path), Some(Endpoint::Metadata), "{issuer}");
        }
    }

    #[test]
    fn every_url_leads_back_to_its_endpoint() {
        for issuer in ["https://h.example", "https://h.example/t1"] {
            let paths = paths(issuer);
            for endpoint in [
                Endpoint::Configuration,
                Endpoint::Status,
                Endpoint::AddSubject,
                Endpoint::RemoveSubject,
                Endpoint::Verification,
                Endpoint::Jwks,
                Endpoint::Poll(StreamId::parse("s-1").ok()),
                Endpoint::ResourceMetadata(format!("{}/ssf/streams", paths.base)),
            ] {
                let url = paths.url(&endpoint).unwrap();
                let path = url.strip_prefix("https://h.example").unwrap();
                assert_eq!(paths.find(path), Some(endpoint), "{url}");
            }
        }
    }

    #[test]
    fn what_a_profile_does_not_have_is_nowhere() {
        let issuer = Issuer::parse("https://h.example").unwrap();
        let paths = Paths::new(&issuer, &Profile::sailpoint());
        let poll = Endpoint::Poll(StreamId::parse("s-1").ok());
        for endpoint in [Endpoint::AddSubject, Endpoint::RemoveSubject, poll] {
            assert_eq!(paths.url(&endpoint), None, "{endpoint:?}");
        }
        for path in ["/ssf/v1/poll/s-1", "/ssf/poll/s-1", "/ssf/streams", "/ssf/subjects/add"] {
            assert_eq!(paths.find(path), None, "{path}");
        }
    }

    #[test]
    fn an_issuer_with_a_path_answers_nowhere_else() {
        let paths = paths("https://h.example/t1");
        for path in
            ["/ssf/streams", "/jwks.json", "/.well-known/ssf-configuration", "/t1x/jwks.json"]
        {
            assert_eq!(paths.find(path), None, "{path}");
        }
    }
}
