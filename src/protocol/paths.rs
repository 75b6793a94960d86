//! Where everything is: the paths of a transmitter (SSF 1.0 §7.2, RFC 9728 §3).

use url::Url;

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
}

const METADATA: &str = "/.well-known/ssf-configuration";
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
const JWKS: &str = "/jwks.json";
const POLL: &str = "/ssf/poll/";

/// The protected endpoints that have one path each.
const PROTECTED: [(&str, Endpoint); 5] = [
    ("/ssf/streams", Endpoint::Configuration),
    ("/ssf/status", Endpoint::Status),
    ("/ssf/subjects/add", Endpoint::AddSubject),
    ("/ssf/subjects/remove", Endpoint::RemoveSubject),
    ("/ssf/verify", Endpoint::Verification),
];

/// The path of a well-known document for an identifier with that path: the document's name goes
/// between host and path, and a terminating slash of the path is removed first (SSF 1.0 §7.2.1,
/// RFC 9728 §3.1).
#[must_use]
pub fn well_known(document: &str, path: &str) -> String {
    format!("{document}{}", path.strip_suffix('/').unwrap_or(path))
}

impl Paths {
    /// The paths of the transmitter with that issuer.
    #[must_use]
    pub fn new(issuer: &Issuer) -> Self {
        let (origin, path) = match Url::parse(issuer.as_str()) {
            Ok(url) => (url.origin().ascii_serialization(), url.path().to_owned()),
            // An issuer is a URL by construction.
            Err(_) => (issuer.as_str().to_owned(), String::new()),
        };
        let base = path.strip_suffix('/').unwrap_or(&path).to_owned();
        Self { origin, base }
    }

    /// What a path leads to.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Endpoint> {
        if path == well_known(METADATA, &self.base) {
            return Some(Endpoint::Metadata);
        }
        if let Some(resource) = path.strip_prefix(RESOURCE_METADATA) {
            let known = resource == self.base || self.is_protected(resource);
            return known.then(|| Endpoint::ResourceMetadata(resource.to_owned()));
        }
        self.find_inner(path)
    }

    /// The URL of an endpoint.
    #[must_use]
    pub fn url(&self, endpoint: &Endpoint) -> String {
        let Self { origin, base } = self;
        match endpoint {
            Endpoint::Metadata => format!("{origin}{}", well_known(METADATA, base)),
            Endpoint::ResourceMetadata(path) => {
                format!("{origin}{}", well_known(RESOURCE_METADATA, path))
            }
            Endpoint::Jwks => format!("{origin}{base}{JWKS}"),
            Endpoint::Poll(id) => {
                format!("{origin}{base}{POLL}{}", id.as_ref().map_or("", StreamId::as_str))
            }
            protected => {
                let path = PROTECTED.iter().find(|(_, known)| known == protected);
                format!("{origin}{base}{}", path.map_or("", |(path, _)| path))
            }
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
        if inner == JWKS {
            return Some(Endpoint::Jwks);
        }
        if let Some(id) = inner.strip_prefix(POLL) {
            return Some(Endpoint::Poll(StreamId::parse(id).ok()));
        }
        PROTECTED.iter().find(|(path, _)| *path == inner).map(|(_, endpoint)| endpoint.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(issuer: &str) -> Paths {
        Paths::new(&Issuer::parse(issuer).unwrap())
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
            assert_eq!(paths.url(&Endpoint::Metadata), url);
            let path = url.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap();
            assert_eq!(paths.find(&path), Some(Endpoint::Metadata), "{issuer}");
        }
    }

    #[test]
    fn every_url_leads_back_to_its_endpoint() {
        for issuer in ["https://h.example", "https://h.example/t1"] {
            let paths = paths(issuer);
            let id = StreamId::parse("s-1").ok();
            for endpoint in PROTECTED.map(|(_, endpoint)| endpoint).into_iter().chain([
                Endpoint::Jwks,
                Endpoint::Poll(id),
                Endpoint::ResourceMetadata(format!("{}/ssf/streams", paths.base)),
            ]) {
                let url = paths.url(&endpoint);
                let path = url.strip_prefix("https://h.example").unwrap();
                assert_eq!(paths.find(path), Some(endpoint), "{url}");
            }
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
