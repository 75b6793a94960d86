//! Committing a change of a stream, whoever decided it.

use super::Core;
use super::upkeep::Noted;
use crate::error::Error;
use crate::hooks::{Notice, PauseCause};
use crate::id::StreamId;
use crate::outbox::holds;
use crate::store::{NewControl, Provided, Queue, ReceiverStore, StoreError, StreamUpdate};
use crate::stream::{StreamRecord, StreamStatus};

/// How often a change is decided anew because the stream changed meanwhile.
pub(super) const CHANGE_TRIES: usize = 5;

/// What a change was decided on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    version: u64,
    generation: u64,
    status: StreamStatus,
    provided: Provided,
}

impl Before {
    pub(super) const fn of(record: &StreamRecord) -> Self {
        Self {
            version: record.version,
            generation: record.generation,
            status: record.status,
            provided: Provided::Nothing,
        }
    }

    pub(super) const fn provided(self, provided: Provided) -> Self {
        Self { provided, ..self }
    }
}

impl Core {
    /// Commits the record, and with it what announces the change. A stream that becomes disabled
    /// loses what waits (SSF 1.0 §8.1.2.1). Deliveries of another generation are called off, and
    /// who waits for the stream looks again. A pause is told, with its cause.
    pub(super) async fn commit(
        &self,
        store: &dyn ReceiverStore,
        before: Before,
        record: StreamRecord,
        announce: Option<NewControl>,
        cause: PauseCause,
    ) -> Result<StreamRecord, StoreError> {
        let disabled = StreamStatus::Disabled;
        let queue = if before.status != disabled && record.status == disabled {
            Queue::Discard
        } else {
            Queue::Keep
        };
        let provided = before.provided;
        let update = StreamUpdate::new(record, before.version);
        let update = StreamUpdate { queue, announce, provided, ..update };
        let same = update.record.generation == before.generation;
        let deliveries = if same { Deliveries::GoOn } else { Deliveries::End };
        let upkeep = if holds(update.record.status, &update.record.delivery) {
            Upkeep::Holds
        } else {
            Upkeep::GoesOn
        };
        let changing = self.changing(&update.record.stream_id, deliveries).with(upkeep);
        let record = changing.over(store.update_stream(update).await)?;
        if before.status == StreamStatus::Enabled && record.status == StreamStatus::Paused {
            let stream_id = record.stream_id.clone();
            self.diagnostics.notice(&Notice::StreamPaused { stream_id, cause });
        }
        Ok(record)
    }

    /// To be held while a change of a stream is committed.
    pub(super) fn changing(&self, stream: &StreamId, deliveries: Deliveries) -> Changing<'_> {
        let stream = stream.clone();
        Changing { core: self, stream, deliveries, upkeep: Upkeep::Unaffected }
    }
}

/// To be held while SETs are committed. When nobody knows whether they were, because the store did
/// not answer or the caller hung up, everybody in this process looks.
#[derive(Debug)]
#[must_use]
pub(crate) struct Committing<'a>(Option<&'a Core>);

impl Core {
    /// To be held while SETs are committed.
    pub(super) const fn committing(&self) -> Committing<'_> {
        Committing(Some(self))
    }
}

impl Committing<'_> {
    /// The store answered: whoever is concerned is woken by name.
    pub(crate) fn over<T>(mut self, result: Result<T, Error>) -> Result<T, Error> {
        if !matches!(result, Err(Error::Store(StoreError::Unavailable(_)))) {
            self.0 = None;
        }
        result
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        let Some(core) = self.0 else { return };
        core.held.committed(&core.config.held, core.clock.now());
        core.held.changed();
        core.wakes.wake_all();
    }
}

/// What a change means for the deliveries of its stream that are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deliveries {
    End,
    GoOn,
    /// There is nothing new to deliver; polls may be shown what stood behind.
    Shown,
}

/// What a change means for the upkeep of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upkeep {
    Unaffected,
    /// It may go on that was stopped.
    GoesOn,
    /// The same, and what was being sent may be held now.
    Holds,
}

/// Tells this process of a change of a stream when its commit is over, however it ended: also when
/// nobody knows whether it happened, because the store did not answer or the caller hung up.
/// Deliveries that are called off in vain go back as they were.
#[derive(Debug)]
#[must_use]
pub(super) struct Changing<'a> {
    core: &'a Core,
    stream: StreamId,
    deliveries: Deliveries,
    upkeep: Upkeep,
}

impl Changing<'_> {
    pub(super) fn with(mut self, upkeep: Upkeep) -> Self {
        self.upkeep = upkeep;
        self
    }

    /// The store answered. What it refused did not happen and ends no delivery.
    pub(super) fn over<T>(mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Ok(_) | Err(StoreError::Unavailable(_)) => {}
            Err(_) => (self.deliveries, self.upkeep) = (Deliveries::GoOn, Upkeep::Unaffected),
        }
        result
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let Self { core, stream, .. } = self;
        match self.upkeep {
            Upkeep::Unaffected => {}
            Upkeep::GoesOn => core.note(Noted::Enabled, core.clock.now()),
            Upkeep::Holds => {
                core.held.changed();
                core.note(Noted::Enabled, core.clock.now());
            }
        }
        match self.deliveries {
            Deliveries::End => core.wakes.stream_changed(stream),
            Deliveries::GoOn => core.wakes.wake([&*stream]),
            Deliveries::Shown => core.wakes.wake_polls(stream),
        }
    }
}
