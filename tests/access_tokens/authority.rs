//! An authorization server's keys and the tokens it issues, signed with OpenSSL alone so that what
//! verifies them is not what made them.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::{MessageDigest, hash};
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sign::{RsaPssSaltlen, Signer};
use serde_json::{Map, Value, json};
use ssf_transmitter::auth::jwt::{Jwks, JwksSource, JwtAuthenticator};
use ssf_transmitter::auth::{AuthError, Authenticator, Caller, TokenRules};
use ssf_transmitter::id::{Audience, Issuer};
use ssf_transmitter::secret::Secret;
use ssf_transmitter::timestamp::Timestamp;

pub(crate) const AS: &str = "https://as.example.com";
pub(crate) const TRANSMITTER: &str = "https://tr.example.com";
/// The time of every test, in seconds since the epoch.
pub(crate) const NOW: i64 = 1_795_000_000;

static RSA: LazyLock<Rsa<Private>> = LazyLock::new(|| Rsa::generate(2048).unwrap());
static P256: LazyLock<EcKey<Private>> = LazyLock::new(|| ec(Nid::X9_62_PRIME256V1));
static P384: LazyLock<EcKey<Private>> = LazyLock::new(|| ec(Nid::SECP384R1));
static ED: LazyLock<PKey<Private>> = LazyLock::new(|| PKey::generate_ed25519().unwrap());

pub(crate) fn now() -> Timestamp {
    Timestamp::from_seconds(NOW)
}

fn ec(curve: Nid) -> EcKey<Private> {
    EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The public key in the form that attackers sign with.
pub(crate) fn rsa_public_pem() -> Vec<u8> {
    RSA.public_key_to_pem().unwrap()
}

/// The published keys: `rsa` without an algorithm, the others with theirs.
pub(crate) fn jwks() -> Value {
    let point = |key: &EcKey<Private>, size: i32| {
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        let point = key.public_key();
        point.affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
        [x, y].map(|number| encode(number.to_vec_padded(size).unwrap()))
    };
    let ([x256, y256], [x384, y384]) = (point(&P256, 32), point(&P384, 48));
    let (n, e) = (encode(RSA.n().to_vec()), encode(RSA.e().to_vec()));
    let x = encode(ED.raw_public_key().unwrap());
    json!({"keys": [
        {"kty": "RSA", "kid": "rsa", "use": "sig", "n": n, "e": e},
        {"kty": "EC", "kid": "p256", "crv": "P-256", "alg": "ES256", "x": x256, "y": y256},
        {"kty": "EC", "kid": "p384", "crv": "P-384", "alg": "ES384", "x": x384, "y": y384},
        {"kty": "OKP", "kid": "ed", "crv": "Ed25519", "alg": "EdDSA", "x": x},
    ]})
}

/// The same keys, `ed` under another identifier.
pub(crate) fn jwks_with_ed_as(kid: &str) -> Value {
    let mut jwks = jwks();
    jwks["keys"][3]["kid"] = kid.into();
    jwks
}

/// A token with these changes of a good header and of good claims; `null` takes a member away.
/// Signed as its `alg` says, or not at all.
pub(crate) fn token(header: Value, claims: Value) -> String {
    let good_header = json!({"typ": "at+jwt", "alg": "EdDSA", "kid": "ed"});
    let good_claims = json!({
        "iss": AS, "aud": TRANSMITTER, "sub": "rp-1", "client_id": "rp-1", "jti": "t-1",
        "iat": NOW - 60, "exp": NOW + 3600, "scope": "ssf.read ssf.manage",
    });
    let header = changed(good_header, header);
    let input = format!("{}.{}", encode(&header), encode(changed(good_claims, claims)));
    let header: Value = serde_json::from_str(&header).unwrap();
    let signature = sign(header["alg"].as_str().unwrap_or_default(), input.as_bytes());
    format!("{input}.{}", encode(signature))
}

fn changed(good: Value, changes: Value) -> String {
    let (Value::Object(mut members), Value::Object(changes)) = (good, changes) else { panic!() };
    members.extend(changes);
    members.retain(|_, value| !value.is_null());
    Value::Object(members).to_string()
}

fn sign(algorithm: &str, input: &[u8]) -> Vec<u8> {
    let rsa = || PKey::from_rsa(RSA.clone()).unwrap();
    let sha256 = MessageDigest::sha256();
    match algorithm {
        "RS256" => Signer::new(sha256, &rsa()).unwrap().sign_oneshot_to_vec(input).unwrap(),
        "PS256" => {
            let key = rsa();
            let mut signer = Signer::new(sha256, &key).unwrap();
            signer.set_rsa_padding(Padding::PKCS1_PSS).unwrap();
            signer.set_rsa_pss_saltlen(RsaPssSaltlen::DIGEST_LENGTH).unwrap();
            signer.set_rsa_mgf1_md(sha256).unwrap();
            signer.sign_oneshot_to_vec(input).unwrap()
        }
        "ES256" => ecdsa(&P256, 32, sha256, input),
        "ES384" => ecdsa(&P384, 48, MessageDigest::sha384(), input),
        "EdDSA" | "Ed25519" => {
            Signer::new_without_digest(&ED).unwrap().sign_oneshot_to_vec(input).unwrap()
        }
        // Key confusion: the public key as the secret of an HMAC (RFC 8725 §2.1).
        "HS256" => {
            let key = PKey::hmac(&rsa_public_pem()).unwrap();
            Signer::new(sha256, &key).unwrap().sign_oneshot_to_vec(input).unwrap()
        }
        _ => Vec::new(),
    }
}

fn ecdsa(key: &EcKey<Private>, size: i32, digest: MessageDigest, input: &[u8]) -> Vec<u8> {
    let signature = EcdsaSig::sign(&hash(digest, input).unwrap(), key).unwrap();
    let padded = [signature.r(), signature.s()].map(|n| n.to_vec_padded(size).unwrap());
    padded.concat()
}

/// A good token whose payload was changed after it was signed.
pub(crate) fn tampered() -> String {
    let good = token(json!({}), json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let claims: Map<String, Value> =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let claims = changed(Value::Object(claims), json!({"client_id": "rp-2"}));
    format!("{}.{}.{}", parts[0], encode(claims), parts[2])
}

pub(crate) fn rules() -> TokenRules {
    TokenRules::new(Audience::parse(TRANSMITTER).unwrap())
}

pub(crate) fn jwt(source: impl JwksSource) -> JwtAuthenticator {
    JwtAuthenticator::new(Issuer::parse(AS).unwrap(), source, rules())
}

pub(crate) fn value() -> Jwks {
    Jwks::parse(jwks().to_string()).unwrap()
}

/// The client that a token stands for, or the whole reason why it stands for nobody.
pub(crate) async fn asked(
    authenticator: &impl Authenticator,
    token: &str,
    now: Timestamp,
) -> Result<String, String> {
    let answer = authenticator.authenticate(&Secret::new(token), now).await;
    answer.map(|caller: Caller| caller.owner.client.into()).map_err(|error| chain(&error))
}

/// All that an operator could print of an error. Nothing of a token may be in there.
pub(crate) fn chain(error: &AuthError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    assert!(!format!("{error:?}{text}").contains("eyJ"), "a token in an error");
    text
}
