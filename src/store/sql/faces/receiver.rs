//! The receiver face of a store in an SQL database.

use async_trait::async_trait;

use super::in_transaction;
use crate::id::{Issuer, Owner, StreamId};
use crate::store::sql::session::{Access, Database};
use crate::store::sql::streams::Updated;
use crate::store::sql::{SqlStore, activity, control, leftovers, polled, streams, subjects};
use crate::store::{
    Acknowledged, Acknowledgement, Activity, Change, ChangeMark, Deleted, HandOut, HandOutRequest,
    KeepToken, Kept, NewVerification, ReceiverStore, StoreError, StreamUpdate, SubjectChange,
    VerificationQueued, Watched,
};
use crate::stream::{StreamQuota, StreamRecord};
use crate::timestamp::Timestamp;

#[async_trait]
impl<D: Database> ReceiverStore for SqlStore<D> {
    async fn create_stream(
        &self,
        record: StreamRecord,
        quota: StreamQuota,
    ) -> Result<(), StoreError> {
        in_transaction!(self.database, Write, session => streams::create(session, record, quota))
    }

    async fn read_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        in_transaction!(self.database, Read, session => streams::read(session, issuer, owner, stream))
    }

    async fn list_streams(
        &self,
        issuer: &Issuer,
        owner: &Owner,
    ) -> Result<Vec<StreamRecord>, StoreError> {
        in_transaction!(self.database, Read, session => streams::list(session, issuer, owner))
    }

    async fn update_stream(&self, update: StreamUpdate) -> Result<StreamRecord, StoreError> {
        loop {
            let updated: Result<Updated, StoreError> = in_transaction!(
                self.database, announced,
                session => streams::update(session, update.clone())
            );
            match updated? {
                Updated::Done(record) => return Ok(record),
                Updated::Leaves(record, no) => {
                    // What happened has happened; what stays, a sweep removes.
                    let _ = clear(&self.database, no).await;
                    return Ok(record);
                }
                Updated::Waits(no) => clear(&self.database, no).await?,
            }
        }
    }

    async fn delete_stream(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
    ) -> Result<Deleted, StoreError> {
        let deleted: Result<(Deleted, Option<i64>), StoreError> = in_transaction!(
            self.database, announced,
            session => streams::delete(session, issuer, owner, stream)
        );
        let (deleted, leaves) = deleted?;
        if let Some(no) = leaves {
            let _ = clear(&self.database, no).await;
        }
        Ok(deleted)
    }

    async fn change_subject(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        change: SubjectChange,
        most: u32,
    ) -> Result<(), StoreError> {
        in_transaction!(
            self.database, Write,
            session => subjects::change(session, issuer, owner, stream, change, most)
        )
    }

    async fn queue_verification(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        verification: NewVerification,
    ) -> Result<VerificationQueued, StoreError> {
        in_transaction!(
            self.database, announced,
            session => control::queue_verification(session, issuer, owner, stream, verification)
        )
    }

    async fn acknowledge(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        acknowledgement: Acknowledgement,
    ) -> Result<Acknowledged, StoreError> {
        in_transaction!(
            self.database, Write,
            session => polled::acknowledge(session, issuer, owner, stream, acknowledgement)
        )
    }

    async fn hand_out(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        request: HandOutRequest,
    ) -> Result<HandOut, StoreError> {
        in_transaction!(
            self.database, Read,
            session => polled::hand_out(session, issuer, owner, stream, request)
        )
    }

    async fn keep_polled(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        stream: &StreamId,
        tokens: Vec<KeepToken>,
        hide: Option<Timestamp>,
    ) -> Result<Vec<Kept>, StoreError> {
        in_transaction!(
            self.database, Write,
            session => polled::keep(session, issuer, owner, stream, tokens, hide)
        )
    }

    async fn touch(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        activity: Activity,
    ) -> Result<(), StoreError> {
        in_transaction!(self.database, Write, session => activity::touch(session, issuer, owner, activity))
    }

    fn change_mark(&self) -> ChangeMark {
        self.database.change_mark()
    }

    async fn wait_for_change(&self, _: &Issuer, _: Watched<'_>, since: ChangeMark) -> Change {
        self.database.wait_for_change(since).await
    }
}

/// Removes what is left of a stream, a chunk in each transaction.
async fn clear<D: Database>(database: &D, no: i64) -> Result<(), StoreError> {
    loop {
        let more: Result<bool, StoreError> =
            in_transaction!(database, Write, session => leftovers::clear(session, no));
        if !more? {
            return Ok(());
        }
    }
}
