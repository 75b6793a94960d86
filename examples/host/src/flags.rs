//! The flags that all servers have. Each can also be given as an environment variable: `SSF_` and
//! the flag in capitals, with `_` for `-`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::builder::BoolishValueParser;
use ssf_transmitter::auth::Caller;
use ssf_transmitter::id::{Audience, ClientId, Issuer, Owner, Scope, TenantId};
use ssf_transmitter::limit::quota::Quota;
use ssf_transmitter::outbox::{BeyondLimit, HeldLimits};
use ssf_transmitter::protocol::Profile;
use ssf_transmitter::secret::Secret;
use ssf_transmitter::stream::DefaultSubjects;
use tracing_subscriber::filter::LevelFilter;

use crate::store::Kept;

/// An example SSF 1.0 transmitter.
#[derive(Debug, Parser)]
pub struct Flags {
    /// The address to listen on.
    #[arg(long, env = "SSF_LISTEN", default_value = "127.0.0.1:8480")]
    pub listen: SocketAddr,

    /// The issuer; https, or http for loopback hosts. Default: the listen address.
    #[arg(long, env = "SSF_ISSUER")]
    pub issuer: Option<Issuer>,

    /// Where streams and SETs are kept: `memory`, `sqlite:PATH` or `postgres://...`.
    #[arg(long, env = "SSF_STORE", default_value = "memory", hide_env_values = true)]
    pub store: Kept,

    /// A private JWK or JWK set; made (RS256) if the file does not exist. Default: in memory a key
    /// for the life of the process, with SQLite PATH.keys.json; PostgreSQL asks for one.
    #[arg(long, env = "SSF_SIGNING_KEY")]
    pub signing_key: Option<PathBuf>,

    /// A receiver: `CLIENT_ID=TOKEN[,aud=AUDIENCE][,org=ORG][,scope=SCOPES]`. Repeatable.
    #[arg(long = "receiver", env = "SSF_RECEIVER", value_delimiter = ';', hide_env_values = true)]
    pub receivers: Vec<Receiver>,

    /// The HTTP profile: SSF 1.0 itself, or the contract of SailPoint's SSF API.
    #[arg(long, env = "SSF_PROFILE", default_value = "ssf")]
    profile: ProfileName,

    /// Which subjects a new stream begins with: `ALL` or `NONE`.
    #[arg(long, env = "SSF_DEFAULT_SUBJECTS", default_value = "ALL", value_parser = subjects)]
    pub default_subjects: DefaultSubjects,

    /// The least time between two verifications of a stream, in seconds. Default: 10, or 300 in
    /// the profile `sailpoint`.
    #[arg(long, env = "SSF_MIN_VERIFICATION_INTERVAL", value_parser = seconds)]
    min_verification_interval: Option<Duration>,

    /// After how many seconds without activity a stream is paused. Default: never.
    #[arg(long, env = "SSF_INACTIVITY_TIMEOUT", value_parser = seconds)]
    pub inactivity_timeout: Option<Duration>,

    /// How long a poll waits for a SET, in seconds.
    #[arg(long, env = "SSF_POLL_TIMEOUT", default_value = "25", value_parser = seconds)]
    pub poll_timeout: Duration,

    /// How long what one poll was answered with no other poll is, in seconds: for receivers that
    /// poll in parallel. Default: every poll gets all that is not acknowledged.
    #[arg(long, env = "SSF_VISIBILITY_WINDOW", value_parser = seconds)]
    pub visibility_window: Option<Duration>,

    /// After how many seconds without a verification the transmitter starts one. Default: never.
    #[arg(long, env = "SSF_VERIFICATION_INTERVAL", value_parser = seconds)]
    pub verification_interval: Option<Duration>,

    /// How long events go on after a receiver removed their subject, in seconds.
    #[arg(long, env = "SSF_REMOVAL_GRACE", default_value = "0", value_parser = seconds)]
    pub removal_grace: Duration,

    /// How many SETs a stream may hold that nobody is being sent.
    #[arg(long, env = "SSF_HELD_ENTRIES", default_value_t = HeldLimits::default().entries)]
    held_entries: u64,

    /// How long one of them may wait, in seconds. Default: 30 days.
    #[arg(long, env = "SSF_HELD_AGE", value_parser = seconds)]
    held_age: Option<Duration>,

    /// How many bytes of claims they may have together.
    #[arg(long, env = "SSF_HELD_BYTES", default_value_t = HeldLimits::default().bytes)]
    held_bytes: u64,

    /// What happens beyond: the oldest go to dead letters, or the stream is disabled.
    #[arg(long, env = "SSF_HELD_BEYOND", default_value = "give-up-oldest")]
    held_beyond: Beyond,

