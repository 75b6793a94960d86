//! What the claims of an access token must say, and which receiver they name.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Caller, TokenFault};
use crate::id::{Audience, ClientId, Owner, Scope, TenantId};
use crate::timestamp::Timestamp;

/// The rules for access tokens of one authorization server, however their claims were had: out of
/// a JWT (RFC 9068) or by introspection (RFC 7662).
///
/// * `aud` must name this transmitter.
/// * `exp`, `nbf` and `iat`, where present, must fit the time, give or take the leeway.
/// * `cnf` must be absent: a bearer does not prove to hold the key it names (RFC 9449 §7.2).
/// * The receiver is `client_id`, or `sub` where there is none. Both are in one name space: a token
///   without `client_id` whose `sub` is `rp` is the receiver `rp`. An authorization server that lets
///   users or clients choose either must keep the two apart (RFC 9068 §5); where it does not, or
///   nobody knows, [`ClientSource::ClientId`] takes no `sub`.
/// * The scopes are those of `scope` (one string, separated by spaces), or `scp` (the same, or an
///   array) where there is none. Words that are no scopes grant nothing.
///
/// ```
/// use std::time::Duration;
/// use ssf_transmitter::auth::{AudienceSource, TenantSource, TokenRules};
/// use ssf_transmitter::id::{Audience, TenantId};
///
/// # fn main() -> Result<(), ssf_transmitter::id::IdError> {
/// let rules = TokenRules::new(Audience::parse("https://tr.example.com")?)
///     .with_leeway(Duration::from_secs(5))
///     .with_tenant(TenantSource::Claim { names: vec!["org".to_owned()], otherwise: None })
///     .with_caller_audience(AudienceSource::Claim("receiver".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenRules {
    audiences: Vec<Audience>,
    leeway: Duration,
    client: ClientSource,
    tenant: TenantSource,
    caller_audience: AudienceSource,
}

/// Where the identifier of a receiver comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientSource {
    /// From `client_id`. A token without it is refused.
    ClientId,
    /// From `client_id`, or from `sub` where there is none.
    ClientIdOrSubject,
}

/// Where the tenant of a receiver comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TenantSource {
    /// From the first of these claims that the token has.
    Claim {
        /// The names of the claims, all of strings.
        names: Vec<String>,
        /// The tenant of a token that has none of them; `None`: such a token is refused.
        otherwise: Option<TenantId>,
    },
    /// All receivers of the authorization server belong to this one.
    Fixed(TenantId),
}

/// Where the audience of a receiver's streams comes from: the `aud` of its SETs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AudienceSource {
    /// From that claim, a string. A token without it is refused.
    Claim(String),
    /// It is the identifier of the client.
    ClientId,
    /// The same for all receivers.
    Fixed(Audience),
}

/// How far the clocks of authorization server and transmitter may be apart, unless set.
const LEEWAY: Duration = Duration::from_secs(30);

