//! Sources: plain JSON, SCIM users and `PatchOp` messages.

use serde_json::{Map, Value, json};
use ssf_transmitter::lifecycle::{Report, State, scim};

fn attributes(report: &Report) -> &Map<String, Value> {
    let State::Present(attributes) = &report.state else { panic!("it is gone") };
    attributes
}

#[test]
fn a_plain_report_is_read() {
    let line = json!({"id": "u-1", "profile": "staff", "version": 7, "attributes": {"s": null}});
    let report = Report::parse(&line).unwrap();
    assert_eq!(report.identity.as_str(), "u-1");
    assert_eq!(report.profile.as_ref().unwrap().as_str(), "staff");
    assert_eq!(report.version, Some(7));
    assert_eq!(attributes(&report)["s"], Value::Null);
    let line = json!({"id": "u-1", "version": "1970-01-01T00:00:01.5+00:00", "removed": true});
    let report = Report::parse(&line).unwrap();
    assert_eq!((report.version, report.state), (Some(1_500), State::Removed));
}

#[test]
fn what_is_no_report_is_refused_naming_the_member() {
    let rows = [
        (json!(1), "`` must be a JSON object"),
        (json!({"attributes": {}}), "`id` is required"),
        (json!({"id": "", "attributes": {}}), "`id` must not be empty"),
        (json!({"id": 1, "attributes": {}}), "`id` must be a string"),
        (json!({"id": "u"}), "`attributes` is required"),
        (json!({"id": "u", "attributes": []}), "`attributes` must be a JSON object"),
        (json!({"id": "u", "attributes": {}, "x": 1}), "`x` is not a member of a report"),
        (json!({"id": "u", "attributes": {}, "profile": ""}), "`profile` must not be empty"),
        (
            json!({"id": "u", "attributes": {}, "version": 1.5}),
            "`version` must be a whole number or a time of RFC 3339",
        ),
        (
            json!({"id": "u", "attributes": {}, "removed": true}),
            "`attributes` must not stand beside `removed`",
        ),
        (json!({"id": "u", "removed": "yes"}), "`removed` must be true or false"),
        (
            json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "g"}),
            "`schemas` must be a list with the schema of SCIM users",
        ),
        (json!({"schemas": [USER]}), "`id` is required"),
        (
            json!({"schemas": [USER], "id": "u", "meta": {"lastModified": "today"}}),
            "`meta.lastModified` must be a time of RFC 3339",
        ),
    ];
    for (line, text) in rows {
        assert_eq!(Report::parse(&line).unwrap_err().to_string(), text, "{line}");
    }
}

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

fn resource() -> Map<String, Value> {
    let resource = json!({
        "schemas": [USER, ENTERPRISE],
        "ID": "2819c223",
        "username": "bjensen",
        "Name": {"FamilyName": "Jensen", "middleName": null},
        "active": true,
        "password": "t1meMa$heen",
        "nickName": null,
        "roles": [],
        "emails": [
            {"value": "babs@home.example", "type": "home"},
            {"value": "bjensen@example.com", "type": "work", "Primary": true}
        ],
        ENTERPRISE: {"department": "Tours"},
        "meta": {"lastModified": "2026-11-24T10:00:00Z"}
    });
    resource.as_object().unwrap().clone()
}

#[test]
fn a_scim_user_is_read_as_conditions_address_it_rfc_7643_2() {
    let report = Report::parse(&resource().into()).unwrap();
    assert_eq!(report.identity.as_str(), "2819c223");
    assert_eq!(report.version, Some(1_795_514_400_000));
    let user = Value::Object(attributes(&report).clone());
    let at = |pointer: &str| user.pointer(pointer).cloned();
    assert_eq!(at("/userName"), Some(json!("bjensen")));
    assert_eq!(at("/name/familyName"), Some(json!("Jensen")));
    assert_eq!(at("/emails/0/value"), Some(json!("bjensen@example.com")));
    assert_eq!(at(&format!("/{ENTERPRISE}/department")), Some(json!("Tours")));
    for unassigned in ["/nickName", "/roles", "/name/middleName", "/password"] {
        assert_eq!(at(unassigned), None, "{unassigned}");
    }
}

/// The resource after these operations.
fn patched(operations: &Value) -> Result<Value, String> {
    let message = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations
    });
    scim::patch(&resource(), &message).map(Value::Object).map_err(|error| error.to_string())
}

