//! Key material in all its forms: the one file of the local provider that knows josekit.
//!
//! Whatever form a key comes in (JWK, PEM, generated), it becomes josekit's key pair, and from
//! there its JWK; signer and verifier are made of the JWK. That is also how an ordinary RSA key
//! signs with PS256: josekit's own way from PEM to PS256 only takes keys marked for PSS.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::JoseError;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use josekit::jws::{ES256, ES384, EdDSA, JwsVerifier, PS256, RS256};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::EcGroup;
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::sha::sha256;
use serde_json::{Map, Value};

use super::key::KeyMaterialError;
use super::signer::{Signer, SigningBackend};
use crate::set::Algorithm;

/// What another library said: its words only, no types and no backtrace. Neither OpenSSL nor
/// josekit quotes private members.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The members of a JWK.
pub(super) type Members = Map<String, Value>;

/// The key types that sign SETs (RFC 7518 §6.1, RFC 8037 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyType {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// The RSA keys this library generates: what every receiver takes (RFC 7518 §3.3).
const GENERATED_RSA_BITS: u32 = 2048;

impl KeyType {
    /// The type of key that an algorithm needs.
    pub(super) const fn of(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => Self::Rsa,
            Algorithm::Es256 => Self::P256,
            Algorithm::Es384 => Self::P384,
            Algorithm::EdDsa | Algorithm::Ed25519 => Self::Ed25519,
        }
    }

    /// The type that `kty` and `crv` of a JWK name.
    pub(super) fn from_jwk(jwk: &Members) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        match (text("kty")?, text("crv")) {
            ("RSA", None) => Some(Self::Rsa),
            ("EC", Some("P-256")) => Some(Self::P256),
            ("EC", Some("P-384")) => Some(Self::P384),
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// The algorithm of a key whose JWK names none.
    pub(super) const fn default_algorithm(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::Rs256,
            Self::P256 => Algorithm::Es256,
            Self::P384 => Algorithm::Es384,
            Self::Ed25519 => Algorithm::EdDsa,
        }
    }

    /// The members that make up the public key, in the order RFC 7638 §3.2 wants them.
    const fn public_members(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["e", "kty", "n"],
            Self::P256 | Self::P384 => &["crv", "kty", "x", "y"],
            Self::Ed25519 => &["crv", "kty", "x"],
        }
    }

    /// The members that make the public key a private one.
    const fn private_members(self) -> &'static [&'static str] {
        match self {
            Self::Rsa => &["d", "p", "q", "dp", "dq", "qi"],
            Self::P256 | Self::P384 | Self::Ed25519 => &["d"],
        }
    }
}

/// One key: its members, and what signs with it.
pub(super) struct Material {
    /// The public members and no others.
    pub(super) public: Members,
    /// The public and the private members and no others.
    pub(super) private: Members,
    /// What signs with it.
    pub(super) signer: Box<dyn Signer>,
}

impl Material {
    /// Reads the key of a private JWK. Of its other members nothing is taken over.
    pub(super) fn from_jwk(jwk: &Members, algorithm: Algorithm) -> Result<Self, KeyMaterialError> {
        let kind = KeyType::of(algorithm);
        let bare = picked(jwk, kind.public_members().iter().chain(kind.private_members()));
        let bare = Jwk::from_map(bare).map_err(unreadable)?;
        let material = match kind {
            KeyType::Rsa => Self::new(&RsaKeyPair::from_jwk(&bare).map_err(unreadable)?, algorithm),
            KeyType::P256 => ec_from_jwk(&bare, Nid::X9_62_PRIME256V1, algorithm),
            KeyType::P384 => ec_from_jwk(&bare, Nid::SECP384R1, algorithm),
            KeyType::Ed25519 => {
                Self::new(&EdKeyPair::from_jwk(&bare).map_err(unreadable)?, algorithm)
            }
        }?;
        // josekit ignores `x` of an Ed25519 key. A public key other than the one that was
        // published elsewhere is a mistake to be told about.
        match jwk.get("x") {
            Some(given) if material.public.get("x") != Some(given) => {
                Err(KeyMaterialError::SelfTest)
            }
            _ => Ok(material),
        }
    }

