//! TLS (RFC 9325): certificates are always checked, against the roots the host chose.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod, SslOptions, SslVersion};
use openssl::x509::X509;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd,
};
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

pub(crate) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The key and the certificate for that name, issued by that authority.
pub(crate) fn certificate(
    authority: &Authority,
    params: &CertificateParams,
) -> (KeyPair, Certificate) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    (key, certificate)
}

pub(crate) fn acceptor(
    (key, certificate): &(KeyPair, Certificate),
    version: &'static SupportedProtocolVersion,
) -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A receiver with a certificate for that name, issued by that authority.
async fn receiver(
    authority: &Authority,
    name: &str,
    version: &'static SupportedProtocolVersion,
) -> Receiver {
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let acceptor = acceptor(&certificate(authority, &params), version);
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
async fn a_certificate_that_has_expired_or_is_not_valid_yet_is_a_tls_failure() {
    let ours = authority();
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    for (from, until) in [(2001, 2002), (2101, 2102)] {
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let acceptor = acceptor(&certificate(&ours, &params), &TLS13);
        let receiver = Receiver::start_tls(Answer::Bytes(ACCEPTED.to_vec()), acceptor).await;
        let error = push(&[&ours], &receiver).await.unwrap_err();
        assert_eq!(error.kind, TransportFailure::Tls, "{from}");
        assert_eq!(receiver.requests().len(), 0);
    }
}

#[tokio::test]
async fn a_certificate_that_vouches_for_itself_is_a_tls_failure() {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let acceptor = acceptor(&(key, certificate), &TLS13);
    let receiver = Receiver::start_tls(Answer::Bytes(ACCEPTED.to_vec()), acceptor).await;
    let error = push(&[&authority()], &receiver).await.unwrap_err();
    assert_eq!(error.kind, TransportFailure::Tls);
    assert_eq!(receiver.requests().len(), 0);
}

/// One handshake of a receiver over OpenSSL that speaks nothing newer than that version.
fn openssl_receiver(authority: &Authority, newest: SslVersion) -> SocketAddr {
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let (key, certificate) = certificate(authority, &params);
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    builder.set_min_proto_version(None).unwrap();
    builder.set_max_proto_version(Some(newest)).unwrap();
    builder.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1);
    // Old versions use what the ordinary level of security forbids.
    builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    builder.set_private_key(&PKey::private_key_from_der(&key.serialize_der()).unwrap()).unwrap();
    builder.set_certificate(&X509::from_der(certificate.der()).unwrap()).unwrap();
    let acceptor = builder.build();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (connection, _) = listener.accept().unwrap();
        if let Ok(mut connection) = acceptor.accept(connection) {
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(ACCEPTED);
        }
    });
    address
}

#[tokio::test]
async fn nothing_older_than_tls_1_2_is_spoken_rfc_9325_3_1_1() {
    let ours = authority();
    let client = PushClient::builder(EgressPolicy::allow_private())
        .with_extra_roots_pem(ours.pem().as_bytes())
        .build()
        .unwrap();
    let push = async |newest| {
        let url = format!("https://{}/", openssl_receiver(&ours, newest));
        client.deliver(request(&url, None, AMPLE)).await
    };
    assert_eq!(push(SslVersion::TLS1_2).await.unwrap().status, 202);
    for old in [SslVersion::TLS1_1, SslVersion::TLS1] {
        assert_eq!(push(old).await.unwrap_err().kind, TransportFailure::Tls);
    }
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
