//! Ending claims.

use std::collections::{BTreeMap, BTreeSet};

use super::endings;
use super::issuers;
use super::queue::{self, Queue};
use super::session::Session;
use crate::id::{Issuer, StreamId};
use crate::outbox::{Happening, Verdict};
use crate::store::{HealthChange, SettleBatch, SettleReport, Settled, Settlement, StoreError};

/// Ends claims and notes what was learnt about streams. The streams are locked for it, so nobody
/// claims of them meanwhile.
pub(super) async fn settle(
    session: &mut dyn Session,
    issuer: &Issuer,
    batch: SettleBatch,
) -> Result<SettleReport, StoreError> {
    let SettleBatch { settlements, health, policy, now } = batch;
    let named = settlements.iter().map(|settlement| &settlement.stream_id);
    let streams: BTreeSet<&StreamId> =
        named.chain(health.iter().map(|change| &change.stream_id)).collect();
    let Some(issuer_no) = issuers::find(session, issuer).await? else {
        return Ok(SettleReport::new(vec![Settled::Gone; settlements.len()], Vec::new()));
    };
    let queues = queue::lock_named(session, issuer_no, streams.into_iter()).await?;
    let mut queues: BTreeMap<StreamId, Queue> =
        queues.into_iter().map(|queue| (queue.stream_id.clone(), queue)).collect();

    let wanted = settlements
        .iter()
        .filter_map(|settlement| Some((queues.get(&settlement.stream_id)?, &settlement.jti)));
    let mut entries = endings::named(session, &wanted.collect::<Vec<_>>()).await?;
    let mut settled = Vec::with_capacity(settlements.len());
    for Settlement { stream_id, jti, fence, fate } in settlements {
        settled.push(match queues.get_mut(&stream_id) {
            Some(queue) => entries.happen(queue, &jti, Happening::Settle { fence, fate }, now)?,
            None => Settled::Gone,
        });
    }
    let mut verdicts: Vec<(StreamId, Verdict)> = Vec::new();
    for HealthChange { stream_id, generation, report, jitter, pace } in &health {
        let Some(queue) = queues.get_mut(stream_id) else { continue };
        if generation.is_some_and(|generation| generation != queue.generation) {
            continue;
        }
        let verdict = queue.health.record(report, &policy, now, *jitter);
        queue.health.note_pace(*pace);
        let verdict = (stream_id.clone(), verdict);
        if verdict.1 != Verdict::GoOn && !verdicts.contains(&verdict) {
            verdicts.push(verdict);
        }
    }
    entries.write(session, now).await?;
    let mut queues: Vec<Queue> = queues.into_values().collect();
    queue::renew(session, &mut queues).await?;
    Ok(SettleReport::new(settled, verdicts))
}
