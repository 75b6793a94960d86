//! What the operator may do: the host's own calls, beyond what receivers can cause.

use serde_json::Map;

use super::Transmitter;
use super::commit::{Before, CHANGE_TRIES};
use crate::error::Error;
use crate::event::types;
use crate::hooks::PauseCause;
use crate::id::{Owner, StreamId};
use crate::outbox::Lane;
use crate::protocol::change_status;
use crate::store::{Provided, StoreError, StreamOverview, Totals};
use crate::stream::{StatusSetBy, StreamRecord, StreamStatus};
use crate::timestamp::Timestamp;

/// What a pause was decided on: a stream of which that is no longer so is left as it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ground {
    /// Nothing of the stream.
    Any,
    /// Attempts of that generation.
    Generation(u64),
    /// The receiver has not been active since.
    IdleSince(Timestamp),
}

impl Ground {
    const fn holds(self, record: &StreamRecord) -> bool {
        match self {
            Self::Any | Self::IdleSince(_) => true,
            Self::Generation(generation) => record.generation == generation,
        }
    }

    /// What only the store can tell when it commits the pause.
    const fn provided(self) -> Provided {
        match self {
            Self::Any | Self::Generation(_) => Provided::Nothing,
            Self::IdleSince(since) => Provided::IdleSince(since),
        }
    }
}

impl Transmitter {
    /// Changes the status of a stream on the transmitter's own account. The receiver is told by a
    /// stream-updated SET (SSF 1.0 §8.1.5), committed together with the change.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Suspended`] when a stream of a suspended receiver is
    /// to be enabled, or another error of the store.
    pub async fn set_status(
        &self,
        stream: &StreamId,
        status: StreamStatus,
        reason: Option<String>,
    ) -> Result<StreamRecord, Error> {
        self.change_status(stream, status, reason, PauseCause::Operator).await
    }

    /// Suspends a receiver: its enabled streams are paused, it gets no new ones, and it can enable
    /// none until it is [resumed](Self::resume_client).
    ///
    /// # Errors
    /// An error of the store. The call may be repeated.
    pub async fn suspend_client(&self, owner: &Owner, reason: Option<String>) -> Result<(), Error> {
        self.store.suspend(&self.core.issuer, owner).await?;
        for record in self.store.list_streams(&self.core.issuer, owner).await? {
            let cause = PauseCause::Suspension;
            self.pause(&record.stream_id, reason.clone(), cause, Ground::Any).await?;
        }
        Ok(())
    }

    /// Lifts a suspension: the streams that it paused are enabled again, and what they held is
    /// delivered. Those that had been stopped before stay so.
    ///
    /// # Errors
    /// An error of the store. The call may be repeated.
    pub async fn resume_client(&self, owner: &Owner) -> Result<(), Error> {
        self.store.resume(&self.core.issuer, owner).await?;
        for record in self.store.list_streams(&self.core.issuer, owner).await? {
            if record.status_set_by == StatusSetBy::Suspension {
                self.set_status(&record.stream_id, StreamStatus::Enabled, None).await?;
            }
        }
        Ok(())
    }

    /// A page of all streams, those after `after`, in a stable order.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn streams(
        &self,
        after: Option<&StreamId>,
        most: usize,
    ) -> Result<Vec<StreamOverview>, Error> {
        Ok(self.store.list_overviews(&self.core.issuer, after, most).await?)
    }

    /// One stream and how it is doing, at a cost that does not depend on what waits.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or another error of the store.
    pub async fn overview(&self, stream: &StreamId) -> Result<StreamOverview, Error> {
        Ok(self.store.overview(&self.core.issuer, stream).await?)
    }

    /// What became of all entries.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn totals(&self) -> Result<Totals, Error> {
        Ok(self.store.totals(&self.core.issuer).await?)
    }

    /// Changes a status and announces it, in one commit; decided anew when the stream changed
    /// meanwhile. What changes nothing for the receiver is not announced.
    async fn change_status(
        &self,
        stream: &StreamId,
        status: StreamStatus,
        reason: Option<String>,
        cause: PauseCause,
    ) -> Result<StreamRecord, Error> {
        for _ in 0..CHANGE_TRIES {
            let before = self.store.find_stream(&self.core.issuer, stream).await?;
            match self.try_status(before, status, reason.clone(), cause, Provided::Nothing).await {
                Err(Error::Store(StoreError::Conflict)) => {}
                other => return other,
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Pauses a stream. One that is stopped already is left as it is: who stopped it decides when
    /// it goes on. One that is gone needs no pause.
    pub(super) async fn pause(
        &self,
        stream: &StreamId,
        reason: Option<String>,
        cause: PauseCause,
        ground: Ground,
    ) -> Result<(), Error> {
        let paused = StreamStatus::Paused;
        for _ in 0..CHANGE_TRIES {
            let before = match self.store.find_stream(&self.core.issuer, stream).await {
                Ok(record) if record.status == StreamStatus::Enabled && ground.holds(&record) => {
                    record
                }
                Ok(_) | Err(StoreError::NotFound) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let provided = ground.provided();
            match self.try_status(before, paused, reason.clone(), cause, provided).await {
                Ok(_) | Err(Error::Store(StoreError::NotFound)) => return Ok(()),
                Err(Error::Store(StoreError::Conflict)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// One try of a change, decided on that record.
    pub(super) async fn try_status(
        &self,
        record: StreamRecord,
        status: StreamStatus,
        reason: Option<String>,
        cause: PauseCause,
        provided: Provided,
    ) -> Result<StreamRecord, Error> {
        let (core, now) = (&self.core, self.core.clock.now());
        let (was, stream) = (Before::of(&record).provided(provided), record.stream_id.clone());
        let changes = record.status != status;
        let set_by = match cause {
            PauseCause::Suspension => StatusSetBy::Suspension,
            PauseCause::Receiver => StatusSetBy::Receiver,
            PauseCause::Inactivity
            | PauseCause::Operator
            | PauseCause::Undeliverable
            | PauseCause::Hindered => StatusSetBy::Transmitter,
        };
        let record = change_status(record, status, reason.clone(), set_by, now)?;
        let announce = if changes {
            let mut members = Map::new();
            members.insert("status".to_owned(), status.as_str().into());
            members.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
            let (lane, event_type) = (Lane::StreamUpdated, types::stream_updated());
            Some(core.control(lane, &stream, &event_type, &members, now)?)
        } else {
            None
        };
        Ok(core.commit(&*self.store, was, record, announce, cause).await?)
    }
}
