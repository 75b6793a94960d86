//! A shared or boxed store is a store, a boxed outbox an outbox.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    Acknowledged, Acknowledgement, Activity, Append, Appended, Candidate, CandidateQuery, Change,
    ChangeMark, ClaimRequest, Claims, DeadLetter, Deleted, GiveUpHeld, HandOut, HandOutRequest,
    HeldStream, KeepToken, Kept, LetterQuery, NewVerification, OperatorStore, Outbox, Overdue,
    ReceiverStore, Redrive, Redriven, SettleBatch, SettleReport, StoreError, StreamOverview,
    StreamStore, StreamUpdate, SubjectChange, SweepRequest, Swept, Totals, VerificationQueued,
    Watched, WorkerStore,
};
use crate::id::{Issuer, Owner, StreamId};
use crate::routing::Interest;
use crate::stream::{StreamQuota, StreamRecord};
use crate::subject::Subject;
use crate::timestamp::Timestamp;

/// Implements all faces for a pointer to a store. The lint keeps a method with a default, which
/// the compiler would not miss, from being forgotten.
macro_rules! forward {
    ($pointer:ident) => {
        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: ReceiverStore + ?Sized> ReceiverStore for $pointer<T> {
            async fn create_stream(
                &self,
                record: StreamRecord,
                quota: StreamQuota,
            ) -> Result<(), StoreError> {
                (**self).create_stream(record, quota).await
            }

            async fn read_stream(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
            ) -> Result<StreamRecord, StoreError> {
                (**self).read_stream(issuer, owner, stream).await
            }

            async fn list_streams(
                &self,
                issuer: &Issuer,
                owner: &Owner,
            ) -> Result<Vec<StreamRecord>, StoreError> {
                (**self).list_streams(issuer, owner).await
            }

            async fn update_stream(
                &self,
                update: StreamUpdate,
            ) -> Result<StreamRecord, StoreError> {
                (**self).update_stream(update).await
            }

            async fn delete_stream(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
            ) -> Result<Deleted, StoreError> {
                (**self).delete_stream(issuer, owner, stream).await
            }

            async fn change_subject(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
                change: SubjectChange,
                most: u32,
            ) -> Result<(), StoreError> {
                (**self).change_subject(issuer, owner, stream, change, most).await
            }

            async fn queue_verification(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
                verification: NewVerification,
            ) -> Result<VerificationQueued, StoreError> {
                (**self).queue_verification(issuer, owner, stream, verification).await
            }

            async fn acknowledge(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
                acknowledgement: Acknowledgement,
            ) -> Result<Acknowledged, StoreError> {
                (**self).acknowledge(issuer, owner, stream, acknowledgement).await
            }

            async fn hand_out(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
                request: HandOutRequest,
            ) -> Result<HandOut, StoreError> {
                (**self).hand_out(issuer, owner, stream, request).await
            }

            async fn keep_polled(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                stream: &StreamId,
                tokens: Vec<KeepToken>,
                hide: Option<Timestamp>,
            ) -> Result<Vec<Kept>, StoreError> {
                (**self).keep_polled(issuer, owner, stream, tokens, hide).await
            }

            async fn touch(
                &self,
                issuer: &Issuer,
                owner: &Owner,
                activity: Activity,
            ) -> Result<(), StoreError> {
                (**self).touch(issuer, owner, activity).await
            }

            fn change_mark(&self) -> ChangeMark {
                (**self).change_mark()
            }

            async fn wait_for_change(
                &self,
                issuer: &Issuer,
                watched: Watched<'_>,
                since: ChangeMark,
            ) -> Change {
                (**self).wait_for_change(issuer, watched, since).await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: WorkerStore + ?Sized> WorkerStore for $pointer<T> {
            async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
                (**self).claim(request).await
            }

            async fn keep_tokens(
                &self,
                issuer: &Issuer,
                tokens: Vec<KeepToken>,
            ) -> Result<Vec<Kept>, StoreError> {
                (**self).keep_tokens(issuer, tokens).await
            }

            async fn settle(
                &self,
                issuer: &Issuer,
                batch: SettleBatch,
            ) -> Result<SettleReport, StoreError> {
                (**self).settle(issuer, batch).await
            }

            async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
                (**self).sweep(request).await
            }

            async fn idle_streams(
                &self,
                issuer: &Issuer,
                since: Timestamp,
                most: usize,
            ) -> Result<Overdue, StoreError> {
                (**self).idle_streams(issuer, since, most).await
            }

            async fn unverified_streams(
                &self,
                issuer: &Issuer,
                since: Timestamp,
                most: usize,
            ) -> Result<Overdue, StoreError> {
                (**self).unverified_streams(issuer, since, most).await
            }

            async fn held_streams(
                &self,
                issuer: &Issuer,
                after: Option<&StreamId>,
                most: usize,
            ) -> Result<Vec<HeldStream>, StoreError> {
                (**self).held_streams(issuer, after, most).await
            }

            async fn give_up_held(
                &self,
                issuer: &Issuer,
                request: GiveUpHeld,
            ) -> Result<u64, StoreError> {
                (**self).give_up_held(issuer, request).await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: OperatorStore + ?Sized> OperatorStore for $pointer<T> {
            async fn find_stream(
                &self,
                issuer: &Issuer,
                stream: &StreamId,
            ) -> Result<StreamRecord, StoreError> {
                (**self).find_stream(issuer, stream).await
            }

            async fn list_overviews(
                &self,
                issuer: &Issuer,
                after: Option<&StreamId>,
                most: usize,
            ) -> Result<Vec<StreamOverview>, StoreError> {
                (**self).list_overviews(issuer, after, most).await
            }

            async fn overview(
                &self,
                issuer: &Issuer,
                stream: &StreamId,
            ) -> Result<StreamOverview, StoreError> {
                (**self).overview(issuer, stream).await
            }

            async fn interest(
                &self,
                issuer: &Issuer,
                stream: &StreamId,
                subject: &Subject,
                now: Timestamp,
            ) -> Result<Interest, StoreError> {
                (**self).interest(issuer, stream, subject, now).await
            }

            async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
                (**self).suspend(issuer, owner).await
            }

            async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
                (**self).resume(issuer, owner).await
            }

            async fn dead_letters(
                &self,
                issuer: &Issuer,
                stream: &StreamId,
                query: &LetterQuery,
            ) -> Result<Vec<DeadLetter>, StoreError> {
                (**self).dead_letters(issuer, stream, query).await
            }

            async fn redrive(
                &self,
                issuer: &Issuer,
                stream: &StreamId,
                redrive: Redrive,
            ) -> Result<Vec<Redriven>, StoreError> {
                (**self).redrive(issuer, stream, redrive).await
            }

            async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
                (**self).totals(issuer).await
            }
        }

        #[deny(clippy::missing_trait_methods)]
        #[async_trait]
        impl<T: StreamStore + ?Sized> StreamStore for $pointer<T> {
            fn outbox(&self) -> Box<dyn Outbox + '_> {
                (**self).outbox()
            }
        }
    };
}

forward!(Arc);
forward!(Box);

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl<T: Outbox + ?Sized> Outbox for Box<T> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        (**self).candidates(query).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        (**self).append(append).await
    }
}
