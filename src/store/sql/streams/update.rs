//! Changes of streams by compare-and-set.

use super::delete::{discard, leave};
use super::{Found, insert_types, lock, owned, pushed};
use crate::id::EventType;
use crate::outbox::{Health, Held, holds};
use crate::secret::Secret;
use crate::store::sql::session::Session;
use crate::store::sql::{control, intake, leftovers, queue, rows, tenants};
use crate::store::{Provided, Queue, StoreError, StreamUpdate};
use crate::stream::{StreamRecord, StreamStatus};

/// What became of a change.
pub(in super::super) enum Updated {
    /// It is done.
    Done(StreamRecord),
    /// It is done, and left something of the stream of that number to be removed.
    Leaves(StreamRecord, i64),
    /// Nothing is done: first what is left of the stream of that number must go.
    Waits(i64),
}

pub(in super::super) async fn update(
    session: &mut dyn Session,
    update: StreamUpdate,
) -> Result<Updated, StoreError> {
    let StreamUpdate { mut record, expected_version, queue, announce, provided } = update;
    let issuer = record.issuer.clone();
    let enabled = |record: &StreamRecord| record.status == StreamStatus::Enabled;
    let found = owned(session, &issuer, &record.owner, &record.stream_id).await?;
    if enabled(&record) {
        // A suspension that commits meanwhile would else not see that the stream starts.
        tenants::lock(session, found.issuer_no, &record.owner.tenant).await?;
    }
    let before = lock(session, &issuer, found.no).await?;
    let counts = Counts::lock(session, before.no).await?;
    if before.record.version != expected_version || !counts.are(session, &before, provided).await? {
        return Err(StoreError::Conflict);
    }
    let starts = enabled(&record) && !enabled(&before.record);
    if starts && tenants::is_suspended(session, before.issuer_no, &record.owner).await? {
        return Err(StoreError::Suspended);
    }
    let takes = record.status != StreamStatus::Disabled;
    if takes && leftovers::are_there(session, before.no).await? {
        return Ok(Updated::Waits(before.no));
    }
    record.version = expected_version.saturating_add(1);
    let era = match queue {
        Queue::Keep => before.era,
        Queue::Discard => before.era + 1,
    };
    let no = before.no;
    write(session, no, era, &record).await?;
    write_queue(session, no, era, counts, (&before.record, &record)).await?;
    if types(&record) != types(&before.record) {
        session.run("DELETE FROM ssf_stream_types WHERE stream_no = $1", &[no.into()]).await?;
        insert_types(session, before.issuer_no, no, &record).await?;
    }
    match queue {
        Queue::Keep => {}
        Queue::Discard if leftovers::is_little(session, no).await? => discard(session, no).await?,
        Queue::Discard => {
            leave(session, no).await?;
            leftovers::note(session, before.issuer_no, no, Some(era)).await?;
        }
    }
    if let Some(control) = announce {
        control::accept(session, no, control).await?;
    }
    queue::changed(session, &[no]).await?;
    Ok(match queue {
        Queue::Discard if leftovers::are_there(session, no).await? => Updated::Leaves(record, no),
        Queue::Discard | Queue::Keep => Updated::Done(record),
    })
}

/// What of a record says which entries it takes.
fn types(record: &StreamRecord) -> (bool, &'static str, &[EventType]) {
    let takes = record.status != StreamStatus::Disabled;
    (takes, record.default_subjects.as_str(), &record.events_delivered)
}

async fn write(
    session: &mut dyn Session,
    no: i64,
    era: i64,
    record: &StreamRecord,
) -> Result<(), StoreError> {
    let update = "UPDATE ssf_streams SET version = $2, generation = $3, era = $4, status = $5, \
        default_subjects = $6, pushed = $7, record = $8, secret = $9 WHERE no = $1";
    let secret = rows::secret_text(record);
    let arguments = [
        no.into(),
        rows::number(record.version).into(),
        rows::number(record.generation).into(),
        era.into(),
        record.status.as_str().into(),
        record.default_subjects.as_str().into(),
        pushed(record).into(),
        rows::record_text(record)?.into(),
        secret.as_ref().map(Secret::expose).into(),
    ];
    session.run(update, &arguments).await?;
    Ok(())
}