    /// Reads the first private key of a PEM text: PKCS#8, PKCS#1 (RSA) or SEC 1 (EC).
    pub(super) fn from_pem(pem: &[u8], algorithm: Algorithm) -> Result<Self, KeyMaterialError> {
        // Without the callback OpenSSL would ask the terminal for the passphrase of an encrypted
        // key.
        let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0)).map_err(unreadable)?;
        let der = key.private_key_to_pkcs8().map_err(unreadable)?;
        match (KeyType::of(algorithm), key.id()) {
            (KeyType::Rsa, Id::RSA) => {
                Self::new(&RsaKeyPair::from_der(&der).map_err(unreadable)?, algorithm)
            }
            // A key marked for PSS is bound to the hashes it names; josekit holds them against
            // those of PS256.
            (KeyType::Rsa, Id::RSA_PSS) if algorithm == Algorithm::Ps256 => {
                Self::new(&PS256.key_pair_from_der(&der).map_err(unreadable)?, algorithm)
            }
            (KeyType::P256, Id::EC) if on_curve(&key, Nid::X9_62_PRIME256V1) => Self::new(
                &EcKeyPair::from_der(&der, Some(EcCurve::P256)).map_err(unreadable)?,
                algorithm,
            ),
            (KeyType::P384, Id::EC) if on_curve(&key, Nid::SECP384R1) => Self::new(
                &EcKeyPair::from_der(&der, Some(EcCurve::P384)).map_err(unreadable)?,
                algorithm,
            ),
            (KeyType::Ed25519, Id::ED25519) => {
                Self::new(&EdKeyPair::from_der(&der).map_err(unreadable)?, algorithm)
            }
            _ => Err(KeyMaterialError::AlgorithmMismatch(algorithm)),
        }
    }

    /// Makes a new key.
    pub(super) fn generate(algorithm: Algorithm) -> Result<Self, KeyMaterialError> {
        let failed = |error: JoseError| KeyMaterialError::Generate(words(error));
        match KeyType::of(algorithm) {
            KeyType::Rsa => {
                Self::new(&RsaKeyPair::generate(GENERATED_RSA_BITS).map_err(failed)?, algorithm)
            }
            KeyType::P256 => {
                Self::new(&EcKeyPair::generate(EcCurve::P256).map_err(failed)?, algorithm)
            }
            KeyType::P384 => {
                Self::new(&EcKeyPair::generate(EcCurve::P384).map_err(failed)?, algorithm)
            }
            KeyType::Ed25519 => {
                Self::new(&EdKeyPair::generate(EdCurve::Ed25519).map_err(failed)?, algorithm)
            }
        }
    }

    /// The material of a key pair.
    fn new(pair: &dyn KeyPair, algorithm: Algorithm) -> Result<Self, KeyMaterialError> {
        let kind = KeyType::of(algorithm);
        let all: Members = pair.to_jwk_key_pair().into();
        let public = picked(&all, kind.public_members());
        let private = picked(&all, kind.public_members().iter().chain(kind.private_members()));
        let bits = rsa_bits(&public);
        if kind == KeyType::Rsa && bits < 2048 {
            return Err(KeyMaterialError::WeakRsa { bits });
        }
        let signer = signer(SigningBackend::default(), algorithm, &public, &private)?;
        Ok(Self { public, private, signer })
    }
}

/// What signs with a key, after it has verified what it signed (RFC 8725 §3.3).
pub(super) fn signer(
    backend: SigningBackend,
    algorithm: Algorithm,
    public: &Members,
    private: &Members,
) -> Result<Box<dyn Signer>, KeyMaterialError> {
    let kind = KeyType::of(algorithm);
    let pkcs8 = pkcs8(kind, private)?;
    let signer = backend.signer(algorithm, &pkcs8).map_err(unreadable)?;
    // Without its label: josekit does not know every name of an algorithm.
    let public = picked(public, kind.public_members());
    let verifier = verifier(algorithm, public).map_err(unreadable)?;
    let message = b"ssf-transmitter self test";
    let signature = signer.sign(message).map_err(|_| KeyMaterialError::SelfTest)?;
    verifier.verify(message, &signature).map_err(|_| KeyMaterialError::SelfTest)?;
    Ok(signer)
}

