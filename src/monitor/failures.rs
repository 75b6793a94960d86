//! Events that could not be made: listed, tried again, or dismissed by the operator.

use super::{IdentityMonitor, MonitorError, Unmade};
use crate::error::Error;
use crate::id::FailureId;
use crate::lifecycle::plan;
use crate::store::FailedEvent;
use crate::transmitter::Emission;

/// What came of trying a failed event again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Retried {
    /// The event is emitted, and the failure is over.
    Emitted(Emission),
    /// It still cannot be made, for this reason. The failure stays.
    Failed(Unmade),
    /// Its condition is none any more. The failure stays, until it is dismissed.
    NoCondition,
    /// There is no such failure: somebody else ended it.
    NoFailure,
}

impl IdentityMonitor {
    /// Failed events, oldest first: those after `after`, at most `most`.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn failures(
        &self,
        after: Option<&FailureId>,
        most: usize,
    ) -> Result<Vec<FailedEvent>, MonitorError> {
        Ok(self.store.list_failures(self.transmitter.issuer(), after, most).await?)
    }

    /// Makes the event of a failure again, from what was known at the change and, where that was
    /// missing, what is known now; with the template as it is now.
    ///
    /// # Errors
    /// An error of the store. The event is emitted once, however often this is called.
    pub async fn retry(&self, failure: &FailureId) -> Result<Retried, MonitorError> {
        let issuer = self.transmitter.issuer();
        let Some(failed) = self.store.read_failure(issuer, failure).await? else {
            return Ok(Retried::NoFailure);
        };
        let identity = [failed.identity.clone()];
        let read = self.store.read_identities(issuer, &identity).await?;
        let compiled = self.compiled(read.conditions).await?;
        let mut after = (*failed.after).clone();
        if let Some(known) = read.records.into_iter().flatten().next() {
            after = after.completed(&known.snapshot);
        }
        let now = self.transmitter.now();
        let planned = plan(
            &compiled.conditions,
            &failed.condition,
            &failed.identity,
            &failed.before,
            &after,
            now,
        );
        let Some(planned) = planned else { return Ok(Retried::NoCondition) };
        let txn = self.transmitter.new_txn(now);
        let append = match self.make(planned.event, &txn, now).await? {
            Ok(append) => append,
            Err(unmade) => return Ok(Retried::Failed(unmade)),
        };
        let committing = self.transmitter.committing();
        let ended = self.store.end_failure(issuer, failure, vec![append]).await;
        let ended = committing.over(ended.map_err(Error::from))?;
        let Some(appended) = ended.and_then(|mut appended| appended.pop()) else {
            return Ok(Retried::NoFailure);
        };
        let emission = Emission::from(appended);
        self.transmitter.wake(&emission);
        Ok(Retried::Emitted(emission))
    }

    /// Ends a failure without an event. Whether there was one.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn dismiss(&self, failure: &FailureId) -> Result<bool, MonitorError> {
        let ended = self.store.end_failure(self.transmitter.issuer(), failure, Vec::new()).await?;
        Ok(ended.is_some())
    }
}
