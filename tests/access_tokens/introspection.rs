//! Token introspection (RFC 7662) against an authorization server on loopback.

use serde_json::{Value, json};
use ssf_transmitter::auth::introspection::{ClientCredentials, Introspection};
use ssf_transmitter::https::TrustedUrl;
use ssf_transmitter::secret::Secret;
use ssf_transmitter::timestamp::Timestamp;

use crate::authority::{NOW, TRANSMITTER, asked, rules};
use crate::server::{Reply, Server, nowhere};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW + seconds)
}

fn introspection(url: &str) -> Introspection {
    let secret = Secret::new("s3cret");
    let credentials = ClientCredentials::Basic { client_id: "tr".to_owned(), secret };
    Introspection::new(TrustedUrl::new(url, &[]).unwrap(), &credentials, rules()).unwrap()
}

/// The answer about an active token with these changes; `null` takes a member away.
fn active(changes: &Value) -> Reply {
    let mut answer = json!({
        "active": true, "aud": [TRANSMITTER], "client_id": "rp-1", "scope": "ssf.read",
        "exp": NOW + 3600,
    });
    answer.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Reply::Json(answer.to_string())
}

async fn answered(reply: Reply) -> Result<String, String> {
    let server = Server::start(reply).await;
    asked(&introspection(&server.url()), "opaque-t0ken", at(0)).await
}

#[tokio::test]
async fn the_token_is_posted_as_a_form_with_the_credentials_of_the_client_rfc_7662_2_1() {
    let server = Server::start(active(&json!({}))).await;
    let introspection = introspection(&server.url());
    assert_eq!(asked(&introspection, "a+b/c==", at(0)).await, Ok("rp-1".to_owned()));
    let request = &server.requests()[0];
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /endpoint?key=s3cret HTTP/1.1\r\n"), "{head}");
    for header in [
        "\r\ncontent-type: application/x-www-form-urlencoded\r\n",
        "\r\nauthorization: Basic dHI6czNjcmV0\r\n",
        "\r\naccept: application/json\r\n",
    ] {
        assert!(head.contains(header), "{head}");
    }
    assert_eq!(body, "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token");
}

#[tokio::test]
async fn each_answer_about_a_token_has_its_reason_rfc_7662_2_2() {
    for (reply, reason) in [
        (Reply::Json("{\"active\":false}".to_owned()), "it is not active"),
        (active(&json!({"active": false})), "it is not active"),
        (active(&json!({"aud": "https://other.example"})), "it is meant for another audience"),
        (active(&json!({"aud": null})), "it is meant for another audience"),
        (active(&json!({"client_id": null})), "the claim `client_id` is missing or malformed"),
        (active(&json!({"exp": NOW - 60})), "it has expired"),
        (active(&json!({"nbf": NOW + 60})), "its time has not come yet"),
        (
            active(&json!({"cnf": {"jkt": "x"}})),
            "it is bound to a key that a bearer does not prove to hold",
        ),
    ] {
        let expected = Err(format!("the access token is not valid: {reason}"));
        assert_eq!(answered(reply.clone()).await, expected, "{reply:?}");
    }
    let sub = active(&json!({"client_id": null, "sub": "rp-2", "exp": null}));
    assert_eq!(answered(sub).await, Ok("rp-2".to_owned()));
}

#[tokio::test]
async fn what_is_not_the_fault_of_the_token_is_unavailable_with_its_reason() {
    for (reply, reason) in [
        (Reply::Status(500), "status 500"),
        (Reply::Status(401), "status 401"),
        (Reply::Status(307), "status 307"),
        (Reply::Json("[]".to_owned()), "the answer is no introspection response"),
        (Reply::Json("{}".to_owned()), "the answer is no introspection response"),
        (active(&json!({"active": "true"})), "the answer is no introspection response"),
        (Reply::Endless, "the answer is longer than 65536 bytes"),
        (Reply::Nothing, "the server did not answer"),
    ] {
        let refused = answered(reply).await.unwrap_err();
        assert!(refused.starts_with("the authentication service is not available: "), "{refused}");
        assert!(refused.contains(reason), "{refused}");
        assert!(!refused.contains("s3cret") && !refused.contains("t0ken"), "{refused}");
    }
    let refused = asked(&introspection(&nowhere()), "t", at(0)).await.unwrap_err();
    assert!(refused.contains("the server did not answer"), "{refused}");
}

#[tokio::test]
async fn an_answer_counts_for_a_minute() {
    let server = Server::start(active(&json!({}))).await;
    let introspection = introspection(&server.url());
    for (seconds, calls) in [(0, 1), (1, 1), (59, 1), (60, 2), (119, 2)] {
        assert_eq!(asked(&introspection, "t", at(seconds)).await, Ok("rp-1".to_owned()));
        assert_eq!(server.count(), calls, "after {seconds} s");
    }
    server.reply(Reply::Json("{\"active\":false}".to_owned()));
    let revoked = Err("the access token is not valid: it is not active".to_owned());
    for (seconds, calls) in [(120, 3), (179, 3), (180, 4)] {
        assert_eq!(asked(&introspection, "t", at(seconds)).await, revoked);
        assert_eq!(server.count(), calls, "after {seconds} s");
    }
}

#[tokio::test]
async fn no_answer_outlives_its_token() {
    let server = Server::start(active(&json!({"exp": NOW + 10}))).await;
    let introspection = introspection(&server.url());
    for (seconds, calls) in [(0, 1), (9, 1), (10, 2)] {
        // The leeway of 30 s is for clocks, not for the cache.
        assert_eq!(asked(&introspection, "t", at(seconds)).await, Ok("rp-1".to_owned()));
        assert_eq!(server.count(), calls, "after {seconds} s");
    }
    let expired = Err("the access token is not valid: it has expired".to_owned());
    assert_eq!(asked(&introspection, "t", at(40)).await, expired);
}

#[tokio::test]
async fn an_answer_counts_for_its_own_token_only() {
    let server = Server::start(active(&json!({}))).await;
    let introspection = introspection(&server.url());
    assert_eq!(asked(&introspection, "t-1", at(0)).await, Ok("rp-1".to_owned()));
    server.reply(active(&json!({"client_id": "rp-2"})));
    assert_eq!(asked(&introspection, "t-2", at(0)).await, Ok("rp-2".to_owned()));
    assert_eq!(asked(&introspection, "t-1", at(0)).await, Ok("rp-1".to_owned()));
}

#[tokio::test]
async fn failures_are_not_remembered() {
    let server = Server::start(Reply::Status(503)).await;
    let introspection = introspection(&server.url());
    assert!(asked(&introspection, "t", at(0)).await.unwrap_err().contains("status 503"));
    server.reply(active(&json!({})));
    assert_eq!(asked(&introspection, "t", at(0)).await, Ok("rp-1".to_owned()));
}
