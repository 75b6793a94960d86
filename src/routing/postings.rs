//! Streams by digest: the look-up table behind [`SubjectIndex`](super::SubjectIndex).

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use openssl::sha::sha256;

/// The first half of a SHA-256. Nobody finds a second identity that meets a given one, and no two
/// meet by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest([u8; 16]);

/// The streams under each digest. A stream counts as often as its subjects put it there, and is
/// found once.
///
/// Most digests have one stream, so one takes no more room than a digest and a stream.
#[derive(Debug)]
pub(super) struct Postings<K>(HashMap<Digest, Streams<K>>);

#[derive(Debug)]
enum Streams<K> {
    /// One stream, put there once.
    One(K),
    /// How often each stream was put there.
    #[expect(clippy::box_collection, reason = "few digests have it, and all pay for its size")]
    Counted(Box<BTreeMap<K, usize>>),
}

impl Digest {
    /// The ends of the range of all digests.
    pub(super) const FIRST: Self = Self([0; 16]);
    pub(super) const LAST: Self = Self([u8::MAX; 16]);

    pub(super) fn of(identity: &str) -> Self {
        Self::of_bytes(identity.as_bytes())
    }

    /// The digest of several identities, in this order; of one it is its own.
    pub(super) fn of_all(digests: &[Self]) -> Self {
        match digests {
            [only] => *only,
            several => {
                Self::of_bytes(&several.iter().flat_map(|digest| digest.0).collect::<Vec<u8>>())
            }
        }
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        let mut half = [0; 16];
        half.copy_from_slice(&sha256(bytes)[..16]);
        Self(half)
    }
}

impl<K: Clone + Ord> Postings<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn add(&mut self, digest: Digest, stream: &K) {
        match self.0.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(Streams::One(stream.clone()));
            }
            Entry::Occupied(mut entry) => entry.get_mut().add(stream),
        }
    }

    /// Takes back one [`add`](Self::add).
    pub(super) fn remove(&mut self, digest: Digest, stream: &K) {
        if let Entry::Occupied(mut entry) = self.0.entry(digest)
            && entry.get_mut().remove(stream) == Left::Nothing
        {
            entry.remove();
        }
    }

    pub(super) fn streams(&self, digest: Digest) -> impl Iterator<Item = &K> {
        let (one, counted) = match self.0.get(&digest) {
            None => (None, None),
            Some(Streams::One(stream)) => (Some(stream), None),
            Some(Streams::Counted(counts)) => (None, Some(counts.keys())),
        };
        one.into_iter().chain(counted.into_iter().flatten())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a removal leaves under a digest.
#[derive(PartialEq)]
enum Left {
    Nothing,
    Something,
}

impl<K: Clone + Ord> Streams<K> {
    fn add(&mut self, stream: &K) {
        match self {
            Self::Counted(counts) => *counts.entry(stream.clone()).or_default() += 1,
            Self::One(only) => {
                let mut counts = BTreeMap::from([(only.clone(), 1)]);
                *counts.entry(stream.clone()).or_default() += 1;
                *self = Self::Counted(Box::new(counts));
            }
        }
    }

    fn remove(&mut self, stream: &K) -> Left {
        let nothing = match self {
            Self::One(only) => only == stream,
            Self::Counted(counts) => {
                if let Some(count) = counts.get_mut(stream) {
                    *count -= 1;
                    if *count == 0 {
                        counts.remove(stream);
                    }
                }
                counts.is_empty()
            }
        };
        if nothing { Left::Nothing } else { Left::Something }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::StreamId;

    fn found(postings: &Postings<&'static str>, digest: Digest) -> Vec<&'static str> {
        let mut streams: Vec<_> = postings.streams(digest).copied().collect();
        streams.sort_unstable();
        streams
    }

    #[test]
    fn a_stream_is_found_once_until_it_is_taken_back_as_often_as_it_was_put_there() {
        let digest = Digest::of("1");
        let mut postings = Postings::new();
        for stream in ["a", "a", "b"] {
            postings.add(digest, &stream);
        }
        assert_eq!(found(&postings, digest), ["a", "b"]);
        postings.remove(digest, &"a");
        assert_eq!(found(&postings, digest), ["a", "b"]);
        postings.remove(digest, &"a");
        assert_eq!(found(&postings, digest), ["b"]);
        assert_eq!(found(&postings, Digest::of("2")), [""; 0]);
        postings.remove(digest, &"b");
        assert!(postings.is_empty());
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_back() {
        let digest = Digest::of("1");
        let mut postings = Postings::new();
        postings.add(digest, &"a");
        postings.remove(digest, &"b");
        postings.remove(Digest::of("2"), &"a");
        assert_eq!(found(&postings, digest), ["a"]);
    }

    #[test]
    fn the_one_stream_of_a_digest_takes_no_more_room_than_itself() {
        assert_eq!(size_of::<(Digest, Streams<StreamId>)>(), 32);
    }
}
