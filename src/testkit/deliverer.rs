//! A receiver of pushes that answers from a script.

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;

use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use crate::outbox::TransportFailure;

/// A [`Deliverer`] that calls nobody: it notes every push, in order, and answers each endpoint
/// from a script. Clones are handles of the same script.
///
/// Endpoints are named by their URL as it was written. Where the script is at its end the answer
/// is the one of [`otherwise`](Self::otherwise), 202 unless set.
///
/// # Example
/// ```
/// use ssf_transmitter::deliver::PushResponse;
/// use ssf_transmitter::outbox::TransportFailure;
/// use ssf_transmitter::testkit::ScriptedDeliverer;
///
/// let receiver = ScriptedDeliverer::new();
/// receiver.then("https://rp.example/events", Err(TransportFailure::Connect));
/// receiver.then("https://rp.example/events", Ok(PushResponse::new(503)));
/// // ... hand `receiver.clone()` to the transmitter, let it push, then look at
/// assert_eq!(receiver.pushes().len(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ScriptedDeliverer(Arc<Mutex<State>>);

type Answer = Result<PushResponse, TransportFailure>;

#[derive(Debug, Default)]
struct State {
    script: HashMap<String, VecDeque<Answer>>,
    otherwise: Option<Answer>,
    held: HashSet<String>,
    pushes: Vec<PushRequest>,
    /// Pushes that have begun and are neither answered nor dropped, each with its waker while
    /// its endpoint is held.
    running: HashMap<usize, Option<Waker>>,
}

impl ScriptedDeliverer {
    /// A receiver that answers 202 to everything.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer to the end of the endpoint's script.
    pub fn then(&self, endpoint: &str, answer: Result<PushResponse, TransportFailure>) {
        self.state().script.entry(endpoint.to_owned()).or_default().push_back(answer);
    }

    /// The answer of every endpoint whose script is at its end.
    pub fn otherwise(&self, answer: Result<PushResponse, TransportFailure>) {
        self.state().otherwise = Some(answer);
    }

    /// From now on pushes to the endpoint get no answer until [`release`](Self::release).
    pub fn hold(&self, endpoint: &str) {
        self.state().held.insert(endpoint.to_owned());
    }

    /// Answers the held pushes to the endpoint and holds no more of them.
    pub fn release(&self, endpoint: &str) {
        let wakers: Vec<Waker> = {
            let mut state = self.state();
            state.held.remove(endpoint);
            state.running.values_mut().filter_map(Option::take).collect()
        };
        // Without the lock: a waker may run its task at once. Who is still held waits on.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Every push so far, in the order they began.
    #[must_use]
    pub fn pushes(&self) -> Vec<PushRequest> {
        self.state().pushes.clone()
    }

    /// How many pushes have begun and are neither answered nor dropped.
    #[must_use]
    pub fn running(&self) -> usize {
        self.state().running.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the push and takes its answer from the script.
    fn begin(&self, request: PushRequest) -> (Running<'_>, Answer) {
        let mut state = self.state();
        let endpoint = request.endpoint.as_str().to_owned();
        let scripted = state.script.get_mut(&endpoint).and_then(VecDeque::pop_front);
        let otherwise = || state.otherwise.clone().unwrap_or(Ok(PushResponse::new(202)));
        let answer = scripted.unwrap_or_else(otherwise);
        let number = state.pushes.len();
        state.pushes.push(request);
        state.running.insert(number, None);
        (Running { receiver: self, number, endpoint }, answer)
    }
}

#[async_trait]
impl Deliverer for ScriptedDeliverer {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        let (running, answer) = self.begin(request);
        poll_fn(|cx| running.released(cx)).await;
        answer.map_err(DeliverError::new)
    }
}

/// A push between its beginning and its end, which may be that its future is dropped.
struct Running<'a> {
    receiver: &'a ScriptedDeliverer,
    number: usize,
    endpoint: String,
}

