//! Reading a subject from its wire form: strict, and naming what is wrong where.

use serde_json::{Map, Value};

use super::{SimpleSubject, Subject, SubjectError, SubjectProblem};

/// Reads a subject of any kind.
pub(super) fn subject(value: &Value) -> Result<Subject, SubjectError> {
    let object = Object::of(value)?;
    match object.format()? {
        "aliases" => aliases(&object),
        "complex" => complex(&object),
        _ => Ok(Subject::Simple(simple(&object)?)),
    }
}

/// RFC 9493 §3.2.8.
fn aliases(object: &Object<'_>) -> Result<Subject, SubjectError> {
    let values = object.array("identifiers")?;
    let mut identifiers = Vec::with_capacity(values.len());
    for (position, value) in values.iter().enumerate() {
        let identifier = Object::of(value).and_then(|object| simple(&object));
        identifiers.push(identifier.map_err(|e| e.inside(&format!("identifiers[{position}]")))?);
    }
    object.only(&["identifiers"])?;
    Subject::aliases(identifiers)
}

/// SSF 1.0 §3.3: every member beside `format` is a simple subject.
fn complex(object: &Object<'_>) -> Result<Subject, SubjectError> {
    let mut members = Vec::new();
    for (name, value) in object.0.iter().filter(|(name, _)| *name != "format") {
        let member = Object::of(value).and_then(|object| simple(&object));
        members.push((name.clone(), member.map_err(|e| e.inside(name))?));
    }
    Subject::complex(members)
}

fn simple(object: &Object<'_>) -> Result<SimpleSubject, SubjectError> {
    let text = |name| object.text(name);
    let (subject, described): (_, &[&str]) = match object.format()? {
        "account" => (SimpleSubject::account(text("uri")?)?, &["uri"]),
        "email" => (SimpleSubject::email(text("email")?)?, &["email"]),
        "iss_sub" => (SimpleSubject::iss_sub(text("iss")?, text("sub")?)?, &["iss", "sub"]),
        "opaque" => (SimpleSubject::opaque(text("id")?)?, &["id"]),
        "phone_number" => (SimpleSubject::phone_number(text("phone_number")?)?, &["phone_number"]),
        "did" => (SimpleSubject::did(text("url")?)?, &["url"]),
        "uri" => (SimpleSubject::uri(text("uri")?)?, &["uri"]),
        "jwt_id" => (SimpleSubject::jwt_id(text("iss")?, text("jti")?)?, &["iss", "jti"]),
        "saml_assertion_id" => (
            SimpleSubject::saml_assertion_id(text("issuer")?, text("assertion_id")?)?,
            &["issuer", "assertion_id"],
        ),
        "ip-addresses" => {
            let addresses = object.texts("ip-addresses")?;
            (SimpleSubject::ip_addresses(addresses)?, &["ip-addresses"])
        }
        // RFC 9967: any attribute that is unique may stand beside `uri`.
        "scim" => return SimpleSubject::scim(text("uri")?, object.without(&["format", "uri"])),
        "aliases" | "complex" => {
            return Err(SubjectError::new("format", SubjectProblem::NotSimple));
        }
        other => return SimpleSubject::other(other, object.without(&["format"])),
    };
    object.only(described)?;
    Ok(subject)
}

/// A JSON object being read.
struct Object<'a>(&'a Map<String, Value>);

impl<'a> Object<'a> {
    fn of(value: &'a Value) -> Result<Self, SubjectError> {
        match value {
            Value::Object(map) => Ok(Self(map)),
            _ => Err(SubjectError::new("", SubjectProblem::NotObject)),
        }
    }

