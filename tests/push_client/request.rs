//! What is sent (RFC 8935 §2.1, SSF 1.0 §6.1.1).

use std::sync::Arc;
use std::time::Duration;

use ssf_transmitter::deliver::Deliverer;
use ssf_transmitter::outbox::TransportFailure;

use crate::receiver::{ACCEPTED, AMPLE, Answer, Receiver, TOKEN, Trap, client, push, request};

/// The request line, the header lines in alphabetical order, and the body.
fn parts(request: &str) -> (&str, Vec<&str>, &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let mut headers: Vec<&str> = headers.split("\r\n").collect();
    headers.sort_unstable();
    (line, headers, body)
}

#[tokio::test]
async fn a_push_is_a_post_with_these_headers_and_no_others_rfc_8935_2_1() {
    let receiver = Receiver::start(Answer::Bytes(ACCEPTED.to_vec())).await;
    let url = format!("http://{}/events?tenant=7", receiver.address);
    let response = client().deliver(request(&url, None, AMPLE)).await.unwrap();
    assert_eq!(response.status, 202);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1);
    let host = format!("host: {}", receiver.address);
    let length = format!("content-length: {}", TOKEN.len());
    let headers =
        vec!["accept: application/json", &length, "content-type: application/secevent+jwt", &host];
    assert_eq!(parts(&requests[0]), ("POST /events?tenant=7 HTTP/1.1", headers, TOKEN));
}

#[tokio::test]
async fn the_authorization_header_is_sent_as_it_was_given_ssf_6_1_1() {
    let receiver = Receiver::start(Answer::Bytes(ACCEPTED.to_vec())).await;
    let url = format!("http://{}/", receiver.address);
    client().deliver(request(&url, Some("Custom  a=\"b\", c"), AMPLE)).await.unwrap();
    let requests = receiver.requests();
    let (_, headers, body) = parts(&requests[0]);
    assert_eq!(headers[1], "authorization: Custom  a=\"b\", c");
    assert_eq!((headers.len(), body), (5, TOKEN));
}

#[tokio::test]
async fn the_secret_of_one_request_is_not_sent_with_the_next() {
    let receiver = Receiver::start(Answer::Bytes(ACCEPTED.to_vec())).await;
    let url = format!("http://{}/", receiver.address);
    let client = client();
    client.deliver(request(&url, Some("Bearer x"), AMPLE)).await.unwrap();
    client.deliver(request(&url, None, AMPLE)).await.unwrap();
    let requests = receiver.requests();
    assert!(requests[0].contains("authorization"));
    assert!(!requests[1].contains("authorization"));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let receiver = Receiver::start(Answer::Bytes(ACCEPTED.to_vec())).await;
    let url = format!("http://{}/", receiver.address);
    let client = client();
    for _ in 0..3 {
        client.clone().deliver(request(&url, None, AMPLE)).await.unwrap();
    }
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 1));
}

#[tokio::test]
async fn a_dropped_delivery_ends_the_exchange() {
    let receiver = Receiver::start(Answer::Hang).await;
    let url = format!("http://{}/", receiver.address);
    let client = Arc::new(client());
    let delivery = tokio::spawn({
        let client = client.clone();
        async move { client.deliver(request(&url, None, AMPLE)).await }
    });
    receiver.came().await;
    delivery.abort();
    receiver.gone().await;
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let trap = Trap::set();
    let error = push(trap.address(), Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Timeout);
    assert!(!trap.caught());
}
