//! The worker face of the broken store.

use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, StreamId};
use ssf_transmitter::outbox::{Fate, PlaceLimits, Places};
use ssf_transmitter::store::{
    ClaimRequest, Claims, GiveUpHeld, HeldStream, KeepToken, Kept, OperatorStore, Overdue, Route,
    SettleBatch, SettleReport, StoreError, SweepRequest, Swept, Tokens, WorkerStore,
};
use ssf_transmitter::timestamp::Timestamp;

use super::store::{Broken, Fault, others};

impl Broken {
    /// The claim as the store takes it.
    fn request(&self, mut request: ClaimRequest) -> ClaimRequest {
        if self.does(Fault::RoundsTimesToSeconds) {
            request.now = Timestamp::from_seconds(request.now.as_seconds() + 1);
        }
        if self.does(Fault::ClaimsOneMore) {
            request.most += 1;
        }
        if self.does(Fault::NeverEndsALease) {
            request.lease_until = Timestamp::from_seconds(1_000_000_000);
        }
        if self.does(Fault::IgnoresThePlaces) {
            request.places = Places::new(PlaceLimits::any(usize::MAX));
        }
        if self.does(Fault::IgnoresTheLimitPerStream) {
            request.most_per_stream = usize::MAX;
        }
        if self.does(Fault::ClaimsUnsigned) {
            request.tokens = Tokens::Any;
        }
        request
    }

    /// Notes what was claimed, and returns too what should not be.
    fn note(&self, request: &ClaimRequest, mut claims: Claims) -> Claims {
        let mut remembered = self.remembered();
        let issuer = &request.issuer;
        for entry in &claims.entries {
            let set = (issuer.clone(), entry.jti.clone());
            remembered.fences.insert(set, entry.fence);
        }
        let again = remembered.claimed.iter().filter(|(other, _)| other == issuer);
        let again: Vec<_> = again.map(|(_, entry)| entry.clone()).collect();
        let new = claims.entries.iter().map(|entry| (issuer.clone(), entry.clone()));
        remembered.claimed.extend(new);
        if self.does(Fault::ClaimsTwice) && request.most > 0 {
            claims.entries.extend(again);
        }
        claims
    }

    /// The batch as the store takes it.
    fn batch(&self, issuer: &Issuer, mut batch: SettleBatch) -> SettleBatch {
        for settlement in &mut batch.settlements {
            let set = (issuer.clone(), settlement.jti.clone());
            let last = self.remembered().fences.get(&set).copied();
            if let (true, Some(last)) = (self.does(Fault::TakesAnOldFence), last) {
                settlement.fence = last;
            }
            if let (true, Fate::Defer(at)) = (self.does(Fault::CountsDeferrals), &settlement.fate) {
                settlement.fate = Fate::Retry(*at);
            }
        }
        if self.does(Fault::ForgetsHealth) {
            batch.health.clear();
        }
        if self.does(Fault::TakesHealthOfAnyGeneration) {
            batch.health.iter_mut().for_each(|change| change.generation = None);
        }
        batch
    }
}

#[async_trait]
impl WorkerStore for Broken {
    async fn claim(&self, request: ClaimRequest) -> Result<Claims, StoreError> {
        let request = self.request(request);
        let mut claims = self.note(&request, self.store.claim(request.clone()).await?);
        if self.does(Fault::ClaimsForAnyIssuer) && claims.entries.is_empty() {
            let issuers = self.remembered().issuers.clone();
            for issuer in issuers {
                let mut theirs = request.clone();
                theirs.issuer = issuer;
                claims.entries.extend(self.store.claim(theirs).await?.entries);
            }
        }
        if self.does(Fault::WakesLate) {
            claims.next_due = claims.next_due.map(|due| due.after(Duration::from_secs(1)));
        }
        if self.does(Fault::WakesAgainAndAgain) {
            claims.next_due = Some(request.now);
        }
        Ok(claims)
    }

    async fn keep_tokens(
        &self,
        issuer: &Issuer,
        mut tokens: Vec<KeepToken>,
    ) -> Result<Vec<Kept>, StoreError> {
        for keep in &mut tokens {
            let set = (issuer.clone(), keep.jti.clone());
            let before = self.remembered().kids.insert(set, keep.token.kid.clone());
            if self.does(Fault::ReplacesTheFirstToken) {
                keep.replaces = before;
            }
        }
        let mut kept = self.store.keep_tokens(issuer, tokens.clone()).await?;
        if self.does(Fault::KeepsTokensForWhatIsGone) {
            for (kept, keep) in kept.iter_mut().zip(tokens) {
                let record = self.store.find_stream(issuer, &keep.stream_id).await;
                if let (Kept::Gone, Ok(record)) = (&*kept, record) {
                    *kept = Kept::Token { token: keep.token, route: Route::of(&record).into() };
                }
            }
        }
        Ok(kept)
    }

    async fn settle(
        &self,
        issuer: &Issuer,
        batch: SettleBatch,
    ) -> Result<SettleReport, StoreError> {
        let batch = self.batch(issuer, batch);
        if self.does(Fault::SettlesEntryByEntry) {
            let mut report = SettleReport::new(Vec::new(), Vec::new());
            for settlement in &batch.settlements {
                let mut one = SettleBatch::new(batch.policy, batch.now);
                one.settlements.push(settlement.clone());
                report.settled.extend(self.store.settle(issuer, one).await?.settled);
                others().await;
            }
            let mut rest = batch;
            rest.settlements.clear();
            report.verdicts = self.store.settle(issuer, rest).await?.verdicts;
            return Ok(report);
        }
        let mut report = self.store.settle(issuer, batch).await?;
        if self.does(Fault::SwapsTheSettled) {
            report.settled.reverse();
        }
        if self.does(Fault::NamesVerdictsTwice) {
            report.verdicts.extend_from_within(..);
        }
        Ok(report)
    }

    async fn sweep(&self, mut request: SweepRequest) -> Result<Swept, StoreError> {
        if self.does(Fault::SweepsUnbounded) {
            request.most = usize::MAX;
        }
        self.store.sweep(request).await
    }

    async fn idle_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let mut idle = self.store.idle_streams(issuer, since, most).await?;
        if self.does(Fault::NamesTheBusiestFirst) {
            idle.streams.reverse();
        }
        Ok(idle)
    }

    async fn unverified_streams(
        &self,
        issuer: &Issuer,
        since: Timestamp,
        most: usize,
    ) -> Result<Overdue, StoreError> {
        let mut overdue = self.store.unverified_streams(issuer, since, most).await?;
        if self.does(Fault::NamesTheLastVerifiedFirst) {
            overdue.streams.reverse();
        }
        Ok(overdue)
    }

    async fn held_streams(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<HeldStream>, StoreError> {
        let after = after.filter(|_| !self.does(Fault::PagesHeldFromTheStart));
        self.store.held_streams(issuer, after, most).await
    }

    async fn give_up_held(
        &self,
        issuer: &Issuer,
        mut request: GiveUpHeld,
    ) -> Result<u64, StoreError> {
        if self.does(Fault::GivesUpWhatIsClaimed) {
            request.now = request.now.after(Duration::from_secs(60));
        }
        self.store.give_up_held(issuer, request).await
    }
}
