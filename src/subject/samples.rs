//! Random subjects for property tests, of few values, so that they often meet.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{SimpleSubject, Subject};

/// Subjects of all kinds.
pub(crate) fn subject() -> impl Strategy<Value = Subject> {
    let aliases = prop::collection::vec(simple(), 1..4);
    let names = vec!["user", "tenant", "device", "session", "group", "org_unit", "x", "y"];
    let complex = prop::collection::btree_map(select(names), simple(), 1..9);
    prop_oneof![
        2 => simple().prop_map(Subject::from),
        2 => aliases.prop_map(|identifiers| {
            let mut different: Vec<SimpleSubject> = Vec::new();
            for identifier in identifiers {
                if !different.contains(&identifier) {
                    different.push(identifier);
                }
            }
            Subject::aliases(different).unwrap()
        }),
        4 => complex.prop_map(|members| Subject::complex(members).unwrap()),
    ]
}

/// Simple subjects: mostly one of three, sometimes of any format.
fn simple() -> impl Strategy<Value = SimpleSubject> {
    let frequent = select(vec!["1", "2", "3"]).prop_map(|id| SimpleSubject::opaque(id).unwrap());
    prop_oneof![4 => frequent, 1 => select(one_of_each_format())]
}

fn one_of_each_format() -> Vec<SimpleSubject> {
    let members = |value: Value| value.as_object().unwrap().clone();
    let all = [
        SimpleSubject::account("acct:user@example.com"),
        SimpleSubject::email("user@example.com"),
        SimpleSubject::iss_sub("https://idp.example.com/", "\"1\"\\\u{7f}ü"),
        SimpleSubject::phone_number("+12065550123"),
        SimpleSubject::did("did:example:1"),
        SimpleSubject::uri("urn:x:1"),
        SimpleSubject::jwt_id("i", "1"),
        SimpleSubject::saml_assertion_id("i", "1"),
        SimpleSubject::ip_addresses(["10.0.0.1", "2001:db8::1"]),
        SimpleSubject::ip_addresses(["2001:0db8::0001", "10.0.0.1", "10.0.0.1"]),
        SimpleSubject::scim("/Users/1", members(json!({"externalId": "1", "emails": [{"b": 1}]}))),
        SimpleSubject::other("x:y", members(json!({"b": [{"q": 1, "p": 0.5}], "a": null}))),
        SimpleSubject::other("x:y", members(json!({"a": null, "b": [{"p": 0.5, "q": 1}]}))),
        SimpleSubject::other("x:y", members(json!({"a": -0.0}))),
        SimpleSubject::other("x:y", members(json!({"a": 0.0}))),
    ];
    all.into_iter().map(Result::unwrap).collect()
}

/// The name of a format, known or not.
pub(crate) fn format_name() -> impl Strategy<Value = String> {
    let known = "account|email|iss_sub|opaque|phone_number|did|uri|jwt_id|saml_assertion_id\
                 |ip-addresses|scim|aliases|complex|phone";
    let known: Vec<String> = known.split('|').map(str::to_owned).collect();
    prop_oneof![9 => select(known), 1 => any::<String>()]
}

/// Any JSON, mostly such as almost is a subject.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let names = "format|uri|email|iss|sub|id|phone_number|url|jti|issuer|assertion_id\
                 |ip-addresses|externalId|identifiers|user|subject_type|";
    let names: Vec<String> = names.split('|').map(str::to_owned).collect();
    let leaf = prop_oneof![
        4 => format_name().prop_map(Value::from),
        2 => any::<String>().prop_map(Value::from),
        2 => select(vec!["acct:a@b", "a@b", "+12", "did:a:b", "a:b", "/a/b", "::1"]).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let member = (select(names.clone()), inner.clone());
        let object =
            (format_name(), prop::collection::vec(member, 0..4)).prop_map(|(f, members)| {
                let format = ("format".to_owned(), Value::from(f));
                Value::Object(std::iter::once(format).chain(members).collect())
            });
        prop_oneof![4 => object, 1 => prop::collection::vec(inner, 0..3).prop_map(Value::from)]
    })
}
