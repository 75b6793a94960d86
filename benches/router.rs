//! What the router makes of a request: parse, authenticate, validate, do, answer, per operation, with
//! tokens that are looked up and with tokens that are verified. How to run and to read it:
//! `benches/README.md`.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::Criterion;
use http::Request;
use openssl::pkey::{PKey, Private};
use openssl::sign::{Signer, Verifier};
use serde_json::{Value, json};
use ssf_transmitter::auth::TokenRules;
use ssf_transmitter::auth::jwt::{Jwks, JwtAuthenticator};
use ssf_transmitter::clock::{Clock, SystemClock};
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::protocol::Profile;
use ssf_transmitter::router::Router;
use ssf_transmitter::testkit::block_on;
use ssf_transmitter::{
    Algorithm, Caller, LocalKeys, MemoryStore, Secret, SigningKey, StaticTokens, Transmitter,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ISSUER: &str = "https://tr.example.com";
const AUTHORIZATION_SERVER: &str = "https://as.example.com";

fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let turns = if test { 2 } else { 2_001 };
    let mut criterion =
        Criterion::default().measurement_time(Duration::from_secs(1)).configure_from_args();
    let authority = Authority::new()?;
    let served = [Served::with_static_token()?, Served::with_jwt(&authority)?];

    // In turns, so that a busy machine slows all of them.
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); 1 + 2 * OPERATIONS.len()];
    for _ in 0..turns {
        let mut row = times.iter_mut();
        let mut note = |took| row.next().into_iter().for_each(|times| times.push(took));
        note(timed(|| authority.verify())?.0);
        for (served, operation) in
            served.iter().flat_map(|served| OPERATIONS.map(|operation| (served, operation)))
        {
            note(served.time(operation)?);
        }
    }
    let medians: Vec<Duration> = times.iter_mut().map(|times| median(times)).collect();
    let (verification, medians) = medians.split_first().ok_or("no times")?;
    println!("bare verification of the JWT's signature: {verification:?}");
    let (looked_up, verified) = medians.split_at(OPERATIONS.len());
    for ((operation, looked_up), verified) in OPERATIONS.into_iter().zip(looked_up).zip(verified) {
        let ratio = verified.as_secs_f64() / (*looked_up + *verification).as_secs_f64();
        println!(
            "{:<20} static token {looked_up:?}, JWT {verified:?}: {ratio:.2} of the static token \
             and the bare verification",
            operation.name(),
        );
    }

    for (kind, served) in ["static token", "JWT"].into_iter().zip(&served) {
        let mut group = criterion.benchmark_group(format!("router, {kind}"));
        for operation in OPERATIONS {
            let mut failed = None;
            group.bench_function(operation.name(), |bencher| {
                bencher.iter_custom(|times| {
                    let sum = (0..times).map(|_| served.time(operation)).sum::<Result<Duration>>();
                    sum.unwrap_or_else(|error| {
                        failed = Some(error);
                        Duration::MAX
                    })
                });
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// The operations of SSF 1.0 §8.1 and RFC 8936.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Create,
    Read,
    Update,
    Replace,
    Delete,
    ReadStatus,
    UpdateStatus,
    AddSubject,
    RemoveSubject,
    Verify,
    Poll,
}

const OPERATIONS: [Operation; 11] = [
    Operation::Create,
    Operation::Read,
    Operation::Update,
    Operation::Replace,
    Operation::Delete,
    Operation::ReadStatus,
    Operation::UpdateStatus,
    Operation::AddSubject,
    Operation::RemoveSubject,
    Operation::Verify,
    Operation::Poll,
];

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create stream",
            Self::Read => "read stream",
            Self::Update => "update stream",
            Self::Replace => "replace stream",
            Self::Delete => "delete stream",
            Self::ReadStatus => "read status",
            Self::UpdateStatus => "update status",
            Self::AddSubject => "add subject",
            Self::RemoveSubject => "remove subject",
            Self::Verify => "verify",
            Self::Poll => "poll, nothing waits",
        }
    }

    const fn status(self) -> u16 {
        match self {
            Self::Create => 201,
            Self::Read
            | Self::Update
            | Self::Replace
            | Self::ReadStatus
            | Self::UpdateStatus
            | Self::AddSubject
            | Self::Poll => 200,
            Self::Delete | Self::RemoveSubject | Self::Verify => 204,
        }
    }

    /// Method, target and body of a request about that stream.
    fn call(self, stream: &str) -> (&'static str, String, Value) {
        let subject = json!({"format": "email", "email": "u@example.com"});
        let streams = || "/ssf/streams".to_owned();
        let this = || format!("/ssf/streams?stream_id={stream}");
        let status = || format!("/ssf/status?stream_id={stream}");
        let changed = || json!({"stream_id": stream, "description": "changed"});
        let about = || json!({"stream_id": stream, "subject": subject});
        match self {
            Self::Create => ("POST", streams(), json!({})),
            Self::Read => ("GET", this(), Value::Null),
            Self::Update => ("PATCH", streams(), changed()),
            Self::Replace => ("PUT", streams(), changed()),
            Self::Delete => ("DELETE", this(), Value::Null),
            Self::ReadStatus => ("GET", status(), Value::Null),
            Self::UpdateStatus => (
                "POST",
                "/ssf/status".to_owned(),
                json!({"stream_id": stream, "status": "enabled"}),
            ),
            Self::AddSubject => ("POST", "/ssf/subjects/add".to_owned(), about()),
            Self::RemoveSubject => ("POST", "/ssf/subjects/remove".to_owned(), about()),
            Self::Verify => ("POST", "/ssf/verify".to_owned(), json!({"stream_id": stream})),
            Self::Poll => {
                ("POST", format!("/ssf/poll/{stream}"), json!({"returnImmediately": true}))
            }
        }
    }
}

