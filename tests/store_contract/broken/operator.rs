//! The operator face of the broken store.

use async_trait::async_trait;
use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::routing::Interest;
use ssf_transmitter::store::{
    DeadLetter, LetterFilter, LetterQuery, OperatorStore, Redrive, Redriven, StoreError,
    StreamOverview, Totals,
};
use ssf_transmitter::stream::StreamRecord;
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;

use super::store::{Broken, Fault};

#[async_trait]
impl OperatorStore for Broken {
    async fn find_stream(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamRecord, StoreError> {
        self.store.find_stream(issuer, stream).await
    }

    async fn list_overviews(
        &self,
        issuer: &Issuer,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, StoreError> {
        let mut page = self.store.list_overviews(issuer, after, most).await?;
        if let (true, Some(after)) = (self.does(Fault::PagesInclusively), after) {
            page.insert(0, self.store.overview(issuer, after).await?);
            page.truncate(most);
        }
        Ok(page)
    }

    async fn overview(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
    ) -> Result<StreamOverview, StoreError> {
        self.store.overview(issuer, stream).await
    }

    async fn interest(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Interest, StoreError> {
        let never = self.does(Fault::AsksForInterestAtNoTime);
        let now = if never { Timestamp::from_seconds(-1_000) } else { now };
        self.store.interest(issuer, stream, subject, now).await
    }

    async fn suspend(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        if self.does(Fault::NeverSuspends) {
            return Ok(());
        }
        self.store.suspend(issuer, owner).await
    }

    async fn resume(&self, issuer: &Issuer, owner: &Owner) -> Result<(), StoreError> {
        self.store.resume(issuer, owner).await
    }

    async fn dead_letters(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        let mut query = query.clone();
        if self.does(Fault::IgnoresTheFilter) {
            query.filter = LetterFilter::default();
        }
        let mut letters = self.store.dead_letters(issuer, stream, &query).await?;
        if self.does(Fault::ListsLettersBackwards) {
            letters.reverse();
        }
        Ok(letters)
    }

    async fn redrive(
        &self,
        issuer: &Issuer,
        stream: &StreamId,
        redrive: Redrive,
    ) -> Result<Vec<Redriven>, StoreError> {
        let redriven = self.store.redrive(issuer, stream, redrive.clone()).await;
        if let (true, Err(StoreError::IdTaken)) = (self.does(Fault::RedrivesByHalves), &redriven) {
            for letter in redrive.letters {
                let one = Redrive::new(vec![letter], redrive.now);
                self.store.redrive(issuer, stream, one).await.ok();
            }
        }
        redriven
    }

    async fn totals(&self, issuer: &Issuer) -> Result<Totals, StoreError> {
        let mut totals = self.store.totals(issuer).await?;
        if self.does(Fault::CountsDeliveriesTwice) {
            totals.delivered *= 2;
        }
        Ok(totals)
    }
}
