//! Dry runs: what would be sent, and to whom.

use serde_json::{Map, Value};

use super::{IdentityMonitor, MonitorError};
use crate::event::Event;
use crate::id::{ConditionName, StreamId};
use crate::lifecycle::{Conditions, Mode, Observation, Planned, Report, TemplateError, observe};
use crate::routing::Explanation;

/// What one condition that fires comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DryRun {
    /// The condition.
    pub condition: ConditionName,
    /// The event, or why there would be none.
    pub event: Result<Event, TemplateError>,
    /// What would become of the event at each stream.
    pub streams: Vec<(StreamId, Explanation)>,
}

/// How many streams are looked at at a time.
const PAGE: usize = 500;

impl IdentityMonitor {
    /// What would be sent, and to which streams, if an identity changed like that under these
    /// conditions. `before` without attributes: every one was missing. Nothing is stored and nothing
    /// emitted. It asks about every stream there is.
    ///
    /// # Errors
    /// [`MonitorError::NoDigestKey`], or an error of the store.
    pub async fn dry_run(
        &self,
        conditions: Conditions,
        before: Map<String, Value>,
        after: &Report,
    ) -> Result<Vec<DryRun>, MonitorError> {
        let conditions = self.keyed(conditions)?;
        let now = self.transmitter.now();
        let observation = observe(&conditions, None, after, &Mode::Since(before), now);
        let Observation::Changed { planned, .. } = observation else { return Ok(Vec::new()) };
        let mut runs = Vec::with_capacity(planned.len());
        for Planned { condition, event } in planned {
            let streams = match &event {
                Ok(event) => self.explain_everywhere(event).await?,
                Err(_) => Vec::new(),
            };
            runs.push(DryRun { condition, event, streams });
        }
        Ok(runs)
    }

    async fn explain_everywhere(
        &self,
        event: &Event,
    ) -> Result<Vec<(StreamId, Explanation)>, MonitorError> {
        let mut explained: Vec<(StreamId, Explanation)> = Vec::new();
        loop {
            let after = explained.last().map(|(stream, _)| stream.clone());
            let page = self.transmitter.streams(after.as_ref(), PAGE).await?;
            for overview in &page {
                let stream = overview.record.stream_id.clone();
                let explanation = self.transmitter.explain(event, &stream).await?;
                explained.push((stream, explanation));
            }
            if page.len() < PAGE {
                return Ok(explained);
            }
        }
    }
}
