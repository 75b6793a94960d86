//! Keys from a URL: when they are fetched, and what happens when they cannot be.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use serde_json::json;
use ssf_transmitter::auth::jwt::{JwksUrl, JwtAuthenticator};
use ssf_transmitter::https::TrustedUrl;
use ssf_transmitter::timestamp::Timestamp;

use crate::authority::{NOW, asked, jwks, jwks_with_ed_as, jwt, token};
use crate::server::{Reply, Server, nowhere};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(NOW + seconds)
}

fn source(url: &str) -> JwksUrl {
    JwksUrl::new(TrustedUrl::new(url, &[]).unwrap())
}

/// An authorization server that publishes its keys, and who verifies with them.
async fn published() -> (Server, JwtAuthenticator) {
    let server = Server::start(Reply::Json(jwks().to_string())).await;
    let authenticator = jwt(source(&server.url()));
    (server, authenticator)
}

fn good() -> String {
    token(json!({}), json!({}))
}

fn with_kid(kid: &str) -> String {
    token(json!({ "kid": kid }), json!({}))
}

const UNKNOWN_KEY: &str = "the access token is not valid: its key is none of the issuer's";

#[tokio::test]
async fn keys_are_fetched_once_and_again_after_ten_minutes() {
    let (server, jwt) = published().await;
    for (seconds, fetches) in [(0, 1), (1, 1), (599, 1), (600, 2), (1199, 2), (1200, 3)] {
        assert_eq!(asked(&jwt, &good(), at(seconds)).await, Ok("rp-1".to_owned()));
        assert_eq!(server.count(), fetches, "after {seconds} s");
    }
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /endpoint?key=s3cret HTTP/1.1\r\n"), "{request}");
}

