//! The bare signature, made the fastest way known for each library: everything that can be
//! prepared is, and every buffer is used again.

use std::error::Error;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
};
use openssl::md::Md;
use openssl::md_ctx::MdCtx;
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sha::{sha256, sha384};
use openssl::sign::RsaPssSaltlen;
use ssf_transmitter::Algorithm;
use ssf_transmitter::keys::local::SigningBackend;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A prepared signature of one thread.
pub(crate) struct Raw {
    signer: Signer,
    signature: Vec<u8>,
}

enum Signer {
    /// OpenSSL signs digests in a context that is set up once; for ECDSA it gives DER, which a JWS
    /// has to unpack.
    OpenSsl256(PkeyCtx<Private>),
    OpenSsl384(PkeyCtx<Private>),
    /// Ed25519 is done in one shot over the whole input, each time in a context set up anew.
    OpenSslEd(PKey<Private>),
    AwsLcRsa(RsaKeyPair, Algorithm),
    AwsLcEc(EcdsaKeyPair),
    AwsLcEd(Ed25519KeyPair),
}

impl Raw {
    pub(crate) fn new(
        backend: SigningBackend,
        algorithm: Algorithm,
        key: &PKey<Private>,
    ) -> Result<Self> {
        let signer = match backend {
            SigningBackend::AwsLc => Self::aws_lc(algorithm, &key.private_key_to_pkcs8()?)?,
            _ => Self::openssl(algorithm, key)?,
        };
        // RSA with 4,096 bits has the longest signature.
        Ok(Self { signer, signature: vec![0; 512] })
    }

    fn openssl(algorithm: Algorithm, key: &PKey<Private>) -> Result<Signer> {
        if matches!(algorithm, Algorithm::EdDsa | Algorithm::Ed25519) {
            return Ok(Signer::OpenSslEd(key.clone()));
        }
        let mut context = PkeyCtx::new(key)?;
        context.sign_init()?;
        if algorithm == Algorithm::Es384 {
            context.set_signature_md(Md::sha384())?;
            return Ok(Signer::OpenSsl384(context));
        }
        if algorithm == Algorithm::Ps256 {
            context.set_rsa_padding(Padding::PKCS1_PSS)?;
        }
        context.set_signature_md(Md::sha256())?;
        if algorithm == Algorithm::Ps256 {
            context.set_rsa_mgf1_md(Md::sha256())?;
            context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
        }
        Ok(Signer::OpenSsl256(context))
    }

    fn aws_lc(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Signer> {
        Ok(match algorithm {
            Algorithm::Es256 => {
                let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
                Signer::AwsLcEc(EcdsaKeyPair::from_pkcs8(curve, pkcs8)?)
            }
            Algorithm::Es384 => {
                let curve = &ECDSA_P384_SHA384_FIXED_SIGNING;
                Signer::AwsLcEc(EcdsaKeyPair::from_pkcs8(curve, pkcs8)?)
            }
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                Signer::AwsLcEd(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)?)
            }
            _ => Signer::AwsLcRsa(RsaKeyPair::from_pkcs8(pkcs8)?, algorithm),
        })
    }

    /// Signs and throws the signature away.
    pub(crate) fn sign(&mut self, input: &[u8]) -> Result<()> {
        let signature = &mut self.signature;
        match &mut self.signer {
            Signer::OpenSsl256(context) => {
                context.sign(&sha256(input), Some(signature))?;
            }
            Signer::OpenSsl384(context) => {
                context.sign(&sha384(input), Some(signature))?;
            }
            Signer::OpenSslEd(key) => {
                let mut context = MdCtx::new()?;
                context.digest_sign_init(None, key)?;
                context.digest_sign(input, Some(signature))?;
            }
            Signer::AwsLcRsa(key, algorithm) => {
                let signature = signature.get_mut(..key.public_modulus_len()).ok_or("too long")?;
                let random = SystemRandom::new();
                if *algorithm == Algorithm::Ps256 {
                    key.sign(&RSA_PSS_SHA256, &random, input, signature)?;
                } else {
                    key.sign(&RSA_PKCS1_SHA256, &random, input, signature)?;
                }
            }
            Signer::AwsLcEc(key) => {
                key.sign(&SystemRandom::new(), input)?;
            }
            Signer::AwsLcEd(key) => {
                let _ = key.sign(input);
            }
        }
        Ok(())
    }
}
