//! The guard: which addresses are never called, and by no detour. What names
//! resolve to is tested in `names`.

use std::process::Command;

use ssf_transmitter::deliver::Deliverer;
use ssf_transmitter::deliver::client::PushClient;
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::outbox::TransportFailure;

use crate::receiver::{ACCEPTED, AMPLE, Answer, Receiver, Trap, push, request};

#[tokio::test]
async fn a_private_address_is_blocked_before_any_connection() {
    let client = PushClient::builder(EgressPolicy::public()).build().unwrap();
    for host in ["127.0.0.1", "127.1", "0x7f000001", "[::ffff:127.0.0.1]", "localhost"] {
        let trap = Trap::set();
        let url = format!("https://{host}:{}/", trap.address().port());
        let error = client.deliver(request(&url, None, AMPLE)).await.unwrap_err();
        assert_eq!(error.kind, TransportFailure::Blocked, "{host}");
        assert!(!trap.caught(), "{host}");
    }
}

#[tokio::test]
async fn plain_http_is_blocked_under_the_public_policy_rfc_8935_2() {
    let client = PushClient::builder(EgressPolicy::public()).build().unwrap();
    let error = client.deliver(request("http://rp.example/", None, AMPLE)).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Blocked);
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let proxy = Trap::set();
    let url = format!("http://{}", proxy.address());
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "guard::a_push_under_the_environment_it_is_given"]);
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
        child.env(name, &url);
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY").env_remove("REQUEST_METHOD");
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("1 passed"), "{text}");
    assert!(!proxy.caught());
}

#[tokio::test]
#[ignore = "runs in a process of its own, started by the test above"]
async fn a_push_under_the_environment_it_is_given() {
    let receiver = Receiver::start(Answer::Bytes(ACCEPTED.to_vec())).await;
    assert_eq!(push(receiver.address, AMPLE).await.unwrap().status, 202);
    assert_eq!(receiver.connections(), 1);
}
