//! How a host with a loop of its own learns that something happened in its process.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

/// What the host's loop waits for. Clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bell(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rung: bool,
    waiting: Option<Waker>,
}

/// Rings when it is dropped: when a call is over, however it ended.
pub(crate) struct Ringer(Bell);

impl Bell {
    pub(crate) fn when_over(&self) -> Ringer {
        Ringer(self.clone())
    }

    /// Waits until it rings, or has rung since the last time.
    pub(crate) async fn rung(&self) {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut state.rung) {
                return Poll::Ready(());
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Ringer {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.rung = true;
        let waiting = state.waiting.take();
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }
}
