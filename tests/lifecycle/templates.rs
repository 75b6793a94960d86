//! Templates: subjects of every format, members of every kind, and what becomes of what is missing.

use serde_json::{Value, json};
use ssf_transmitter::Secret;
use ssf_transmitter::event::Event;
use ssf_transmitter::id::ConditionName;
use ssf_transmitter::lifecycle::{
    AttributePath, Conditions, DigestKey, Of, Snapshot, TemplateError, evaluate, plan, presets,
};

use crate::histories::{NOW, condition, conditions, identity, snapshot};

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

/// What the one condition makes of a change.
fn planned(conditions: &Conditions, before: &Value, after: &Value) -> Result<Event, TemplateError> {
    let (before, after) = (snapshot(conditions, before), snapshot(conditions, after));
    let mut planned = evaluate(conditions, &identity(), &before, &after, NOW);
    assert_eq!(planned.len(), 1, "{conditions:?}");
    planned.remove(0).event
}

fn about(subject: &Value) -> Conditions {
    let emit = json!({"event_type": REVOKED, "subject": subject});
    conditions(&[condition("c", json!({"when": {"attribute": "s", "changes": {}}, "emit": emit}))])
}

fn subject(event: &Event) -> Value {
    serde_json::to_value(event.subject()).unwrap()
}

#[test]
fn a_subject_of_every_format_is_made_of_attributes() {
    let from = |path: &str| json!({"$from": path});
    let before = json!({"s": 1});
    let after = json!({
        "s": 2, "id": "u-1", "n": 7, "mail": "u@example.com", "login": "u@example.com", "tel": "+12065550123",
        "ips": ["192.0.2.1"], "tenant": "t-1", "did": "did:example:1", "whole":
        {"format": "email", "email": "w@example.com"}
    });
    let rows = [
        (json!({"format": "email", "email": from("/mail")}), json!("u@example.com"), "/email"),
        (
            json!({"format": "iss_sub", "iss": "https://idp.example", "sub": from("/id")}),
            json!("u-1"),
            "/sub",
        ),
        (json!({"format": "opaque", "id": {"$concat": ["n", from("n")]}}), json!("n7"), "/id"),
        (
            json!({"format": "phone_number", "phone_number": from("/tel")}),
            json!("+12065550123"),
            "/phone_number",
        ),
        (
            json!({"format": "account", "uri": {"$concat": ["acct:", from("mail")]}}),
            json!("acct:u@example.com"),
            "/uri",
        ),
        (json!({"format": "did", "url": from("did")}), json!("did:example:1"), "/url"),
        (
            json!({"format": "uri", "uri": {"$concat": ["urn:user:", from("id")]}}),
            json!("urn:user:u-1"),
            "/uri",
        ),
        (
            json!({"format": "scim", "uri": {"$concat": ["/Users/", from("id")]}, "id": from("id")}),
            json!("/Users/u-1"),
            "/uri",
        ),
        (json!({"format": "jwt_id", "iss": "i", "jti": from("id")}), json!("u-1"), "/jti"),
        (
            json!({"format": "saml_assertion_id", "issuer": "i", "assertion_id": from("id")}),
            json!("u-1"),
            "/assertion_id",
        ),
        (
            json!({"format": "ip-addresses", "ip-addresses": from("ips")}),
            json!("192.0.2.1"),
            "/ip-addresses/0",
        ),
        (
            json!({"format": "complex",
                "user": {"format": "iss_sub", "iss": "i", "sub": from("id")},
                "tenant": {"format": "opaque", "id": from("tenant")}}),
            json!("t-1"),
            "/tenant/id",
        ),
        (
            json!({"format": "complex", "user": from("whole")}),
            json!("w@example.com"),
            "/user/email",
        ),
        (
            json!({"format": "aliases", "identifiers":
                [{"format": "email", "email": from("mail")}, {"format": "opaque", "id": "x"}]}),
            json!("u@example.com"),
            "/identifiers/0/email",
        ),
        // Two attributes that have the same value are one identifier.
        (
            json!({"format": "aliases", "identifiers": [
                {"format": "email", "email": from("mail")},
                {"format": "email", "email": from("login")}]}),
            json!([{"format": "email", "email": "u@example.com"}]),
            "/identifiers",
        ),
        (json!({"format": "badge", "number": from("n")}), json!(7), "/number"),
    ];
    for (template, value, at) in rows {
        let event = planned(&about(&template), &before, &after).unwrap();
        assert_eq!(subject(&event).pointer(at), Some(&value), "{template}");
        assert_eq!(event.order_key().unwrap().as_str(), "i-1");
    }
}

