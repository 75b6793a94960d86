//! Bulk imports: many reports, in batches, in bounded memory.

use std::collections::HashSet;

use super::{IdentityMonitor, MonitorError, Observed, Outcome};
use crate::id::IdentityId;
use crate::lifecycle::{Mode, Report};

/// How many reports one transaction takes. An import holds no more than these.
pub const BATCH: usize = 1_000;

/// An import under way. What was committed stays when it is dropped; to repeat it from the start is
/// safe: what is known already fires nothing.
#[derive(Debug)]
#[must_use = "an import is over when `finish` returns"]
pub struct Import {
    monitor: IdentityMonitor,
    mode: Mode,
    batch: Vec<Report>,
    in_batch: HashSet<IdentityId>,
    progress: ImportProgress,
}

/// How far an import is. What is still in its batch is only counted as read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportProgress {
    /// Reports that were read.
    pub read: u64,
    /// Reports that said something new, and are committed.
    pub recorded: u64,
    /// Reports that said what was known.
    pub unchanged: u64,
    /// Reports that were older than what was known.
    pub stale: u64,
    /// Events that were emitted.
    pub events: u64,
    /// Events that could not be made, and are kept for the operator.
    pub failures: u64,
}

impl IdentityMonitor {
    /// Begins an import.
    pub fn import(&self, mode: Mode) -> Import {
        Import {
            monitor: self.clone(),
            mode,
            batch: Vec::new(),
            in_batch: HashSet::new(),
            progress: ImportProgress::default(),
        }
    }
}

impl Import {
    /// Takes one report. It is committed with its batch; reports of one identity keep their order.
    ///
    /// # Errors
    /// Like [`IdentityMonitor::upsert`]; the batch is kept, and the next call tries it again.
    pub async fn push(&mut self, report: Report) -> Result<(), MonitorError> {
        if self.batch.len() >= BATCH || self.in_batch.contains(&report.identity) {
            self.flush().await?;
        }
        self.progress.read += 1;
        self.in_batch.insert(report.identity.clone());
        self.batch.push(report);
        Ok(())
    }

    /// How far it is.
    #[must_use]
    pub const fn progress(&self) -> ImportProgress {
        self.progress
    }

    /// Commits what is left.
    ///
    /// # Errors
    /// Like [`push`](Self::push).
    pub async fn finish(mut self) -> Result<ImportProgress, MonitorError> {
        self.flush().await?;
        Ok(self.progress)
    }

    async fn flush(&mut self) -> Result<(), MonitorError> {
        let observed = self.monitor.apply(&self.batch, &self.mode).await?;
        self.batch.clear();
        self.in_batch.clear();
        for Observed { outcome, events, failures } in observed {
            match outcome {
                Outcome::Recorded => self.progress.recorded += 1,
                Outcome::Unchanged => self.progress.unchanged += 1,
                Outcome::Stale => self.progress.stale += 1,
            }
            self.progress.events += events.len() as u64;
            self.progress.failures += failures.len() as u64;
        }
        Ok(())
    }
}
