//! What a store tells of changes by other processes, if it can.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// The changes of all processes. Clones are handles of the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    all: u64,
    /// Those of each process.
    own: BTreeMap<usize, u64>,
    waiting: Vec<Waker>,
}

impl Changes {
    /// A process changed something.
    pub(crate) fn happened(&self, by: usize) {
        let waiting = {
            let mut state = self.state();
            state.all += 1;
            *state.own.entry(by).or_default() += 1;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How many changes there were by others than that process.
    pub(crate) fn by_others(&self, than: usize) -> u64 {
        let state = self.state();
        state.all - state.own.get(&than).copied().unwrap_or_default()
    }

    /// Waits until there are more of them.
    pub(crate) async fn more_than(&self, mark: u64, than: usize) {
        poll_fn(|context| {
            if self.by_others(than) > mark {
                return Poll::Ready(());
            }
            self.state().waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
