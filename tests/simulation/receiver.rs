//! The receivers of pushes: what they answer, how long they take, and what they saw.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};
use ssf_transmitter::outbox::TransportFailure;
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::keys::Keys;
use crate::model::{Process, Shared};
use crate::random::Random;
use crate::rules::{Ending, Wish};
use crate::secrets::Secrets;
use crate::time::ProcessClock;

/// All receivers of pushes. Clones are handles of the same.
#[derive(Clone, Debug)]
pub(crate) struct Receivers {
    random: Random,
    truth: VirtualClock,
    moods: Arc<Mutex<BTreeMap<String, Mood>>>,
    /// What a receiver may ask for with `Retry-After`, in seconds.
    wishes: &'static [u64],
}

/// How the receiver at an endpoint is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// Anything may come.
    Erratic,
    /// It finds fault with SETs.
    Picky,
    /// It does not work, and says so.
    Down,
    /// It refuses us.
    Refusing,
    /// It never answers.
    Hanging,
}

pub(crate) const MOODS: [Mood; 6] =
    [Mood::Well, Mood::Erratic, Mood::Picky, Mood::Down, Mood::Refusing, Mood::Hanging];

/// What a receiver will do with one request.
struct Plan {
    /// How long the request travels; nothing arrives when it never gets there.
    travels: Option<Duration>,
    /// How long the answer takes then; it never comes when absent.
    thinks: Option<Duration>,
    ending: Ending,
}

impl Receivers {
    pub(crate) fn new(random: Random, truth: VirtualClock, wishes: &'static [u64]) -> Self {
        Self { random, truth, moods: Arc::default(), wishes }
    }

    pub(crate) fn set(&self, endpoint: &str, mood: Mood) {
        let mut moods = self.moods.lock().unwrap_or_else(PoisonError::into_inner);
        moods.insert(endpoint.to_owned(), mood);
    }

    /// All are well from here on.
    pub(crate) fn recover(&self) {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn plan(&self, endpoint: &str) -> Plan {
        let moods = self.moods.lock().unwrap_or_else(PoisonError::into_inner);
        let mood = moods.get(endpoint).copied().unwrap_or_default();
        drop(moods);
        let random = &self.random;
        use TransportFailure::{Blocked, Connect, Resolve, Timeout, Tls};
        let ending = match mood {
            Mood::Well => self.accepts(),
            Mood::Erratic => self.anything(),
            Mood::Picky if random.percent(40) => self.accepts(),
            Mood::Picky => self.finds_fault(),
            Mood::Down => self.fails(),
            Mood::Refusing => self.refuses(),
            Mood::Hanging => Ending::Broke(Timeout),
        };
        let long = if mood == Mood::Well { 5 } else { 25 };
        let time = || {
            let most = if random.percent(long) { 14_000 } else { 200 };
            Duration::from_millis(random.between(0, most))
        };
        let (travels, thinks) = match &ending {
            Ending::Broke(Blocked | Resolve | Connect | Tls) => (None, Some(time())),
            // Whether it got it or not, it does not say so.
            Ending::Broke(Timeout) if random.percent(50) => (None, None),
            Ending::Broke(Timeout) => (Some(time()), None),
            Ending::Answered { .. } | Ending::Broke(_) | Ending::Hindered | Ending::Dropped => {
                (Some(time()), Some(time()))
            }
        };
        Plan { travels, thinks, ending }
    }

    fn accepts(&self) -> Ending {
        answer(self.random.pick(&[202, 202, 202, 202, 200, 204]))
    }

    fn finds_fault(&self) -> Ending {
        let errs = ["invalid_request", "invalid_key", "invalid_audience", "invalid_state", "odd"];
        match self.random.below(3) {
            0 => refusal(self.random.pick(&errs)),
            1 => refusal("invalid_key"),
            _ => self.wishing(self.random.pick(&[400, 413, 415, 422]), 30),
        }
    }

    fn fails(&self) -> Ending {
        let statuses = [500, 502, 503, 503, 429, 408, 425, 404, 405, 302, 402, 451];
        let failures = [
            TransportFailure::Connect,
            TransportFailure::Resolve,
            TransportFailure::Tls,
            TransportFailure::Blocked,
            TransportFailure::Exchange,
            TransportFailure::Timeout,
        ];
        if self.random.percent(60) {
            self.wishing(self.random.pick(&statuses), 40)
        } else {
            Ending::Broke(self.random.pick(&failures))
        }
    }

    fn refuses(&self) -> Ending {
        match self.random.below(3) {
            0 => refusal(self.random.pick(&["authentication_failed", "access_denied"])),
            _ => answer(self.random.pick(&[401, 403, 410])),
        }
    }

    fn anything(&self) -> Ending {
        match self.random.below(10) {
            0..4 => self.accepts(),
            4..6 => self.finds_fault(),
            6..9 => self.fails(),
            _ => self.refuses(),
        }
    }

    /// That status, with a `Retry-After` in so many of a hundred cases.
    fn wishing(&self, status: u16, percent: u64) -> Ending {
        let seconds = self.random.pick(self.wishes);
        let wish = self.random.percent(percent).then(|| {
            if self.random.percent(50) {
                Wish::Seconds(seconds)
            } else {
                // A date has whole seconds.
                let date = self.truth.now().after(Duration::from_secs(seconds)).as_seconds();
                Wish::Date(Timestamp::from_seconds(date))
            }
        });
        Ending::Answered { status, err: None, wish }
    }
}

fn answer(status: u16) -> Ending {
    Ending::Answered { status, err: None, wish: None }
}

fn refusal(err: &'static str) -> Ending {
    Ending::Answered { status: 400, err: Some(err), wish: None }
}

/// The way from one process to the receivers.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) receivers: Receivers,
    pub(crate) model: Shared,
    pub(crate) process: Process,
    pub(crate) clock: ProcessClock,
    pub(crate) keys: Keys,
    pub(crate) secrets: Secrets,
}