/// The private key as a PKCS#8 document (RFC 5208), which every signing library reads.
fn pkcs8(kind: KeyType, private: &Members) -> Result<Vec<u8>, KeyMaterialError> {
    let jwk = Jwk::from_map(private.clone()).map_err(unreadable)?;
    let der = match kind {
        KeyType::Rsa => RsaKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key()),
        KeyType::P256 | KeyType::P384 => {
            EcKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key())
        }
        KeyType::Ed25519 => EdKeyPair::from_jwk(&jwk).map(|pair| pair.to_der_private_key()),
    };
    // josekit writes an elliptic curve key as SEC 1.
    let key = PKey::private_key_from_der(&der.map_err(unreadable)?).map_err(unreadable)?;
    key.private_key_to_pkcs8().map_err(unreadable)
}

/// Reads an elliptic curve key whose `d` is one of the curve (RFC 7518 §6.2.2.1): josekit takes any,
/// and panics when it is to say what it took.
fn ec_from_jwk(jwk: &Jwk, curve: Nid, algorithm: Algorithm) -> Result<Material, KeyMaterialError> {
    let number = jwk.parameter("d").and_then(Value::as_str).unwrap_or_default();
    let number = URL_SAFE_NO_PAD.decode(number).map_err(unreadable)?;
    let number = BigNum::from_slice(&number).map_err(unreadable)?;
    let order = order(curve).map_err(unreadable)?;
    if number.num_bits() == 0 || number >= order {
        return Err(unreadable("d is not a private key of the curve"));
    }
    Material::new(&EcKeyPair::from_jwk(jwk).map_err(unreadable)?, algorithm)
}

fn order(curve: Nid) -> Result<BigNum, ErrorStack> {
    let mut order = BigNum::new()?;
    let group = EcGroup::from_curve_name(curve)?;
    group.order(&mut order, &mut *BigNumContext::new()?)?;
    Ok(order)
}

/// The thumbprint of a public key (RFC 7638 §3), as base64url text.
pub(super) fn thumbprint(public: &Members) -> String {
    // The members in order, without white space. Their values are base64url or names, so that
    // nothing needs escaping.
    let members: Vec<_> = KeyType::from_jwk(public)
        .map_or(&[][..], KeyType::public_members)
        .iter()
        .filter_map(|name| Some(format!("\"{name}\":\"{}\"", public.get(*name)?.as_str()?)))
        .collect();
    let canonical = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()))
}

/// What verifies the signatures of a public key.
pub(super) fn verifier(
    algorithm: Algorithm,
    public: Members,
) -> Result<Box<dyn JwsVerifier>, JoseError> {
    let jwk = Jwk::from_map(public)?;
    Ok(match algorithm {
        Algorithm::Rs256 => Box::new(RS256.verifier_from_jwk(&jwk)?),
        Algorithm::Ps256 => Box::new(PS256.verifier_from_jwk(&jwk)?),
        Algorithm::Es256 => Box::new(ES256.verifier_from_jwk(&jwk)?),
        Algorithm::Es384 => Box::new(ES384.verifier_from_jwk(&jwk)?),
        Algorithm::EdDsa | Algorithm::Ed25519 => Box::new(EdDSA.verifier_from_jwk(&jwk)?),
    })
}

/// The length of the modulus. Its bits are counted: josekit counts bytes, and would take 2,041
/// bits for 2,048.
fn rsa_bits(public: &Members) -> usize {
    let modulus = public.get("n").and_then(Value::as_str).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(modulus).unwrap_or_default();
    let zeros: usize = bytes.iter().take_while(|byte| **byte == 0).count();
    let leading = bytes.get(zeros).map_or(0, |byte| byte.leading_zeros() as usize);
    (bytes.len() - zeros) * 8 - leading
}