/// What of the queue of a stream a change looks at.
struct Counts {
    health: Health,
    active_at: i64,
    ordinary: u64,
    ordinary_bytes: u64,
}

impl Counts {
    async fn lock(session: &mut dyn Session, no: i64) -> Result<Self, StoreError> {
        let select = "SELECT health, active_at, ordinary, ordinary_bytes \
            FROM ssf_queues WHERE stream_no = $1 {lock}";
        let rows = session.rows(select, &[no.into()]).await?;
        let row = rows.first().ok_or(StoreError::NotFound)?;
        Ok(Self {
            health: rows::health(row.text(0)?)?,
            active_at: row.int(1)?,
            ordinary: rows::count(row, 2)?,
            ordinary_bytes: rows::count(row, 3)?,
        })
    }

    /// Whether they are as a change was decided on.
    async fn are(
        &self,
        session: &mut dyn Session,
        stream: &Found,
        provided: Provided,
    ) -> Result<bool, StoreError> {
        match provided {
            Provided::Nothing => Ok(true),
            Provided::IdleSince(since) => Ok(self.active_at <= since.as_millis()),
            Provided::Exceeds(limits, now) => {
                // What was emitted lately counts, too.
                intake::take_in(session, stream.issuer_no, None).await?;
                let held = Self::lock(session, stream.no).await?.held(session, stream).await?;
                Ok(held.is_some_and(|held| limits.exceeded(&held, now).is_some()))
            }
        }
    }

    /// What the stream holds that nobody is being sent.
    async fn held(
        &self,
        session: &mut dyn Session,
        stream: &Found,
    ) -> Result<Option<Held>, StoreError> {
        if !holds(stream.record.status, &stream.record.delivery) {
            return Ok(None);
        }
        let select = "SELECT queued_at FROM ssf_entries \
            WHERE stream_no = $1 AND lane = 0 AND place > 0 ORDER BY seq LIMIT 1";
        let oldest = session.rows(select, &[stream.no.into()]).await?;
        let held = |queued_at| Held::new(self.ordinary, self.ordinary_bytes, queued_at);
        oldest.first().map(|row| rows::time(row, 0).map(held)).transpose()
    }
}

/// A stream that starts again, or anew elsewhere, has not failed yet, and its receiver has been
/// active now.
async fn write_queue(
    session: &mut dyn Session,
    no: i64,
    era: i64,
    counts: Counts,
    (before, record): (&StreamRecord, &StreamRecord),
) -> Result<(), StoreError> {
    let Counts { mut health, mut active_at, .. } = counts;
    let started = before.status != record.status && record.status == StreamStatus::Enabled;
    if started || before.generation != record.generation {
        if before.delivery.goes_where(&record.delivery) {
            health.forget_failures();
        } else {
            health.forget_receiver();
        }
        let restart = "UPDATE ssf_entries SET state = 0, due = NULL, failed_with_stream = 0 \
            WHERE stream_no = $1 AND lane > 0 AND state <> 1";
        session.run(restart, &[no.into()]).await?;
        let show = "UPDATE ssf_entries SET hidden_until = NULL \
            WHERE stream_no = $1 AND hidden_until IS NOT NULL";
        session.run(show, &[no.into()]).await?;
    }
    if started {
        active_at = active_at.max(record.updated_at.as_millis());
    }
    let update = "UPDATE ssf_queues SET host = $2, pace = $3, health = $4, status = $5, \
        set_by = $6, generation = $7, era = $8, active_at = $9 WHERE stream_no = $1";
    let arguments = [
        no.into(),
        rows::host(&record.delivery).into(),
        rows::pace_number(health.pace).into(),
        rows::health_text(&health)?.into(),
        record.status.as_str().into(),
        rows::set_by_word(record.status_set_by).into(),
        rows::number(record.generation).into(),
        era.into(),
        active_at.into(),
    ];
    session.run(update, &arguments).await?;
    Ok(())
}
