//! The identities port: what was last known of each identity, the conditions, and what failed.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Append, Appended, StoreError};
use crate::id::{ConditionName, FailureId, IdentityId, Issuer};
use crate::lifecycle::Snapshot;
use crate::timestamp::Timestamp;

/// What identity lifecycle needs of a store. The store is the one whose outbox the transmitter
/// uses: a snapshot and the events it means are committed together.
///
/// # Contract
/// 1. `read_identities` returns what is known of each identity, in the order given, and the
///    revision of the conditions, all as of one moment.
/// 2. `commit_identities` is one transaction. When the conditions have another revision than
///    `commit.conditions`, it does nothing: [`StoreError::Conflict`].
/// 3. Each write is compare-and-set: it happens when the identity has the revision
///    `write.expected` (none: when nothing is known of it). Otherwise nothing of it happens, and it
///    is [`Committed::Conflict`]; the other writes are not concerned.
/// 4. A write stores the snapshot, the failures, and the appends in their order, each as
///    [`Outbox::append`] says, wholly or not at all: no moment shows a snapshot without its events.
/// 5. A write gives the identity a revision that it never had before, also if it was forgotten
///    meanwhile.
/// 6. Writes of different identities do not wait for each other.
/// 7. `replace_conditions` is compare-and-set: it stores the document when the revision is
///    `expected` (0: when there is none), and returns the new one, which is higher;
///    [`StoreError::Conflict`] otherwise.
/// 8. `list_failures` pages in the order of identifiers: those after `after`.
/// 9. `end_failure` removes a failure and stores the appends, in one transaction. When there is no
///    such failure it does nothing and returns `None`.
/// 10. `forget_identity` removes everything of an identity, its failures too. It is idempotent.
/// 11. Every row carries the issuer. Snapshots are personal: no `Debug` form shows values.
///
/// [`Outbox::append`]: super::Outbox::append
#[async_trait]
pub trait IdentityStore: fmt::Debug + Send + Sync + 'static {
    /// The conditions; `None` before there were any.
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError>;

    /// Puts another document in the place of the conditions.
    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError>;

    /// What is known of these identities.
    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError>;

    /// Stores what is known now, and what it means, at once.
    async fn commit_identities(
        &self,
        issuer: &Issuer,
        commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError>;

    /// Removes everything of an identity.
    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError>;

    /// Events that could not be made, at most `most`.
    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError>;

    /// One of them.
    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError>;

    /// Ends a failure: with events, or without.
    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError>;
}

/// The conditions as they are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredConditions {
    /// Goes up with every replacement.
    pub revision: u64,
    /// The document, as JSON.
    pub document: Arc<str>,
}

impl StoredConditions {
    /// That document under that revision.
    #[must_use]
    pub const fn new(revision: u64, document: Arc<str>) -> Self {
        Self { revision, document }
    }
}

/// What is known of some identities.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityRead {
    /// The revision of the conditions; 0 when there are none.
    pub conditions: u64,
    /// What is known of each, in the order asked for.
    pub records: Vec<Option<IdentityRecord>>,
}

impl IdentityRead {
    /// These records, under that revision of the conditions.
    #[must_use]
    pub const fn new(conditions: u64, records: Vec<Option<IdentityRecord>>) -> Self {
        Self { conditions, records }
    }
}

/// What is known of an identity.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityRecord {
    /// Changes with every write.
    pub revision: u64,
    /// The version its source gave the snapshot.
    pub version: Option<i64>,
    /// The attributes that conditions name.
    pub snapshot: Arc<Snapshot>,
}

impl IdentityRecord {
    /// That snapshot under that revision.
    #[must_use]
    pub const fn new(revision: u64, version: Option<i64>, snapshot: Arc<Snapshot>) -> Self {
        Self { revision, version, snapshot }
    }
}

/// Several writes in one transaction.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityCommit {
    /// The revision of the conditions that decided; 0 when there are none.
    pub conditions: u64,
    /// The writes, of different identities.
    pub writes: Vec<IdentityWrite>,
}

impl IdentityCommit {
    /// These writes, decided under that revision of the conditions.
    #[must_use]
    pub const fn new(conditions: u64, writes: Vec<IdentityWrite>) -> Self {
        Self { conditions, writes }
    }
}

/// What is known of an identity from now on, and what that means.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdentityWrite {
    /// The identity.
    pub identity: IdentityId,
    /// The revision it has; none when nothing is known of it.
    pub expected: Option<u64>,
    /// The version its source gave the snapshot.
    pub version: Option<i64>,
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// The events that the change means.
    pub appends: Vec<Append>,
    /// The events that it means and that could not be made.
    pub failures: Vec<FailedEvent>,
}

impl IdentityWrite {
    /// A snapshot that means nothing.
    #[must_use]
    pub const fn new(
        identity: IdentityId,
        expected: Option<u64>,
        version: Option<i64>,
        snapshot: Arc<Snapshot>,
    ) -> Self {
        Self { identity, expected, version, snapshot, appends: Vec::new(), failures: Vec::new() }
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Committed {
    /// It is done; its appends did this.
    Done(Vec<Appended>),
    /// Somebody else wrote meanwhile: read again and decide anew.
    Conflict,
}

/// An event that a change means and that could not be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FailedEvent {
    /// Its identifier.
    pub id: FailureId,
    /// Whose change it was.
    pub identity: IdentityId,
    /// The condition that fired.
    pub condition: ConditionName,
    /// Why there is no event, for the operator.
    pub reason: Arc<str>,
    /// When the change was seen.
    pub at: Timestamp,
    /// What was known before the change.
    pub before: Arc<Snapshot>,
    /// What was known after it.
    pub after: Arc<Snapshot>,
}

impl FailedEvent {
    /// A failure of that condition at a change between those snapshots.
    #[must_use]
    pub fn new(
        id: FailureId,
        identity: IdentityId,
        condition: ConditionName,
        reason: Arc<str>,
        at: Timestamp,
        (before, after): (Arc<Snapshot>, Arc<Snapshot>),
    ) -> Self {
        Self { id, identity, condition, reason, at, before, after }
    }
}

/// A shared store is a store.
#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: IdentityStore + ?Sized> IdentityStore for Arc<T> {
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError> {
        (**self).stored_conditions(issuer).await
    }

    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError> {
        (**self).replace_conditions(issuer, expected, document).await
    }

    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError> {
        (**self).read_identities(issuer, identities).await
    }

    async fn commit_identities(
        &self,
        issuer: &Issuer,
        commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError> {
        (**self).commit_identities(issuer, commit).await
    }

    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        (**self).forget_identity(issuer, identity).await
    }

    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        (**self).list_failures(issuer, after, most).await
    }

    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError> {
        (**self).read_failure(issuer, failure).await
    }

    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError> {
        (**self).end_failure(issuer, failure, appends).await
    }
}
