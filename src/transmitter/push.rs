//! Pushing (RFC 8935): when, how often, until when. What one round does is in `pump`.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::Transmitter;
use super::held::HeldReport;
use super::pump::{Next, Pump};
use super::upkeep::Noted;
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

/// How long the store has after the grace to settle and take back what is left.
const LAST_CALLS: Duration = Duration::from_secs(1);
/// How long the pusher waits after the store or the keys failed.
pub(super) const AFTER_TROUBLE: Duration = Duration::from_secs(1);

impl Transmitter {
    /// Pushes what is due, once: claims a batch, delivers it, settles it, and does the upkeep that
    /// is due. For hosts with a loop of their own.
    ///
    /// # Errors
    /// [`Error::Store`] or [`Error::Keys`], the first there was: what it kept from being done is due
    /// again, the rest is done.
    pub async fn run_once(&self) -> Result<Progress, Error> {
        // What fails keeps nobody from pushing, and what was started is settled all the same.
        let upkeep = self.upkeep().await;
        let held = self.limit_held().await;
        let mut pump = Pump::new(self);
        let filled = pump.fill().await;
        let finished = pump.finish().await;
        upkeep?;
        let held = held?;
        filled?;
        finished?;
        let due = pump.next_due().await?;
        let next_due = due.into_iter().chain(self.core.upkeep_due()).min();
        Ok(Progress { held, next_due, ..pump.progress() })
    }

    /// Pushes until `stop` is ready: sleeps until something is due, is emitted in this process, or
    /// may have been emitted in another. Then nothing more is claimed, pushes under way have until
    /// `grace` is over, and what is still held is handed back; a second later it returns, whatever
    /// the store does. Failures of store and keys are told to `on_trouble` and outlived.
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
        let until = loop {
            // Taken before all looks, so that no change after them is missed.
            let mark = self.store.change_mark();
            let due = match select(pin!(pump.round(&on_trouble)), stop.as_mut()).await {
                Either::Left((due, _)) => due,
                Either::Right(((), round)) => {
                    // What the store was asked for has until then, too.
                    let until = clock.now().after(grace);
                    select(round, clock.sleep_until(until)).await;
                    break until;
                }
            };
            match pump.wait(&place, mark, due, stop.as_mut()).await {
                Next::Stop => break clock.now().after(grace),
                Next::Due | Next::Here => {}
                Next::Elsewhere => {
                    self.core.upkeep.note(Noted::Anything, clock.now());
                    self.core.held.elsewhere();
                }
            }
        };
        // A store that hangs keeps nobody from stopping: leases end by themselves.
        let over = clock.sleep_until(until.after(LAST_CALLS));
        if let Either::Left((Err(trouble), _)) = select(pin!(pump.drain(until)), over).await {
            on_trouble(&trouble);
        }
        Ok(())
    }
}
