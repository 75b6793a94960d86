//! Reporters of changes of identities, over stores that several may share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::{Map, json};
use ssf_transmitter::id::{Audience, ClientId, IdentityId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::lifecycle::{Conditions, Mode, Report, presets};
use ssf_transmitter::monitor::{IdentityMonitor, MonitorError, Observed};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::store::{IdentityStore, StreamStore};
use ssf_transmitter::{Algorithm, Caller, LocalKeys, SigningKey, TokioClock, Transmitter};

/// Somebody who reports identities.
pub(crate) struct Reporter {
    pub(crate) transmitter: Transmitter,
    monitor: IdentityMonitor,
}

impl Reporter {
    /// One over that store.
    pub(crate) fn new<S: StreamStore + IdentityStore>(store: &Arc<S>) -> Self {
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let builder = Transmitter::builder(issuer, Arc::clone(store), LocalKeys::new(key));
        let transmitter = builder.with_clock(TokioClock).build().unwrap();
        let monitor = IdentityMonitor::new(transmitter.clone(), Arc::clone(store));
        Self { transmitter, monitor }
    }

    /// A receiver with a stream, the condition of leavers, and so many who are there.
    pub(crate) async fn begin(&self, identities: usize) {
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let audience = Audience::parse("https://rp.example.com").unwrap();
        let caller = Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()]);
        let stream = CreateStream::new(RequestedDelivery::Poll);
        self.transmitter.receivers().create_stream(&caller, stream).await.unwrap();
        let subject = json!({"format": "opaque", "id": {"$from": "id", "$of": "last"}});
        let leaver = presets::leaver("status", &json!(["gone"]), &subject);
        let conditions = Conditions::parse(&json!({"version": 1, "conditions": [leaver]})).unwrap();
        self.monitor.replace_conditions(0, conditions).await.unwrap();
        let mut import = self.monitor.import(Mode::Baseline);
        for identity in 0..identities {
            import.push(report(identity, "here")).await.unwrap();
        }
        import.finish().await.unwrap();
    }

    /// Reports that somebody is gone.
    pub(crate) async fn gone(&self, identity: usize) -> Result<Observed, MonitorError> {
        self.monitor.upsert(report(identity, "gone")).await
    }

    /// How many events were accepted.
    pub(crate) async fn accepted(&self) -> u64 {
        self.transmitter.totals().await.unwrap().accepted
    }
}

fn report(identity: usize, status: &str) -> Report {
    let id = format!("identity-{identity}");
    let attributes =
        Map::from_iter([("id".to_owned(), json!(id)), ("status".to_owned(), json!(status))]);
    Report::new(IdentityId::parse(id).unwrap(), attributes)
}

/// Two reporters of one change: one event, every time.
pub(crate) async fn two_reporters_of_one_change_fire_once(
    [one, two]: [Reporter; 2],
    trials: usize,
) {
    one.begin(trials).await;
    let [one, two] = [Arc::new(one), Arc::new(two)];
    for identity in 0..trials {
        let report = |reporter: &Arc<Reporter>| {
            let reporter = Arc::clone(reporter);
            tokio::spawn(async move { reporter.gone(identity).await.unwrap().events.len() })
        };
        let (a, b) = (report(&one), report(&two));
        assert_eq!(a.await.unwrap() + b.await.unwrap(), 1, "identity {identity}");
    }
    assert_eq!(one.accepted().await, trials as u64);
}

/// A reporter whose process ends at any point of its work: when it reports again, there is one
/// event in all.
pub(crate) async fn a_crash_at_any_point_fires_once(reporter: Reporter) {
    const CRASHES: usize = 50;
    reporter.begin(CRASHES).await;
    let mut finished = 0;
    for identity in 0..CRASHES {
        let crash = Crash { work: Box::pin(reporter.gone(identity)), polls: identity };
        finished += usize::from(crash.await.is_some());
        reporter.gone(identity).await.unwrap();
        assert_eq!(reporter.accepted().await, identity as u64 + 1, "after {identity} polls");
    }
    assert!((1..CRASHES).contains(&finished), "{finished} finished before the crash");
}

/// Work that is dropped after so many polls.
struct Crash<F> {
    work: Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Crash<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.work.as_mut().poll(context).map(Some)
    }
}
