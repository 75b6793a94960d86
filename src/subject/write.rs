//! Writing a subject: its wire form, and its identity as text.

use std::iter;
use std::net::IpAddr;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{SimpleSubject, Subject};

/// Writes the wire form.
impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.json(wire).serialize(serializer)
    }
}

impl Subject {
    /// The identity as text: the same for two subjects exactly when they are identical.
    ///
    /// It is the wire form without white space, members sorted by name at every depth. Texts count
    /// byte by byte, numbers as they were written. SSF 1.0 §8.1.3.1 leaves open when two lists of
    /// `ip-addresses` are identical: here, when they are the same set of addresses.
    #[must_use]
    pub fn canonical(&self) -> String {
        sorted_text(self.json(identity))
    }

    fn json(&self, of_simple: fn(&SimpleSubject) -> Map<String, Value>) -> Value {
        let format = ("format".to_owned(), Value::from(self.format()));
        match self {
            Self::Simple(simple) => of_simple(simple).into(),
            Self::Aliases(aliases) => {
                let identifiers: Vec<_> = aliases.identifiers().iter().map(of_simple).collect();
                [format, ("identifiers".to_owned(), identifiers.into())].into_iter().collect()
            }
            Self::Complex(complex) => {
                let members = complex.members();
                let members =
                    members.map(|(name, member)| (name.to_owned(), of_simple(member).into()));
                iter::once(format).chain(members).collect()
            }
        }
    }
}

impl SimpleSubject {
    /// The identity as text; see [`Subject::canonical`].
    #[must_use]
    pub fn canonical(&self) -> String {
        sorted_text(identity(self).into())
    }
}

fn wire(simple: &SimpleSubject) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("format".to_owned(), simple.format().into());
    let mut text = |name: &str, text: &str| {
        map.insert(name.to_owned(), text.into());
    };
    match simple {
        SimpleSubject::Account { uri } => text("uri", uri.as_str()),
        SimpleSubject::Email { email } => text("email", email.as_str()),
        SimpleSubject::IssSub { iss, sub } => {
            text("iss", iss.as_str());
            text("sub", sub.as_str());
        }
        SimpleSubject::Opaque { id } => text("id", id.as_str()),
        SimpleSubject::PhoneNumber { phone_number } => text("phone_number", phone_number.as_str()),
        SimpleSubject::Did { url } => text("url", url.as_str()),
        SimpleSubject::Uri { uri } => text("uri", uri.as_str()),
        SimpleSubject::JwtId { iss, jti } => {
            text("iss", iss.as_str());
            text("jti", jti.as_str());
        }
        SimpleSubject::SamlAssertionId { issuer, assertion_id } => {
            text("issuer", issuer.as_str());
            text("assertion_id", assertion_id.as_str());
        }
        SimpleSubject::IpAddresses(addresses) => {
            let spelled: Vec<&str> = addresses.spelled().collect();
            map.insert("ip-addresses".to_owned(), spelled.into());
        }
        SimpleSubject::Scim(scim) => {
            text("uri", scim.uri().as_str());
            map.extend(scim.attributes().clone());
        }
        SimpleSubject::Other(other) => map.extend(other.members().clone()),
    }
    map
}

/// What makes a subject the one it is: the wire form, with IP addresses as a set.
fn identity(simple: &SimpleSubject) -> Map<String, Value> {
    let mut map = wire(simple);
    if let SimpleSubject::IpAddresses(addresses) = simple {
        let mut set: Vec<IpAddr> = addresses.iter().collect();
        set.sort_unstable();
        set.dedup();
        let set: Vec<String> = set.iter().map(IpAddr::to_string).collect();
        map.insert("ip-addresses".to_owned(), set.into());
    }
    map
}

/// JSON with the members of every object sorted by name, whatever order maps keep in this build.
fn sorted_text(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn opaque(id: &str) -> SimpleSubject {
        SimpleSubject::opaque(id).unwrap()
    }

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_canonical_form_is_the_sorted_wire_form() {
        let subject = Subject::complex([("user", opaque("u")), ("device", opaque("d"))]).unwrap();
        let device = r#""device":{"format":"opaque","id":"d"}"#;
        let user = r#""user":{"format":"opaque","id":"u"}"#;
        assert_eq!(subject.canonical(), format!(r#"{{{device},"format":"complex",{user}}}"#));
    }

    #[test]
    fn ip_addresses_are_identical_as_sets_of_addresses_whatever_their_spelling() {
        let one = SimpleSubject::ip_addresses(["10.0.0.1", "2001:0db8:0000:0000::0001"]).unwrap();
        let same = SimpleSubject::ip_addresses(["2001:db8::1", "10.0.0.1", "10.0.0.1"]).unwrap();
        let fewer = SimpleSubject::ip_addresses(["10.0.0.1"]).unwrap();
        let mapped = SimpleSubject::ip_addresses(["::ffff:10.0.0.1"]).unwrap();

        assert_eq!(one, same);
        assert_eq!(one.canonical(), same.canonical());
        assert_ne!(one, fewer);
        assert_ne!(fewer, mapped);
        assert_eq!(
            serde_json::to_value(Subject::from(one)).unwrap(),
            json!({
                "format": "ip-addresses",
                "ip-addresses": ["10.0.0.1", "2001:0db8:0000:0000::0001"]
            })
        );
    }

    #[test]
    fn texts_are_identical_byte_by_byte_only() {
        let email = SimpleSubject::email("user@example.com").unwrap();
        assert_ne!(email, SimpleSubject::email("user@EXAMPLE.com").unwrap());
        assert_ne!(SimpleSubject::opaque("1").unwrap(), SimpleSubject::opaque("1 ").unwrap());
    }

    #[test]
    fn the_canonical_form_sorts_members_at_every_depth() {
        let one = json!({"b": {"y": 1, "x": [{"q": 1, "p": 2}]}, "a": 1.5});
        let two = json!({"a": 1.5, "b": {"x": [{"p": 2, "q": 1}], "y": 1}});
        let one = SimpleSubject::other("x:y", members(&one)).unwrap();
        let two = SimpleSubject::other("x:y", members(&two)).unwrap();

        let canonical = r#"{"a":1.5,"b":{"x":[{"p":2,"q":1}],"y":1},"format":"x:y"}"#;
        assert_eq!(one.canonical(), canonical);
        assert_eq!(one, two);
    }

    #[test]
    fn another_format_keeps_numbers_apart_that_are_written_apart() {
        let of = |n: Value| SimpleSubject::other("f", members(&json!({"n": n}))).unwrap();
        assert_ne!(of(json!(1)), of(json!(1.0)));
        assert_ne!(of(json!(0.0)), of(json!(-0.0)));
        assert_ne!(of(json!(1)), of(json!("1")));
    }

    #[test]
    fn a_number_of_many_digits_is_the_same_when_it_is_read_back() {
        let wire = r#"{"format":"f","n":0.00000005324305692744882272}"#;
        let read = |text: &str| Subject::parse(&serde_json::from_str(text).unwrap()).unwrap();
        let subject = read(wire);
        assert_eq!(read(&subject.canonical()), subject);
    }
}
