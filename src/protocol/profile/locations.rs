//! The paths of a profile, before an issuer gives them a host.

use std::borrow::Cow;

use crate::protocol::paths::Endpoint;

/// The path of each endpoint, behind the path of the issuer. Each begins with a slash, holds no
/// query and no fragment, and is given to one endpoint only.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Locations {
    /// The names of the transmitter configuration document; the path of the issuer comes behind
    /// them (SSF 1.0 §7.2.1). At least one; the first is the one to tell others.
    pub metadata: Vec<Cow<'static, str>>,
    /// The public keys.
    pub jwks: Cow<'static, str>,
    /// Streams.
    pub configuration: Cow<'static, str>,
    /// Their status.
    pub status: Cow<'static, str>,
    /// Verification.
    pub verification: Cow<'static, str>,
    /// Adding a subject, if receivers may.
    pub add_subject: Option<Cow<'static, str>>,
    /// Removing a subject, if receivers may.
    pub remove_subject: Option<Cow<'static, str>>,
    /// What comes before the identifier of a stream to poll; ends with a slash.
    pub poll: Cow<'static, str>,
}

/// The well-known document of SSF 1.0 §7.2.
const METADATA: &str = "/.well-known/ssf-configuration";

impl Locations {
    /// The well-known document of SSF 1.0 and, where it leaves the paths open, plain ones.
    #[must_use]
    pub fn ssf() -> Self {
        Self {
            metadata: vec![METADATA.into()],
            jwks: "/jwks.json".into(),
            configuration: "/ssf/streams".into(),
            status: "/ssf/status".into(),
            verification: "/ssf/verify".into(),
            add_subject: Some("/ssf/subjects/add".into()),
            remove_subject: Some("/ssf/subjects/remove".into()),
            poll: "/ssf/poll/".into(),
        }
    }

    /// The paths of SailPoint's SSF API. The well-known document of SSF 1.0 is there, too.
    #[must_use]
    pub fn sailpoint() -> Self {
        Self {
            metadata: vec!["/.well-known/v1/ssf-configuration".into(), METADATA.into()],
            jwks: "/ssf/v1/jwks".into(),
            configuration: "/ssf/v1/streams".into(),
            status: "/ssf/v1/streams/status".into(),
            verification: "/ssf/v1/streams/verify".into(),
            add_subject: None,
            remove_subject: None,
            poll: "/ssf/v1/poll/".into(),
        }
    }

    /// Whether every path is what it has to be.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        let paths: Vec<&str> = self.table().map(|(path, _)| path).collect();
        let legal = |path: &&str| path.starts_with('/') && !path.contains(['?', '#']);
        let once = |path: &&str| paths.iter().filter(|other| *other == path).count() == 1;
        !self.metadata.is_empty()
            && self.poll.ends_with('/')
            && paths.iter().all(|path| legal(path) && once(path))
    }

    /// Every path with what it leads to.
    pub(in crate::protocol) fn table(&self) -> impl Iterator<Item = (&str, Endpoint)> {
        let names = self.metadata.iter().map(|name| (name.as_ref(), Endpoint::Metadata));
        let subjects = [
            (self.add_subject.as_deref(), Endpoint::AddSubject),
            (self.remove_subject.as_deref(), Endpoint::RemoveSubject),
        ];
        let subjects = subjects.into_iter().filter_map(|(path, endpoint)| Some((path?, endpoint)));
        let others = [
            (self.jwks.as_ref(), Endpoint::Jwks),
            (self.configuration.as_ref(), Endpoint::Configuration),
            (self.status.as_ref(), Endpoint::Status),
            (self.verification.as_ref(), Endpoint::Verification),
            (self.poll.as_ref(), Endpoint::Poll(None)),
        ];
        names.chain(others).chain(subjects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_the_presets_are_sound() {
        assert!(Locations::ssf().are_sound() && Locations::sailpoint().are_sound());
    }

    #[test]
    fn paths_that_no_request_could_tell_apart_are_not() {
        type Change = fn(&mut Locations);
        let changes: [Change; 6] = [
            |l| l.metadata.clear(),
            |l| l.status = "ssf/status".into(),
            |l| l.status = "/ssf?status".into(),
            |l| l.status = "".into(),
            |l| l.status = l.configuration.clone(),
            |l| l.poll = "/ssf/poll".into(),
        ];
        for change in changes {
            let mut locations = Locations::ssf();
            change(&mut locations);
            assert!(!locations.are_sound(), "{locations:?}");
        }
    }
}
