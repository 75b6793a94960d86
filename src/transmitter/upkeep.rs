//! What time asks for: streams whose receiver is gone, and rows that retention lets go.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Transmitter;
use crate::error::Error;
use crate::hooks::PauseCause;
use crate::store::SweepRequest;
use crate::timestamp::Timestamp;

/// When upkeep is next due in this process.
#[derive(Debug, Default)]
pub(super) struct Schedule(Mutex<Timestamp>);

/// How often retention is looked after.
const SWEEP: Duration = Duration::from_secs(3600);
/// More often than this, looking costs more than it finds.
const SHORTEST: Duration = Duration::from_millis(100);
/// The most streams or rows of one kind that one call handles, and the most calls of one upkeep.
const BATCH: usize = 1000;
const ROUNDS: usize = 1000;

impl Transmitter {
    /// Does the upkeep that is due and says when it is due again.
    pub(super) async fn upkeep(&self) -> Result<Timestamp, Error> {
        let now = self.core.clock.now();
        let next = *self.core.upkeep.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < next {
            return Ok(next);
        }
        let timeout = self.core.config.inactivity_timeout;
        // A stream is paused at most a quarter of its timeout late.
        let interval = timeout.map_or(SWEEP, |timeout| (timeout / 4).clamp(SHORTEST, SWEEP));
        let next = now.after(interval);
        // Written first: upkeep that fails is tried again in its time, not all the time.
        *self.core.upkeep.0.lock().unwrap_or_else(PoisonError::into_inner) = next;
        if let Some(timeout) = timeout {
            self.pause_inactive(now, timeout).await?;
        }
        self.sweep(now).await?;
        Ok(next)
    }

    /// Pauses streams whose receiver has been silent for too long (SSF 1.0 §8.1.1
    /// `inactivity_timeout`), and tells them (§8.1.5).
    async fn pause_inactive(&self, now: Timestamp, timeout: Duration) -> Result<(), Error> {
        let reason = format!("no activity for {} seconds", timeout.as_secs_f64());
        let mut result = Ok(());
        for _ in 0..ROUNDS {
            let since = now.before(timeout);
            let idle = self.store.idle_streams(&self.core.issuer, since, BATCH).await?.streams;
            for record in &idle {
                let cause = PauseCause::Inactivity;
                // One stream that cannot be paused leaves the others their turn.
                let paused = self.pause(&record.stream_id, Some(reason.clone()), cause).await;
                result = result.and(paused);
            }
            if idle.len() < BATCH {
                break;
            }
        }
        result
    }

    async fn sweep(&self, now: Timestamp) -> Result<(), Error> {
        let config = &self.core.config;
        for _ in 0..ROUNDS {
            let request = SweepRequest::new(
                self.core.issuer.clone(),
                now.before(config.keep_dead_letters),
                now.before(config.keep_idempotency_keys),
                BATCH,
            );
            let swept = self.store.sweep(request).await?;
            let full = BATCH as u64;
            if swept.dead_letters < full && swept.idempotency_keys < full {
                break;
            }
        }
        Ok(())
    }
}