impl Running<'_> {
    fn released(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.receiver.state();
        if !state.held.contains(&self.endpoint) {
            return Poll::Ready(());
        }
        let replaced = state.running.insert(self.number, Some(cx.waker().clone()));
        drop(state);
        // Without the lock: the last waker of a task drops the task, which may hold a push.
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let removed = self.receiver.state().running.remove(&self.number);
        // Without the lock, as above.
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{AuthorizationHeader, EndpointUrl};
    use crate::testkit::block_on;

    const ONE: &str = "https://one.example/";
    const TWO: &str = "https://two.example/";

    fn request(endpoint: &str, token: &str) -> PushRequest {
        PushRequest::new(
            EndpointUrl::parse(endpoint).unwrap(),
            AuthorizationHeader::parse("Bearer x").ok(),
            token.into(),
            std::time::Duration::from_secs(1),
        )
    }

    fn push(receiver: &ScriptedDeliverer, endpoint: &str) -> Result<u16, TransportFailure> {
        let answer = block_on(receiver.deliver(request(endpoint, "token")));
        answer.map(|response| response.status).map_err(|error| error.kind)
    }

    #[test]
    fn each_endpoint_has_its_own_script_and_then_the_default() {
        let receiver = ScriptedDeliverer::new();
        receiver.then(ONE, Err(TransportFailure::Tls));
        receiver.then(ONE, Ok(PushResponse::new(503)));
        assert_eq!(push(&receiver, TWO), Ok(202));
        assert_eq!(push(&receiver, ONE), Err(TransportFailure::Tls));
        assert_eq!(push(&receiver, ONE), Ok(503));
        assert_eq!(push(&receiver, ONE), Ok(202));
        receiver.otherwise(Err(TransportFailure::Connect));
        assert_eq!(push(&receiver, TWO), Err(TransportFailure::Connect));
    }

    #[test]
    fn pushes_are_noted_in_order_with_all_they_carry() {
        let receiver = ScriptedDeliverer::new();
        for (endpoint, token) in [(ONE, "a"), (TWO, "b"), (ONE, "c")] {
            block_on(receiver.clone().deliver(request(endpoint, token))).unwrap();
        }
        let pushes = receiver.pushes();
        let seen: Vec<_> = pushes.iter().map(|p| (p.endpoint.as_str(), &*p.token)).collect();
        assert_eq!(seen, [(ONE, "a"), (TWO, "b"), (ONE, "c")]);
        let authorization = pushes[0].authorization.as_ref().map(AuthorizationHeader::expose);
        assert_eq!(authorization, Some("Bearer x"));
    }

    #[test]
    fn a_held_push_waits_until_its_own_endpoint_is_released() {
        let receiver = ScriptedDeliverer::new();
        receiver.then(ONE, Ok(PushResponse::new(429)));
        receiver.hold(ONE);
        receiver.hold(TWO);
        let mut cx = Context::from_waker(Waker::noop());
        let mut held = receiver.deliver(request(ONE, "token"));
        assert!(held.as_mut().poll(&mut cx).is_pending());
        assert_eq!((receiver.pushes().len(), receiver.running()), (1, 1));
        receiver.release(TWO);
        assert!(receiver.deliver(request(TWO, "token")).as_mut().poll(&mut cx).is_ready());
        assert!(held.as_mut().poll(&mut cx).is_pending());
        receiver.release(ONE);
        assert_eq!(block_on(held).unwrap().status, 429);
        assert_eq!(receiver.running(), 0);
    }

    #[test]
    fn a_release_wakes_the_held() {
        let receiver = ScriptedDeliverer::new();
        receiver.hold(ONE);
        let pushing = std::thread::spawn({
            let receiver = receiver.clone();
            move || push(&receiver, ONE)
        });
        while receiver.running() == 0 {
            std::thread::yield_now();
        }
        receiver.release(ONE);
        assert_eq!(pushing.join().unwrap(), Ok(202));
    }

    #[test]
    fn a_dropped_push_runs_no_more() {
        let receiver = ScriptedDeliverer::new();
        receiver.hold(ONE);
        let mut cx = Context::from_waker(Waker::noop());
        let mut held = receiver.deliver(request(ONE, "token"));
        assert!(held.as_mut().poll(&mut cx).is_pending());
        drop(held);
        assert_eq!((receiver.pushes().len(), receiver.running()), (1, 0));
    }
}