#[tokio::test]
async fn the_greatest_age_is_the_hosts_choice() {
    let server = Server::start(Reply::Json(jwks().to_string())).await;
    let jwt = jwt(source(&server.url()).with_max_age(Duration::from_secs(3600)));
    for seconds in [0, 3599] {
        assert_eq!(asked(&jwt, &good(), at(seconds)).await, Ok("rp-1".to_owned()));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn an_unknown_kid_causes_one_fetch_a_minute() {
    let (server, jwt) = published().await;
    for (seconds, fetches) in [(0, 1), (1, 1), (59, 1), (60, 2), (61, 2), (119, 2), (120, 3)] {
        let refused = asked(&jwt, &with_kid("new"), at(seconds)).await;
        assert_eq!(refused, Err(UNKNOWN_KEY.to_owned()));
        assert_eq!(server.count(), fetches, "after {seconds} s");
    }
}

#[tokio::test]
async fn a_new_key_is_found_without_waiting_for_the_greatest_age() {
    let (server, jwt) = published().await;
    assert_eq!(asked(&jwt, &good(), at(0)).await, Ok("rp-1".to_owned()));
    server.reply(Reply::Json(jwks_with_ed_as("new").to_string()));
    assert_eq!(asked(&jwt, &with_kid("new"), at(60)).await, Ok("rp-1".to_owned()));
    assert_eq!(asked(&jwt, &good(), at(61)).await, Err(UNKNOWN_KEY.to_owned()));
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn what_is_refused_by_its_header_or_issuer_causes_no_fetch() {
    let (server, jwt) = published().await;
    for token in [
        "opaque".to_owned(),
        token(json!({"alg": "HS256"}), json!({})),
        token(json!({"typ": "JWT"}), json!({})),
        token(json!({"crit": []}), json!({})),
        token(json!({}), json!({"iss": "https://other.example.com"})),
    ] {
        assert!(asked(&jwt, &token, at(0)).await.unwrap_err().contains("not valid"));
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_url_that_fails_before_the_first_keys_is_asked_every_five_seconds() {
    let (server, jwt) = published().await;
    server.reply(Reply::Status(500));
    for (seconds, fetches) in [(0, 1), (4, 1), (5, 2), (9, 2)] {
        let away = "the authentication service is not available: the key set could not be \
             fetched: the server answered with status 500";
        assert_eq!(asked(&jwt, &good(), at(seconds)).await, Err(away.to_owned()));
        assert_eq!(server.count(), fetches, "after {seconds} s");
    }
    server.reply(Reply::Json(jwks().to_string()));
    assert_eq!(asked(&jwt, &good(), at(10)).await, Ok("rp-1".to_owned()));
}

#[tokio::test]
async fn while_a_url_fails_the_keys_it_gave_stay_in_use() {
    let (server, jwt) = published().await;
    assert_eq!(asked(&jwt, &good(), at(0)).await, Ok("rp-1".to_owned()));
    server.reply(Reply::Status(500));
    for (seconds, fetches) in [(600, 2), (659, 2), (660, 3), (3000, 4)] {
        assert_eq!(asked(&jwt, &good(), at(seconds)).await, Ok("rp-1".to_owned()));
        assert_eq!(server.count(), fetches, "after {seconds} s");
    }
    // Whether there is such a key by now, nobody can say.
    let refused = asked(&jwt, &with_kid("new"), at(3001)).await.unwrap_err();
    assert!(refused.starts_with("the authentication service is not available"), "{refused}");
    assert_eq!(server.count(), 4);
}

#[tokio::test]
async fn the_greatest_stale_age_is_a_day_or_the_hosts_choice() {
    const DAY: i64 = 24 * 3600;
    let server = Server::start(Reply::Json(jwks().to_string())).await;
    let authenticators = [
        (jwt(source(&server.url())), DAY),
        (jwt(source(&server.url()).with_max_stale_age(Duration::from_secs(3600))), 3600),
    ];
    for (jwt, _) in &authenticators {
        assert_eq!(asked(jwt, &good(), at(0)).await, Ok("rp-1".to_owned()));
    }
    server.reply(Reply::Status(500));
    let good = token(json!({}), json!({"exp": NOW + 2 * DAY}));
    for (jwt, stale) in &authenticators {
        assert_eq!(asked(jwt, &good, at(stale - 1)).await, Ok("rp-1".to_owned()));
        let refused = asked(jwt, &good, at(*stale)).await.unwrap_err();
        assert!(refused.starts_with("the authentication service is not available"), "{refused}");
    }
    server.reply(Reply::Json(jwks().to_string()));
    let (jwt, _) = &authenticators[0];
    assert_eq!(asked(jwt, &good, at(DAY + 60)).await, Ok("rp-1".to_owned()));
}

#[tokio::test]
async fn what_is_no_key_set_is_a_failure_with_its_reason() {
    for (reply, reason) in [
        (Reply::Json("<html>".to_owned()), "must be a JSON object with an array `keys`"),
        (Reply::Json("{\"keys\":[]}".to_owned()), "holds no key that can verify an access token"),
        (Reply::Endless, "the answer is longer than 262144 bytes"),
        (Reply::Status(302), "the server answered with status 302"),
        (Reply::Status(404), "the server answered with status 404"),
        (Reply::Nothing, "the server did not answer"),
    ] {
        let server = Server::start(reply).await;
        let refused = asked(&jwt(source(&server.url())), &good(), at(0)).await.unwrap_err();
        assert!(refused.starts_with("the authentication service is not available: "));
        assert!(refused.contains(reason) && !refused.contains("s3cret"), "{refused}");
        assert_eq!(server.count(), 1, "no redirect is followed and nothing tried twice");
    }
    let refused = asked(&jwt(source(&nowhere())), &good(), at(0)).await.unwrap_err();
    assert!(refused.contains("did not answer") && !refused.contains("s3cret"), "{refused}");
}

#[tokio::test]
async fn a_document_of_256_kib_is_read() {
    let mut document = jwks();
    document["padding"] = "x".into();
    let padding = 256 * 1024 - document.to_string().len() + 1;
    document["padding"] = "x".repeat(padding).into();
    let server = Server::start(Reply::Json(document.to_string())).await;
    assert_eq!(asked(&jwt(source(&server.url())), &good(), at(0)).await, Ok("rp-1".to_owned()));
}

#[tokio::test]
async fn any_number_of_requests_cause_one_fetch() {
    let server = Server::start(Reply::Held(jwks().to_string())).await;
    let jwt = Arc::new(jwt(source(&server.url())));
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let jwt = Arc::clone(&jwt);
            tokio::spawn(async move { asked(&jwt, &good(), at(0)).await })
        })
        .collect();
    server.came().await;
    server.release();
    for request in requests {
        assert_eq!(request.await.unwrap(), Ok("rp-1".to_owned()));
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn who_has_a_known_key_does_not_wait_for_the_fetch_of_another() {
    let (server, jwt) = published().await;
    assert_eq!(asked(&jwt, &good(), at(0)).await, Ok("rp-1".to_owned()));
    server.came().await;
    server.reply(Reply::Held(jwks_with_ed_as("new").to_string()));
    let (old, new) = (good(), with_kid("new"));
    let mut waiting = Box::pin(asked(&jwt, &new, at(600)));
    let came = server.came();
    tokio::select! {
        _ = &mut waiting => panic!("the reply is held"),
        () = came => {}
    }
    let answer = tokio::time::timeout(Duration::from_secs(5), asked(&jwt, &old, at(601))).await;
    assert_eq!(answer.unwrap(), Ok("rp-1".to_owned()));
    server.release();
    assert_eq!(waiting.await, Ok("rp-1".to_owned()));
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn whoever_hangs_up_neither_ends_a_fetch_nor_causes_another() {
    let server = Server::start(Reply::Held(jwks().to_string())).await;
    let jwt = jwt(source(&server.url()));
    let token = good();
    {
        let mut dropped = Box::pin(asked(&jwt, &token, at(0)));
        tokio::select! {
            _ = &mut dropped => panic!("the reply is held"),
            () = server.came() => {}
        }
    }
    let mut next = Box::pin(asked(&jwt, &token, at(0)));
    poll_fn(|context| {
        assert!(next.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    server.release();
    assert_eq!(next.await, Ok("rp-1".to_owned()));
    assert_eq!(server.count(), 1);
}

#[test]
fn debug_leaves_the_query_out() {
    let shown = format!("{:?}", source("https://as.example.com/jwks?key=s3cret"));
    assert_eq!(
        shown,
        "JwksUrl { url: TrustedUrl(https://as.example.com/jwks), ages: Ages { fresh: 600s, stale: 86400s }, .. }"
    );
}