    /// Lets push targets be loopback and private addresses and plain http. For tests only.
    #[arg(long, env = "SSF_ALLOW_PRIVATE_PUSH", value_parser = BoolishValueParser::new())]
    pub allow_private_push: bool,

    /// An extra trust root for push, in PEM.
    #[arg(long, env = "SSF_PUSH_CA")]
    pub push_ca: Option<PathBuf>,

    /// How long a claim lasts, in seconds.
    #[arg(long, env = "SSF_LEASE", default_value = "60", value_parser = seconds)]
    pub lease: Duration,

    /// How long a push may take, in seconds.
    #[arg(long, env = "SSF_PUSH_DEADLINE", default_value = "15", value_parser = seconds)]
    pub push_deadline: Duration,

    /// Enables the admin API with this bearer token.
    #[arg(long, env = "SSF_ADMIN_TOKEN", value_parser = secret, hide_env_values = true)]
    pub admin_token: Option<Secret>,

    /// Accepts JWT access tokens, signed by a key of the JWK set in this file or at this URL.
    #[arg(long, env = "SSF_ACCESS_TOKEN_JWKS", requires_all = ["access_token_issuer", "access_token_audience"])]
    pub access_token_jwks: Option<String>,

    /// The issuer of JWT access tokens.
    #[arg(long, env = "SSF_ACCESS_TOKEN_ISSUER", requires_all = ["access_token_jwks", "access_token_audience"])]
    pub access_token_issuer: Option<Issuer>,

    /// The audience of JWT access tokens: what this transmitter is called by their issuer.
    #[arg(long, env = "SSF_ACCESS_TOKEN_AUDIENCE", requires_all = ["access_token_jwks", "access_token_issuer"])]
    pub access_token_audience: Option<Audience>,

    /// How often each receiver may do each thing: `N/SECS`, N times in SECS seconds. Default: as
    /// often as it likes.
    #[arg(long, env = "SSF_RATE_LIMIT", value_parser = rate_limit)]
    pub rate_limit: Option<Arc<Quota>>,

    /// What is logged: off, error, warn, info, debug or trace.
    #[arg(long, env = "SSF_LOG", default_value = "info")]
    pub log: LevelFilter,
}

impl Flags {
    /// The profile, with the numbers that were given.
    #[must_use]
    pub fn profile(&self) -> Profile {
        let mut profile = match self.profile {
            ProfileName::Ssf => Profile::ssf(),
            ProfileName::Sailpoint => Profile::sailpoint(),
        };
        if let Some(interval) = self.min_verification_interval {
            profile.min_verification_interval = interval;
        }
        profile
    }

    /// What a stream may hold.
    #[must_use]
    pub fn held(&self) -> HeldLimits {
        let mut held = HeldLimits::default();
        (held.entries, held.bytes) = (self.held_entries, self.held_bytes);
        held.age = self.held_age.unwrap_or(held.age);
        held.beyond = match self.held_beyond {
            Beyond::GiveUpOldest => BeyondLimit::GiveUpOldest,
            Beyond::DisableStream => BeyondLimit::DisableStream,
        };
        held
    }
}

/// What happens to a stream that holds more than it may.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Beyond {
    GiveUpOldest,
    DisableStream,
}

/// The profiles that come with the library.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ProfileName {
    Ssf,
    Sailpoint,
}

/// A receiver with its static bearer token.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// The token.
    pub token: Secret,
    owner: Owner,
    audience: Audience,
    /// What it may do; without any given: everything.
    scopes: Option<Vec<Scope>>,
}

impl Receiver {
    /// The receiver as the transmitter with that profile knows it.
    #[must_use]
    pub fn caller(&self, profile: &Profile) -> Caller {
        let scopes = self.scopes.clone().unwrap_or_else(|| profile.access.scopes());
        Caller::new(self.owner.clone(), self.audience.clone(), scopes)
    }
}

impl FromStr for Receiver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let (client, token) = parts
            .next()
            .and_then(|first| first.split_once('='))
            .filter(|(_, token)| !token.is_empty())
            .ok_or("must begin with CLIENT_ID=TOKEN")?;
        let (mut audience, mut org, mut scopes) = (client, "default", None);
        for part in parts {
            match part.split_once('=') {
                Some(("aud", value)) => audience = value,
                Some(("org", value)) => org = value,
                Some(("scope", value)) => scopes = Some(value),
                _ => return Err("after the token only aud=, org= and scope= may come".to_owned()),
            }
        }
        let tenant = TenantId::parse(org).map_err(|e| format!("org {e}"))?;
        let client = ClientId::parse(client).map_err(|e| format!("client id {e}"))?;
        let audience = Audience::parse(audience).map_err(|e| format!("aud {e}"))?;
        let parse = |scopes: &str| scopes.split_whitespace().map(Scope::parse).collect();
        let scopes: Option<Result<Vec<_>, _>> = scopes.map(parse);
        let scopes = scopes.transpose().map_err(|e| format!("scope {e}"))?;
        Ok(Self { token: Secret::new(token), owner: Owner::new(tenant, client), audience, scopes })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "must be a number of seconds".to_owned())
}

