//! A transmitter with a few receivers, and how to ask it something.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, StreamId, TenantId};
use ssf_transmitter::protocol::Profile;
use ssf_transmitter::router::Router;
use ssf_transmitter::store::LetterQuery;
use ssf_transmitter::stream::StreamQuota;
use ssf_transmitter::testkit::{SeededEntropy, VirtualClock, block_on};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, MemoryStore, Secret, SigningKey, SimpleSubject,
    StaticTokens, Transmitter,
};

pub(crate) const ISSUER: &str = "https://tr.example.com";
/// The receiver that most tests speak for: it may do everything.
pub(crate) const OWN: &str = "token-of-rp-1";
/// The same receiver, with a token that may only read.
pub(crate) const READER: &str = "reading-token-of-rp-1";
/// The same receiver, with a token that may do nothing.
pub(crate) const NOTHING: &str = "idle-token-of-rp-1";
/// Another receiver of the same tenant.
pub(crate) const OTHER: &str = "token-of-rp-2";
/// A receiver of the same name in another tenant.
pub(crate) const ELSEWHERE: &str = "token-of-rp-1-of-globex";

pub(crate) const PUSH: &str = "urn:ietf:rfc:8935";
pub(crate) const POLL: &str = "urn:ietf:rfc:8936";
/// The identifier of no stream.
pub(crate) const UNKNOWN: &str = "no-such-stream";

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) transmitter: Transmitter,
    pub(crate) clock: VirtualClock,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ISSUER, |_| {})
    }

    /// A transmitter of that issuer, its configuration changed.
    pub(crate) fn with(issuer: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self::build(issuer, Profile::ssf(), config)
    }

    /// A transmitter with that profile.
    pub(crate) fn with_profile(profile: Profile) -> Self {
        Self::build(ISSUER, profile, Config::default())
    }

    /// A transmitter whose receivers have so many streams at most.
    pub(crate) fn with_quota(quota: StreamQuota) -> Self {
        let mut profile = Profile::ssf();
        profile.quota = quota;
        Self::with_profile(profile)
    }

    /// Polls do not wait: the clock only moves when a test moves it.
    fn build(issuer: &str, profile: Profile, mut config: Config) -> Self {
        config.poll_timeout = Duration::ZERO;
        let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k-1").unwrap()).unwrap();
        let clock = VirtualClock::new(Timestamp::from_seconds(1_795_000_000));
        let issuer = Issuer::parse(issuer).unwrap();
        let transmitter = Transmitter::builder(issuer, MemoryStore::new(), LocalKeys::new(key))
            .with_clock(clock.clone())
            .with_entropy(SeededEntropy::new(7))
            .with_config(config)
            .with_profile(profile)
            .build()
            .unwrap();
        let router = Router::new(transmitter.receivers(), receivers());
        Self { router, transmitter, clock }
    }

    pub(crate) fn ask(&self, call: &Call) -> Answer {
        self.handle(call.request(Bytes::from(call.body.clone())))
    }

    /// Asks with a body that breaks off.
    pub(crate) fn ask_broken(&self, call: &Call) -> Answer {
        Answer::of(block_on(self.router.handle_broken(call.request(()))))
    }

    pub(crate) fn handle(&self, request: Request<Bytes>) -> Answer {
        Answer::of(block_on(self.router.handle(request)))
    }

    /// The identifier of a new stream of the receiver with that token.
    pub(crate) fn create(&self, token: &str, body: &Value) -> String {
        let answer = self.ask(&post("/ssf/streams", body).token(token));
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["stream_id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn poll_stream(&self, token: &str) -> String {
        self.create(token, &json!({}))
    }

    /// A poll that does not wait, as the receiver with that token.
    pub(crate) fn poll(&self, token: &str, stream: &str, body: &Value) -> Value {
        let answer = self.ask(&post(format!("/ssf/poll/{stream}"), body).token(token));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Emits a session-revoked about that account; answers how many streams get it.
    pub(crate) fn emit(&self, email: &str) -> usize {
        let subject = SimpleSubject::email(email).unwrap();
        let event = Event::new(types::session_revoked(), subject);
        block_on(self.transmitter.emit(event)).unwrap().sets.len()
    }

    pub(crate) fn dead_letters(&self, stream: &str) -> usize {
        let stream = StreamId::parse(stream).unwrap();
        block_on(self.transmitter.dead_letters(&stream, &LetterQuery::new(100))).unwrap().len()
    }

    /// All that is stored, as the operator sees it: records, versions, queues, what became of all
    /// entries.
    pub(crate) fn stored(&self) -> String {
        let streams = block_on(self.transmitter.streams(None, 1_000)).unwrap();
        let totals = block_on(self.transmitter.totals()).unwrap();
        format!("{streams:#?} {totals:#?}")
    }

    /// All that a receiver sees of its streams: the list, each status, each poll.
    pub(crate) fn seen_by(&self, token: &str) -> Vec<Value> {
        let list = self.ask(&get("/ssf/streams").token(token)).json();
        let mut seen = vec![list.clone()];
        for stream in list.as_array().unwrap() {
            let id = stream["stream_id"].as_str().unwrap();
            let status = get(format!("/ssf/status?stream_id={id}")).token(token);
            let poll = post(format!("/ssf/poll/{id}"), &json!({})).token(token);
            seen.extend([self.ask(&status).json(), self.ask(&poll).json()]);
        }
        seen
    }
}

pub(crate) fn owner(tenant: &str, client: &str) -> Owner {
    Owner::new(TenantId::parse(tenant).unwrap(), ClientId::parse(client).unwrap())
}

fn receivers() -> StaticTokens {
    let everything = "ssf.manage sp:ssf-transmitter-streams:manage";
    let receivers = [
        (OWN, "acme", "rp-1", everything),
        (READER, "acme", "rp-1", "ssf.read"),
        (NOTHING, "acme", "rp-1", "profile"),
        (OTHER, "acme", "rp-2", everything),
        (ELSEWHERE, "globex", "rp-1", everything),
    ];
    receivers.into_iter().fold(StaticTokens::new(), |tokens, (token, tenant, client, scope)| {
        let audience = Audience::parse(format!("https://{client}.{tenant}.example")).unwrap();
        let scopes = scope.split(' ').map(|scope| Scope::parse(scope).unwrap());
        let caller = Caller::new(owner(tenant, client), audience, scopes);
        tokens.with_receiver(&Secret::new(token), caller).unwrap()
    })
}

/// A request in the making. It begins with the token of [`OWN`].
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)?;
        for (name, value) in &self.headers {
            write!(f, " {name}: {}", value.escape_ascii())?;
        }
        // Some bodies are as large as they may be.
        let shown = self.body.get(..200).unwrap_or(&self.body);
        write!(f, " {}", String::from_utf8_lossy(shown))
    }
}

