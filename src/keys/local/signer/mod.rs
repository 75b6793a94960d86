//! What makes the signatures of a private key: one interface, a library behind it by choice.

mod openssl;

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;

use super::material::Cause;
use crate::set::Algorithm;

/// The library that makes the signatures of a key. Keys and signatures are the same with each;
/// they differ in speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigningBackend {
    /// OpenSSL, which josekit brings along.
    #[default]
    OpenSsl,
    /// AWS-LC: the faster one for elliptic curves and Ed25519. Feature `aws-lc-rs`.
    #[cfg(feature = "aws-lc-rs")]
    AwsLc,
}

/// A private key, ready to sign: made once, used for every signature, by several threads at once.
pub(super) trait Signer: Send + Sync {
    /// The JWS signature of that signing input; for ECDSA the two integers (RFC 7518 §3.4).
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause>;
}

impl SigningBackend {
    /// Makes the private key of a PKCS#8 document ready to sign.
    pub(super) fn signer(
        self,
        algorithm: Algorithm,
        pkcs8: &[u8],
    ) -> Result<Box<dyn Signer>, Cause> {
        match self {
            Self::OpenSsl => openssl::signer(algorithm, pkcs8),
            #[cfg(feature = "aws-lc-rs")]
            Self::AwsLc => aws_lc::signer(algorithm, pkcs8),
        }
    }
}
