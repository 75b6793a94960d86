//! Explanations for the operator: would an event arrive, and if not, why?

use super::Transmitter;
use crate::error::Error;
use crate::event::Event;
use crate::hooks::Sharing;
use crate::id::StreamId;
use crate::routing::{Explanation, Interest, StoppedBy, explain};
use crate::store::StoreError;
use crate::stream::StreamRecord;
use crate::subject::Subject;

impl Transmitter {
    /// What would become of the event at that stream, if it were emitted now. Nothing is.
    ///
    /// # Errors
    /// Those of [`emit`](Self::emit) for an event that it would refuse, [`StoreError::NotFound`], or
    /// another error of the store.
    pub async fn explain(&self, event: &Event, stream: &StreamId) -> Result<Explanation, Error> {
        let (issuer, now) = (&self.core.issuer, self.core.clock.now());
        self.body_of(event, now)?;
        let record = self.store.find_stream(issuer, stream).await?;
        let interest = self.store.interest(issuer, stream, event.subject(), now).await?;
        Ok(self.rule(event, &record, interest))
    }

    /// What would become of the event at a stream that may be hypothetical: as `record` has it,
    /// with these subjects listed (those added, or those removed, as its `default_subjects` has
    /// it). A record that was read from the store and is out of date is stopped by its generation.
    ///
    /// # Errors
    /// Those of [`emit`](Self::emit) for an event that it would refuse, or an error of the store.
    pub async fn explain_hypothetical(
        &self,
        event: &Event,
        record: &StreamRecord,
        listed: &[Subject],
    ) -> Result<Explanation, Error> {
        self.body_of(event, self.core.clock.now())?;
        match self.store.find_stream(&self.core.issuer, &record.stream_id).await {
            Ok(now) if now.generation != record.generation => {
                return Ok(Explanation::Stopped(StoppedBy::Generation));
            }
            Ok(_) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error.into()),
        }
        let interest = Interest::of(record, listed, event.subject());
        Ok(self.rule(event, record, interest))
    }

    fn rule(&self, event: &Event, record: &StreamRecord, interest: Interest) -> Explanation {
        let ruling = explain(record, event.event_type(), interest);
        if let Explanation::Stopped(_) = ruling {
            return ruling;
        }
        match self.core.sharing.decide(event, &record.stream_id, &record.owner) {
            Sharing::Allow => ruling,
            Sharing::Veto => Explanation::Stopped(StoppedBy::Policy),
        }
    }
}