impl TokenRules {
    /// Tokens for that audience: an identifier of this transmitter as a resource server. The
    /// leeway is 30 s, the client `client_id` or else `sub`, the tenant `default`, the audience of
    /// streams the identifier of the client.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        Self {
            audiences: vec![audience],
            leeway: LEEWAY,
            client: ClientSource::ClientIdOrSubject,
            tenant: TenantSource::Fixed(TenantId::trusted("default")),
            caller_audience: AudienceSource::ClientId,
        }
    }

    /// Tokens for that audience, too.
    #[must_use]
    pub fn with_audience(mut self, audience: Audience) -> Self {
        self.audiences.push(audience);
        self
    }

    /// How far the clocks may be apart.
    #[must_use]
    pub const fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Where the identifier of the receiver comes from.
    #[must_use]
    pub const fn with_client(mut self, client: ClientSource) -> Self {
        self.client = client;
        self
    }

    /// Where the tenant comes from.
    #[must_use]
    pub fn with_tenant(mut self, tenant: TenantSource) -> Self {
        self.tenant = tenant;
        self
    }

    /// Where the audience of streams comes from.
    #[must_use]
    pub fn with_caller_audience(mut self, audience: AudienceSource) -> Self {
        self.caller_audience = audience;
        self
    }

    /// The receiver that a token with these claims stands for at `now`.
    ///
    /// # Errors
    /// [`TokenFault`] when they break a rule.
    pub fn caller(
        &self,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Caller, TokenFault> {
        self.check_audience(claims)?;
        self.check_times(claims, now)?;
        if claims.contains_key("cnf") {
            return Err(TokenFault::Bound);
        }
        let client = client(self.client, claims)?;
        let audience = match &self.caller_audience {
            AudienceSource::Claim(name) => {
                let text = string(claims, name)?.ok_or_else(|| claim(name))?;
                Audience::parse(text).map_err(|_| claim(name))?
            }
            AudienceSource::ClientId => {
                Audience::parse(client.as_str()).map_err(|_| claim("client_id"))?
            }
            AudienceSource::Fixed(audience) => audience.clone(),
        };
        let owner = Owner::new(self.tenant(claims)?, client);
        Ok(Caller { owner, audience, scopes: scopes(claims)? })
    }

    /// RFC 9068 §4: `aud` must hold an identifier that the resource server expects for itself.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), TokenFault> {
        let ours = |text: &Value| {
            text.as_str().is_some_and(|text| self.audiences.iter().any(|own| own.as_str() == text))
        };
        let named = match claims.get("aud") {
            Some(Value::Array(texts)) => texts.iter().any(ours),
            Some(text) => ours(text),
            None => false,
        };
        if named { Ok(()) } else { Err(TokenFault::Audience) }
    }

    fn check_times(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), TokenFault> {
        // RFC 7519 §4.1.4: the time must be before `exp`.
        if numeric_date(claims, "exp")?.is_some_and(|exp| now >= exp.after(self.leeway)) {
            return Err(TokenFault::Expired);
        }
        // RFC 7519 §4.1.5: the time must be `nbf` or after it.
        if numeric_date(claims, "nbf")?.is_some_and(|nbf| now < nbf.before(self.leeway)) {
            return Err(TokenFault::NotYetValid);
        }
        if numeric_date(claims, "iat")?.is_some_and(|iat| now < iat.before(self.leeway)) {
            return Err(TokenFault::IssuedInFuture);
        }
        Ok(())
    }

    fn tenant(&self, claims: &Map<String, Value>) -> Result<TenantId, TokenFault> {
        match &self.tenant {
            TenantSource::Fixed(tenant) => Ok(tenant.clone()),
            TenantSource::Claim { names, otherwise } => {
                for name in names {
                    if let Some(text) = string(claims, name)? {
                        return TenantId::parse(text).map_err(|_| claim(name));
                    }
                }
                let missing = || claim(names.first().map_or("", String::as_str));
                otherwise.clone().ok_or_else(missing)
            }
        }
    }
}

/// A time of a token (RFC 7519 §2 `NumericDate`): seconds since the epoch, fractions allowed.
pub(super) fn numeric_date(
    claims: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<Timestamp>, TokenFault> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => Ok(Some(match number.as_i64() {
            Some(seconds) => Timestamp::from_seconds(seconds),
            // What does not fit ends up at an end of time.
            None => Timestamp::from_millis((number.as_f64().unwrap_or(0.0) * 1000.0) as i64),
        })),
        Some(_) => Err(claim(name)),
    }
}

/// A claim that is missing or malformed.
pub(super) fn claim(name: &str) -> TokenFault {
    TokenFault::Claim(name.to_owned().into())
}

/// RFC 9068 §2.2 has both; for a client that acts for itself, `sub` is the client (§2.2.1). A
/// `client_id` that is there but malformed is never replaced by `sub`.
fn client(source: ClientSource, claims: &Map<String, Value>) -> Result<ClientId, TokenFault> {
    let name = match source {
        ClientSource::ClientIdOrSubject if !claims.contains_key("client_id") => "sub",
        ClientSource::ClientIdOrSubject | ClientSource::ClientId => "client_id",
    };
    let text = string(claims, name)?.ok_or_else(|| claim("client_id"))?;
    ClientId::parse(text).map_err(|_| claim(name))
}

