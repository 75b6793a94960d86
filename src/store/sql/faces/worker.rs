//! The worker face of a store in an SQL database.

use async_trait::async_trait;

use super::in_transaction;
use crate::id::{Issuer, StreamId};
use crate::store::sql::session::{Access, Database};
use crate::store::sql::{SqlStore, activity, claim, held, keep, settle, sweep};
use crate::store::{
    ClaimRequest, Claims, GiveUpHeld, HeldStream, KeepToken, Kept, Overdue, SettleBatch,
    SettleReport, StoreError, SweepRequest, Swept, WorkerStore,
};
use crate::timestamp::Timestamp;

#[async_trait]
impl<D: Database> WorkerStore for SqlStore<D> {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
        let mut transaction = self.database.begin(Access::Write).await?;
        self.database.check_clock(request.now, &mut *transaction).await?;
        let claims = claim::claim(&mut *transaction, request).await?;
        transaction.commit().await?;
        Ok(claims)
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        in_transaction!(self.database, Write, session => keep::keep_tokens(session, issuer, tokens))
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        in_transaction!(self.database, Write, session => settle::settle(session, issuer, batch))
    }

    async fn sweep(&self, request: SweepRequest) -> Result<Swept, StoreError> {
        in_transaction!(self.database, Write, session => sweep::sweep(session, request))
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        in_transaction!(self.database, Read, session => activity::idle(session, issuer, since, most))
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        in_transaction!(
            self.database, Read,
            session => activity::unverified(session, issuer, since, most)
        )
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        in_transaction!(self.database, Write, session => held::list(session, issuer, after, most))
    }

    async fn give_up_held(&self, issuer: &Issuer, request: GiveUpHeld) -> Result<u64, StoreError> {
        in_transaction!(self.database, Write, session => held::give_up(session, issuer, request))
    }
}