#[test]
fn a_patch_op_is_applied_rfc_7644_3_5_2() {
    let department = format!("{ENTERPRISE}:department");
    let rows = [
        (json!({"op": "replace", "path": "active", "value": false}), "/active", json!(false)),
        (json!({"op": "Replace", "path": "ACTIVE", "value": false}), "/active", json!(false)),
        (json!({"op": "replace", "value": {"Active": false}}), "/active", json!(false)),
        (json!({"op": "add", "path": "title", "value": "Guide"}), "/title", json!("Guide")),
        (json!({"op": "remove", "path": "active"}), "/active", json!(null)),
        (
            json!({"op": "replace", "path": "name.familyName", "value": "Lee"}),
            "/name/familyName",
            json!("Lee"),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": "B"}}),
            "/name",
            json!({"familyName": "Jensen", "givenName": "B"}),
        ),
        (
            json!({"op": "add", "path": "name.givenName", "value": "B"}),
            "/name/givenName",
            json!("B"),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": "x@y.example"}),
            "/emails/1/value",
            json!("x@y.example"),
        ),
        (
            json!({"op": "replace", "path": "emails[type EQ \"HOME\" and value co \"babs\"].value",
                "value": "x@y.example"}),
            "/emails/1/value",
            json!("x@y.example"),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@e.example"}}),
            "/emails/0",
            json!({"value": "n@e.example", "type": "work", "primary": true}),
        ),
        (
            json!({"op": "remove", "path": "emails[primary eq true]"}),
            "/emails",
            json!([{"value": "babs@home.example", "type": "home"}]),
        ),
        (json!({"op": "remove", "path": "emails[value pr]"}), "/emails", json!(null)),
        (
            json!({"op": "remove", "path": "emails[type eq \"work\"].type"}),
            "/emails/0/type",
            json!(null),
        ),
        (
            json!({"op": "remove", "path": "emails[type eq \"none\"]"}),
            "/emails/1/type",
            json!("home"),
        ),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "c@d.example"}]}),
            "/emails/2/value",
            json!("c@d.example"),
        ),
        (
            json!({"op": "add", "path": "emails", "value":
                {"value": "babs@home.example", "type": "home"}}),
            "/emails/2",
            json!(null),
        ),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "c@d.example"}]}),
            "/emails",
            json!([{"value": "c@d.example"}]),
        ),
        (
            json!({"op": "replace", "path": department, "value": "Sales"}),
            "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
            json!("Sales"),
        ),
        (
            json!({"op": "replace", "path": format!("{USER}:userName"), "value": "bj"}),
            "/userName",
            json!("bj"),
        ),
        (json!({"op": "replace", "path": "active", "value": null}), "/active", json!(null)),
    ];
    for (operation, pointer, expected) in rows {
        let patched = patched(&json!([operation])).unwrap();
        let found = patched.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(found, expected, "{operation}");
    }
    let both = json!([
        {"op": "replace", "path": "active", "value": false},
        {"op": "add", "path": "active", "value": true}
    ]);
    assert_eq!(patched(&both).unwrap()["active"], true);
}

#[test]
fn a_patch_op_that_cannot_be_applied_names_its_operation_rfc_7644_3_5_2() {
    let good = json!({"op": "replace", "path": "active", "value": false});
    let rows = [
        (json!({"op": "move", "path": "active"}), "`op` must be add, remove or replace"),
        (json!({"op": "replace", "path": "", "value": 1}), "`path` cannot be read"),
        (json!({"op": "replace", "path": "a b", "value": 1}), "`path` cannot be read"),
        (json!({"op": "replace", "path": "name.", "value": 1}), "`path` cannot be read"),
        (json!({"op": "replace", "path": 1, "value": 1}), "`path` cannot be read"),
        (
            json!({"op": "replace", "path": "emails[type gt 1]", "value": 1}),
            "the filter of `path` cannot be read",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"a\" or type eq \"b\"]", "value": 1}),
            "the filter of `path` cannot be read",
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"fax\"].value", "value": 1}),
            "`path` names nothing in the resource",
        ),
        (json!({"op": "remove"}), "`path` names nothing in the resource"),
        (json!({"op": "replace", "path": "active"}), "`value` cannot stand there"),
        (json!({"op": "replace", "path": "name", "value": "x"}), "`value` cannot stand there"),
        (json!({"op": "add", "value": 1}), "`value` cannot stand there"),
    ];
    for (operation, text) in rows {
        let error = patched(&json!([good, operation])).unwrap_err();
        assert_eq!(error, format!("operation 1: {text}"), "{operation}");
    }
    let error = scim::patch(&resource(), &json!({"Operations": []})).unwrap_err();
    assert_eq!(error.to_string(), "operation 0: the message is no PatchOp");
}
