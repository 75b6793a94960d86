//! Dead letters: reading them, and giving them another life.

use super::{Transmitter, mint};
use crate::error::Error;
use crate::id::StreamId;
use crate::outbox::{Revival, revival};
use crate::store::{
    DeadLetter, LetterFilter, LetterQuery, Redrive, RedriveLetter, Redriven, StoreError,
};
use crate::stream::StreamStatus;
use crate::timestamp::Timestamp;

/// What a redrive did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedriveReport {
    /// SETs that wait again as what they were: their receiver had not judged them.
    pub same: u64,
    /// SETs that wait under a new `jti`: their receiver had judged them under the old one.
    pub renewed: u64,
    /// Control SETs, which stay dead: they speak of a moment that is over.
    pub control: u64,
    /// Letters that somebody else redrove or that retention removed meanwhile.
    pub gone: u64,
}

/// How many letters are redriven in one commit.
const BATCH: usize = 500;

impl Transmitter {
    /// A page of the dead letters of a stream, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or another error of the store.
    pub async fn dead_letters(
        &self,
        stream: &StreamId,
        query: &LetterQuery,
    ) -> Result<Vec<DeadLetter>, Error> {
        Ok(self.store.dead_letters(&self.core.issuer, stream, query).await?)
    }

    /// Gives the dead letters that are meant another life, those that died until now: they wait
    /// behind all others of their stream, each [as the same SET or as a new one](Revival). On a
    /// paused stream they are held.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::StreamDisabled`], or another error of the store.
    /// What was redriven before it stays so; the call may be repeated.
    pub async fn redrive(
        &self,
        stream: &StreamId,
        filter: LetterFilter,
    ) -> Result<RedriveReport, Error> {
        let now = self.core.clock.now();
        // Asked first, so that a stream that takes nothing is refused also when it has no letters.
        let record = self.store.find_stream(&self.core.issuer, stream).await?;
        if record.status == StreamStatus::Disabled {
            return Err(StoreError::StreamDisabled.into());
        }
        let mut report = RedriveReport::default();
        let mut query = LetterQuery { filter, ..LetterQuery::new(BATCH) };
        loop {
            let mut letters = self.dead_letters(stream, &query).await?;
            let full = letters.len() == BATCH;
            // What lives again and dies meanwhile is another death.
            letters.retain(|letter| letter.dead_at <= now);
            let Some(last) = letters.last() else { break };
            query.after = Some(last.place());
            self.redrive_page(stream, &letters, now, &mut report).await?;
            if !full {
                break;
            }
        }
        Ok(report)
    }

    async fn redrive_page(
        &self,
        stream: &StreamId,
        letters: &[DeadLetter],
        now: Timestamp,
        report: &mut RedriveReport,
    ) -> Result<(), Error> {
        let core = &self.core;
        let mut batch = Redrive::new(Vec::with_capacity(letters.len()), now);
        for letter in letters {
            let new_jti = match revival(letter.lane, &letter.reason, letter.attempts) {
                Revival::Same => None,
                Revival::New => Some(mint::jti(now, core.entropy.bits())),
                Revival::Never => {
                    report.control += 1;
                    continue;
                }
            };
            batch.letters.push(RedriveLetter::new(letter.place(), new_jti));
        }
        let renewed: Vec<bool> = batch.letters.iter().map(|l| l.new_jti.is_some()).collect();
        let committing = core.committing();
        let redriven = self.store.redrive(&core.issuer, stream, batch).await;
        let redriven = committing.over(redriven.map_err(Error::from))?;
        core.held.changed();
        core.wakes.wake([stream]);
        for (outcome, renewed) in redriven.into_iter().zip(renewed) {
            match outcome {
                Redriven::Done if renewed => report.renewed += 1,
                Redriven::Done => report.same += 1,
                Redriven::Gone => report.gone += 1,
                Redriven::Refused => report.control += 1,
            }
        }
        Ok(())
    }
}
