//! Threads that sign, for signatures that would hold up an executor.
//!
//! A signature with RSA takes about a millisecond, a batch of them many. The threads start with
//! the first batch and end with the pool; in between they sleep. Batches take turns after every
//! signature, so that a small one does not wait for the end of a large one.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use super::material::Cause;
use crate::keys::{KeyError, Signed};
use crate::set::SigningInput;

/// The threads of one provider. They end when it is dropped.
pub(super) struct SigningPool {
    most: Option<NonZeroUsize>,
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SigningPool {
    /// A pool whose threads are yet to be started: that many, or as many as the machine runs at
    /// once.
    pub(super) fn new(most: Option<NonZeroUsize>) -> Self {
        Self { most, queue: Arc::default(), threads: Mutex::default() }
    }

    /// How many threads, if that was said.
    pub(super) const fn most(&self) -> Option<NonZeroUsize> {
        self.most
    }

    /// Signs the inputs by that function, on all threads. When the answer is dropped, what has not
    /// begun is not begun any more.
    ///
    /// # Errors
    /// [`KeyError::Unavailable`] when no thread can be started.
    pub(super) fn sign(
        &self,
        sign: impl Fn(&[u8]) -> Result<Vec<u8>, Cause> + Send + Sync + 'static,
        inputs: Vec<SigningInput>,
    ) -> Result<Answer, KeyError> {
        let threads = self.start().map_err(|error| KeyError::Unavailable(error.into()))?;
        let batch = Arc::new(Batch::new(Box::new(sign), inputs));
        let turns = threads.min(batch.state().waiting.len());
        lock(&self.queue.turns).batches.extend((0..turns).map(|_| Arc::clone(&batch)));
        self.queue.changed.notify_all();
        Ok(Answer(batch))
    }

    /// Starts the threads, once; returns their number.
    fn start(&self) -> std::io::Result<usize> {
        let mut threads = lock(&self.threads);
        if threads.is_empty() {
            let machine = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            for _ in 0..self.most.unwrap_or_else(machine).get() {
                let queue = Arc::clone(&self.queue);
                let started = thread::Builder::new()
                    .name("ssf-signing".to_owned())
                    .spawn(move || while queue.take_turn() {});
                match started {
                    Ok(thread) => threads.push(thread),
                    // Fewer threads than wished for sign as well.
                    Err(_) if !threads.is_empty() => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(threads.len())
    }
}

impl Drop for SigningPool {
    fn drop(&mut self) {
        lock(&self.queue.turns).closed = true;
        self.queue.changed.notify_all();
    }
}

impl fmt::Debug for SigningPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningPool({} threads)", lock(&self.threads).len())
    }
}

/// Makes one signature.
type Sign = dyn Fn(&[u8]) -> Result<Vec<u8>, Cause> + Send + Sync;

/// The turns that batches wait for.
#[derive(Default)]
struct Queue {
    turns: Mutex<Turns>,
    changed: Condvar,
}

#[derive(Default)]
struct Turns {
    /// Each turn is one signature of that batch; a batch has as many turns as threads may work on
    /// it at once.
    batches: VecDeque<Arc<Batch>>,
    closed: bool,
}

impl Queue {
    /// Waits for a turn and signs once; `false` when the pool is gone.
    fn take_turn(&self) -> bool {
        let waiting = |turns: &mut Turns| turns.batches.is_empty() && !turns.closed;
        let turns = self.changed.wait_while(lock(&self.turns), waiting);
        let mut turns = turns.unwrap_or_else(PoisonError::into_inner);
        if turns.closed {
            return false;
        }
        let batch = turns.batches.pop_front();
        drop(turns);
        if let Some(batch) = batch
            && batch.sign_one()
        {
            lock(&self.turns).batches.push_back(batch);
        }
        true
    }
}

/// Inputs on their way to being signed.
struct Batch {
    sign: Box<Sign>,
    state: Mutex<State>,
}

struct State {
    waiting: VecDeque<(usize, SigningInput)>,
    /// In the order of the inputs.
    signed: Vec<Option<Signed>>,
    missing: usize,
    failure: Option<KeyError>,
    waker: Option<Waker>,
}

impl Batch {
    fn new(sign: Box<Sign>, inputs: Vec<SigningInput>) -> Self {
        let missing = inputs.len();
        let state = State {
            waiting: inputs.into_iter().enumerate().collect(),
            signed: (0..missing).map(|_| None).collect(),
            missing,
            failure: None,
            waker: None,
        };
        Self { sign, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Signs the next input; `false` when there was none.
    fn sign_one(&self) -> bool {
        let Some((index, input)) = self.state().waiting.pop_front() else { return false };
        // A panic in a foreign library must not leave the caller waiting for ever.
        let signature = catch_unwind(AssertUnwindSafe(|| (self.sign)(input.as_bytes())))
            .unwrap_or_else(|_| Err("the signer panicked".into()));
        let mut state = self.state();
        match signature {
            Ok(signature) => {
                if let Some(slot) = state.signed.get_mut(index) {
                    *slot = Some(Signed::new(input, signature));
                }
                state.missing -= 1;
            }
            Err(error) => {
                state.failure.get_or_insert(KeyError::Unavailable(error));
                state.waiting.clear();
            }
        }
        if state.missing == 0 || state.failure.is_some() {
            let waker = state.waker.take();
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        true
    }
}

/// The signatures of a batch, when they are there.
pub(super) struct Answer(Arc<Batch>);

impl Future for Answer {
    type Output = Result<Vec<Signed>, KeyError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.state();
        if let Some(failure) = state.failure.take() {
            return Poll::Ready(Err(failure));
        }
        if state.missing > 0 {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(std::mem::take(&mut state.signed).into_iter().flatten().collect()))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.state().waiting.clear();
    }
}

/// No state here can be left half-changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::mem;

    use super::*;
    use crate::id::{Audience, Issuer, Jti, KeyId};
    use crate::set::{Algorithm, HeaderSegment, SetBody};

    fn inputs(count: usize) -> Vec<SigningInput> {
        let header = HeaderSegment::new(Algorithm::Rs256, &KeyId::parse("k").unwrap());
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let audience = Audience::parse("rp").unwrap();
        let body = SetBody::from_stored("{}".into());
        let input = |index: usize| {
            let jti = Jti::parse(index.to_string()).unwrap();
            SigningInput::new(&header, &issuer, &jti, &audience, &body, &mut Vec::new())
        };
        (0..count).map(input).collect()
    }

    /// Signs by repeating the input.
    fn echo(input: &[u8]) -> Result<Vec<u8>, Cause> {
        Ok(input.to_vec())
    }

    fn batch(sign: fn(&[u8]) -> Result<Vec<u8>, Cause>, count: usize) -> Arc<Batch> {
        Arc::new(Batch::new(Box::new(sign), inputs(count)))
    }

    #[tokio::test]
    async fn signatures_come_in_the_order_of_the_inputs() {
        let pool = SigningPool::new(None);
        let signed = pool.sign(echo, inputs(500)).unwrap().await.unwrap();
        let order: Vec<_> = signed.iter().map(|signed| signed.input.clone()).collect();
        assert_eq!(order, inputs(500));
        assert!(signed.iter().all(|signed| signed.signature == signed.input.as_bytes()));
    }

    #[tokio::test]
    async fn an_empty_batch_is_answered_at_once() {
        let signed = SigningPool::new(None).sign(echo, Vec::new()).unwrap().await.unwrap();
        assert_eq!(signed.len(), 0);
    }

    #[tokio::test]
    async fn a_failure_or_a_panic_fails_the_batch_and_not_the_pool() {
        let pool = SigningPool::new(None);
        let failing = |_: &[u8]| Err("no".into());
        let panicking = |_: &[u8]| panic!("a signer that is broken");
        for answer in [pool.sign(failing, inputs(9)), pool.sign(panicking, inputs(9))] {
            let error = answer.unwrap().await.map(|signed| signed.len()).unwrap_err();
            assert_eq!(error.to_string(), "keys are not available");
        }
        assert_eq!(pool.sign(echo, inputs(9)).unwrap().await.map(|s| s.len()).unwrap(), 9);
    }

    #[test]
    fn what_has_not_begun_when_the_answer_is_dropped_is_not_begun() {
        let batch = batch(echo, 3);
        let answer = Answer(Arc::clone(&batch));
        assert!(batch.sign_one());
        drop(answer);
        assert!(!batch.sign_one());
    }

    #[test]
    fn batches_take_turns() {
        let queue = Queue::default();
        let [large, small] = [batch(echo, 9), batch(echo, 1)];
        lock(&queue.turns).batches.extend([Arc::clone(&large), Arc::clone(&small)]);
        assert!(queue.take_turn() && queue.take_turn());
        assert_eq!((large.state().missing, small.state().missing), (8, 0));
    }

    #[tokio::test]
    async fn the_threads_start_with_the_first_batch_and_end_with_the_pool() {
        let pool = SigningPool::new(None);
        assert_eq!(lock(&pool.threads).len(), 0);
        pool.sign(echo, inputs(2)).unwrap().await.unwrap();
        let threads = mem::take(&mut *lock(&pool.threads));
        drop(pool);
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join().is_ok()).collect();
        assert!(!ended.is_empty() && ended.into_iter().all(|ended| ended));
    }
}
