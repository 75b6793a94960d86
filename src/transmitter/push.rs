//! Pushing (RFC 8935): when, how often, until when. What one round does is in `pump`.

use std::pin::pin;
use std::time::Duration;

use super::Transmitter;
use super::held::HeldReport;
use super::pump::{Next, Pump};
use crate::clock::Slept;
use crate::diagnostics::{self, Told};
use crate::error::Error;
use crate::timestamp::Timestamp;

/// What a run of the pusher did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// SETs that were delivered.
    pub delivered: usize,
    /// SETs that will be tried again.
    pub retried: usize,
    /// SETs that were given up.
    pub dead: usize,
    /// SETs that wait for their stream, or go back as they were.
    pub returned: usize,
    /// What the limits of what streams hold did.
    pub held: HeldReport,
    /// When there is next something to do.
    pub next_due: Option<Timestamp>,
}

/// How long the pusher waits after the store or the keys failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(1);

impl Transmitter {
    /// Pushes what is due, once: claims a batch, delivers it, settles it, and does the upkeep that
    /// is due. For hosts with a loop of their own.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Keys`]. Nothing is lost: what was claimed becomes due again.
    pub async fn run_once(&self) -> Result<Progress, Error> {
        let upkeep = self.upkeep().await?;
        let held = self.limit_held().await?;
        let mut pump = Pump::new(self);
        pump.fill().await?;
        while pump.settle_next().await? {}
        let due = pump.next_due().await?;
        let next_due = due.into_iter().chain([upkeep, self.core.held_due()]).min();
        Ok(Progress { held, next_due, ..pump.progress() })
    }

    /// Pushes until `stop` is ready: sleeps until something is due, is emitted in this process, or
    /// may have been emitted in another. Then no new push begins, those under way have until
    /// `grace` is over, and what is still held is handed back. Failures of store and keys are told
    /// to `on_trouble` and outlived.
    ///
    /// # Errors
    /// [`Error::ClockCannotSleep`] when the transmitter was built with a clock that cannot.
    pub async fn run(
        &self,
        stop: impl Future<Output = ()> + Send,
        grace: Duration,
        on_trouble: impl Fn(&Error) + Send + Sync,
    ) -> Result<(), Error> {
        let clock = &self.core.clock;
        if clock.sleep_until(clock.now()).await == Slept::Unsupported {
            return Err(Error::ClockCannotSleep);
        }
        let on_trouble = |trouble: &Error| {
            diagnostics::tell(Told::Trouble(trouble));
            on_trouble(trouble);
        };
        let mut stop = pin!(stop);
        let mut pump = Pump::new(self);
        let place = self.core.wakes.pusher_place();
        loop {
            // Taken before all looks, so that no change after them is missed.
            let mark = self.store.change_mark();
            // Upkeep that fails keeps nobody from pushing.
            let upkeep = pump.beside(self.upkeep()).await.unwrap_or_else(|trouble| {
                on_trouble(&trouble);
                clock.now().after(AFTER_TROUBLE)
            });
            if let Err(trouble) = pump.beside(self.limit_held()).await {
                on_trouble(&trouble);
            }
            let due = pump.turn().await.unwrap_or_else(|trouble| {
                on_trouble(&trouble);
                Some(clock.now().after(AFTER_TROUBLE))
            });
            let due = due.into_iter().chain([upkeep, self.core.held_due()]).min();
            match pump.wait(&place, mark, due, stop.as_mut()).await {
                Next::Stop => break,
                Next::Work => {}
            }
        }
        if let Err(trouble) = pump.drain(clock.now().after(grace)).await {
            on_trouble(&trouble);
        }
        Ok(())
    }
}
