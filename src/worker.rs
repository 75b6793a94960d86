//! The push worker over tokio, and a clock that can sleep.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::clock::{Clock, Slept, SystemClock};
use crate::error::Error;
use crate::timestamp::Timestamp;
use crate::transmitter::Transmitter;

/// The system's clock, sleeping on tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

#[async_trait]
impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        SystemClock::read()
    }

    async fn sleep_until(&self, until: Timestamp) -> Slept {
        // The timer may be early against the system's clock, or the clock may be set back.
        loop {
            let now = self.now();
            if now >= until {
                return Slept::Reached;
            }
            tokio::time::sleep(until.since(now)).await;
        }
    }
}

/// A push worker on the current tokio runtime. Dropping it stops it like [`stop`](Self::stop), but
/// does not wait.
#[derive(Debug)]
pub struct Worker {
    stop: oneshot::Sender<()>,
    /// Absent once its end has been told.
    task: Option<JoinHandle<Result<(), Error>>>,
}

impl Worker {
    /// Starts pushing. When the worker is stopped, pushes under way have until `grace` is over.
    /// Failures of store and keys are told to `on_trouble` and outlived.
    ///
    /// Must be called within a tokio runtime.
    #[must_use = "a worker stops when it is dropped"]
    pub fn spawn(
        transmitter: Transmitter,
        grace: Duration,
        on_trouble: impl Fn(&Error) + Send + Sync + 'static,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            // The sender's end going away means stop as well.
            let stopped = async { drop(stopped.await) };
            transmitter.run(stopped, grace, on_trouble).await
        });
        Self { stop, task: Some(task) }
    }

    /// Stops: no new push begins, those under way end or are handed back.
    ///
    /// # Errors
    /// [`Error::ClockCannotSleep`] when the transmitter was built with a clock that cannot: then it
    /// never pushed. [`Error::WorkerPanicked`] when a part of the host panicked under it.
    pub async fn stop(self) -> Result<(), Error> {
        // A worker that ended by itself does not listen any more; its result tells.
        let _ = self.stop.send(());
        match self.task {
            Some(task) => ended(task.await),
            None => Ok(()),
        }
    }

    /// Waits until the worker ends by itself, which it does not do while all is well.
    ///
    /// # Errors
    /// [`Error::ClockCannotSleep`], or [`Error::WorkerPanicked`] when a part of the host panicked
    /// under it.
    pub async fn ended(&mut self) -> Result<(), Error> {
        let Some(task) = &mut self.task else { return Ok(()) };
        let result = ended(task.await);
        self.task = None;
        result
    }
}

fn ended(task: Result<Result<(), Error>, JoinError>) -> Result<(), Error> {
    task.unwrap_or_else(|error| Err(Error::WorkerPanicked(Box::new(error))))
}
