//! The gauges: how the streams are doing, looked up when somebody wants to see it.

use super::Transmitter;
use crate::diagnostics::{self, Gauges};
use crate::error::Error;
use crate::outbox::Breaker;
use crate::stream::StreamStatus;

/// How many streams are read at a time.
const PAGE: usize = 500;

impl Transmitter {
    /// Says what every metric means, for exporters that pass it on. Called once, after the host
    /// installed its recorder.
    pub fn describe_metrics() {
        diagnostics::describe();
    }

    /// Brings the gauges of streams and backlog up to date. They are looked up in the store, so
    /// this is for whoever is about to show them, such as a handler of `/metrics`; it reads all
    /// streams, page by page.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn update_gauges(&self) -> Result<(), Error> {
        let now = self.core.clock.now();
        let mut gauges = Gauges { totals: self.totals().await?, ..Gauges::default() };
        let mut after = None;
        loop {
            let page = self.streams(after.as_ref(), PAGE).await?;
            for stream in &page {
                match stream.record.status {
                    StreamStatus::Enabled => gauges.enabled += 1,
                    StreamStatus::Paused => gauges.paused += 1,
                    StreamStatus::Disabled => gauges.disabled += 1,
                }
                if stream.health.breaker(now) != Breaker::Closed {
                    gauges.breakers_open += 1;
                }
                gauges.backlog += stream.backlog.entries();
                gauges.dead_letters += stream.dead_letters;
                if let Some(oldest) = stream.oldest_pending {
                    gauges.oldest_age = gauges.oldest_age.max(now.since(oldest));
                }
            }
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.record.stream_id.clone()),
                _ => break,
            }
        }
        diagnostics::set_gauges(&gauges);
        Ok(())
    }
}
