//! What an entry keeps its order with when the host does not say.

use std::fmt::Write;

use openssl::sha::sha256;

use crate::id::OrderKey;
use crate::subject::Subject;

/// The longest identity that is an order key as it is; longer ones are hashed.
const MAX_PLAIN_BYTES: usize = 255;

/// The order key of events about a subject: the identity of a simple subject, of the first
/// identifier of `aliases`, of the `user` of a complex subject, else of the whole.
///
/// So events about one account keep their order also when some name the account alone and others
/// name its device or session as well.
#[must_use]
pub fn order_key(subject: &Subject) -> OrderKey {
    let named = match subject {
        Subject::Simple(simple) => Some(simple),
        Subject::Aliases(aliases) => aliases.identifiers().first(),
        Subject::Complex(complex) => complex.member("user"),
    };
    let identity = named.map_or_else(|| subject.canonical(), |simple| simple.canonical());
    if identity.len() <= MAX_PLAIN_BYTES {
        return OrderKey::trusted(&identity);
    }
    // An identity begins with a brace, so no plain key can look like a hashed one.
    let mut hashed = String::from("sha256:");
    for byte in sha256(identity.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(hashed, "{byte:02x}");
    }
    OrderKey::trusted(&hashed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::subject::{SimpleSubject, samples};

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    fn key(subject: impl Into<Subject>) -> String {
        order_key(&subject.into()).into()
    }

    #[test]
    fn events_that_name_the_same_account_share_an_order_key() {
        let account = key(opaque("u"));
        assert_eq!(account, r#"{"format":"opaque","id":"u"}"#);
        assert_eq!(key(Subject::aliases([opaque("u"), opaque("v")]).unwrap()), account);
        assert_ne!(key(Subject::aliases([opaque("v"), opaque("u")]).unwrap()), account);
        let session = [("session", opaque("s")), ("user", opaque("u"))];
        assert_eq!(key(Subject::complex(session).unwrap()), account);
    }

    #[test]
    fn a_complex_subject_without_user_is_its_own_order_key() {
        let device = Subject::complex([("device", opaque("u"))]).unwrap();
        assert_eq!(key(device.clone()), device.canonical());
    }

    #[test]
    fn a_long_identity_is_hashed() {
        let around = opaque("x").canonical().len() - 1;
        let longest = opaque(&"x".repeat(MAX_PLAIN_BYTES - around));
        assert_eq!(key(longest.clone()), longest.canonical());
        let longer = key(opaque(&"x".repeat(MAX_PLAIN_BYTES - around + 1)));
        assert_eq!((longer.len(), &longer[..7]), (71, "sha256:"));
        assert_ne!(longer, key(opaque(&"y".repeat(MAX_PLAIN_BYTES - around + 1))));
    }

    proptest! {
        #[test]
        fn every_order_key_is_one(subject in samples::subject()) {
            let key = order_key(&subject);
            prop_assert_eq!(OrderKey::parse(key.as_str()), Ok(key));
        }
    }
}
