//! Names: resolved and vetted before every push, whatever connections there are.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rcgen::CertificateParams;
use ssf_transmitter::deliver::client::{PushClient, Resolver};
use ssf_transmitter::deliver::{DeliverError, Deliverer};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::outbox::TransportFailure;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::version::TLS13;

use crate::receiver::{ACCEPTED, AMPLE, Answer, LOOPBACK, Receiver, Trap, request};
use crate::tls::{Authority, acceptor, authority, certificate};

const NAME: &str = "rp.example";
const ONE: &str = "127.0.0.1";
const TWO: &str = "127.0.0.2";
/// Outside of what [`policy`] allows.
const INSIDE: &str = "127.0.0.9";

/// Loopback is private; four addresses of it play the Internet.
fn policy() -> EgressPolicy {
    EgressPolicy::public().with_allowed_network("127.0.0.0/30".parse().unwrap())
}

/// Answers from a script, one answer per question; then the name does not exist.
#[derive(Clone, Debug)]
struct Script(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    answers: VecDeque<Vec<IpAddr>>,
    asked: Vec<String>,
}

impl Script {
    fn of(answers: &[&[&str]]) -> Self {
        let answer = |addresses: &&[&str]| addresses.iter().map(|a| a.parse().unwrap()).collect();
        let answers = answers.iter().map(answer).collect();
        Self(Arc::new(Mutex::new(State { answers, asked: Vec::new() })))
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

#[async_trait]
impl Resolver for Script {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(name.to_owned());
        state.answers.pop_front().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// A client that trusts the authority, and receivers with certificates for [`NAME`].
struct World {
    authority: Authority,
    script: Script,
    client: PushClient,
}

impl World {
    fn new(policy: EgressPolicy, answers: &[&[&str]]) -> Self {
        let (authority, script) = (authority(), Script::of(answers));
        let client = client(policy, &authority, &script);
        Self { authority, script, client }
    }

    fn tls(&self) -> TlsAcceptor {
        let params = CertificateParams::new([NAME.to_owned()]).unwrap();
        acceptor(&certificate(&self.authority, &params), &TLS13)
    }

    async fn receiver(&self, address: SocketAddr) -> Receiver {
        Receiver::listen(address, Answer::Bytes(ACCEPTED.to_vec()), Some(self.tls())).await
    }

    async fn push(&self, port: u16) -> Result<u16, TransportFailure> {
        push(&self.client, port).await
    }
}

fn client(policy: EgressPolicy, authority: &Authority, script: &Script) -> PushClient {
    PushClient::builder(policy)
        .with_extra_roots_pem(authority.pem().as_bytes())
        .with_resolver(script.clone())
        .build()
        .unwrap()
}

async fn push(client: &PushClient, port: u16) -> Result<u16, TransportFailure> {
    let answer = client.deliver(request(&format!("https://{NAME}:{port}/"), None, AMPLE)).await;
    answer.map(|response| response.status).map_err(|error: DeliverError| error.kind)
}

fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), port)
}

#[tokio::test]
async fn a_name_that_is_rebound_between_two_pushes_is_blocked_and_its_connection_is_left_alone() {
    let world = World::new(policy(), &[&[ONE], &[ONE], &[INSIDE]]);
    let receiver = world.receiver(LOOPBACK).await;
    let port = receiver.address.port();
    let trap = Trap::set_at(at(INSIDE, port));
    assert_eq!(world.push(port).await, Ok(202));
    assert_eq!(world.push(port).await, Ok(202));
    assert_eq!(world.push(port).await, Err(TransportFailure::Blocked));
    assert_eq!((receiver.requests().len(), receiver.connections()), (2, 1));
    assert!(!trap.caught());
    assert_eq!(world.script.asked(), [NAME; 3]);
}

#[tokio::test]
async fn an_answer_that_mixes_public_and_private_addresses_is_refused_as_a_whole() {
    for answer in [[ONE, INSIDE], [INSIDE, ONE]] {
        let world = World::new(policy(), &[&answer]);
        let receiver = world.receiver(LOOPBACK).await;
        let port = receiver.address.port();
        let trap = Trap::set_at(at(INSIDE, port));
        assert_eq!(world.push(port).await, Err(TransportFailure::Blocked));
        assert_eq!(receiver.connections(), 0);
        assert!(!trap.caught());
    }
}