fn scopes(claims: &Map<String, Value>) -> Result<BTreeSet<Scope>, TokenFault> {
    let (name, value) = match (claims.get("scope"), claims.get("scp")) {
        (Some(scope), _) => ("scope", scope),
        (None, Some(scp)) => ("scp", scp),
        (None, None) => return Ok(BTreeSet::new()),
    };
    let words: Vec<&str> = match (name, value) {
        (_, Value::String(text)) => text.split(' ').collect(),
        ("scp", Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => return Err(claim(name)),
    };
    Ok(words.into_iter().filter_map(|word| Scope::parse(word).ok()).collect())
}

fn string<'a>(claims: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, TokenFault> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(claim(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_795_000_000;

    fn rules() -> TokenRules {
        TokenRules::new(Audience::parse("https://tr.example").unwrap())
    }

    /// What becomes of good claims with these changes; `null` takes one away.
    fn read(rules: &TokenRules, changes: &Value) -> Result<Caller, String> {
        let mut claims = json!({
            "aud": "https://tr.example", "client_id": "rp", "sub": "rp-user", "exp": NOW + 60,
            "iat": NOW - 60, "scope": "ssf.read ssf.manage",
        });
        let claims = claims.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            claims.insert(name.clone(), value.clone());
        }
        claims.retain(|_, value| !value.is_null());
        rules.caller(claims, Timestamp::from_seconds(NOW)).map_err(|fault| fault.to_string())
    }

    fn fault(changes: &Value) -> String {
        read(&rules(), changes).unwrap_err()
    }

    fn scopes_of(changes: &Value) -> Vec<String> {
        read(&rules(), changes).unwrap().scopes.into_iter().map(String::from).collect()
    }

    #[test]
    fn good_claims_name_client_tenant_audience_and_scopes() {
        let caller = read(&rules(), &json!({})).unwrap();
        assert_eq!(caller.owner.client.as_str(), "rp");
        assert_eq!(caller.owner.tenant.as_str(), "default");
        assert_eq!(caller.audience.as_str(), "rp");
        assert_eq!(scopes_of(&json!({})), ["ssf.manage", "ssf.read"]);
    }

    #[test]
    fn one_audience_must_be_ours_byte_by_byte_rfc_9068_4() {
        let two = rules().with_audience(Audience::parse("https://tr2.example").unwrap());
        for good in [json!("https://tr2.example"), json!(["https://x", 7, "https://tr2.example"])] {
            assert_eq!(read(&two, &json!({ "aud": good })).map(|_| ()), Ok(()));
        }
        for bad in [
            json!(null),
            json!([]),
            json!(1),
            json!("https://tr2.example/"),
            json!("HTTPS://TR.EXAMPLE"),
            json!(["https://x"]),
            json!({"https://tr.example": 1}),
        ] {
            let refused = read(&two, &json!({ "aud": bad })).unwrap_err();
            assert_eq!(refused, "it is meant for another audience");
        }
    }

    #[test]
    fn times_are_kept_to_the_millisecond_give_or_take_the_leeway_rfc_7519_4_1() {
        let expired = Err("it has expired".to_owned());
        let early = Err("its time has not come yet".to_owned());
        let future = Err("it was issued in the future".to_owned());
        for (changes, expected) in [
            (json!({"exp": NOW - 29}), Ok(())),
            (json!({"exp": NOW - 30}), expired.clone()),
            (json!({"exp": (NOW - 30) as f64 + 0.001}), Ok(())),
            (json!({"exp": -1e300}), expired),
            (json!({"exp": u64::MAX}), Ok(())),
            (json!({"nbf": NOW + 30}), Ok(())),
            (json!({"nbf": NOW + 31}), early),
            (json!({"iat": NOW + 30}), Ok(())),
            (json!({"iat": NOW + 31}), future),
        ] {
            assert_eq!(read(&rules(), &changes).map(|_| ()), expected, "{changes}");
        }
        for name in ["exp", "nbf", "iat"] {
            let refused = fault(&json!({name: "1795000000"}));
            assert_eq!(refused, format!("the claim `{name}` is missing or malformed"));
        }
    }

    #[test]
    fn a_token_bound_to_a_key_is_no_bearer_token_rfc_9449_7_2() {
        let bound = "it is bound to a key that a bearer does not prove to hold";
        assert_eq!(fault(&json!({"cnf": {"jkt": "x"}})), bound);
        assert_eq!(fault(&json!({"cnf": {}})), bound);
    }

    #[test]
    fn the_subject_stands_in_for_a_missing_client_and_for_no_other() {
        let client =
            |changes: &Value| read(&rules(), changes).map(|caller| caller.owner.client.into());
        assert_eq!(client(&json!({"client_id": null})), Ok("rp-user".to_owned()));
        for bad in [json!(""), json!(7), json!("a\nb"), json!("x".repeat(256))] {
            let refused = Err("the claim `client_id` is missing or malformed".to_owned());
            assert_eq!(client(&json!({ "client_id": bad })), refused);
        }
        let nobody = fault(&json!({"client_id": null, "sub": null}));
        assert_eq!(nobody, "the claim `client_id` is missing or malformed");
    }

    #[test]
    fn no_subject_passes_for_a_client_where_only_client_id_counts() {
        let strict = rules().with_client(ClientSource::ClientId);
        let client = |changes: &Value| read(&strict, changes).map(|caller| caller.owner.client);
        assert_eq!(client(&json!({})).map(String::from), Ok("rp".to_owned()));
        let refused = "the claim `client_id` is missing or malformed";
        assert_eq!(client(&json!({"client_id": null, "sub": "rp"})), Err(refused.to_owned()));
    }

    #[test]
    fn scopes_come_from_scope_or_else_scp() {
        assert_eq!(scopes_of(&json!({"scope": "a  b", "scp": "c"})), ["a", "b"]);
        assert_eq!(scopes_of(&json!({"scope": null, "scp": "c d"})), ["c", "d"]);
        assert_eq!(scopes_of(&json!({"scope": null, "scp": ["c", "d e", 7]})), ["c"]);
        assert_eq!(scopes_of(&json!({"scope": "", "scp": "c"})), Vec::<String>::new());
        assert_eq!(scopes_of(&json!({"scope": null})), Vec::<String>::new());
        assert_eq!(scopes_of(&json!({"scope": "a\tb \"c\" d"})), ["d"]);
        let malformed = |name| format!("the claim `{name}` is missing or malformed");
        assert_eq!(fault(&json!({"scope": ["a"]})), malformed("scope"));
        assert_eq!(fault(&json!({"scope": null, "scp": 7})), malformed("scp"));
    }

    #[test]
    fn the_tenant_is_fixed_or_that_of_the_first_claim_there_is() {
        let names = vec!["org".to_owned(), "tenant".to_owned()];
        let other = TenantId::parse("other").unwrap();
        let claims = |otherwise| {
            rules().with_tenant(TenantSource::Claim { names: names.clone(), otherwise })
        };
        let tenant = |rules: &TokenRules, changes: &Value| {
            read(rules, changes).map(|caller| String::from(caller.owner.tenant))
        };
        let rules = claims(Some(other.clone()));
        assert_eq!(tenant(&rules, &json!({"org": "a", "tenant": "b"})), Ok("a".to_owned()));
        assert_eq!(tenant(&rules, &json!({"tenant": "b"})), Ok("b".to_owned()));
        assert_eq!(tenant(&rules, &json!({})), Ok("other".to_owned()));
        let malformed = Err("the claim `org` is missing or malformed".to_owned());
        for bad in [json!({"org": 7}), json!({"org": ""})] {
            assert_eq!(tenant(&rules, &bad), malformed);
        }
        assert_eq!(tenant(&claims(None), &json!({})), malformed);
        let fixed = self::rules().with_tenant(TenantSource::Fixed(other));
        assert_eq!(tenant(&fixed, &json!({"org": "a"})), Ok("other".to_owned()));
    }

    #[test]
    fn the_audience_of_streams_is_fixed_the_client_or_a_claim() {
        let audience = |source, changes: &Value| {
            let rules = rules().with_caller_audience(source);
            read(&rules, changes).map(|caller| String::from(caller.audience))
        };
        let fixed = AudienceSource::Fixed(Audience::parse("https://rp.example").unwrap());
        assert_eq!(audience(fixed, &json!({})), Ok("https://rp.example".to_owned()));
        let named = || AudienceSource::Claim("rcv".to_owned());
        assert_eq!(audience(named(), &json!({"rcv": "x"})), Ok("x".to_owned()));
        for bad in [json!({}), json!({"rcv": 7}), json!({"rcv": ""})] {
            let malformed = "the claim `rcv` is missing or malformed".to_owned();
            assert_eq!(audience(named(), &bad), Err(malformed));
        }
    }

    /// Values of every kind, those that a claim may have among them.
    fn value() -> impl Strategy<Value = Value> {
        let ours = prop::sample::select(vec![
            json!("https://tr.example"),
            json!(["https://tr.example", 1]),
            json!(NOW),
            json!(-1e300),
            json!(1e300),
            json!(u64::MAX),
            json!(i64::MIN),
            json!("ssf.read  x\u{0}"),
            json!(["ssf.read", null]),
        ]);
        prop_oneof![3 => ours, 1 => crate::subject::samples::json()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_claims_make_the_rules_panic(
            claims in prop::collection::btree_map(
                "aud|client_id|sub|exp|nbf|iat|scope|scp|cnf|org",
                value(),
                0..10,
            ),
            now: i64,
        ) {
            let claims: Map<String, Value> = claims.into_iter().collect();
            let caller = rules().caller(&claims, Timestamp::from_millis(now));
            prop_assert!(caller.is_err() || claims.contains_key("aud"));
        }
    }
}
