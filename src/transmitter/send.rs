//! One push: the authorization is fetched, the SET is sent, the answer is read, all within one
//! deadline, which was set when it was seen that the lease lasts beyond it.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Core, Transmitter};
use crate::clock::Slept;
use crate::deliver::{DeliverError, Deliverer, PushRequest, PushResponse, PushTarget, Renewal};
use crate::diagnostics::{self, Told};
use crate::outbox::{Answer, Echo, Hindrance, Outcome, TransportFailure};
use crate::store::{KeepToken, Kept, Route, StreamStore};
use crate::stream::{AuthorizationHeader, Delivery, EndpointUrl, StoredAuthorization};
use crate::timestamp::Timestamp;

/// What receivers answer when the authorization does not convince them (RFC 9110 §15.5.2).
const UNAUTHORIZED: u16 = 401;
/// When the route was read so long ago, it is read again.
const STALE: Duration = Duration::from_secs(1);

/// A SET, and where to push it.
pub(super) struct Outgoing {
    route: Arc<Route>,
    endpoint: EndpointUrl,
    secret: Option<StoredAuthorization>,
    kept: KeepToken,
}

impl Outgoing {
    /// The push of a SET whose token is kept, on the stream's route as it is now; none if the stream
    /// is polled.
    pub(super) fn new(route: Arc<Route>, kept: KeepToken) -> Option<Self> {
        let (endpoint, secret) = match &route.delivery {
            Delivery::Push(push) => (push.endpoint.clone(), push.authorization.clone()),
            Delivery::Poll => return None,
        };
        Some(Self { route, endpoint, secret, kept })
    }

    pub(super) const fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Sends the SET, once; twice if the receiver refuses an authorization that can be renewed.
    /// Nothing leaves at the deadline or later.
    pub(super) async fn send(
        self,
        transmitter: Transmitter,
        deliverer: Arc<dyn Deliverer>,
        deadline: Timestamp,
    ) -> Outcome {
        let Transmitter { core, store, .. } = &transmitter;
        let (deliverer, store) = (&*deliverer, &**store);
        let sending = Sending { core, store, deliverer, push: &self, deadline };
        match sending.run().await {
            Ok(answer) => Outcome::Answered(answer),
            Err(outcome) => outcome,
        }
    }
}

/// Why a SET was not sent whose authorization was there in the end, or would have been.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it took longer than a push may")]
struct TooLate;

/// A push under way.
struct Sending<'a> {
    core: &'a Core,
    store: &'a dyn StreamStore,
    deliverer: &'a dyn Deliverer,
    push: &'a Outgoing,
    deadline: Timestamp,
}

impl Sending<'_> {
    async fn run(&self) -> Result<Answer, Outcome> {
        let began = self.core.clock.now();
        let target = self.target().await?;
        let header = self.authorize(&target).await?;
        self.still_goes_there(began).await?;
        let answer = self.deliver(header.clone()).await?;
        if answer.status != UNAUTHORIZED || !self.is_renewed(&target, header.as_ref()).await {
            return Ok(answer);
        }
        // The authorization was at fault, not the SET: this is still the same attempt.
        let header = self.authorize(&target).await?;
        self.still_goes_there(began).await?;
        self.deliver(header).await
    }

    /// Whom the SET goes to, the stream's own secret opened.
    async fn target(&self) -> Result<PushTarget, Outcome> {
        let Outgoing { route, endpoint, secret, .. } = self.push;
        let target = PushTarget::new(
            self.core.issuer.clone(),
            route.owner.clone(),
            route.stream_id.clone(),
            endpoint.clone(),
        );
        let Some(secret) = secret else { return Ok(target) };
        let opened = self.in_time(self.core.open_secret(&route.stream_id, secret)).await;
        match opened {
            Some(Ok(own)) => Ok(target.with_own(own)),
            Some(Err(cause)) => Err(self.hindered(Hindrance::Secret, &cause)),
            None => Err(self.hindered(Hindrance::Secret, &TooLate)),
        }
    }

    async fn authorize(&self, target: &PushTarget) -> Result<Option<AuthorizationHeader>, Outcome> {
        let asking = self.core.authorization.authorize(target, self.core.clock.now());
        match self.in_time(asking).await {
            Some(Ok(header)) => Ok(header),
            Some(Err(cause)) => Err(self.hindered(Hindrance::Authorization, &cause)),
            None => Err(self.hindered(Hindrance::Authorization, &TooLate)),
        }
    }

    /// The cause is for the operator, in the log; what is stored of it is its kind.
    fn hindered(&self, what: Hindrance, cause: &(dyn StdError + 'static)) -> Outcome {
        let stream_id = &self.push.route.stream_id;
        diagnostics::tell(Told::NotSent { stream_id, what, cause });
        Outcome::Hindered(what)
    }

    async fn is_renewed(&self, target: &PushTarget, header: Option<&AuthorizationHeader>) -> bool {
        let Some(header) = header else { return false };
        let telling = self.core.authorization.refused(target, header, self.core.clock.now());
        self.in_time(telling).await == Some(Renewal::Another)
    }

    /// Reads the route once more when it was read a while ago: another process may have changed the
    /// stream meanwhile (P9).
    async fn still_goes_there(&self, since: Timestamp) -> Result<(), Outcome> {
        if self.core.clock.now().since(since) < STALE {
            return Ok(());
        }
        let Outgoing { kept, route, .. } = self.push;
        let keeping = self.store.keep_tokens(&self.core.issuer, vec![kept.clone()]);
        match self.in_time(keeping).await.and_then(Result::ok).as_deref() {
            Some([Kept::Token { route: now, .. }]) if now.generation == route.generation => Ok(()),
            Some(_) | None => Err(Outcome::Cancelled),
        }
    }

    /// The deliverer minds the time; a clock that can sleep minds it too.
    async fn deliver(&self, header: Option<AuthorizationHeader>) -> Result<Answer, Outcome> {
        let now = self.core.clock.now();
        if now >= self.deadline {
            // The lease may be over, and the route another.
            return Err(self.hindered(Hindrance::Authorization, &TooLate));
        }
        let within = self.deadline.since(now);
        let token = Arc::clone(&self.push.kept.token.compact);
        let endpoint = self.push.endpoint.clone();
        let request = PushRequest::new(endpoint, header.clone(), token, within);
        let answer = self.in_time(self.deliverer.deliver(request)).await;
        match answer.unwrap_or(Err(DeliverError::new(TransportFailure::Timeout))) {
            Ok(PushResponse { status, retry_after, body }) => {
                // What it says ends in dead letters and on the operator's screen.
                let body =
                    header.as_ref().map(|sent| Echo::of(sent).removed(&body)).unwrap_or(body);
                Ok(Answer::read(status, retry_after.as_deref(), &body, self.core.clock.now()))
            }
            Err(error) => Err(Outcome::Failed(error.kind)),
        }
    }

    /// What comes of some work before the deadline of the push.
    async fn in_time<T>(&self, work: impl Future<Output = T> + Send) -> Option<T> {
        let work = pin!(work);
        match select(work, self.core.clock.sleep_until(self.deadline)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right((Slept::Unsupported, work)) => Some(work.await),
            Either::Right((Slept::Reached, _)) => None,
        }
    }
}
