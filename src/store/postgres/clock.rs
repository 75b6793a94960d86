//! Whether the clock of this process and that of the database agree: leases count on it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::store::StoreError;
use crate::store::sql::Session;
use crate::timestamp::Timestamp;

/// How long a comparison counts.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// The clocks differ too much.
#[derive(Debug, thiserror::Error)]
#[error("the database's clock is {gap} ms ahead of this process's, and {most} ms are allowed")]
struct ClocksDiffer {
    gap: i64,
    most: u128,
}

/// Compares the clocks at the first claim, and then once a minute.
#[derive(Debug)]
pub(super) struct ClockWatch {
    most: Duration,
    last: Mutex<Option<Comparison>>,
}

#[derive(Clone, Copy, Debug)]
struct Comparison {
    at: Timestamp,
    gap: i64,
}

impl ClockWatch {
    pub(super) const fn new(most: Duration) -> Self {
        Self { most, last: Mutex::new(None) }
    }

    /// How far the database's clock was ahead of ours, in milliseconds.
    pub(super) fn gap(&self) -> Option<i64> {
        self.last().map(|last| last.gap)
    }

    /// Refuses a time that is too far from the database's.
    pub(super) async fn check(
        &self,
        now: Timestamp,
        session: &mut dyn Session,
    ) -> Result<(), StoreError> {
        let fresh = |last: &Comparison| {
            self.allows(last.gap) && now >= last.at && now.since(last.at) < COUNTS_FOR
        };
        if self.last().as_ref().is_some_and(fresh) {
            return Ok(());
        }
        let theirs = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)";
        let rows = session.rows(theirs, &[]).await?;
        let Some(row) = rows.first() else { return Ok(()) };
        let gap = row.int(0)?.saturating_sub(now.as_millis());
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Comparison { at: now, gap });
        if self.allows(gap) {
            return Ok(());
        }
        let differ = ClocksDiffer { gap, most: self.most.as_millis() };
        Err(StoreError::Unavailable(Box::new(differ)))
    }

    fn allows(&self, gap: i64) -> bool {
        u128::from(gap.unsigned_abs()) <= self.most.as_millis()
    }

    fn last(&self) -> Option<Comparison> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
