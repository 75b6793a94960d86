//! Simple subjects: one identifier in one format (RFC 9493 §3.2, SSF 1.0 §3.5, RFC 9967).

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::format::{
    AcctUri, DidUrl, EmailAddress, FormatName, NonEmptyText, PhoneNumber, RelativePath,
    StringOrUri, Uri,
};
use super::{SubjectError, SubjectProblem};

/// The formats with rules of their own: those of [`SimpleSubject`] and the two that hold others.
const KNOWN_FORMATS: [&str; 13] = [
    "account",
    "aliases",
    "complex",
    "did",
    "email",
    "ip-addresses",
    "iss_sub",
    "jwt_id",
    "opaque",
    "phone_number",
    "saml_assertion_id",
    "scim",
    "uri",
];

/// One identifier in one format.
///
/// Its parts are checked types, so what can be built satisfies the rules of its format. Two are
/// equal when they are identical in the sense of SSF 1.0 §8.1.3.1: the order of members means
/// nothing, texts are compared byte by byte, IP addresses as a set of addresses.
///
/// ```
/// use ssf_transmitter::subject::{SimpleSubject, Subject};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let subject = Subject::from(SimpleSubject::iss_sub("https://idp.example.com/", "u-4711")?);
/// assert_eq!(
///     serde_json::to_string(&subject)?,
///     r#"{"format":"iss_sub","iss":"https://idp.example.com/","sub":"u-4711"}"#
/// );
/// assert!(SimpleSubject::phone_number("+1 206 555 0123").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SimpleSubject {
    /// `account`: an account at a service provider (RFC 9493 §3.2.1).
    Account {
        /// Where the account is.
        uri: AcctUri,
    },
    /// `email`: a mailbox (RFC 9493 §3.2.2).
    Email {
        /// Its address.
        email: EmailAddress,
    },
    /// `iss_sub`: the subject of an issuer's tokens (RFC 9493 §3.2.3). The issuer need not be that
    /// of the SET.
    IssSub {
        /// The issuer.
        iss: StringOrUri,
        /// The subject at that issuer.
        sub: StringOrUri,
    },
    /// `opaque`: a text only its parties understand (RFC 9493 §3.2.4).
    Opaque {
        /// The text.
        id: NonEmptyText,
    },
    /// `phone_number`: a telephone number (RFC 9493 §3.2.5).
    PhoneNumber {
        /// The number.
        phone_number: PhoneNumber,
    },
    /// `did`: a decentralized identifier (RFC 9493 §3.2.6).
    Did {
        /// The DID URL; the member is `url`, not `uri`.
        url: DidUrl,
    },
    /// `uri`: anything a URI names (RFC 9493 §3.2.7).
    Uri {
        /// The URI.
        uri: Uri,
    },
    /// `jwt_id`: a JSON Web Token (SSF 1.0 §3.5.1).
    JwtId {
        /// Its `iss`.
        iss: StringOrUri,
        /// Its `jti`.
        jti: NonEmptyText,
    },
    /// `saml_assertion_id`: a SAML assertion (SSF 1.0 §3.5.2).
    SamlAssertionId {
        /// Its issuer.
        issuer: NonEmptyText,
        /// Its identifier.
        assertion_id: NonEmptyText,
    },
    /// `ip-addresses`: the addresses of a device (SSF 1.0 §3.5.3).
    IpAddresses(IpAddresses),
    /// `scim`: a resource of a SCIM service (RFC 9967).
    Scim(ScimSubject),
    /// Any other format: kept as it came, without rules.
    Other(OtherSubject),
}

/// IP addresses, at least one, each in the spelling it came in.
///
/// An IPv6 address may carry no zone (`%eth0`).
#[derive(Clone, Debug)]
pub struct IpAddresses(Vec<(Box<str>, IpAddr)>);

/// A SCIM resource: its path, and attributes that identify it.
#[derive(Clone, Debug)]
pub struct ScimSubject {
    uri: RelativePath,
    attributes: Map<String, Value>,
}

/// A subject in a format the library knows no rules of.
#[derive(Clone, Debug)]
pub struct OtherSubject {
    format: FormatName,
    members: Map<String, Value>,
}