fn subjects(text: &str) -> Result<DefaultSubjects, String> {
    match text {
        "ALL" => Ok(DefaultSubjects::All),
        "NONE" => Ok(DefaultSubjects::None),
        _ => Err("must be ALL or NONE".to_owned()),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the form that the flag parser asks for")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::new(text))
}

fn rate_limit(text: &str) -> Result<Arc<Quota>, String> {
    let parts =
        text.split_once('/').and_then(|(n, per)| Some((n.parse().ok()?, seconds(per).ok()?)));
    let quota = parts.and_then(|(requests, per)| Quota::new(requests, per));
    quota.map(Arc::new).ok_or_else(|| "must be N/SECS, such as 10/1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: impl IntoIterator<Item = &'static str>) -> Result<Flags, String> {
        let flags = Flags::try_parse_from(["server"].into_iter().chain(flags));
        flags.map_err(|error| error.to_string())
    }

    #[test]
    fn a_receiver_has_defaults_for_all_but_its_token() {
        let receiver: Receiver = "rp=t0ken".parse().unwrap();
        assert_eq!(receiver.token.expose(), "t0ken");
        assert_eq!(receiver.audience.as_str(), "rp");
        assert_eq!(receiver.owner.tenant.as_str(), "default");
        for profile in [Profile::ssf(), Profile::sailpoint()] {
            let all: Vec<_> = profile.access.scopes();
            assert_eq!(receiver.caller(&profile).scopes, all.into_iter().collect());
        }
    }

    #[test]
    fn a_receiver_may_name_audience_organisation_and_scopes() {
        let text = "rp=t=,aud=https://rp.example,org=acme,scope=ssf.read";
        let receiver: Receiver = text.parse().unwrap();
        assert_eq!(receiver.token.expose(), "t=");
        let caller = receiver.caller(&Profile::ssf());
        assert_eq!(caller.audience.as_str(), "https://rp.example");
        assert_eq!(caller.owner.tenant.as_str(), "acme");
        assert_eq!(caller.scopes, [Scope::parse("ssf.read").unwrap()].into());
    }

    #[test]
    fn the_interval_of_verifications_is_that_of_the_profile_unless_given() {
        let interval = |flags: &[&'static str]| {
            parse(flags.iter().copied()).unwrap().profile().min_verification_interval
        };
        assert_eq!(interval(&[]), Duration::from_secs(10));
        assert_eq!(interval(&["--profile", "sailpoint"]), Duration::from_secs(300));
        let given = ["--profile", "sailpoint", "--min-verification-interval", "0.5"];
        assert_eq!(interval(&given), Duration::from_millis(500));
    }

    #[test]
    fn what_a_stream_may_hold_is_as_by_default_unless_given() {
        assert_eq!(parse([]).unwrap().held(), HeldLimits::default());
        let given = ["--held-entries=5", "--held-age=1.5", "--held-bytes=7"];
        let held = parse(given.into_iter().chain(["--held-beyond=disable-stream"])).unwrap().held();
        assert_eq!((held.entries, held.age, held.bytes), (5, Duration::from_millis(1500), 7));
        assert_eq!(held.beyond, BeyondLimit::DisableStream);
    }

    #[test]
    fn the_three_flags_of_access_tokens_come_together() {
        let all = [
            ("--access-token-jwks", "keys.json"),
            ("--access-token-issuer", "https://as.example"),
            ("--access-token-audience", "https://tr.example"),
        ];
        let parse = |flags: &[(&'static str, &'static str)]| {
            parse(flags.iter().flat_map(|(flag, value)| [*flag, *value]))
        };
        assert!(parse(&all).unwrap().access_token_jwks.is_some());
        for left_out in 0..all.len() {
            let mut two = all.to_vec();
            let (flag, _) = two.remove(left_out);
            for some in [&two[..], &two[..1], &two[1..]] {
                let error = parse(some).unwrap_err();
                assert!(error.contains(flag), "{error}");
            }
        }
    }

    #[test]
    fn a_rate_limit_is_a_number_of_requests_in_a_number_of_seconds() {
        assert!(parse(["--rate-limit", "10/0.5"]).unwrap().rate_limit.is_some());
        for wrong in ["10", "0/1", "10/0", "x/1", "1/x", "10/1/1"] {
            let error = parse(["--rate-limit", wrong]).unwrap_err();
            assert!(error.contains("must be N/SECS"), "{error}");
        }
    }
}
