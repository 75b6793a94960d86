//! The TLS settings of every client here (RFC 9325): their own provider, their own roots.

use std::sync::Arc;

use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::{self, PemObject};

use super::SetupFault;

/// TLS 1.2 and 1.3 with the *ring* provider, named explicitly: the provider of the process, which
/// is the host's business, is neither read nor set.
pub(crate) fn client_config(extra_roots: &[impl AsRef<[u8]>]) -> Result<ClientConfig, SetupFault> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| SetupFault::Setup(error.into()))?
        .with_root_certificates(roots(extra_roots)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots(extra: &[impl AsRef<[u8]>]) -> Result<RootCertStore, SetupFault> {
    let mut roots = RootCertStore::empty();
    // Some machines hold roots that rustls cannot read; the others still count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for pem in extra {
        add_pem(&mut roots, pem.as_ref()).map_err(SetupFault::Roots)?;
    }
    Ok(roots)
}

/// What the host gave by hand must be right to the last certificate.
fn add_pem(
    roots: &mut RootCertStore,
    pem: &[u8],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.len() == before { Err(pem::Error::NoItemsFound.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_roots_without_a_readable_certificate_are_refused() {
        let broken = b"-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n".to_vec();
        let no_certificate =
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
        for pem in [Vec::new(), b"no PEM".to_vec(), broken, no_certificate] {
            assert!(matches!(client_config(&[pem]), Err(SetupFault::Roots(_))));
        }
    }
}