#[test]
fn what_a_subject_needs_and_has_not_is_an_error_never_another_subject() {
    let email = about(&json!({"format": "email", "email": {"$from": "/mail"}}));
    let error = planned(&email, &json!({"s": 1, "mail": "old@example.com"}), &json!({"s": 2}));
    let path = AttributePath::parse("mail").unwrap();
    assert_eq!(error.unwrap_err(), TemplateError::Missing(path, Of::After));

    let error = planned(&email, &json!({"s": 1}), &json!({"s": 2, "mail": "no address"}));
    assert_eq!(
        error.unwrap_err().to_string(),
        "the subject is none: `email` must be an email address"
    );
    let error = planned(&email, &json!({"s": 1}), &json!({"s": 2, "mail": null}));
    assert_eq!(error.unwrap_err().to_string(), "the subject is none: `email` must be a string");

    let concat = about(&json!({"format": "opaque", "id": {"$concat": ["n", {"$from": "n"}]}}));
    let error = planned(&concat, &json!({"s": 1}), &json!({"s": 2, "n": ["x"]}));
    assert_eq!(error.unwrap_err().to_string(), "the attribute /n is neither a text nor a number");
}

#[test]
fn a_value_is_that_before_or_after_the_change_or_the_last_there_was() {
    let of = |of: &str| about(&json!({"format": "opaque", "id": {"$from": "id", "$of": of}}));
    let id = |side: &str, before: &Value, after: &Value| {
        planned(&of(side), before, after).map(|event| subject(&event)["id"].clone()).ok()
    };
    let (old, new) = (json!({"s": 1, "id": "old"}), json!({"s": 2, "id": "new"}));
    assert_eq!(id("before", &old, &new), Some(json!("old")));
    assert_eq!(id("after", &old, &new), Some(json!("new")));
    assert_eq!(id("last", &old, &new), Some(json!("new")));
    let gone = json!({"removed": true});
    assert_eq!(id("last", &old, &gone), Some(json!("old")));
    assert_eq!(id("after", &old, &gone), None);
}

#[test]
fn members_come_from_literals_attributes_and_the_time_and_may_be_optional() {
    let emit = json!({
        "event_type": "https://schemas.openid.net/secevent/caep/event-type/risk-level-change",
        "subject": {"format": "opaque", "id": "x"},
        "members": {
            "principal": "USER",
            "current_level": {"$from": "risk"},
            "previous_level": {"$from": "risk", "$of": "before", "$optional": true},
            "event_timestamp": {"$now": "seconds"},
            "labels": ["a", {"$from": "risk"}, {"deep": {"$concat": ["r:", {"$from": "risk"}]}}]
        },
        "reason": {"en": {"$concat": ["Risk is ", {"$from": "risk"}]}}
    });
    let when = json!({"when": {"attribute": "risk", "changes": {}}, "emit": emit});
    let conditions = conditions(&[condition("c", when)]);
    let event = planned(&conditions, &json!({}), &json!({"risk": "HIGH"})).unwrap();
    let expected = json!({
        "principal": "USER", "current_level": "HIGH", "event_timestamp": 1_800_000_000,
        "labels": ["a", "HIGH", {"deep": "r:HIGH"}], "reason_admin": {"en": "Risk is HIGH"}
    });
    assert_eq!(Value::Object(event.members().clone()), expected);
    let event = planned(&conditions, &json!({"risk": "LOW"}), &json!({"risk": "HIGH"})).unwrap();
    assert_eq!(event.members()["previous_level"], "LOW");

    // What an attribute makes of it passes the same check as what is made by hand.
    let error = planned(&conditions, &json!({}), &json!({"risk": "extreme"})).unwrap_err();
    let text = "the event breaks its definition: `current_level` must be one of LOW, MEDIUM, HIGH";
    assert_eq!(error.to_string(), text);
}

#[test]
fn what_failed_can_be_planned_again_by_the_name_of_its_condition() {
    let conditions = about(&json!({"format": "opaque", "id": {"$from": "id"}}));
    let at = |state: &Value| snapshot(&conditions, state);
    let (before, after) = (at(&json!({"s": 1})), at(&json!({"s": 2})));
    let name = ConditionName::parse("c").unwrap();
    let again =
        |after: &Snapshot| plan(&conditions, &name, &identity(), &before, after, NOW).unwrap();
    assert!(again(&after).event.is_err());
    let completed = after.clone().completed(&at(&json!({"s": 3, "id": "late"})));
    assert_eq!(subject(&again(&completed).event.unwrap())["id"], "late");
    let other = ConditionName::parse("other").unwrap();
    assert!(plan(&conditions, &other, &identity(), &before, &completed, NOW).is_none());
}

