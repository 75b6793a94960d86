//! Subjects that have to be looked at: the table behind those that are filed partly.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use super::postings::Digest;

/// Subjects by a number of their own.
#[derive(Debug)]
pub(super) struct Rows<K, M> {
    rows: Vec<Option<Row<K, M>>>,
    free: Vec<usize>,
}

/// A subject of a stream: its members, and by how many of them it is filed.
#[derive(Debug)]
struct Row<K, M> {
    stream: K,
    members: Box<[M]>,
    filed_by: usize,
}

/// The number of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowId(usize);

impl<K, M> Rows<K, M> {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, stream: K, members: Box<[M]>, filed_by: usize) -> RowId {
        let row = Some(Row { stream, members, filed_by });
        match self.free.pop() {
            Some(free) => {
                if let Some(place) = self.rows.get_mut(free) {
                    *place = row;
                }
                RowId(free)
            }
            None => {
                self.rows.push(row);
                RowId(self.rows.len() - 1)
            }
        }
    }

    /// Takes a row out: its members, and by how many of them it was filed.
    pub(super) fn remove(&mut self, id: RowId) -> Option<(Box<[M]>, usize)> {
        let row = self.rows.get_mut(id.0)?.take()?;
        self.free.push(id.0);
        if self.is_empty() {
            *self = Self::new();
        }
        Some((row.members, row.filed_by))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.rows.len()
    }

    fn get(&self, id: RowId) -> Option<&Row<K, M>> {
        self.rows.get(id.0)?.as_ref()
    }
}

/// The rows under each digest, in the order of their streams.
///
/// Most digests have one row, so one takes no more room than a digest and the row's number.
#[derive(Debug)]
pub(super) struct RowPostings<K>(HashMap<Digest, Found<K>>);

#[derive(Debug)]
enum Found<K> {
    One(RowId),
    #[expect(clippy::box_collection, reason = "few digests have it, and all pay for its size")]
    Many(Box<BTreeSet<(K, RowId)>>),
}

impl<K: Clone + Ord> RowPostings<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Puts a row, which is there already, under a digest.
    pub(super) fn add<M>(&mut self, digest: Digest, stream: &K, row: RowId, rows: &Rows<K, M>) {
        let mut entry = match self.0.entry(digest) {
            Entry::Vacant(entry) => {
                entry.insert(Found::One(row));
                return;
            }
            Entry::Occupied(entry) => entry,
        };
        let more = (stream.clone(), row);
        match entry.get_mut() {
            Found::Many(set) => {
                set.insert(more);
            }
            Found::One(first) => {
                let first = rows.get(*first).map(|found| (found.stream.clone(), *first));
                *entry.get_mut() = Found::Many(Box::new(first.into_iter().chain([more]).collect()));
            }
        }
    }

    pub(super) fn remove(&mut self, digest: Digest, stream: &K, row: RowId) {
        if let Entry::Occupied(mut entry) = self.0.entry(digest) {
            let empty = match entry.get_mut() {
                Found::One(only) => *only == row,
                Found::Many(set) => {
                    set.remove(&(stream.clone(), row));
                    set.is_empty()
                }
            };
            if empty {
                entry.remove();
            }
        }
    }

    /// Adds to `found` the streams with a row under that digest whose members fit. Once one fits,
    /// the others of its stream are not looked at.
    pub(super) fn find<M>(
        &self,
        digest: Digest,
        rows: &Rows<K, M>,
        fits: impl Fn(&[M]) -> bool,
        found: &mut Vec<K>,
    ) {
        let fits = |row: RowId| rows.get(row).filter(|row| fits(&row.members));
        match self.0.get(&digest) {
            None => {}
            Some(Found::One(row)) => found.extend(fits(*row).map(|row| row.stream.clone())),
            Some(Found::Many(set)) => {
                let mut left = set.range::<(K, RowId), _>(..);
                while let Some((stream, row)) = left.next() {
                    if fits(*row).is_some() {
                        found.push(stream.clone());
                        let next = Bound::Excluded((stream.clone(), RowId(usize::MAX)));
                        left = set.range((next, Bound::Unbounded));
                    }
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