/// A router whose receiver has a token.
struct Served {
    router: Router,
    token: String,
    /// A stream with a verification waiting, and one that nothing waits for.
    stream: String,
    silent: String,
}

impl Served {
    fn with_static_token() -> Result<Self> {
        let owner = Owner::new(TenantId::parse("acme")?, ClientId::parse("rp-1")?);
        let scopes = [Scope::parse("ssf.manage")?];
        let caller = Caller::new(owner, Audience::parse("https://rp-1.acme.example")?, scopes);
        let token = "c3RhdGljIHRva2VuIG9mIHJlY2VpdmVyIG9uZQ";
        let tokens = StaticTokens::new().with_receiver(&Secret::new(token), caller)?;
        Self::new(Router::new(transmitter()?.receivers(), tokens), token.to_owned())
    }

    fn with_jwt(authority: &Authority) -> Result<Self> {
        let router = Router::new(transmitter()?.receivers(), authority.authenticator()?);
        Self::new(router, authority.token.clone())
    }

    fn new(router: Router, token: String) -> Result<Self> {
        let mut served = Self { router, token, stream: String::new(), silent: String::new() };
        served.stream = served.create()?;
        served.silent = served.create()?;
        Ok(served)
    }

    fn request(&self, (method, target, body): (&str, String, Value)) -> Result<Request<Bytes>> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("authorization", format!("Bearer {}", self.token));
        Ok(match body {
            Value::Null => request.body(Bytes::new())?,
            body => {
                request.header("content-type", "application/json").body(body.to_string().into())?
            }
        })
    }

    fn send(&self, request: Request<Bytes>, expected: u16) -> Result<Bytes> {
        let answer = block_on(self.router.handle(request));
        if answer.status() != expected {
            return Err(format!("{} instead of {expected}", answer.status()).into());
        }
        Ok(answer.into_body())
    }

    /// The identifier of a new stream.
    fn create(&self) -> Result<String> {
        let request = self.request(Operation::Create.call(""))?;
        stream_id(&self.send(request, Operation::Create.status())?)
    }

    /// A request, about a stream of its own if it ends it.
    fn prepare(&self, operation: Operation) -> Result<Request<Bytes>> {
        match operation {
            Operation::Delete => self.request(operation.call(&self.create()?)),
            Operation::Poll => self.request(operation.call(&self.silent)),
            _ => self.request(operation.call(&self.stream)),
        }
    }

    /// Takes a stream away that was created: the receiver may have only so many.
    fn clear(&self, operation: Operation, answer: &Bytes) -> Result<()> {
        if let Operation::Create = operation {
            let stream = stream_id(answer)?;
            self.send(self.request(Operation::Delete.call(&stream))?, 204)?;
        }
        Ok(())
    }

    fn time(&self, operation: Operation) -> Result<Duration> {
        let request = self.prepare(operation)?;
        let (took, answer) = timed(|| self.send(black_box(request), operation.status()))?;
        self.clear(operation, &answer)?;
        Ok(took)
    }
}

fn stream_id(answer: &Bytes) -> Result<String> {
    let stream: Value = serde_json::from_slice(answer)?;
    Ok(stream["stream_id"].as_str().ok_or("a stream has an identifier")?.to_owned())
}

fn transmitter() -> Result<Transmitter> {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?;
    let mut profile = Profile::ssf();
    profile.min_verification_interval = Duration::ZERO;
    let builder =
        Transmitter::builder(Issuer::parse(ISSUER)?, MemoryStore::new(), LocalKeys::new(key));
    Ok(builder.with_profile(profile).build()?)
}

/// An authorization server whose tokens are signed with Ed25519.
struct Authority {
    key: PKey<Private>,
    signed: String,
    signature: Vec<u8>,
    token: String,
}

impl Authority {
    fn new() -> Result<Self> {
        let key = PKey::generate_ed25519()?;
        let now = SystemClock.now().as_seconds();
        let header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "1"});
        let claims = json!({
            "iss": AUTHORIZATION_SERVER, "aud": ISSUER, "sub": "rp-1", "client_id": "rp-1",
            "jti": "1", "iat": now, "exp": now + 24 * 3600, "scope": "ssf.manage",
        });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = Signer::new_without_digest(&key)?.sign_oneshot_to_vec(signed.as_bytes())?;
        let token = format!("{signed}.{}", encode(&signature));
        Ok(Self { key, signed, signature, token })
    }

    fn authenticator(&self) -> Result<JwtAuthenticator> {
        let x = encode(self.key.raw_public_key()?);
        let jwks = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": x}]});
        let rules = TokenRules::new(Audience::parse(ISSUER)?);
        let issuer = Issuer::parse(AUTHORIZATION_SERVER)?;
        Ok(JwtAuthenticator::new(issuer, Jwks::parse(jwks.to_string())?, rules))
    }

    fn verify(&self) -> Result<bool> {
        let mut verifier = Verifier::new_without_digest(&self.key)?;
        Ok(black_box(verifier.verify_oneshot(&self.signature, self.signed.as_bytes())?))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed(), done))
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
