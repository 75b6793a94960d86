//! Access tokens that pushes carry: client credentials (RFC 6749 §4.4).

use std::error::Error;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use ssf_transmitter::deliver::oauth::{OAuthTokens, Recipients};
use ssf_transmitter::deliver::{AuthorizeError, PushAuthorization, PushTarget, Renewal};
use ssf_transmitter::egress::HostSuffix;
use ssf_transmitter::https::TrustedUrl;
use ssf_transmitter::id::{ClientId, Issuer, Owner, Scope, StreamId, TenantId};
use ssf_transmitter::secret::Secret;
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl};
use ssf_transmitter::timestamp::Timestamp;

use crate::server::{Reply, Server};

const fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn response(token: &str) -> Reply {
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600});
    Reply::Json(body.to_string())
}

fn target(client: &str, endpoint: &str) -> PushTarget {
    PushTarget::new(
        Issuer::parse("https://tr.example.com").unwrap(),
        Owner::new(TenantId::parse("acme").unwrap(), ClientId::parse(client).unwrap()),
        StreamId::parse("s-1").unwrap(),
        EndpointUrl::parse(endpoint).unwrap(),
    )
}

fn tokens_for(server: &Server, recipients: Recipients) -> OAuthTokens {
    let url = TrustedUrl::new(&server.url(), &[]).unwrap();
    OAuthTokens::new(url, "tr:1", &Secret::new("s3cret"), recipients)
        .unwrap()
        .with_scope(&[Scope::parse("push").unwrap(), Scope::parse("more").unwrap()])
        .with_parameter("audience", "https://rp.example/a b")
}

fn tokens(server: &Server) -> OAuthTokens {
    tokens_for(server, Recipients::Hosts(HostSuffix::parse("rp.example").unwrap()))
}

const RP: &str = "https://events.rp.example/e";

async fn ask(tokens: &OAuthTokens, now: Timestamp) -> Result<String, AuthorizeError> {
    let header = tokens.authorize(&target("crm", RP), now).await?;
    Ok(header.unwrap().expose().to_owned())
}

async fn refuse(tokens: &OAuthTokens, token: &str, now: Timestamp) -> Renewal {
    let header = AuthorizationHeader::parse(token).unwrap();
    tokens.refused(&target("crm", RP), &header, now).await
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_kept_until_shortly_before_its_end_rfc_6749_4_4() {
    let server = Server::start(response("t1")).await;
    let tokens = tokens(&server);
    assert_eq!(server.count(), 0, "nothing is asked before it is needed");
    for now in [0, 1, 539] {
        assert_eq!(ask(&tokens, at(now)).await.unwrap(), "Bearer t1");
    }
    assert_eq!(server.count(), 1);
    let request = server.requests().remove(0);
    let client = STANDARD.encode("tr%3A1:s3cret");
    assert!(request.starts_with("POST /endpoint?key=s3cret HTTP/1.1\r\n"), "{request}");
    assert!(request.contains(&format!("authorization: Basic {client}\r\n")), "{request}");
    let form = "grant_type=client_credentials&scope=push+more&\
                audience=https%3A%2F%2Frp.example%2Fa+b";
    assert!(request.ends_with(form), "{request}");

    server.reply(response("t2"));
    assert_eq!(ask(&tokens, at(540)).await.unwrap(), "Bearer t2");
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn pushes_that_need_a_token_at_the_same_time_wait_for_one_request() {
    let Reply::Json(body) = response("t1") else { panic!("JSON") };
    let server = Server::start(Reply::Held(body)).await;
    let tokens = Arc::new(tokens(&server));
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let tokens = Arc::clone(&tokens);
            tokio::spawn(async move { ask(&tokens, at(0)).await.unwrap() })
        })
        .collect();
    server.came().await;
    server.release();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), "Bearer t1");
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let server = Server::start(response("t1")).await;
    let tokens = tokens(&server);
    ask(&tokens, at(0)).await.unwrap();
    server.reply(response("t2"));
    assert_eq!(refuse(&tokens, "Bearer t1", at(10)).await, Renewal::Another);
    assert_eq!(ask(&tokens, at(10)).await.unwrap(), "Bearer t2");
    // Others that were under way with the old one come back, too.
    assert_eq!(refuse(&tokens, "Bearer t1", at(11)).await, Renewal::Another);
    assert_eq!(ask(&tokens, at(11)).await.unwrap(), "Bearer t2");
    // The new one is refused as well: the receiver means us.
    assert_eq!(refuse(&tokens, "Bearer t2", at(12)).await, Renewal::Same);
    assert_eq!(server.count(), 2);
    // Much later it may be the token again.
    assert_eq!(refuse(&tokens, "Bearer t2", at(100)).await, Renewal::Another);
}

