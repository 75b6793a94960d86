//! JWT access tokens (RFC 9068 §4, RFC 8725), with the keys given as a value.

use serde_json::{Value, json};
use ssf_transmitter::auth::TenantSource;
use ssf_transmitter::auth::jwt::JwtAuthenticator;
use ssf_transmitter::id::Issuer;
use ssf_transmitter::set::Algorithm;

use crate::authority::{AS, NOW, asked, encode, jwt, now, rules, tampered, token, value};

async fn ask(token: &str) -> Result<String, String> {
    asked(&jwt(value()), token, now()).await
}

async fn fault(header: Value, claims: Value) -> String {
    let refused = ask(&token(header, claims)).await.unwrap_err();
    refused.strip_prefix("the access token is not valid: ").unwrap().to_owned()
}

#[tokio::test]
async fn a_good_token_names_its_client_whatever_allowed_algorithm_signed_it() {
    for (algorithm, kid) in
        [("RS256", "rsa"), ("PS256", "rsa"), ("ES256", "p256"), ("ES384", "p384"), ("EdDSA", "ed")]
    {
        let token = token(json!({"alg": algorithm, "kid": kid}), json!({}));
        assert_eq!(ask(&token).await, Ok("rp-1".to_owned()), "{algorithm}");
    }
}

#[tokio::test]
async fn a_token_without_a_kid_is_verified_by_the_only_key_for_its_algorithm() {
    let token = token(json!({"kid": null}), json!({}));
    assert_eq!(ask(&token).await, Ok("rp-1".to_owned()));
}

#[tokio::test]
async fn each_wrong_header_has_its_reason_rfc_9068_4_rfc_8725_3() {
    let algorithm = "its algorithm is not allowed, or not the one of its key";
    let another_type = "it is a token of another type";
    for (header, reason) in [
        (json!({"alg": "none"}), algorithm),
        (json!({"alg": "NONE"}), algorithm),
        (json!({"alg": "HS256", "kid": "rsa"}), algorithm),
        (json!({"alg": "RS256", "kid": "p256"}), algorithm),
        (json!({"alg": "ES256", "kid": "ed"}), algorithm),
        (json!({"alg": "Ed25519"}), algorithm),
        (json!({"kid": "p256"}), algorithm),
        (json!({"kid": "other"}), "its key is none of the issuer's"),
        (json!({"kid": ""}), "its key is none of the issuer's"),
        (json!({"typ": "JWT"}), another_type),
        (json!({"typ": "secevent+jwt"}), another_type),
        (json!({"typ": null}), another_type),
        (json!({"crit": ["exp"], "exp": 1}), "its header has critical extensions"),
    ] {
        assert_eq!(fault(header.clone(), json!({})).await, reason, "{header}");
    }
}

#[tokio::test]
async fn each_wrong_claim_has_its_reason_rfc_9068_4() {
    let missing = |name| format!("the claim `{name}` is missing or malformed");
    let audience = "it is meant for another audience".to_owned();
    let issuer = "it comes from another issuer".to_owned();
    for (claims, reason) in [
        (json!({"iss": "https://as.example.com/"}), issuer.clone()),
        (json!({"iss": null}), issuer.clone()),
        (json!({"iss": [AS]}), issuer),
        (json!({"aud": "https://other.example.com"}), audience.clone()),
        (json!({"aud": null}), audience),
        (json!({"exp": NOW - 3600}), "it has expired".to_owned()),
        (json!({"exp": null}), missing("exp")),
        (json!({"nbf": NOW + 3600}), "its time has not come yet".to_owned()),
        (json!({"iat": NOW + 3600}), "it was issued in the future".to_owned()),
        (json!({"iat": null}), missing("iat")),
        (json!({"jti": null}), missing("jti")),
        (json!({"jti": 7}), missing("jti")),
        (json!({"jti": ""}), missing("jti")),
        (json!({"client_id": null, "sub": null}), missing("client_id")),
        (
            json!({"cnf": {"jkt": "x"}}),
            "it is bound to a key that a bearer does not prove to hold".to_owned(),
        ),
    ] {
        assert_eq!(fault(json!({}), claims.clone()).await, reason, "{claims}");
    }
}

#[tokio::test]
async fn what_was_changed_after_it_was_signed_is_refused() {
    let wrong = Err("the access token is not valid: its signature is wrong".to_owned());
    assert_eq!(ask(&tampered()).await, wrong);
    let good = token(json!({}), json!({}));
    let (input, signature) = good.rsplit_once('.').unwrap();
    assert_eq!(ask(&format!("{input}.")).await, wrong);
    assert_eq!(ask(&format!("{input}.{}", &signature[..4])).await, wrong);
    let other_header = encode(r#"{"typ":"application/at+jwt","alg":"EdDSA","kid":"ed"}"#);
    let (_, rest) = good.split_once('.').unwrap();
    assert_eq!(ask(&format!("{other_header}.{rest}")).await, wrong);
    let malformed = Err("the access token is not valid: it is not a signed JWT".to_owned());
    assert_eq!(ask(input).await, malformed);
    assert_eq!(ask(&format!("{good}=")).await, malformed);
}

/// The key that a token brings along would verify it; the issuer's does not.
#[tokio::test]
async fn keys_that_a_token_brings_along_or_points_to_are_not_used_rfc_8725_3_10() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let key = crate::authority::jwks()["keys"][3].clone();
    let header = json!({"kid": "p256", "jku": url, "x5u": url, "jwk": key});
    let reason = "its algorithm is not allowed, or not the one of its key";
    assert_eq!(fault(header, json!({})).await, reason);
    let header = json!({"kid": "nobody", "jku": url, "x5u": url, "jwk": key});
    assert_eq!(fault(header, json!({})).await, "its key is none of the issuer's");
    let header = json!({"jku": url, "x5u": url, "jwk": {"kty": "oct", "k": "AA"}});
    assert_eq!(ask(&token(header, json!({}))).await, Ok("rp-1".to_owned()));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn the_host_chooses_algorithms_and_where_the_tenant_comes_from() {
    let source = TenantSource::Claim { names: vec!["org".to_owned()], otherwise: None };
    let narrow =
        JwtAuthenticator::new(Issuer::parse(AS).unwrap(), value(), rules().with_tenant(source))
            .with_algorithms([Algorithm::Ps256]);
    let with = |algorithm, claims| token(json!({"alg": algorithm, "kid": "rsa"}), claims);
    let acme = || json!({"org": "acme"});
    assert_eq!(asked(&narrow, &with("PS256", acme()), now()).await, Ok("rp-1".to_owned()));
    for refused in [with("RS256", acme()), with("PS256", json!({}))] {
        assert!(asked(&narrow, &refused, now()).await.is_err());
    }
}
