//! Futures driven by hand: nothing waits, and what would wait is seen.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled when it was woken and only then, so that a lost wake shows.
pub(crate) struct Task<'f, T> {
    future: Option<Pin<Box<dyn Future<Output = T> + Send + 'f>>>,
    output: Option<T>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

impl<'f, T> Task<'f, T> {
    /// Starts a future and drives it until it waits or ends.
    pub(crate) fn start(future: impl Future<Output = T> + Send + 'f) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let mut task = Self { future: Some(Box::pin(future)), output: None, woken };
        task.step();
        task
    }

    /// Drives it on for as long as it is woken.
    pub(crate) fn step(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut context = Context::from_waker(&waker);
        while let Some(future) = &mut self.future
            && self.woken.0.swap(false, Ordering::AcqRel)
        {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                self.output = Some(output);
                self.future = None;
            }
        }
    }

    /// Whether it waits for something.
    pub(crate) fn waits(&self) -> bool {
        self.output.is_none()
    }

    /// What it came to.
    pub(crate) fn output(mut self) -> T {
        self.step();
        self.output.expect("the future waits for something that does not come")
    }
}

/// The output of a future that has nothing to wait for.
pub(crate) fn ready<T>(future: impl Future<Output = T> + Send) -> T {
    Task::start(future).output()
}