impl SimpleSubject {
    /// An account, such as `acct:user@example.com`.
    ///
    /// # Errors
    /// When `uri` is not an `acct` URI.
    pub fn account(uri: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::Account { uri: AcctUri::parse(uri).map_err(at("uri"))? })
    }

    /// A mailbox.
    ///
    /// # Errors
    /// When `email` is not an email address.
    pub fn email(email: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::Email { email: EmailAddress::parse(email).map_err(at("email"))? })
    }

    /// The subject of an issuer's tokens.
    ///
    /// # Errors
    /// When one of the two is empty, or has a colon and is no URI.
    pub fn iss_sub(iss: impl AsRef<str>, sub: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::IssSub {
            iss: StringOrUri::parse(iss).map_err(at("iss"))?,
            sub: StringOrUri::parse(sub).map_err(at("sub"))?,
        })
    }

    /// A text only its parties understand.
    ///
    /// # Errors
    /// When `id` is empty.
    pub fn opaque(id: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::Opaque { id: NonEmptyText::parse(id).map_err(at("id"))? })
    }

    /// A telephone number, such as `+12065550123`.
    ///
    /// # Errors
    /// When `phone_number` is not in the form of E.164.
    pub fn phone_number(phone_number: impl AsRef<str>) -> Result<Self, SubjectError> {
        let phone_number = PhoneNumber::parse(phone_number).map_err(at("phone_number"))?;
        Ok(Self::PhoneNumber { phone_number })
    }

    /// A decentralized identifier.
    ///
    /// # Errors
    /// When `url` is not a DID URL.
    pub fn did(url: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::Did { url: DidUrl::parse(url).map_err(at("url"))? })
    }

    /// Anything a URI names.
    ///
    /// # Errors
    /// When `uri` is not a URI with a scheme.
    pub fn uri(uri: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::Uri { uri: Uri::parse(uri).map_err(at("uri"))? })
    }

    /// A JSON Web Token.
    ///
    /// # Errors
    /// When one of the two is empty, or `iss` has a colon and is no URI.
    pub fn jwt_id(iss: impl AsRef<str>, jti: impl AsRef<str>) -> Result<Self, SubjectError> {
        Ok(Self::JwtId {
            iss: StringOrUri::parse(iss).map_err(at("iss"))?,
            jti: NonEmptyText::parse(jti).map_err(at("jti"))?,
        })
    }

    /// A SAML assertion.
    ///
    /// # Errors
    /// When one of the two is empty.
    pub fn saml_assertion_id(
        issuer: impl AsRef<str>,
        assertion_id: impl AsRef<str>,
    ) -> Result<Self, SubjectError> {
        Ok(Self::SamlAssertionId {
            issuer: NonEmptyText::parse(issuer).map_err(at("issuer"))?,
            assertion_id: NonEmptyText::parse(assertion_id).map_err(at("assertion_id"))?,
        })
    }

    /// The addresses of a device.
    ///
    /// # Errors
    /// When there is none, or one is not an IP address.
    pub fn ip_addresses(
        addresses: impl IntoIterator<Item: AsRef<str>>,
    ) -> Result<Self, SubjectError> {
        let mut parsed = Vec::new();
        for (position, text) in addresses.into_iter().enumerate() {
            let text = text.as_ref();
            let address = text.parse().map_err(|_| {
                let member = format!("ip-addresses[{position}]");
                SubjectError::new(member, SubjectProblem::NotIpAddress)
            })?;
            parsed.push((text.into(), address));
        }
        if parsed.is_empty() {
            return Err(SubjectError::new("ip-addresses", SubjectProblem::Empty));
        }
        Ok(Self::IpAddresses(IpAddresses(parsed)))
    }

    /// A SCIM resource. The attributes are `externalId`, `id` and others that are unique; they may
    /// be empty.
    ///
    /// # Errors
    /// When `uri` is not a relative path, `externalId` or `id` is not a text, or the attributes
    /// hold `format`, `uri` or a number beyond 64 bits.
    pub fn scim(
        uri: impl AsRef<str>,
        attributes: Map<String, Value>,
    ) -> Result<Self, SubjectError> {
        let uri = RelativePath::parse(uri).map_err(at("uri"))?;
        for name in ["format", "uri"] {
            refuse_member(&attributes, name)?;
        }
        check_numbers(&attributes)?;
        for name in ["externalId", "id"] {
            match attributes.get(name) {
                None => {}
                Some(Value::String(text)) if text.is_empty() => {
                    return Err(SubjectError::new(name, SubjectProblem::Empty));
                }
                Some(Value::String(_)) => {}
                Some(_) => return Err(SubjectError::new(name, SubjectProblem::NotString)),
            }
        }
        Ok(Self::Scim(ScimSubject { uri, attributes }))
    }

    /// A subject in a format the library knows no rules of, by agreement with the receiver
    /// (SSF 1.0 §3.4).
    ///
    /// # Errors
    /// When the format is one the library knows, its name is no name, or the members hold `format`
    /// or a number beyond 64 bits, which would not be kept as it came.
    pub fn other(
        format: impl AsRef<str>,
        members: Map<String, Value>,
    ) -> Result<Self, SubjectError> {
        let format = FormatName::parse(format).map_err(at("format"))?;
        if KNOWN_FORMATS.contains(&format.as_str()) {
            return Err(SubjectError::new("format", SubjectProblem::KnownFormat));
        }
        refuse_member(&members, "format")?;
        check_numbers(&members)?;
        Ok(Self::Other(OtherSubject { format, members }))
    }

    /// The name of the format, as on the wire.
    #[must_use]
    pub fn format(&self) -> &str {
        match self {
            Self::Account { .. } => "account",
            Self::Email { .. } => "email",
            Self::IssSub { .. } => "iss_sub",
            Self::Opaque { .. } => "opaque",
            Self::PhoneNumber { .. } => "phone_number",
            Self::Did { .. } => "did",
            Self::Uri { .. } => "uri",
            Self::JwtId { .. } => "jwt_id",
            Self::SamlAssertionId { .. } => "saml_assertion_id",
            Self::IpAddresses(_) => "ip-addresses",
            Self::Scim(_) => "scim",
            Self::Other(other) => other.format.as_str(),
        }
    }
}

