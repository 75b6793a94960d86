//! TLS (RFC 9325): certificates are always checked, against the roots the host chose.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use ssf_transmitter::deliver::client::{PushClient, PushClientError};
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushResponse};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::outbox::TransportFailure;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion};

use crate::receiver::{ACCEPTED, AMPLE, Answer, Receiver, Trap, request, shown};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A receiver with a certificate for that name, issued by that authority.
async fn receiver(
    authority: &Authority,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> Receiver {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    Receiver::start_tls(Answer::Bytes(ACCEPTED.to_vec()), acceptor).await
}

/// Pushes with a client that trusts those authorities beside the machine's own.
async fn push(trusted: &[&Authority], to: &Receiver) -> Result<PushResponse, DeliverError> {
    let mut builder = PushClient::builder(EgressPolicy::allow_private());
    for authority in trusted {
        builder = builder.with_extra_roots_pem(authority.pem().as_bytes());
    }
    let client = builder.build().unwrap();
    let url = format!("https://{}/p4th?cap=s3cret", to.address);
    client.deliver(request(&url, Some("Bearer s3cret"), AMPLE)).await
}

#[tokio::test]
async fn an_extra_root_is_accepted_with_tls_1_2_and_1_3() {
    let (ours, other) = (authority(), authority());
    for version in [&TLS12, &TLS13] {
        let receiver = receiver(&ours, "127.0.0.1", version).await;
        assert_eq!(push(&[&ours, &other], &receiver).await.unwrap().status, 202);
        assert_eq!(receiver.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_root_nobody_trusts_is_a_tls_failure() {
    let (ours, other) = (authority(), authority());
    let receiver = receiver(&ours, "127.0.0.1", &TLS13).await;
    for trusted in [&[][..], &[&other]] {
        let error = push(trusted, &receiver).await.unwrap_err();
        assert_eq!(error.kind, TransportFailure::Tls);
        assert!(!shown(&error).contains("s3cret") && !shown(&error).contains("p4th"));
    }
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_failure() {
    let ours = authority();
    let receiver = receiver(&ours, "rp.example", &TLS13).await;
    let error = push(&[&ours], &receiver).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Tls);
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn a_receiver_that_speaks_no_tls_is_a_tls_failure() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await?;
        tokio::io::AsyncWriteExt::write_all(&mut connection, b"HTTP/1.1 400 x\r\n\r\n").await?;
        tokio::io::AsyncReadExt::read_to_end(&mut connection, &mut Vec::new()).await
    });
    let client = PushClient::builder(EgressPolicy::allow_private()).build().unwrap();
    let request = request(&format!("https://{address}/"), None, AMPLE);
    let error = client.deliver(request).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Tls);
}

#[tokio::test]
async fn a_handshake_that_never_ends_times_out_before_the_deadline() {
    // The kernel accepts the connection; nobody ever answers the handshake.
    let silent = Trap::set();
    let client = PushClient::builder(EgressPolicy::allow_private())
        .with_connect_timeout(Duration::from_millis(200))
        .with_exchange_timeout(Duration::from_secs(3600))
        .build()
        .unwrap();
    let request =
        request(&format!("https://{}/", silent.address()), None, Duration::from_secs(3600));
    let error = tokio::time::timeout(AMPLE, client.deliver(request)).await.unwrap().unwrap_err();
    assert_eq!(error.kind, TransportFailure::Timeout);
}

#[tokio::test]
async fn the_provider_of_the_process_is_neither_needed_nor_set() {
    let ours = authority();
    let receiver = receiver(&ours, "127.0.0.1", &TLS13).await;
    assert_eq!(push(&[&ours], &receiver).await.unwrap().status, 202);
    assert!(CryptoProvider::get_default().is_none());
}

#[test]
fn extra_roots_that_are_no_certificates_are_refused() {
    let builder = PushClient::builder(EgressPolicy::public());
    let error = builder.with_extra_roots_pem(b"no PEM").build().unwrap_err();
    assert!(matches!(error, PushClientError::Roots(_)));
    assert_eq!(error.to_string(), "extra roots are no PEM certificates");
}
