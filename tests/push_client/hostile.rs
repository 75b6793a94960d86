//! Receivers that break HTTP on purpose: every one comes to an end, and none reaches beyond its
//! own answer.

use std::time::Duration;

use ssf_transmitter::deliver::Deliverer;
use ssf_transmitter::outbox::TransportFailure;

use crate::receiver::{ACCEPTED, AMPLE, Answer, Receiver, client, push, request};

/// For receivers that never come to an end.
const SHORT: Duration = Duration::from_millis(300);

async fn outcome(answer: Answer, within: Duration) -> Result<(u16, Vec<u8>), TransportFailure> {
    let receiver = Receiver::start(answer).await;
    let answer = push(receiver.address, within).await;
    assert_eq!(receiver.requests().len(), 1, "nothing is retried here");
    answer.map(|response| (response.status, response.body)).map_err(|error| error.kind)
}

/// Two pushes over one client: what both were answered, and over how many connections.
async fn twice(answer: &[u8]) -> (u16, u16, usize) {
    let receiver = Receiver::start(Answer::Bytes(answer.to_vec())).await;
    let (client, url) = (client(), format!("http://{}/", receiver.address));
    let first = client.deliver(request(&url, None, AMPLE)).await.unwrap().status;
    let second = client.deliver(request(&url, None, AMPLE)).await.unwrap().status;
    (first, second, receiver.connections())
}

#[tokio::test]
async fn a_head_that_never_ends_is_no_answer() {
    for (head, chunk) in [
        (&b"HTTP/1.1 202 Accepted\r\n"[..], &b"x-pad: xxxxxxxxxxxxxxxxxxxxxxxx\r\n"[..]),
        (b"HTTP/1.1 202 Accepted\r\nx-pad: ", &[b'x'; 4096]),
        (b"HTTP/1.1 202 ", &[b'x'; 4096]),
    ] {
        let outcome = outcome(Answer::Endless(head, chunk), AMPLE).await;
        assert_eq!(outcome, Err(TransportFailure::Exchange));
    }
}

#[tokio::test]
async fn interim_answers_are_passed_over_but_not_for_ever_rfc_9110_15_2() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let few = [&interim[..], b"HTTP/1.1 100 Continue\r\n\r\n", ACCEPTED].concat();
    assert_eq!(outcome(Answer::Bytes(few), AMPLE).await, Ok((202, Vec::new())));
    let flood = outcome(Answer::Endless(b"", interim), SHORT).await;
    assert_eq!(flood, Err(TransportFailure::Timeout));
}

#[tokio::test]
async fn what_follows_an_answer_is_not_read_as_the_next_one() {
    let poison = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
    let after_nothing = [ACCEPTED, poison].concat();
    let after_body =
        [&b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok"[..], poison].concat();
    let chunked =
        b"HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let after_chunks = [&chunked[..], poison].concat();
    for answer in [after_nothing, after_body, after_chunks] {
        assert_eq!(twice(&answer).await, (202, 202, 2), "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn a_body_longer_than_it_claims_is_cut_and_its_connection_not_used_again() {
    let answer = b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\nok and much more";
    assert_eq!(outcome(Answer::Bytes(answer.to_vec()), AMPLE).await, Ok((202, b"ok".to_vec())));
    assert_eq!(twice(answer).await, (202, 202, 2));
}

#[tokio::test]
async fn a_body_shorter_than_it_claims_is_a_failed_exchange_or_times_out() {
    let claims = b"HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nok";
    assert_eq!(outcome(Answer::Reset(claims), AMPLE).await, Err(TransportFailure::Exchange));
    let waits = outcome(Answer::Bytes(claims.to_vec()), SHORT).await;
    assert_eq!(waits, Err(TransportFailure::Timeout));
}

#[tokio::test]
async fn lengths_and_chunks_that_make_no_sense_are_a_failed_exchange() {
    for answer in [
        "HTTP/1.1 202 x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        "HTTP/1.1 202 x\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 202 x\r\ncontent-length: 99999999999999999999999999\r\n\r\n",
        "HTTP/1.1 202 x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 202 x\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
        "HTTP/1.1 202 x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok!!\r\n0\r\n\r\n",
    ] {
        let outcome = outcome(Answer::Bytes(answer.into()), AMPLE).await;
        assert_eq!(outcome, Err(TransportFailure::Exchange), "{answer}");
    }
}

#[tokio::test]
async fn a_head_that_is_no_http_is_a_failed_exchange() {
    for answer in [
        "202 Accepted\r\n\r\n",
        "HTTP/9.9 202 x\r\n\r\n",
        "HTTP/1.1 20 x\r\n\r\n",
        "HTTP/1.1 2020 x\r\n\r\n",
        "HTTP/1.1 202 x\r\nno colon\r\n\r\n",
        "HTTP/1.1 202 x\r\nnul: \0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let outcome = outcome(Answer::Bytes(answer.into()), AMPLE).await;
        assert_eq!(outcome, Err(TransportFailure::Exchange), "{answer:?}");
    }
}

#[tokio::test]
async fn an_older_http_is_answered_and_its_connection_not_used_again() {
    let answer = b"HTTP/1.0 202 Accepted\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(twice(answer).await, (202, 202, 2));
}

#[tokio::test]
async fn a_switch_of_protocols_is_an_answer_like_any_other() {
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    assert_eq!(twice(answer).await, (101, 101, 2));
}
