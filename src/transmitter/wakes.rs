//! Who in this process waits for what: polls for SETs, the pusher for work, and deliveries under
//! way for their cancellation.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::future::{AbortHandle, AbortRegistration};
use futures_util::task::AtomicWaker;

use crate::id::StreamId;

/// Something one future waits for.
#[derive(Debug, Default)]
pub(super) struct Signal {
    state: AtomicU8,
    waker: AtomicWaker,
}

const RAISED: u8 = 1;
const REPLACED: u8 = 2;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// Something happened.
    Raised,
    /// Somebody else waits in this place now.
    Replaced,
}

impl Signal {
    fn set(&self, flag: u8) {
        self.state.fetch_or(flag, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Waits until the signal is raised, and lowers it. A signal raised before the wait counts.
    pub(super) async fn wait(&self) -> Woken {
        poll_fn(|context| {
            // Register first: a signal between the look and the registration would be lost.
            self.waker.register(context.waker());
            match self.state.fetch_and(!RAISED, Ordering::AcqRel) {
                state if state & REPLACED != 0 => Poll::Ready(Woken::Replaced),
                state if state & RAISED != 0 => Poll::Ready(Woken::Raised),
                _ => Poll::Pending,
            }
        })
        .await
    }
}

/// The waiting places of one process.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    /// Those that wait on a stream, the longest first.
    polls: HashMap<StreamId, Vec<Arc<Signal>>>,
    pushers: Vec<Arc<Signal>>,
    deliveries: HashMap<StreamId, Vec<(u64, AbortHandle)>>,
    counter: u64,
    /// No poll waits any more.
    closed: bool,
}

/// A delivery that can be cancelled; dropping it forgets it.
#[derive(Debug)]
pub(super) struct Delivery {
    wakes: Arc<Wakes>,
    stream: StreamId,
    number: u64,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        let mut places = self.wakes.lock();
        if let Some(handles) = places.deliveries.get_mut(&self.stream) {
            handles.retain(|(number, _)| *number != self.number);
            if handles.is_empty() {
                places.deliveries.remove(&self.stream);
            }
        }
    }
}

/// A waiting place; dropping it frees it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    wakes: &'a Wakes,
    stream: Option<StreamId>,
    signal: Arc<Signal>,
}

impl Place<'_> {
    /// Waits for the signal of this place.
    pub(super) async fn wait(&self) -> Woken {
        self.signal.wait().await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut places = self.wakes.lock();
        match &self.stream {
            Some(stream) => {
                if let Some(polls) = places.polls.get_mut(stream) {
                    polls.retain(|signal| !Arc::ptr_eq(signal, &self.signal));
                    if polls.is_empty() {
                        places.polls.remove(stream);
                    }
                }
            }
            None => places.pushers.retain(|signal| !Arc::ptr_eq(signal, &self.signal)),
        }
    }
}