#[test]
fn digests_are_compared_and_never_show_the_value() {
    let document = json!({
        "version": 1,
        "digests": ["/clearance"],
        "conditions": [condition("c", json!({
            "when": {"attribute": "clearance", "enters": {"one_of": ["none", 0]}}
        }))]
    });
    let key = |byte: &str| DigestKey::new(&Secret::new(byte.repeat(32))).unwrap();
    let plain = Conditions::parse(&document).unwrap();
    assert!(plain.wants_digests());
    let keyed = plain.clone().with_digest_key(key("k"));
    let fires = |conditions: &Conditions, before: &Snapshot, after: &Snapshot| {
        evaluate(conditions, &identity(), before, after, NOW).len()
    };
    let [high, none, zero] = [json!("high"), json!("none"), json!(0.0)]
        .map(|value| snapshot(&keyed, &json!({"clearance": value})));
    assert_eq!(fires(&keyed, &high, &none), 1);
    assert_eq!(fires(&keyed, &high, &zero), 1);
    assert_eq!(fires(&keyed, &none, &zero), 0);
    assert_eq!(fires(&keyed, &none, &high), 0);
    assert!(!serde_json::to_string(&none).unwrap().contains("none"));

    // Under another key, and without one, the earlier value is unknown.
    let other = plain.clone().with_digest_key(key("o"));
    assert_eq!(fires(&other, &high, &snapshot(&other, &json!({"clearance": "none"}))), 0);
    assert_eq!(fires(&plain, &high, &snapshot(&plain, &json!({"clearance": "none"}))), 0);
}

#[test]
fn each_preset_makes_its_event() {
    let user = json!({"format": "iss_sub", "iss": "https://idp.example", "sub":
        {"$from": "id", "$of": "last"}});
    let email = json!({"format": "email", "email": "old@example.com"});
    let id = json!({"format": "iss_sub", "iss": "https://idp.example", "sub": "u"});
    let rows = [
        (
            presets::leaver("s", &json!(["gone"]), &user),
            json!({"id": "u", "s": "here"}),
            json!({"removed": true}),
            "caep/event-type/session-revoked",
            id.clone(),
            json!({"initiating_entity": "policy", "event_timestamp": 1_800_000_000,
                "reason_admin": {"en": "No longer with the organisation"}}),
        ),
        (
            presets::account_disabled("s", &json!(["locked"]), &user),
            json!({"id": "u", "s": "ok"}),
            json!({"id": "u", "s": "locked"}),
            "risc/event-type/account-disabled",
            id.clone(),
            json!({}),
        ),
        (
            presets::account_enabled("s", &json!(["locked"]), &user),
            json!({"id": "u", "s": "locked"}),
            json!({"id": "u", "s": "ok"}),
            "risc/event-type/account-enabled",
            id.clone(),
            json!({}),
        ),
        (
            presets::credential_change("/password/changed", "password", &user),
            json!({"id": "u", "password": {"changed": 1}}),
            json!({"id": "u", "password": {"changed": 2}}),
            "caep/event-type/credential-change",
            id.clone(),
            json!({"credential_type": "password", "change_type": "update",
                "event_timestamp": 1_800_000_000,
                "reason_admin": {"en": "The credential was changed"}}),
        ),
        (
            presets::email_change("mail"),
            json!({"mail": "old@example.com"}),
            json!({"mail": "new@example.com"}),
            "risc/event-type/identifier-changed",
            email,
            json!({"new-value": "new@example.com"}),
        ),
        (
            presets::device_out_of_compliance("ok", &json!(true), &user),
            json!({"id": "u", "ok": true}),
            json!({"id": "u", "ok": false}),
            "caep/event-type/device-compliance-change",
            id.clone(),
            json!({"previous_status": "compliant", "current_status": "not-compliant",
                "event_timestamp": 1_800_000_000,
                "reason_admin": {"en": "The device no longer complies"}}),
        ),
        (
            presets::risk_level("risk", &user),
            json!({"id": "u", "risk": "LOW"}),
            json!({"id": "u", "risk": "HIGH"}),
            "caep/event-type/risk-level-change",
            id,
            json!({"principal": "USER", "current_level": "HIGH", "previous_level": "LOW",
                "event_timestamp": 1_800_000_000}),
        ),
    ];
    for (preset, before, after, event_type, about, members) in rows {
        let event = planned(&conditions(&[preset]), &before, &after).unwrap();
        assert!(event.event_type().as_str().ends_with(event_type), "{event_type}");
        assert_eq!(subject(&event), about, "{event_type}");
        assert_eq!(Value::Object(event.members().clone()), members, "{event_type}");
    }
}
