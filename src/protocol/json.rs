//! JSON bodies, read strictly: no member twice, no deep nesting, every fault at its member.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::profile::{Nulls, Profile, UnknownMembers};
use super::refusal::{InvalidRequest, Problem};

/// Deeper nesting has no use in any request.
const MOST_LEVELS: usize = 16;

/// The members of a JSON object, with the path that leads to it.
#[derive(Debug)]
pub(super) struct Members<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
}

/// Reads a body that must be a JSON object.
///
/// # Errors
/// When it is no JSON or no object, nested more than 16 levels deep, or a member comes twice at any
/// depth, naming that member.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, InvalidRequest> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let strict = Strict { levels: MOST_LEVELS, fault: &mut fault };
    let value = strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match (value, fault) {
        (Ok(Value::Object(map)), _) => Ok(map),
        (Ok(_), _) => Err(InvalidRequest::new("", Problem::Type("a JSON object"))),
        (Err(_), Some(fault)) => Err(fault),
        (Err(_), None) => Err(InvalidRequest::new("", Problem::NotJson)),
    }
}

impl<'a> Members<'a> {
    /// The members of a body.
    pub(super) fn of(map: &'a Map<String, Value>) -> Self {
        Self { map, path: "" }
    }

    /// The full path of one of the members.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A fault at one of the members.
    pub(super) fn fault(&self, name: &str, problem: Problem) -> InvalidRequest {
        InvalidRequest::new(self.path(name), problem)
    }

    /// Refuses members with other names, where the profile does.
    pub(super) fn only(&self, profile: &Profile, known: &[&[&str]]) -> Result<(), InvalidRequest> {
        match profile.unknown_members {
            UnknownMembers::Ignored => Ok(()),
            UnknownMembers::Refused => {
                let is_known = |name: &str| known.iter().any(|names| names.contains(&name));
                let unknown = self.map.keys().find(|name| !is_known(name));
                unknown.map_or(Ok(()), |name| Err(self.fault(name, Problem::Unknown)))
            }
        }
    }

    /// Whether a member is `null`, where that means to remove it.
    pub(super) fn removes(&self, profile: &Profile, name: &str) -> bool {
        profile.nulls == Nulls::Remove && self.get(name) == Some(&Value::Null)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name)
    }

    pub(super) fn string(&self, name: &str) -> Result<Option<&'a str>, InvalidRequest> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.fault(name, Problem::Type("a string"))),
        }
    }

    pub(super) fn required_string(&self, name: &str) -> Result<&'a str, InvalidRequest> {
        match self.string(name)? {
            None | Some("") => Err(self.fault(name, Problem::Missing)),
            Some(text) => Ok(text),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>, InvalidRequest> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(_) => Err(self.fault(name, Problem::Type("a boolean"))),
        }
    }

    pub(super) fn array(&self, name: &str) -> Result<Option<&'a [Value]>, InvalidRequest> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => Ok(Some(values)),
            Some(_) => Err(self.fault(name, Problem::Type("an array"))),
        }
    }

    /// The strings of an array of strings, with the path of each.
    pub(super) fn strings(
        &self,
        name: &str,
        most: usize,
    ) -> Result<Option<Vec<(&'a str, String)>>, InvalidRequest> {
        let Some(values) = self.array(name)? else { return Ok(None) };
        if values.len() > most {
            return Err(self.fault(name, Problem::TooLong(most)));
        }
        let strings = values.iter().enumerate().map(|(index, value)| {
            let path = self.path(&format!("{name}[{index}]"));
            match value {
                Value::String(text) => Ok((text.as_str(), path)),
                _ => Err(InvalidRequest::new(path, Problem::Type("a string"))),
            }
        });
        strings.collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn object(
        &self,
        name: &'a str,
    ) -> Result<Option<&'a Map<String, Value>>, InvalidRequest> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.fault(name, Problem::Type("an object"))),
        }
    }

    /// The members of an object that is itself a member of the body.
    pub(super) fn members(&self, name: &'a str) -> Result<Option<Self>, InvalidRequest> {
        Ok(self.object(name)?.map(|map| Self { map, path: name }))
    }
}

/// Reads any JSON value but refuses a member that comes twice and nesting beyond some levels.
struct Strict<'f> {
    levels: usize,
    fault: &'f mut Option<InvalidRequest>,
}

impl Strict<'_> {
    fn inner(&mut self) -> Strict<'_> {
        Strict { levels: self.levels.saturating_sub(1), fault: self.fault }
    }

    fn refuse<E: Error>(&mut self, member: String, problem: Problem) -> E {
        *self.fault = Some(InvalidRequest::new(member, problem));
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        if self.levels == 0 {
            return Err(self.refuse(String::new(), Problem::TooDeep));
        }
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self.inner())? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        if self.levels == 0 {
            return Err(self.refuse(String::new(), Problem::TooDeep));
        }
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(self.refuse(name, Problem::Duplicate));
            }
            let value = map.next_value_seed(self.inner())?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: &str) -> (String, Problem) {
        let invalid = object(body.as_bytes()).unwrap_err();
        (invalid.member, invalid.problem)
    }

    #[test]
    fn a_body_must_be_one_json_object() {
        let not_json = (String::new(), Problem::NotJson);
        for body in ["", "{", "{} {}", "nul", "{\"a\":}", "{\"a\":1,}"] {
            assert_eq!(refused(body), not_json, "{body}");
        }
        for body in ["[]", "1", "null", "\"x\""] {
            assert_eq!(refused(body), (String::new(), Problem::Type("a JSON object")), "{body}");
        }
    }

    #[test]
    fn a_member_that_comes_twice_is_named() {
        assert_eq!(refused(r#"{"a":1,"a":1}"#), ("a".to_owned(), Problem::Duplicate));
        assert_eq!(refused(r#"{"x":{"b":1,"b":2}}"#), ("b".to_owned(), Problem::Duplicate));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(16), "]".repeat(16));
        assert_eq!(refused(&deep), (String::new(), Problem::TooDeep));
        let legal = format!("{{\"a\":{}{}}}", "[".repeat(15), "]".repeat(15));
        assert_eq!(object(legal.as_bytes()).map(|map| map.len()), Ok(1));
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let body = br#"{"n":null,"b":true,"i":-1,"u":1,"f":1.5,"s":"x","a":[{}]}"#;
        let expected =
            json!({"n": null, "b": true, "i": -1, "u": 1, "f": 1.5, "s": "x", "a": [{}]});
        assert_eq!(object(body).map(Value::Object), Ok(expected));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            let _ = object(&body);
        }
    }
}
