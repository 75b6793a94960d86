//! The identities face of a store in an SQL database.

use std::sync::Arc;

use async_trait::async_trait;

use super::in_transaction;
use crate::id::{FailureId, IdentityId, Issuer};
use crate::store::sql::session::{Access, Database};
use crate::store::sql::{SqlStore, identities};
use crate::store::{
    Append, Appended, Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityStore,
    StoreError, StoredConditions,
};

#[async_trait]
impl<D: Database> IdentityStore for SqlStore<D> {
    async fn stored_conditions(
        &self,
        issuer: &Issuer,
    ) -> Result<Option<StoredConditions>, StoreError> {
        in_transaction!(self.database, Read, session => identities::stored_conditions(session, issuer))
    }

    async fn replace_conditions(
        &self,
        issuer: &Issuer,
        expected: u64,
        document: Arc<str>,
    ) -> Result<u64, StoreError> {
        in_transaction!(
            self.database, Write,
            session => identities::replace_conditions(session, issuer, expected, document)
        )
    }

    async fn read_identities(
        &self,
        issuer: &Issuer,
        identities: &[IdentityId],
    ) -> Result<IdentityRead, StoreError> {
        in_transaction!(
            self.database, Read,
            session => identities::read(session, issuer, identities)
        )
    }

    async fn commit_identities(
        &self,
        issuer: &Issuer,
        commit: IdentityCommit,
    ) -> Result<Vec<Committed>, StoreError> {
        in_transaction!(
            self.database, announced,
            session => identities::commit(session, issuer, commit, self.fan_out)
        )
    }

    async fn forget_identity(
        &self,
        issuer: &Issuer,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        in_transaction!(
            self.database, Write,
            session => identities::forget(session, issuer, identity)
        )
    }

    async fn list_failures(
        &self,
        issuer: &Issuer,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, StoreError> {
        in_transaction!(
            self.database, Read,
            session => identities::list_failures(session, issuer, after, most)
        )
    }

    async fn read_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
    ) -> Result<Option<FailedEvent>, StoreError> {
        in_transaction!(
            self.database, Read,
            session => identities::read_failure(session, issuer, failure)
        )
    }

    async fn end_failure(
        &self,
        issuer: &Issuer,
        failure: &FailureId,
        appends: Vec<Append>,
    ) -> Result<Option<Vec<Appended>>, StoreError> {
        in_transaction!(
            self.database, announced,
            session => identities::end_failure(session, issuer, failure, appends, self.fan_out)
        )
    }
}