impl PartialEq for SimpleSubject {
    fn eq(&self, other: &Self) -> bool {
        self.format() == other.format() && self.canonical() == other.canonical()
    }
}

impl Eq for SimpleSubject {}

impl IpAddresses {
    /// The addresses, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> {
        self.0.iter().map(|(_, address)| *address)
    }

    /// The addresses as they were spelled.
    pub fn spelled(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(spelled, _)| &**spelled)
    }
}

impl ScimSubject {
    /// The path of the resource.
    #[must_use]
    pub const fn uri(&self) -> &RelativePath {
        &self.uri
    }

    /// The attributes that identify it: `externalId`, `id` and others.
    #[must_use]
    pub const fn attributes(&self) -> &Map<String, Value> {
        &self.attributes
    }
}

impl OtherSubject {
    /// The members beside `format`.
    #[must_use]
    pub const fn members(&self) -> &Map<String, Value> {
        &self.members
    }
}

fn at(member: &str) -> impl Fn(SubjectProblem) -> SubjectError {
    move |problem| SubjectError::new(member, problem)
}

fn refuse_member(members: &Map<String, Value>, name: &str) -> Result<(), SubjectError> {
    if members.contains_key(name) {
        return Err(SubjectError::new(name, SubjectProblem::Duplicate));
    }
    Ok(())
}

/// Refuses a number that is not kept as it came, at any depth.
pub(crate) fn check_numbers(members: &Map<String, Value>) -> Result<(), SubjectError> {
    members.iter().try_for_each(|(name, value)| check_number(value).map_err(|e| e.inside(name)))
}

/// An integer of more than 64 bits has become a float by now, and its last digits are gone.
fn check_number(value: &Value) -> Result<(), SubjectError> {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let kept = number.as_f64().is_some_and(|n| -TWO_TO_64 / 2.0 < n && n < TWO_TO_64);
            if kept { Ok(()) } else { Err(SubjectError::new("", SubjectProblem::TooLarge)) }
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(position, item)| {
            check_number(item).map_err(|e| e.inside(&format!("[{position}]")))
        }),
        Value::Object(members) => check_numbers(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::subject::Subject;

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_known_format_cannot_be_built_without_its_rules() {
        for format in KNOWN_FORMATS {
            let built = SimpleSubject::other(format, Map::new());
            assert_eq!(built, Err(SubjectError::new("format", SubjectProblem::KnownFormat)));
        }
        let twice = SimpleSubject::other("f", members(&json!({"format": "email"})));
        assert_eq!(twice, Err(SubjectError::new("format", SubjectProblem::Duplicate)));
        let twice = SimpleSubject::scim("/Users/1", members(&json!({"uri": "/Users/2"})));
        assert_eq!(twice, Err(SubjectError::new("uri", SubjectProblem::Duplicate)));
    }

    #[test]
    fn a_number_that_would_not_be_kept_as_it_came_is_refused_rfc_8259_6() {
        let read = |number: &str| {
            let text = format!(r#"{{"format":"f","n":{{"list":[0,{number}]}}}}"#);
            Subject::parse(&serde_json::from_str(&text).unwrap()).map(|s| s.canonical() == text)
        };
        for kept in ["18446744073709551615", "-9223372036854775808", "1.5", "1e19"] {
            assert!(read(kept).is_ok(), "{kept}");
        }
        assert_eq!(read("18446744073709551615"), Ok(true));
        assert_eq!(read("-9223372036854775808"), Ok(true));
        let refused = SubjectError::new("n.list[1]", SubjectProblem::TooLarge);
        for lost in ["18446744073709551616", "-9223372036854775809", "1e300", "-1e300"] {
            assert_eq!(read(lost), Err(refused.clone()), "{lost}");
        }
        let scim = members(&json!({"x": 1e20}));
        let refused = SubjectError::new("x", SubjectProblem::TooLarge);
        assert_eq!(SimpleSubject::scim("/Users/1", scim), Err(refused));
    }
}