impl Wakes {
    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a poll that waits on a stream. At most so many wait: whoever waited longest is
    /// sent away.
    pub(super) fn poll_place(&self, stream: &StreamId, most: usize) -> Place<'_> {
        let signal = Arc::new(Signal::default());
        let mut places = self.lock();
        let polls = places.polls.entry(stream.clone()).or_default();
        polls.push(Arc::clone(&signal));
        let beyond = polls.len().saturating_sub(most);
        let before: Vec<_> = polls.drain(..beyond).collect();
        let closed = places.closed;
        // Nobody is woken under the lock: a waker may do anything.
        drop(places);
        for before in before {
            before.set(REPLACED);
        }
        if closed {
            signal.set(REPLACED);
        }
        Place { wakes: self, stream: Some(stream.clone()), signal }
    }

    /// Sends all waiting polls away, and every one that comes later.
    pub(super) fn end_polls(&self) {
        let mut places = self.lock();
        places.closed = true;
        let waiting: Vec<_> = places.polls.values().flatten().cloned().collect();
        drop(places);
        for signal in waiting {
            signal.set(REPLACED);
        }
    }

    /// A place for a pusher.
    pub(super) fn pusher_place(&self) -> Place<'_> {
        let signal = Arc::new(Signal::default());
        self.lock().pushers.push(Arc::clone(&signal));
        Place { wakes: self, stream: None, signal }
    }

    /// Wakes whoever waits for SETs of these streams, and the pushers.
    pub(super) fn wake<'s>(&self, streams: impl IntoIterator<Item = &'s StreamId>) {
        let places = self.lock();
        let polls = streams.into_iter().filter_map(|stream| places.polls.get(stream)).flatten();
        let waiting: Vec<_> = polls.chain(&places.pushers).cloned().collect();
        drop(places);
        for signal in waiting {
            signal.set(RAISED);
        }
    }

    /// Wakes whoever waits for anything.
    pub(super) fn wake_all(&self) {
        let places = self.lock();
        let polls = places.polls.values().flatten();
        let waiting: Vec<_> = polls.chain(&places.pushers).cloned().collect();
        drop(places);
        for signal in waiting {
            signal.set(RAISED);
        }
    }

    /// Wakes whoever waits for SETs of a stream to poll.
    pub(super) fn wake_polls(&self, stream: &StreamId) {
        let waiting = self.lock().polls.get(stream).cloned().unwrap_or_default();
        for signal in waiting {
            signal.set(RAISED);
        }
    }

    /// Lets a delivery be cancelled with its stream, from now until the guard is dropped. Taken
    /// before the route is read for the last time: a change after that finds the delivery here.
    pub(super) fn delivery(self: &Arc<Self>, stream: &StreamId) -> (AbortRegistration, Delivery) {
        let (handle, registration) = AbortHandle::new_pair();
        let mut places = self.lock();
        places.counter += 1;
        let number = places.counter;
        places.deliveries.entry(stream.clone()).or_default().push((number, handle));
        drop(places);
        let delivery = Delivery { wakes: Arc::clone(self), stream: stream.clone(), number };
        (registration, delivery)
    }

    /// Cancels the deliveries of a stream that are under way, and wakes whoever waits on it.
    pub(super) fn stream_changed(&self, stream: &StreamId) {
        let handles = self.lock().deliveries.remove(stream).unwrap_or_default();
        for (_, handle) in handles {
            handle.abort();
        }
        self.wake([stream]);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use futures_util::future::{Abortable, pending};

    use super::*;

    fn stream() -> StreamId {
        StreamId::parse("s").unwrap()
    }

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_signal_raised_before_the_wait_counts_once() {
        let wakes = Wakes::default();
        let place = wakes.poll_place(&stream(), 1);
        wakes.wake([&stream()]);
        let mut first = Box::pin(place.wait());
        assert_eq!(poll(first.as_mut()), Poll::Ready(Woken::Raised));
        let mut second = Box::pin(place.wait());
        assert_eq!(poll(second.as_mut()), Poll::Pending);
    }

    #[test]
    fn a_second_poll_sends_the_first_away() {
        let wakes = Wakes::default();
        let first = wakes.poll_place(&stream(), 1);
        let second = wakes.poll_place(&stream(), 1);
        assert_eq!(poll(Box::pin(first.wait()).as_mut()), Poll::Ready(Woken::Replaced));
        // The first leaving does not take the place of the second away.
        drop(first);
        wakes.wake([&stream()]);
        assert_eq!(poll(Box::pin(second.wait()).as_mut()), Poll::Ready(Woken::Raised));
    }

    #[test]
    fn when_polls_end_none_waits_any_more() {
        let wakes = Wakes::default();
        let waiting = wakes.poll_place(&stream(), 1);
        wakes.end_polls();
        let late = wakes.poll_place(&StreamId::parse("other").unwrap(), 1);
        for place in [&waiting, &late] {
            assert_eq!(poll(Box::pin(place.wait()).as_mut()), Poll::Ready(Woken::Replaced));
        }
    }

    #[test]
    fn a_changed_stream_cancels_its_deliveries_only() {
        let wakes = Arc::new(Wakes::default());
        let (ours, _guard) = wakes.delivery(&stream());
        let (other, _other_guard) = wakes.delivery(&StreamId::parse("other").unwrap());
        wakes.stream_changed(&stream());
        let mut cancelled = Box::pin(Abortable::new(pending::<()>(), ours));
        assert!(poll(cancelled.as_mut()).is_ready());
        let mut running = Box::pin(Abortable::new(pending::<()>(), other));
        assert!(poll(running.as_mut()).is_pending());
    }

    #[test]
    fn nothing_is_left_behind() {
        let wakes = Arc::new(Wakes::default());
        drop((wakes.poll_place(&stream(), 1), wakes.pusher_place(), wakes.delivery(&stream())));
        let places = wakes.lock();
        assert!(places.polls.is_empty() && places.pushers.is_empty());
        assert!(places.deliveries.is_empty());
    }
}