#[tokio::test]
async fn a_receiver_that_refuses_the_token_does_not_take_it_from_the_others() {
    let server = Server::start(response("t1")).await;
    let tokens = tokens(&server);
    ask(&tokens, at(0)).await.unwrap();
    server.reply(Reply::Status(500));
    assert_eq!(refuse(&tokens, "Bearer t1", at(10)).await, Renewal::Another);
    // Another was refused with it before there is a new one.
    assert_eq!(refuse(&tokens, "Bearer t1", at(10)).await, Renewal::Another);
    assert_eq!(ask(&tokens, at(10)).await.unwrap(), "Bearer t1");
    for now in 11..20 {
        assert_eq!(refuse(&tokens, "Bearer t1", at(now)).await, Renewal::Same);
        assert_eq!(ask(&tokens, at(now)).await.unwrap(), "Bearer t1");
    }
    assert_eq!(server.count(), 2, "however often it is refused");
    server.reply(response("t2"));
    assert_eq!(ask(&tokens, at(20)).await.unwrap(), "Bearer t2");
}

#[tokio::test]
async fn while_the_endpoint_fails_a_token_that_still_counts_stays_in_use() {
    let server = Server::start(response("t1")).await;
    let tokens = tokens(&server);
    ask(&tokens, at(0)).await.unwrap();
    server.reply(Reply::Status(500));
    for now in [540, 541, 599] {
        assert_eq!(ask(&tokens, at(now)).await.unwrap(), "Bearer t1");
    }
    assert_eq!(server.count(), 3, "it is left alone after it failed");
    ask(&tokens, at(600)).await.unwrap_err();
    server.reply(response("t2"));
    // For 5 s that asking may take, and 5 s doubled since it failed twice.
    ask(&tokens, at(613)).await.unwrap_err();
    assert_eq!(ask(&tokens, at(614)).await.unwrap(), "Bearer t2");
}

#[tokio::test]
async fn an_endpoint_that_gives_no_token_is_an_error_that_shows_no_secret() {
    for reply in [
        Reply::Status(401),
        Reply::Status(302),
        Reply::Nothing,
        Reply::Endless,
        Reply::Json(json!({"error": "invalid_client"}).to_string()),
        Reply::Json(json!({"access_token": "s3cret", "token_type": "mac"}).to_string()),
    ] {
        let server = Server::start(reply.clone()).await;
        let error = ask(&tokens(&server), at(0)).await.unwrap_err();
        let mut shown = format!("{error:?}");
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            shown += &error.to_string();
            next = error.source();
        }
        assert!(!shown.contains("s3cret") && !shown.contains("czNjcmV0"), "{shown}");
        assert_eq!(server.count(), 1, "{reply:?}");
    }
}

#[tokio::test]
async fn nobody_but_its_recipients_gets_the_token() {
    let server = Server::start(response("t1")).await;
    let by_host = tokens(&server);
    let owner = target("crm", RP).owner;
    let by_owner = tokens_for(&server, Recipients::Receiver(owner));
    for (tokens, meant, others) in [
        (&by_host, target("any", RP), target("crm", "https://events.rp.example.evil.example/e")),
        (&by_owner, target("crm", "https://anywhere.example/e"), target("any", RP)),
    ] {
        assert!(tokens.authorize(&meant, at(0)).await.unwrap().is_some());
        assert!(tokens.authorize(&others, at(0)).await.unwrap().is_none());
        let header = AuthorizationHeader::parse("Bearer t1").unwrap();
        assert_eq!(tokens.refused(&others, &header, at(0)).await, Renewal::Same);
        let own = AuthorizationHeader::parse("Bearer own").unwrap();
        let with_own = meant.with_own(own);
        let header = tokens.authorize(&with_own, at(0)).await.unwrap().unwrap();
        assert_eq!(header.expose(), "Bearer own", "a stream's own secret goes first");
    }
}

#[tokio::test]
async fn of_several_the_first_that_is_meant_answers() {
    let (one, two) = (Server::start(response("t1")).await, Server::start(response("t2")).await);
    let hosts = |name| Recipients::Hosts(HostSuffix::parse(name).unwrap());
    let both = vec![tokens_for(&one, hosts("one.example")), tokens_for(&two, hosts("two.example"))];
    let header = async |endpoint| {
        let header = both.authorize(&target("crm", endpoint), at(0)).await.unwrap();
        header.map(|header| header.expose().to_owned())
    };
    assert_eq!(header("https://one.example/").await.as_deref(), Some("Bearer t1"));
    assert_eq!(header("https://two.example/").await.as_deref(), Some("Bearer t2"));
    assert_eq!(header("https://three.example/").await, None);
    let refused = AuthorizationHeader::parse("Bearer t2").unwrap();
    let target = target("crm", "https://two.example/");
    assert_eq!(both.refused(&target, &refused, at(1)).await, Renewal::Another);
}