fn on_curve<T: openssl::pkey::HasPublic>(key: &PKey<T>, curve: Nid) -> bool {
    key.ec_key().is_ok_and(|key| key.group().curve_name() == Some(curve))
}

fn picked<'a>(members: &Members, names: impl IntoIterator<Item = &'a &'static str>) -> Members {
    let picked = names.into_iter().filter_map(|name| members.get_key_value(*name));
    picked.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn unreadable(error: impl Display) -> KeyMaterialError {
    KeyMaterialError::Unreadable(words(error))
}

fn words(error: impl Display) -> Cause {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use josekit::jws::PS512;
    use openssl::ec::EcKey;
    use openssl::pkey::Private;
    use openssl::rsa::Rsa;
    use openssl::symm::Cipher;
    use serde_json::json;

    use super::super::key::SigningKey;
    use super::*;
    use crate::id::KeyId;

    static RSA: LazyLock<Rsa<Private>> = LazyLock::new(|| Rsa::generate(2048).unwrap());

    fn id(kid: &str) -> KeyId {
        KeyId::parse(kid).unwrap()
    }

    fn ec(curve: Nid) -> EcKey<Private> {
        EcKey::generate(&EcGroup::from_curve_name(curve).unwrap()).unwrap()
    }

    fn pkcs8(key: impl TryInto<PKey<Private>>) -> String {
        let Ok(key) = key.try_into() else { panic!("a key") };
        String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap()
    }

    /// Reads the PEM, signs, verifies by the public members, and goes through a JWK and back.
    fn signs(pem: impl AsRef<[u8]>, algorithm: Algorithm) {
        let read = SigningKey::from_pem(pem, algorithm, id("k")).unwrap();
        let again = SigningKey::from_jwk(read.private_jwk().expose()).unwrap();
        assert_eq!(again.private_members(), read.private_members());
        let mut public = read.public_members().clone();
        public.remove("alg");
        let verifier = verifier(algorithm, public).unwrap();
        for key in [read, again] {
            assert_eq!((key.kid(), key.algorithm()), (&id("k"), algorithm));
            verifier.verify(b"input", &key.sign(b"input").unwrap()).unwrap();
        }
    }

    fn members(value: &Value) -> Members {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638_3_1() {
        let public = members(&json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6\
                  tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v\
                  -65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08q\
                  NLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw\
                  apJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        }));
        assert_eq!(thumbprint(&public), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_bits_of_a_modulus_are_counted_not_its_bytes() {
        let bits = |bytes: &[u8]| rsa_bits(&members(&json!({"n": URL_SAFE_NO_PAD.encode(bytes)})));
        assert_eq!(bits(&[0xff; 256]), 2048);
        assert_eq!(bits(&[&[0x01][..], &[0xff; 255]].concat()), 2041);
        assert_eq!(bits(&[&[0x00][..], &[0xff; 256]].concat()), 2048);
        assert_eq!(bits(&[0, 0]), 0);
    }

    #[test]
    fn an_ordinary_rsa_key_signs_with_rs256_and_with_ps256() {
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
            signs(RSA.private_key_to_pem().unwrap(), algorithm);
            signs(pkcs8(RSA.clone()), algorithm);
        }
    }

    #[test]
    fn an_rsa_key_marked_for_pss_signs_with_ps256_only() {
        let pem = PS256.generate_key_pair(2048).unwrap().to_pem_private_key();
        signs(&pem, Algorithm::Ps256);
        let refused = SigningKey::from_pem(&pem, Algorithm::Rs256, id("k")).unwrap_err();
        assert!(matches!(refused, KeyMaterialError::AlgorithmMismatch(Algorithm::Rs256)));
        let other = PS512.generate_key_pair(2048).unwrap().to_pem_private_key();
        let refused = SigningKey::from_pem(&other, Algorithm::Ps256, id("k")).unwrap_err();
        assert!(matches!(refused, KeyMaterialError::Unreadable(_)));
    }

    #[test]
    fn elliptic_curve_keys_are_read_from_both_kinds_of_pem() {
        for (algorithm, curve) in
            [(Algorithm::Es256, Nid::X9_62_PRIME256V1), (Algorithm::Es384, Nid::SECP384R1)]
        {
            let key = ec(curve);
            let sec1 = String::from_utf8(key.private_key_to_pem().unwrap()).unwrap();
            // As `openssl ecparam -genkey` writes it.
            let parameters =
                "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
            signs(format!("{parameters}{sec1}"), algorithm);
            signs(sec1, algorithm);
            signs(pkcs8(key), algorithm);
        }
        let ed25519 = PKey::generate_ed25519().unwrap();
        for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
            signs(ed25519.private_key_to_pem_pkcs8().unwrap(), algorithm);
        }
    }

    #[test]
    fn a_pem_of_another_type_or_curve_than_the_algorithm_needs_is_refused() {
        let p256 = pkcs8(ec(Nid::X9_62_PRIME256V1));
        for (pem, algorithm) in [
            (&p256, Algorithm::Rs256),
            (&p256, Algorithm::Es384),
            (&p256, Algorithm::EdDsa),
            (&pkcs8(RSA.clone()), Algorithm::Es256),
            (&pkcs8(ec(Nid::SECP256K1)), Algorithm::Es256),
        ] {
            let refused = SigningKey::from_pem(pem, algorithm, id("k")).unwrap_err();
            assert_eq!(refused.to_string(), format!("the key cannot be used with {algorithm}"));
        }
    }

    #[test]
    fn a_pem_without_a_readable_private_key_is_refused() {
        let key = PKey::from_rsa(RSA.clone()).unwrap();
        let encrypted =
            key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"passphrase");
        for pem in [encrypted.unwrap(), RSA.public_key_to_pem().unwrap(), b"x".to_vec(), vec![]] {
            let refused = SigningKey::from_pem(pem, Algorithm::Rs256, id("k")).unwrap_err();
            assert_eq!(refused.to_string(), "the private key cannot be read");
        }
    }

    #[test]
    fn a_private_number_that_is_not_one_of_the_curve_is_refused_rfc_7518_6_2_2_1() {
        for (algorithm, curve) in [("ES256", "P-256"), ("ES384", "P-384")] {
            for d in [&[0xff; 48][..], &[0; 32], &[]] {
                let jwk = json!({
                    "kty": "EC",
                    "crv": curve,
                    "alg": algorithm,
                    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                    "d": URL_SAFE_NO_PAD.encode(d),
                });
                let refused = SigningKey::from_jwk(&jwk.to_string()).unwrap_err();
                assert_eq!(refused.to_string(), "the private key cannot be read");
            }
        }
    }

    #[test]
    fn an_rsa_key_under_2048_bits_is_refused_in_every_form_rfc_7518_3_3() {
        let weak = Rsa::generate(1024).unwrap();
        let text = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
        let jwk = json!({
            "kty": "RSA",
            "n": text(weak.n()),
            "e": text(weak.e()),
            "d": text(weak.d()),
            "p": text(weak.p().unwrap()),
            "q": text(weak.q().unwrap()),
            "dp": text(weak.dmp1().unwrap()),
            "dq": text(weak.dmq1().unwrap()),
            "qi": text(weak.iqmp().unwrap()),
        });
        let refused = SigningKey::from_jwk(&jwk.to_string()).unwrap_err();
        assert!(matches!(refused, KeyMaterialError::WeakRsa { bits: 1024 }));
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
            for pem in [weak.private_key_to_pem().unwrap(), pkcs8(weak.clone()).into_bytes()] {
                let refused = SigningKey::from_pem(pem, algorithm, id("k")).unwrap_err();
                assert!(matches!(refused, KeyMaterialError::WeakRsa { bits: 1024 }));
            }
        }
    }
}