    fn format(&self) -> Result<&'a str, SubjectError> {
        if !self.0.contains_key("format") && self.0.contains_key("subject_type") {
            return Err(SubjectError::new("format", SubjectProblem::SubjectType));
        }
        let format = self.text("format")?;
        if format.is_empty() {
            return Err(SubjectError::new("format", SubjectProblem::Empty));
        }
        Ok(format)
    }

    fn member(&self, name: &str) -> Result<&'a Value, SubjectError> {
        self.0.get(name).ok_or_else(|| SubjectError::new(name, SubjectProblem::Missing))
    }

    fn text(&self, name: &str) -> Result<&'a str, SubjectError> {
        let text = self.member(name)?.as_str();
        text.ok_or_else(|| SubjectError::new(name, SubjectProblem::NotString))
    }

    fn array(&self, name: &str) -> Result<&'a [Value], SubjectError> {
        match self.member(name)? {
            Value::Array(values) => Ok(values),
            _ => Err(SubjectError::new(name, SubjectProblem::NotArray)),
        }
    }

    fn texts(&self, name: &str) -> Result<Vec<&'a str>, SubjectError> {
        let values = self.array(name)?.iter().enumerate();
        let text = |(position, value): (usize, &'a Value)| {
            value.as_str().ok_or_else(|| {
                SubjectError::new(format!("{name}[{position}]"), SubjectProblem::NotString)
            })
        };
        values.map(text).collect()
    }

    /// RFC 9493 §3: no member that the format does not describe.
    fn only(&self, described: &[&str]) -> Result<(), SubjectError> {
        let undescribed = |name: &&String| *name != "format" && !described.contains(&name.as_str());
        match self.0.keys().filter(undescribed).min() {
            Some(name) => Err(SubjectError::new(name.as_str(), SubjectProblem::Undescribed)),
            None => Ok(()),
        }
    }

    fn without(&self, names: &[&str]) -> Map<String, Value> {
        let rest = self.0.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        rest.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One subject of every format (RFC 9493 §3.2, SSF 1.0 §3.3 and §3.5, RFC 9967), as it is on
    /// the wire.
    fn well_formed() -> Vec<Value> {
        vec![
            json!({"format": "account", "uri": "acct:example.user@service.example.com"}),
            json!({"format": "email", "email": "user@example.com"}),
            json!({"format": "iss_sub", "iss": "https://issuer.example.com/", "sub": "145234573"}),
            json!({"format": "opaque", "id": "11112222333344445555"}),
            json!({"format": "phone_number", "phone_number": "+12065550100"}),
            json!({"format": "did", "url": "did:example:123456/did/url/path?versionId=1"}),
            json!({"format": "uri", "uri": "urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f"}),
            json!({"format": "jwt_id", "iss": "https://idp.example.com/123456789/", "jti": "B70B"}),
            json!({"format": "saml_assertion_id", "issuer": "urn:idp", "assertion_id": "_8e8d"}),
            json!({"format": "ip-addresses",
                "ip-addresses": ["10.29.37.75", "2001:0db8:0000:0000:0000:8a2e:0370:7334"]}),
            json!({"format": "scim", "uri": "/Users/44f6", "externalId": "jdoe", "id": "44f6",
                "userName": "jdoe"}),
            json!({"format": "catalog_item", "catalog_id": "c0384/winter/2354122"}),
            json!({"format": "phone", "phone_number": "+1 206 555 0123", "x": null, "y": [1.5]}),
            json!({"format": "aliases", "identifiers": [
                {"format": "email", "email": "user@example.com"},
                {"format": "email", "email": "user+x@example.com"},
                {"format": "phone_number", "phone_number": "+12065550100"}]}),
            json!({"format": "complex",
                "user": {"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "u"},
                "device": {"format": "opaque", "id": "d"},
                "anything": {"format": "x:y", "z": 1}}),
        ]
    }

    #[test]
    fn every_format_is_read_and_written_as_it_came() {
        for value in well_formed() {
            let read = subject(&value).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), value);
            assert_eq!(read.format(), value["format"]);
        }
    }

    #[test]
    fn every_required_member_is_required_and_a_text_rfc_9493_3() {
        let kept_verbatim = ["catalog_item", "phone"];
        for value in well_formed() {
            let map = value.as_object().unwrap();
            if kept_verbatim.contains(&map["format"].as_str().unwrap()) {
                continue;
            }
            let texts = map.iter().filter(|(_, member)| member.is_string());
            for (name, _) in texts.filter(|(name, _)| *name != "userName") {
                let with = |member: Value| {
                    let mut map = map.clone();
                    map.insert(name.clone(), member);
                    subject(&Value::Object(map)).unwrap_err()
                };
                assert_eq!(with(json!(null)), SubjectError::new(name, SubjectProblem::NotString));
                assert_eq!(with(json!(7)), SubjectError::new(name, SubjectProblem::NotString));
                assert_eq!(with(json!("")), SubjectError::new(name, SubjectProblem::Empty));
                if !["externalId", "id"].contains(&name.as_str()) || map["format"] == "opaque" {
                    let mut map = map.clone();
                    map.remove(name);
                    let error = subject(&Value::Object(map)).unwrap_err();
                    assert_eq!(error, SubjectError::new(name, SubjectProblem::Missing));
                }
            }
        }
    }

    #[test]
    fn a_member_that_the_format_does_not_describe_is_named_rfc_9493_3() {
        let open = ["scim", "catalog_item", "phone", "complex"];
        for value in well_formed() {
            let mut map = value.as_object().unwrap().clone();
            if open.contains(&map["format"].as_str().unwrap()) {
                continue;
            }
            map.insert("zz".to_owned(), json!("1"));
            map.insert("more".to_owned(), json!(null));
            let error = subject(&Value::Object(map)).unwrap_err();
            assert_eq!(error, SubjectError::new("more", SubjectProblem::Undescribed));
        }
    }

    #[test]
    fn each_breach_names_the_member_by_its_path() {
        use SubjectProblem as P;
        let email = json!({"format": "email", "email": "user@example.com"});
        let breaches = [
            (json!("text"), "", P::NotObject),
            (json!({"id": "1"}), "format", P::Missing),
            (json!({"format": ""}), "format", P::Empty),
            (json!({"format": "a b"}), "format", P::NotFormatName),
            // The form before RFC 9493 (RISC 1.0 §3.1: new services must not use it).
            (json!({"subject_type": "iss-sub", "iss": "i", "sub": "s"}), "format", P::SubjectType),
            (json!({"format": "account", "uri": "user@example.com"}), "uri", P::NotAcctUri),
            (json!({"format": "email", "email": "Foo <foo@example.com>"}), "email", P::NotEmail),
            (json!({"format": "did", "uri": "did:example:1"}), "url", P::Missing),
            (json!({"format": "did", "url": "https://example.com/"}), "url", P::NotDidUrl),
            (json!({"format": "uri", "uri": "/x"}), "uri", P::NotUri),
            (json!({"format": "scim", "uri": "https://h/Users/1"}), "uri", P::NotRelativePath),
            (
                json!({"format": "phone_number", "phone_number": "+1 206 555 0123"}),
                "phone_number",
                P::NotPhoneNumber,
            ),
            (json!({"format": "ip-addresses", "ip-addresses": []}), "ip-addresses", P::Empty),
            (json!({"format": "ip-addresses", "ip-addresses": "::1"}), "ip-addresses", P::NotArray),
            (
                json!({"format": "ip-addresses", "ip-addresses": ["::1", null]}),
                "ip-addresses[1]",
                P::NotString,
            ),
            (
                json!({"format": "ip-addresses", "ip-addresses": ["::1", "fe80::1%eth0"]}),
                "ip-addresses[1]",
                P::NotIpAddress,
            ),
            (json!({"format": "aliases"}), "identifiers", P::Missing),
            (json!({"format": "aliases", "identifiers": []}), "identifiers", P::Empty),
            (json!({"format": "aliases", "identifiers": {}}), "identifiers", P::NotArray),
            (json!({"format": "aliases", "identifiers": [1]}), "identifiers[0]", P::NotObject),
            (
                json!({"format": "aliases", "identifiers": [email, {"format": "email"}]}),
                "identifiers[1].email",
                P::Missing,
            ),
            (
                json!({"format": "aliases",
                    "identifiers": [{"format": "aliases", "identifiers": [email]}]}),
                "identifiers[0].format",
                P::NotSimple,
            ),
            (
                json!({"format": "aliases",
                    "identifiers": [{"format": "complex", "user": email}]}),
                "identifiers[0].format",
                P::NotSimple,
            ),
            (json!({"format": "complex"}), "", P::Empty),
            (json!({"format": "complex", "": email}), "", P::NoName),
            (json!({"format": "complex", "user": "u"}), "user", P::NotObject),
            (json!({"format": "complex", "user": {"id": "1"}}), "user.format", P::Missing),
            (
                json!({"format": "complex", "user": {"format": "iss_sub", "iss": "i"}}),
                "user.sub",
                P::Missing,
            ),
            (
                json!({"format": "complex", "user": {"format": "aliases", "identifiers": [email]}}),
                "user.format",
                P::NotSimple,
            ),
            (
                json!({"format": "complex", "user": {"format": "complex", "user": email}}),
                "user.format",
                P::NotSimple,
            ),
        ];
        for (value, member, problem) in breaches {
            assert_eq!(subject(&value), Err(SubjectError::new(member, problem)), "{value}");
        }
    }
}
