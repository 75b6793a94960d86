//! The identities face of the store in memory.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::IssuerState;
use crate::id::{FailureId, IdentityId, Issuer};
use crate::store::{
    Append, Appended, Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityRecord,
    IdentityStore, IdentityWrite, StoreError, StoredConditions,
};

/// The identities of one issuer.
#[derive(Debug, Default)]
pub(super) struct Identities {
    conditions: Option<StoredConditions>,
    records: HashMap<IdentityId, IdentityRecord>,
    failures: BTreeMap<FailureId, FailedEvent>,
    /// Revisions are counted over all identities, so that none has one twice.
    last_revision: u64,
}

impl Identities {
    fn conditions_revision(&self) -> u64 {
        self.conditions.as_ref().map_or(0, |conditions| conditions.revision)
    }
}

#[async_trait]
impl IdentityStore for MemoryStore {
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError> {
        Ok(self.lock().of(issuer).identities.conditions.clone())
    }

    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError> {
        let mut state = self.lock();
        let identities = &mut state.of(issuer).identities;
        if identities.conditions_revision() != expected {
            return Err(StoreError::Conflict);
        }
        let revision = expected + 1;
        identities.conditions = Some(StoredConditions::new(revision, document));
        Ok(revision)
    }

    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError> {
        let mut state = self.lock();
        let known = &state.of(issuer).identities;
        let records = identities.iter().map(|identity| known.records.get(identity).cloned());
        Ok(IdentityRead::new(known.conditions_revision(), records.collect()))
    }

    async fn commit_identities(
        &self,
        issuer: &Issuer,
        commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError> {
        self.lock().of(issuer).commit(commit)
    }

    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        let identities = &mut state.of(issuer).identities;
        identities.records.remove(identity);
        identities.failures.retain(|_, failure| failure.identity != *identity);
        Ok(())
    }

    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        let mut state = self.lock();
        let failures = state.of(issuer).identities.failures.iter();
        let beyond = failures.filter(|(id, _)| after.is_none_or(|after| *id > after));
        Ok(beyond.take(most).map(|(_, failure)| failure.clone()).collect())
    }

    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError> {
        Ok(self.lock().of(issuer).identities.failures.get(failure).cloned())
    }

    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError> {
        let mut state = self.lock();
        let state = state.of(issuer);
        if !state.identities.failures.contains_key(failure) {
            return Ok(None);
        }
        state.check_unused(&appends)?;
        let appended = state.append_all(appends)?;
        state.identities.failures.remove(failure);
        Ok(Some(appended))
    }
}

impl IssuerState {
    fn commit(&mut self, commit: IdentityCommit) -> Result<Vec<Committed>, StoreError> {
        if self.identities.conditions_revision() != commit.conditions {
            return Err(StoreError::Conflict);
        }
        self.check_unused(commit.writes.iter().flat_map(|write| &write.appends))?;
        commit.writes.into_iter().map(|write| self.write(write)).collect()
    }

    fn write(&mut self, write: IdentityWrite) -> Result<Committed, StoreError> {
        let known = self.identities.records.get(&write.identity);
        if known.map(|record| record.revision) != write.expected {
            return Ok(Committed::Conflict);
        }
        let appended = self.append_all(write.appends)?;
        let identities = &mut self.identities;
        identities.last_revision += 1;
        let record = IdentityRecord::new(identities.last_revision, write.version, write.snapshot);
        identities.records.insert(write.identity, record);
        for failure in write.failures {
            identities.failures.insert(failure.id.clone(), failure);
        }
        Ok(Committed::Done(appended))
    }

    fn append_all(&mut self, appends: Vec<Append>) -> Result<Vec<Appended>, StoreError> {
        appends.into_iter().map(|append| self.append(append, &[])).collect()
    }

    /// Whether no identifier of all these entries is taken, nor there twice. Several appends
    /// happen wholly or not at all, so none may fail when others are done.
    fn check_unused<'a>(
        &self,
        appends: impl IntoIterator<Item = &'a Append>,
    ) -> Result<(), StoreError> {
        let mut seen = HashSet::new();
        for entry in appends.into_iter().flat_map(|append| &append.entries) {
            if !seen.insert(&entry.jti) {
                return Err(StoreError::IdTaken);
            }
            if let Some(stream) = self.streams.get(&entry.stream_id) {
                stream.check_unused(&entry.jti)?;
            }
        }
        Ok(())
    }
}
