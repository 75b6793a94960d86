//! The identities face of the broken store.

use std::sync::Arc;

use async_trait::async_trait;
use ssf_transmitter::id::{FailureId, IdentityId, Issuer};
use ssf_transmitter::store::{
    Append, Appended, Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityStore,
    StoreError, StoredConditions,
};

use super::store::{Broken, Fault};

#[async_trait]
impl IdentityStore for Broken {
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError> {
        self.store.stored_conditions(issuer).await
    }

    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError> {
        if self.does(Fault::ReplacesConditionsOfAnyRevision) {
            let stored = self.store.read_identities(issuer, &[]).await?.conditions;
            return self.store.replace_conditions(issuer, stored, document).await;
        }
        self.store.replace_conditions(issuer, expected, document).await
    }

    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError> {
        let mut read = self.store.read_identities(issuer, identities).await?;
        if self.does(Fault::ReadsBackwards) {
            read.records.reverse();
        }
        Ok(read)
    }

    async fn commit_identities(
        &self,
        issuer: &Issuer,
        mut commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError> {
        if self.does(Fault::IgnoresTheConditions) {
            commit.conditions = self.store.read_identities(issuer, &[]).await?.conditions;
        }
        for write in &mut commit.writes {
            if self.does(Fault::IgnoresTheRevision) {
                let names = [write.identity.clone()];
                let read = self.store.read_identities(issuer, &names).await?;
                write.expected =
                    read.records.first().and_then(|record| Some(record.as_ref()?.revision));
            }
            if self.does(Fault::LosesFailures) {
                write.failures.clear();
            }
        }
        self.store.commit_identities(issuer, commit).await
    }

    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let failures = self.store.list_failures(issuer, None, 99).await?;
        self.store.forget_identity(issuer, identity).await?;
        if self.does(Fault::KeepsFailuresOfTheForgotten) {
            // They come back with somebody else.
            let other = IdentityId::parse("somebody else").unwrap();
            let read = self.store.read_identities(issuer, std::slice::from_ref(&other)).await?;
            let known = read.records.first().and_then(|record| Some(record.as_ref()?.revision));
            let snapshot = Arc::default();
            let mut write =
                ssf_transmitter::store::IdentityWrite::new(other, known, None, snapshot);
            write.failures = failures;
            let commit = IdentityCommit::new(read.conditions, vec![write]);
            self.store.commit_identities(issuer, commit).await?;
        }
        Ok(())
    }

    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        let mut page = self.store.list_failures(issuer, after, most).await?;
        if let (true, Some(after)) = (self.does(Fault::PagesFailuresInclusively), after) {
            page.splice(0..0, self.store.read_failure(issuer, after).await?);
            page.truncate(most);
        }
        Ok(page)
    }

    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError> {
        self.store.read_failure(issuer, failure).await
    }

    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError> {
        let ended = self.store.end_failure(issuer, failure, appends).await;
        if self.does(Fault::EndsFailuresByHalves) && ended.is_err() {
            self.store.end_failure(issuer, failure, Vec::new()).await?;
        }
        ended
    }
}
