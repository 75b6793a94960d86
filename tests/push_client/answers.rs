//! What may come back, from receivers that mean well and from those that do not.

use std::time::Duration;

use ssf_transmitter::deliver::Deliverer;
use ssf_transmitter::deliver::client::{BODY_CAP, PushClient};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::outbox::TransportFailure;

use crate::receiver::{AMPLE, Answer, Receiver, Trap, client, push, request, shown};

/// For receivers that never come to an end.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test]
async fn the_status_the_error_body_and_retry_after_come_back_as_sent_rfc_8935_2_3() {
    let body = br#"{"err":"invalid_key","description":"unknown kid"}"#;
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nretry-after: 120\r\n";
    let mut answer = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    answer.extend_from_slice(body);
    let receiver = Receiver::start(Answer::Bytes(answer)).await;
    let response = push(receiver.address, AMPLE).await.unwrap();
    assert_eq!((response.status, response.retry_after.as_deref()), (400, Some("120")));
    assert_eq!(response.body, body);
}

#[tokio::test]
async fn every_status_is_an_answer() {
    for status in [200, 204, 401, 404, 429, 500, 503] {
        let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").into_bytes();
        let receiver = Receiver::start(Answer::Bytes(answer)).await;
        let response = push(receiver.address, AMPLE).await.unwrap();
        assert_eq!((response.status, response.body), (status, Vec::new()));
    }
}

#[tokio::test]
async fn an_endless_body_is_read_up_to_the_cap() {
    let chunked: &[u8] = b"HTTP/1.1 400 x\r\ntransfer-encoding: chunked\r\n\r\nfffffff\r\n";
    let until_close: &[u8] = b"HTTP/1.1 400 x\r\n\r\n";
    for head in [chunked, until_close] {
        let receiver = Receiver::start(Answer::Endless(head, &[b'x'; 4096])).await;
        let response = push(receiver.address, AMPLE).await.unwrap();
        assert_eq!((response.status, response.body.len()), (400, BODY_CAP));
    }
}

#[tokio::test]
async fn a_body_longer_than_the_cap_is_cut() {
    let mut answer = b"HTTP/1.1 400 x\r\ncontent-length: 70000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 70_000, b'x');
    let receiver = Receiver::start(Answer::Bytes(answer)).await;
    let response = push(receiver.address, AMPLE).await.unwrap();
    assert_eq!((response.status, response.body), (400, vec![b'x'; 65_536]));
}

#[tokio::test]
async fn a_receiver_that_hangs_times_out_at_the_deadline() {
    let receiver = Receiver::start(Answer::Hang).await;
    let error = push(receiver.address, SHORT).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Timeout);
    receiver.gone().await;
}

#[tokio::test]
async fn a_receiver_that_drips_its_head_or_its_body_times_out_at_the_deadline() {
    let body: &[u8] = b"HTTP/1.1 202 x\r\ncontent-length: 1000\r\n\r\n";
    let head: &[u8] = b"HTTP/1.1 202 x\r\nx-drip: ";
    for answer in [body, head] {
        let receiver = Receiver::start(Answer::Drip(answer)).await;
        let error = push(receiver.address, SHORT).await.unwrap_err();
        assert_eq!(error.kind, TransportFailure::Timeout);
    }
}

#[tokio::test]
async fn the_exchange_timeout_holds_however_late_the_deadline_is() {
    let receiver = Receiver::start(Answer::Hang).await;
    let builder = PushClient::builder(EgressPolicy::allow_private());
    let client = builder.with_exchange_timeout(SHORT).build().unwrap();
    let url = format!("http://{}/", receiver.address);
    let hours = Duration::from_secs(3 * 3600);
    let delivery = client.deliver(request(&url, None, hours));
    let error = tokio::time::timeout(AMPLE, delivery).await.unwrap().unwrap_err();
    assert_eq!(error.kind, TransportFailure::Timeout);
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_no_http_is_a_failed_exchange() {
    for answer in [
        Answer::Reset(b""),
        Answer::Reset(b"HTTP/1.1 202 Acc"),
        Answer::Reset(b"HTTP/1.1 400 x\r\ncontent-length: 10\r\n\r\n123"),
        Answer::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
    ] {
        let receiver = Receiver::start(answer).await;
        let error = push(receiver.address, AMPLE).await.unwrap_err();
        assert_eq!(error.kind, TransportFailure::Exchange);
        assert_eq!(receiver.requests().len(), 1, "nothing is retried here");
    }
}

#[tokio::test]
async fn a_closed_port_is_a_failed_connection() {
    let address = Trap::set().address();
    let error = push(address, AMPLE).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Connect);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let trap = Trap::set();
        let target = trap.address();
        let answer = format!(
            "HTTP/1.1 {status} x\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n"
        );
        let receiver = Receiver::start(Answer::Bytes(answer.into_bytes())).await;
        assert_eq!(push(receiver.address, AMPLE).await.unwrap().status, status);
        assert!(!trap.caught());
    }
}

#[tokio::test]
async fn no_error_shows_the_url_or_the_secret() {
    let closed = Trap::set().address();
    let hanging = Receiver::start(Answer::Hang).await.address;
    let broken = Receiver::start(Answer::Reset(b"HTTP/1.1 ")).await.address;
    for (url, kind) in [
        (format!("http://{closed}/p4th?cap=s3cret"), TransportFailure::Connect),
        (format!("http://{broken}/p4th?cap=s3cret"), TransportFailure::Exchange),
        (format!("http://{hanging}/p4th?cap=s3cret"), TransportFailure::Timeout),
    ] {
        let request = request(&url, Some("Bearer s3cret"), SHORT);
        let error = client().deliver(request).await.unwrap_err();
        assert_eq!(error.kind, kind);
        let shown = shown(&error);
        assert!(!shown.contains("s3cret") && !shown.contains("p4th"), "{shown}");
    }
}
