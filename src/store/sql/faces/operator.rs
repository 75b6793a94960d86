//! The operator face of a store in an SQL database.

use async_trait::async_trait;

use super::in_transaction;
use crate::id::{Issuer, Owner, StreamId};
use crate::routing::Interest;
use crate::store::sql::session::{Access, Database};
use crate::store::sql::{SqlStore, interests, letters, operator};
use crate::store::{
    DeadLetter, LetterQuery, OperatorStore, Redrive, Redriven, StoreError, StreamOverview, Totals,
};
use crate::stream::StreamRecord;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

#[async_trait]
impl<D: Database> OperatorStore for SqlStore<D> {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        in_transaction!(self.database, Read, session => operator::find(session, issuer, stream))
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        in_transaction!(
            self.database, Read,
            session => operator::list_overviews(session, issuer, after, most)
        )
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        in_transaction!(self.database, Read, session => operator::overview(session, issuer, stream))
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        in_transaction!(
            self.database, Read,
            session => interests::interest(session, issuer, stream, subject, now)
        )
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        in_transaction!(self.database, Write, session => operator::suspend(session, issuer, owner))
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        in_transaction!(self.database, Write, session => operator::resume(session, issuer, owner))
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        in_transaction!(self.database, Read, session => letters::list(session, issuer, stream, query))
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        in_transaction!(
            self.database, announced,
            session => letters::redrive(session, issuer, stream, redrive)
        )
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        in_transaction!(self.database, Read, session => operator::totals(session, issuer))
    }
}
