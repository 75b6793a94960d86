//! Signatures by OpenSSL.
//!
//! Setting up a signature costs OpenSSL 3 more than a microsecond: it looks up the algorithm by
//! name. So contexts that are set up are kept and used again, as many as there were signatures at
//! once. Ed25519 alone has none to keep: it is done in one shot over the whole input.

use std::sync::{Mutex, PoisonError};

use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::md::{Md, MdRef};
use openssl::pkey::{PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::Padding;
use openssl::sha::{sha256, sha384};
use openssl::sign::{self, RsaPssSaltlen};

use super::super::material::Cause;
use super::Signer;
use crate::set::Algorithm;

/// Makes a private key ready to sign.
pub(super) fn signer(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Box<dyn Signer>, Cause> {
    let key = PKey::private_key_from_pkcs8(pkcs8)?;
    let idle = Mutex::default();
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(Rsa { key, padding: Padding::PKCS1, idle }),
        Algorithm::Ps256 => Box::new(Rsa { key, padding: Padding::PKCS1_PSS, idle }),
        Algorithm::Es256 => Box::new(Ecdsa { key, digest: EcDigest::Sha256, idle }),
        Algorithm::Es384 => Box::new(Ecdsa { key, digest: EcDigest::Sha384, idle }),
        Algorithm::EdDsa | Algorithm::Ed25519 => Box::new(Ed25519(key)),
    })
}

/// Contexts that are set up and not in use.
type Idle = Mutex<Vec<PkeyCtx<Private>>>;

/// Signs a digest with an idle context, or with a new one that `set_up` makes.
fn sign_digest(
    idle: &Idle,
    digest: &[u8],
    set_up: impl FnOnce() -> Result<PkeyCtx<Private>, ErrorStack>,
) -> Result<Vec<u8>, ErrorStack> {
    let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut context = match kept {
        Some(context) => context,
        None => set_up()?,
    };
    let mut signature = Vec::new();
    // A context that failed is not kept.
    context.sign_to_vec(digest, &mut signature)?;
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(context);
    Ok(signature)
}

fn context(key: &PKey<Private>) -> Result<PkeyCtx<Private>, ErrorStack> {
    let mut context = PkeyCtx::new(key)?;
    context.sign_init()?;
    Ok(context)
}

/// RSA with SHA-256 (RFC 7518 §3.3, §3.5).
struct Rsa {
    key: PKey<Private>,
    padding: Padding,
    idle: Idle,
}

impl Signer for Rsa {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        let set_up = || {
            let mut context = context(&self.key)?;
            context.set_rsa_padding(self.padding)?;
            context.set_signature_md(Md::sha256())?;
            if self.padding == Padding::PKCS1_PSS {
                // RFC 7518 §3.5: the salt is as long as the digest.
                context.set_rsa_mgf1_md(Md::sha256())?;
                context.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH)?;
            }
            Ok(context)
        };
        Ok(sign_digest(&self.idle, &sha256(input), set_up)?)
    }
}

/// ECDSA (RFC 7518 §3.4).
struct Ecdsa {
    key: PKey<Private>,
    digest: EcDigest,
    idle: Idle,
}

/// The digest of a curve; its length is that of each integer of the signature, too.
#[derive(Clone, Copy)]
enum EcDigest {
    Sha256,
    Sha384,
}

impl EcDigest {
    fn md(self) -> &'static MdRef {
        match self {
            Self::Sha256 => Md::sha256(),
            Self::Sha384 => Md::sha384(),
        }
    }

    const fn bytes(self) -> i32 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl Signer for Ecdsa {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        let set_up = || {
            let context = context(&self.key)?;
            context.set_signature_md(self.digest.md())?;
            Ok(context)
        };
        let der = match self.digest {
            EcDigest::Sha256 => sign_digest(&self.idle, &sha256(input), set_up),
            EcDigest::Sha384 => sign_digest(&self.idle, &sha384(input), set_up),
        }?;
        let integers = EcdsaSig::from_der(&der)?;
        let mut signature = integers.r().to_vec_padded(self.digest.bytes())?;
        signature.extend(integers.s().to_vec_padded(self.digest.bytes())?);
        Ok(signature)
    }
}

/// Ed25519 (RFC 8037 §3.1).
struct Ed25519(PKey<Private>);

impl Signer for Ed25519 {
    fn sign(&self, input: &[u8]) -> Result<Vec<u8>, Cause> {
        Ok(sign::Signer::new_without_digest(&self.0)?.sign_oneshot_to_vec(input)?)
    }
}