#[tokio::test]
async fn a_name_that_moves_is_followed_and_the_old_connection_is_not_used_again() {
    let world = World::new(policy(), &[&[ONE], &[TWO], &[ONE]]);
    let one = world.receiver(LOOPBACK).await;
    let port = one.address.port();
    let two = world.receiver(at(TWO, port)).await;
    for _ in 0..3 {
        assert_eq!(world.push(port).await, Ok(202));
    }
    assert_eq!((one.requests().len(), one.connections()), (2, 2));
    assert_eq!((two.requests().len(), two.connections()), (1, 1));
}

#[tokio::test]
async fn a_connection_is_used_again_while_the_name_resolves_to_the_same_addresses() {
    let world = World::new(policy(), &[&[ONE, TWO], &[TWO, ONE], &[ONE, TWO, ONE]]);
    let receiver = world.receiver(LOOPBACK).await;
    for _ in 0..3 {
        assert_eq!(world.push(receiver.address.port()).await, Ok(202));
    }
    assert_eq!((receiver.requests().len(), receiver.connections()), (3, 1));
}

#[tokio::test]
async fn another_policy_has_connections_of_its_own() {
    let world = World::new(policy(), &[&[ONE], &[ONE], &[ONE]]);
    let receiver = world.receiver(LOOPBACK).await;
    let port = receiver.address.port();
    assert_eq!(world.push(port).await, Ok(202));
    let stricter = client(EgressPolicy::public(), &world.authority, &world.script);
    assert_eq!(push(&stricter, port).await, Err(TransportFailure::Blocked));
    let same = client(policy(), &world.authority, &world.script);
    assert_eq!(push(&same, port).await, Ok(202));
    assert_eq!((receiver.requests().len(), receiver.connections()), (2, 2));
}

#[tokio::test]
async fn every_address_of_the_answer_is_tried() {
    let world = World::new(policy(), &[&[TWO, ONE]]);
    let receiver = world.receiver(LOOPBACK).await;
    assert_eq!(world.push(receiver.address.port()).await, Ok(202));
}

#[tokio::test]
async fn the_certificate_must_be_for_the_name_and_not_for_the_address() {
    let world = World::new(policy(), &[&[ONE]]);
    let params = CertificateParams::new([ONE.to_owned()]).unwrap();
    let tls = acceptor(&certificate(&world.authority, &params), &TLS13);
    let receiver = Receiver::start_tls(Answer::Bytes(ACCEPTED.to_vec()), tls).await;
    assert_eq!(world.push(receiver.address.port()).await, Err(TransportFailure::Tls));
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn a_name_that_does_not_resolve_or_resolves_to_nothing_is_unresolved() {
    for answers in [&[][..], &[&[][..]]] {
        let world = World::new(policy(), answers);
        assert_eq!(world.push(1).await, Err(TransportFailure::Resolve));
    }
}

#[tokio::test]
async fn a_resolver_that_hangs_is_given_up_with_the_connection() {
    #[derive(Debug)]
    struct Hang;

    #[async_trait]
    impl Resolver for Hang {
        async fn resolve(&self, _name: &str) -> io::Result<Vec<IpAddr>> {
            pending().await
        }
    }

    let builder = PushClient::builder(policy()).with_resolver(Hang);
    let client = builder.with_connect_timeout(Duration::from_millis(100)).build().unwrap();
    assert_eq!(push(&client, 1).await, Err(TransportFailure::Timeout));
}

#[tokio::test]
async fn a_redirect_makes_no_second_request_and_no_second_question() {
    for location in
        ["http://169.254.169.254/latest/meta-data/", "https://metadata.example/", "//inner.example"]
    {
        let world = World::new(policy(), &[&[ONE]]);
        let answer = format!("HTTP/1.1 307 x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let answer = Answer::Bytes(answer.into_bytes());
        let receiver = Receiver::start_tls(answer, world.tls()).await;
        assert_eq!(world.push(receiver.address.port()).await, Ok(307));
        assert_eq!((receiver.requests().len(), world.script.asked().len()), (1, 1), "{location}");
    }
}