#[async_trait]
impl Deliverer for Wire {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        let now = self.clock.now();
        // A key may leave the published set while what it signed is on its way.
        let lately = now.before(Duration::from_secs(120));
        let verifiable =
            |kid: &_| self.keys.were_gone_since(lately) || !self.keys.is_retired(kid, lately);
        let others = |kid: &_| self.keys.have_others_signed(kid, lately, now);
        let id = self.model.lock().request_started(self.process, now, &request, verifiable, others);
        let end = now.after(request.within);
        let mut under_way = UnderWay { wire: self, id, end, told: false };
        // Whatever its mood: a token that has run out convinces nobody.
        let Plan { travels, thinks, ending } = if self.is_stale(&request) {
            let soon = Some(Duration::from_millis(20));
            Plan { travels: None, thinks: soon, ending: answer(401) }
        } else {
            self.receivers.plan(request.endpoint.as_str())
        };
        if let Some(time) = travels {
            self.sleep(time).await;
            self.model.lock().request_arrived(id);
        }
        match thinks {
            Some(time) => self.sleep(time).await,
            None => std::future::pending().await,
        }
        let answer = answered(&ending);
        under_way.ended(ending);
        answer
    }
}

impl Wire {
    fn is_stale(&self, request: &PushRequest) -> bool {
        self.secrets.is_stale(request.authorization.as_ref())
    }

    async fn sleep(&self, time: Duration) {
        let truth = &self.receivers.truth;
        truth.sleep_until(truth.now().after(time)).await;
    }
}

/// The answer as it travels.
fn answered(ending: &Ending) -> Result<PushResponse, DeliverError> {
    match ending {
        Ending::Answered { status, err, wish } => {
            let mut response = PushResponse::new(*status);
            if let Some(err) = err {
                response = response.with_body(format!(r#"{{"err":"{err}"}}"#));
            }
            match wish {
                None => {}
                Some(Wish::Seconds(seconds)) => {
                    response = response.with_retry_after(seconds.to_string());
                }
                Some(Wish::Date(date)) => {
                    let date = OffsetDateTime::from_unix_timestamp(date.as_seconds()).unwrap();
                    // RFC 9110 §5.6.7 writes the zone as GMT.
                    let date = date.format(&Rfc2822).unwrap().replace("+0000", "GMT");
                    response = response.with_retry_after(date);
                }
            }
            Ok(response)
        }
        Ending::Broke(failure) => Err(DeliverError::new(*failure)),
        Ending::Hindered | Ending::Dropped => Err(DeliverError::new(TransportFailure::Exchange)),
    }
}

/// A request between its beginning and its end, which may be that its future is dropped.
struct UnderWay<'a> {
    wire: &'a Wire,
    id: u64,
    end: Timestamp,
    told: bool,
}

impl UnderWay<'_> {
    fn ended(&mut self, ending: Ending) {
        self.told = true;
        self.wire.model.lock().request_ended(self.id, self.wire.clock.now(), ending);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.told {
            // Whoever waited until its deadline gave up because of that.
            let late = self.wire.clock.now() >= self.end;
            let timeout = Ending::Broke(TransportFailure::Timeout);
            self.ended(if late { timeout } else { Ending::Dropped });
        }
    }
}
