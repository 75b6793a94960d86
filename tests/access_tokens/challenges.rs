//! What a receiver is told of its token: through the router, byte by byte (RFC 6750 §3).

use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use ssf_transmitter::auth::Authenticator;
use ssf_transmitter::auth::any::AnyOf;
use ssf_transmitter::auth::introspection::{ClientCredentials, Introspection};
use ssf_transmitter::auth::jwt::JwksUrl;
use ssf_transmitter::https::TrustedUrl;
use ssf_transmitter::id::{Audience, ClientId, Issuer, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::{
    Algorithm, Caller, LocalKeys, MemoryStore, Router, Secret, SigningKey, StaticTokens,
    Transmitter,
};

use crate::authority::{NOW, TRANSMITTER, jwt, now, rsa_public_pem, rules, tampered, token, value};
use crate::server::nowhere;

fn router(authenticator: impl Authenticator) -> Router {
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let issuer = Issuer::parse(TRANSMITTER).unwrap();
    let transmitter = Transmitter::builder(issuer, MemoryStore::new(), LocalKeys::new(key))
        .with_clock(VirtualClock::new(now()))
        .build()
        .unwrap();
    Router::new(transmitter.receivers(), authenticator)
}

fn static_tokens() -> StaticTokens {
    let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("static").unwrap());
    let caller =
        Caller::new(owner, Audience::parse("a").unwrap(), [Scope::parse("ssf.read").unwrap()]);
    StaticTokens::new().with_receiver(&Secret::new("static-token"), caller).unwrap()
}

/// Asks for the receiver's streams.
async fn list(router: &Router, token: &str) -> (u16, HeaderMap, Value) {
    let request = Request::get("/ssf/streams").header("authorization", format!("Bearer {token}"));
    let answer = router.handle(request.body(Bytes::new()).unwrap()).await;
    let (parts, body) = answer.into_parts();
    (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
}

const METADATA: &str =
    "resource_metadata=\"https://tr.example.com/.well-known/oauth-protected-resource/ssf/streams\"";

#[tokio::test]
async fn whatever_is_wrong_with_a_token_the_answer_is_the_same() {
    let router = router(AnyOf::new().with(static_tokens()).with(jwt(value())));
    let hmac = token(json!({"alg": "HS256", "kid": "rsa"}), json!({}));
    let pem = String::from_utf8(rsa_public_pem()).unwrap();
    assert!(
        pem.starts_with("-----BEGIN PUBLIC KEY-----"),
        "the secret of the HMAC is a public key"
    );
    for (what, token) in [
        ("opaque", "nobodys-token".to_owned()),
        ("expired", token(json!({}), json!({"exp": NOW - 3600}))),
        ("foreign audience", token(json!({}), json!({"aud": "https://other.example.com"}))),
        ("foreign issuer", token(json!({}), json!({"iss": "https://other.example.com"}))),
        ("unsigned", token(json!({"alg": "none"}), json!({}))),
        ("signed by HMAC", hmac),
        ("wrong typ", token(json!({"typ": "JWT"}), json!({}))),
        ("a SET", token(json!({"typ": "secevent+jwt"}), json!({}))),
        ("not yet", token(json!({}), json!({"nbf": NOW + 3600}))),
        ("future", token(json!({}), json!({"iat": NOW + 3600}))),
        ("no client", token(json!({}), json!({"client_id": null, "sub": null}))),
        ("bound", token(json!({}), json!({"cnf": {"x5t#S256": "x"}}))),
        ("unknown kid", token(json!({"kid": "other"}), json!({}))),
        ("wrong alg for key", token(json!({"kid": "p256"}), json!({}))),
        ("tampered", tampered()),
    ] {
        let (status, headers, body) = list(&router, &token).await;
        assert_eq!(status, 401, "{what}");
        let challenge = "Bearer realm=\"ssf\", error=\"invalid_token\", \
             error_description=\"the access token is not valid\"";
        assert_eq!(headers["www-authenticate"], format!("{challenge}, {METADATA}"), "{what}");
        let expected = json!({
            "error": "invalid_token", "error_description": "the access token is not valid",
        });
        assert_eq!(body, expected, "{what}");
    }
}

#[tokio::test]
async fn good_tokens_of_both_kinds_are_taken() {
    let router = router(AnyOf::new().with(static_tokens()).with(jwt(value())));
    for token in ["static-token".to_owned(), token(json!({}), json!({}))] {
        let (status, _, body) = list(&router, &token).await;
        assert_eq!((status, body), (200, json!([])));
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_told_which_one_is_needed_rfc_6750_3() {
    let router = router(jwt(value()));
    for claims in [json!({"scope": null}), json!({"scope": ""}), json!({"scope": "SSF.READ x"})] {
        let (status, headers, body) = list(&router, &token(json!({}), claims)).await;
        assert_eq!(status, 403);
        let challenge = "Bearer realm=\"ssf\", error=\"insufficient_scope\", scope=\"ssf.read\"";
        assert_eq!(headers["www-authenticate"], format!("{challenge}, {METADATA}"));
        assert_eq!(body["error"], "insufficient_scope");
    }
}

#[tokio::test]
async fn a_dead_authorization_server_is_503_and_not_401() {
    let url = || TrustedUrl::new(&nowhere(), &[]).unwrap();
    let bearer = ClientCredentials::Bearer(Secret::new("s3cret"));
    let introspection = Introspection::new(url(), &bearer, rules()).unwrap();
    let any = AnyOf::new().with(static_tokens());
    for router in [
        router(any.clone().with(jwt(JwksUrl::new(url())))),
        router(any.clone().with(introspection)),
    ] {
        let (status, headers, body) = list(&router, &token(json!({}), json!({}))).await;
        assert_eq!(status, 503);
        assert_eq!(headers["retry-after"], "5");
        assert!(!headers.contains_key("www-authenticate"));
        assert_eq!(body["error"], "temporarily_unavailable");
        // What needs no authorization server still works.
        assert_eq!(list(&router, "static-token").await.0, 200);
    }
}