impl Call {
    pub(crate) fn new(method: &str, uri: impl Into<String>) -> Self {
        let (method, uri) = (method.to_owned(), uri.into());
        Self { method, uri, headers: Vec::new(), body: Vec::new() }.token(OWN)
    }

    fn request<B>(&self, body: B) -> Request<B> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        request.body(body).unwrap()
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body(body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets a header that was not there, or another value of one that was.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self = self.without(name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub(crate) fn token(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }
}

pub(crate) fn get(uri: impl Into<String>) -> Call {
    Call::new("GET", uri)
}

pub(crate) fn post(uri: impl Into<String>, body: &Value) -> Call {
    Call::new("POST", uri).json(body)
}

/// Every operation of SSF 1.0 §8.1 and RFC 8936 on that stream, each well formed, in an order in
/// which all of them succeed.
pub(crate) fn operations(stream: &str) -> Vec<Call> {
    let subject = json!({"format": "email", "email": "u@example.com"});
    let id = json!({"stream_id": stream});
    let with = |name: &str, value: Value| {
        let mut body = id.clone();
        body[name] = value;
        body
    };
    vec![
        post("/ssf/streams", &json!({})),
        get(format!("/ssf/streams?stream_id={stream}")),
        Call::new("PATCH", "/ssf/streams").json(&with("description", json!("changed"))),
        Call::new("PUT", "/ssf/streams").json(&with("description", json!("replaced"))),
        get(format!("/ssf/status?stream_id={stream}")),
        post("/ssf/status", &with("status", json!("enabled"))),
        post("/ssf/subjects/add", &with("subject", subject.clone())),
        post("/ssf/subjects/remove", &with("subject", subject)),
        post("/ssf/verify", &with("state", json!("x"))),
        post(format!("/ssf/poll/{stream}"), &json!({"returnImmediately": true})),
        Call::new("DELETE", format!("/ssf/streams?stream_id={stream}")),
    ]
}

/// The operations that name a stream: all but creating one.
pub(crate) fn operations_on(stream: &str) -> Vec<Call> {
    operations(stream).split_off(1)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The value of a header that comes at most once; empty when it does not come.
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).iter().collect();
        assert!(values.len() < 2, "{name} comes once: {self:?}");
        values.first().map_or("", |value| value.to_str().unwrap())
    }

    /// What HEAD is answered where GET is answered this: all but the content, and how long that is
    /// (RFC 9110 §8.6).
    pub(crate) fn into_head(mut self) -> Self {
        self.headers.insert("content-length", self.body.len().into());
        self.body.clear();
        self
    }

    /// Status and the word for programs of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap().to_owned())
    }

    /// Status and the member at fault of a refusal.
    pub(crate) fn fault(&self) -> (u16, String) {
        let member = &self.json()["member"];
        (self.status, member.as_str().unwrap_or_default().to_owned())
    }
}
