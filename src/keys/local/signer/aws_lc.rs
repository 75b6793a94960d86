//! Signatures by AWS-LC.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};

use super::super::material::Cause;
use super::Signer;
use crate::set::Algorithm;

/// Makes a private key ready to sign.
pub(super) fn signer(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Box<dyn Signer>, Cause> {
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(Rsa::new(pkcs8, &RSA_PKCS1_SHA256)?),
        Algorithm::Ps256 => Box::new(Rsa::new(pkcs8, &RSA_PSS_SHA256)?),
        Algorithm::Es256 => {
            Box::new(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)?)
        }
        Algorithm::Es384 => {
            Box::new(EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8)?)
        }
        // OpenSSL writes documents without the public key; the self test of a key shows that its
        // parts belong together.
        Algorithm::EdDsa | Algorithm::Ed25519 => {
            Box::new(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)?)
        }
    })
}

/// RSA with SHA-256 (RFC 7518 §3.3, §3.5).
struct Rsa {
    key: RsaKeyPair,
    encoding: &'static dyn RsaEncoding,
}

impl Rsa {
    fn new(pkcs8: &[u8], encoding: &'static dyn RsaEncoding) -> Result<Self, Cause> {
        Ok(Self { key: RsaKeyPair::from_pkcs8(pkcs8)?, encoding })
    }
}

impl Signer for Rsa {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(self.encoding, &SystemRandom::new(), input, &mut signature)?;
        Ok(signature)
    }
}

/// ECDSA, as the two integers (RFC 7518 §3.4).
impl Signer for EcdsaKeyPair {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        Ok(Self::sign(self, &SystemRandom::new(), input)?.as_ref().to_vec())
    }
}

/// Ed25519 (RFC 8037 §3.1).
impl Signer for Ed25519KeyPair {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        Ok(Self::sign(self, input).as_ref().to_vec())
    }
}
