//! Streams by key: the look-up tables behind [`SubjectIndex`](super::SubjectIndex).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::keys::Key;

/// The streams under each key, for subjects that match an event which has the key.
///
/// They are trees: streams under a key stand side by side, and no table ever has to be copied to one
/// twice its size while emissions wait.
#[derive(Debug)]
pub(super) struct Postings<K> {
    /// Each stream with a subject under a key, once.
    streams: BTreeSet<(Key, K)>,
    /// How many more subjects of the stream are under the key, where there are more than one.
    more: BTreeMap<(Key, K), usize>,
    /// No stream comes before it.
    least: Option<K>,
}

/// The subjects under each key that an event is compared with, in the order of their streams.
#[derive(Debug)]
pub(super) struct Compared<K> {
    /// A key, a stream, and the identity of a subject that it lists.
    subjects: BTreeSet<(Key, K, Key)>,
    least: Option<K>,
}

impl<K: Clone + Ord> Postings<K> {
    pub(super) const fn new() -> Self {
        Self { streams: BTreeSet::new(), more: BTreeMap::new(), least: None }
    }

    pub(super) fn add(&mut self, key: Key, stream: &K) {
        note(&mut self.least, stream);
        let posting = (key, stream.clone());
        if self.streams.contains(&posting) {
            *self.more.entry(posting).or_default() += 1;
        } else {
            self.streams.insert(posting);
        }
    }

    /// Takes back one [`add`](Self::add).
    pub(super) fn remove(&mut self, key: Key, stream: &K) {
        let posting = (key, stream.clone());
        match self.more.get_mut(&posting) {
            None => {
                self.streams.remove(&posting);
            }
            Some(1) => {
                self.more.remove(&posting);
            }
            Some(more) => *more -= 1,
        }
    }

    /// The streams under a key, sorted, each once.
    pub(super) fn streams(&self, key: Key) -> impl Iterator<Item = &K> {
        let from = self.least.clone().map(|least| self.streams.range((key, least)..));
        let under = from.into_iter().flatten().take_while(move |(other, _)| *other == key);
        under.map(|(_, stream)| stream)
    }

    pub(super) fn has(&self, key: Key, stream: &K) -> bool {
        self.streams.contains(&(key, stream.clone()))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.more.is_empty()
    }
}

impl<K: Clone + Ord> Compared<K> {
    pub(super) const fn new() -> Self {
        Self { subjects: BTreeSet::new(), least: None }
    }

    pub(super) fn add(&mut self, key: Key, stream: &K, subject: Key) {
        note(&mut self.least, stream);
        self.subjects.insert((key, stream.clone(), subject));
    }

    pub(super) fn remove(&mut self, key: Key, stream: &K, subject: Key) {
        self.subjects.remove(&(key, stream.clone(), subject));
    }

    /// The streams with a subject under that key that fits, sorted, each once. Once one fits, the
    /// others of its stream are not looked at.
    pub(super) fn find(&self, key: Key, fits: impl Fn(&K, Key) -> bool) -> Vec<K> {
        let Some(least) = self.least.clone() else { return Vec::new() };
        let mut found = Vec::new();
        let mut left = self.subjects.range((key, least, Key::FIRST)..);
        while let Some((_, stream, subject)) = left.next().filter(|(other, ..)| *other == key) {
            if fits(stream, *subject) {
                found.push(stream.clone());
                let last = Bound::Excluded((key, stream.clone(), Key::LAST));
                left = self.subjects.range((last, Bound::Unbounded));
            }
        }
        found
    }

    /// Whether that stream has a subject under that key that fits.
    pub(super) fn has(&self, key: Key, stream: &K, fits: impl Fn(&K, Key) -> bool) -> bool {
        let all = (key, stream.clone(), Key::FIRST)..=(key, stream.clone(), Key::LAST);
        self.subjects.range(all).any(|(_, stream, subject)| fits(stream, *subject))
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }
}

fn note<K: Clone + Ord>(least: &mut Option<K>, stream: &K) {
    if least.as_ref().is_none_or(|least| stream < least) {
        *least = Some(stream.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(postings: &Postings<&'static str>, key: Key) -> Vec<&'static str> {
        postings.streams(key).copied().collect()
    }

    #[test]
    fn a_stream_is_found_once_until_it_is_taken_back_as_often_as_it_was_put_there() {
        let key = Key::of_text("1");
        let mut postings = Postings::new();
        for stream in ["b", "b", "a", "b"] {
            postings.add(key, &stream);
        }
        for left in [["a", "b"]; 2] {
            assert_eq!(found(&postings, key), left);
            postings.remove(key, &"b");
        }
        assert_eq!(found(&postings, key), ["a", "b"]);
        postings.remove(key, &"b");
        assert_eq!(found(&postings, key), ["a"]);
        assert_eq!(found(&postings, Key::of_text("2")), [""; 0]);
        assert!(postings.has(key, &"a") && !postings.has(key, &"b"));
        postings.remove(key, &"a");
        assert!(postings.is_empty());
    }

    #[test]
    fn what_is_not_there_cannot_be_taken_back() {
        let key = Key::of_text("1");
        let mut postings = Postings::new();
        postings.add(key, &"a");
        postings.remove(key, &"b");
        postings.remove(Key::of_text("2"), &"a");
        assert_eq!(found(&postings, key), ["a"]);
    }

    #[test]
    fn one_subject_that_fits_is_enough_for_a_stream() {
        let [key, other, one, two] = ["key", "other", "1", "2"].map(Key::of_text);
        let mut compared = Compared::new();
        for (key, stream, subject) in
            [(key, "b", one), (key, "b", two), (key, "a", one), (other, "a", two), (key, "c", two)]
        {
            compared.add(key, &stream, subject);
        }
        assert_eq!(compared.find(key, |_, subject| subject == one), ["a", "b"]);
        assert_eq!(compared.find(key, |_, subject| subject == two), ["b", "c"]);
        assert_eq!(compared.find(key, |_, _| true), ["a", "b", "c"]);
        assert_eq!(compared.find(other, |_, _| true), ["a"]);
        assert!(compared.has(key, &"c", |_, subject| subject == two));
        assert!(!compared.has(key, &"c", |_, subject| subject == one));
        compared.remove(key, &"b", two);
        assert_eq!(compared.find(key, |_, subject| subject == two), ["c"]);
    }
}
