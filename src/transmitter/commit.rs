//! Committing a change of a stream, whoever decided it.

use super::Core;
use crate::hooks::{Notice, PauseCause};
use crate::store::{NewControl, Queue, ReceiverStore, StoreError, StreamUpdate};
use crate::stream::{StreamRecord, StreamStatus};

/// How often a change is decided anew because the stream changed meanwhile.
pub(super) const CHANGE_TRIES: usize = 5;

/// What a change was decided on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    version: u64,
    generation: u64,
    status: StreamStatus,
}

impl Before {
    pub(super) const fn of(record: &StreamRecord) -> Self {
        Self { version: record.version, generation: record.generation, status: record.status }
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
        let update = StreamUpdate { queue, announce, ..StreamUpdate::new(record, before.version) };
        let record = store.update_stream(update).await?;
        if record.generation == before.generation {
            self.wakes.wake([&record.stream_id]);
        } else {
            self.wakes.stream_changed(&record.stream_id);
        }
        if before.status == StreamStatus::Enabled && record.status == StreamStatus::Paused {
            let stream_id = record.stream_id.clone();
            self.diagnostics.notice(&Notice::StreamPaused { stream_id, cause });
        }
        Ok(record)
    }
}
