//! The public documents: SSF 1.0 §7, RFC 7517, RFC 9728.

use serde_json::{Value, json};

use super::world::{Answer, Call, ISSUER, World, get};

const METADATA: &str = "/.well-known/ssf-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

fn public(uri: impl Into<String>) -> Call {
    get(uri).without("authorization")
}

fn has_empty_array(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.is_empty() || values.iter().any(has_empty_array),
        Value::Object(members) => members.values().any(has_empty_array),
        _ => false,
    }
}

#[test]
fn the_metadata_has_these_members_and_no_others_ssf_1_0_7_1() {
    let answer = World::new().ask(&public(METADATA));
    let expected = json!({
        "spec_version": "1_0",
        "issuer": ISSUER,
        "jwks_uri": "https://tr.example.com/jwks.json",
        "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
        "configuration_endpoint": "https://tr.example.com/ssf/streams",
        "status_endpoint": "https://tr.example.com/ssf/status",
        "add_subject_endpoint": "https://tr.example.com/ssf/subjects/add",
        "remove_subject_endpoint": "https://tr.example.com/ssf/subjects/remove",
        "verification_endpoint": "https://tr.example.com/ssf/verify",
        "authorization_schemes":
            [{"spec_urn": "urn:ietf:rfc:6749"}, {"spec_urn": "urn:ietf:rfc:6750"}],
        "default_subjects": "ALL",
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
}

#[test]
fn a_path_of_the_issuer_is_before_endpoints_and_behind_documents_ssf_1_0_7_2_1() {
    for issuer in ["https://h.example/t1", "https://h.example/t1/"] {
        let world = World::with(issuer, |_| {});
        let metadata = world.ask(&public(format!("{METADATA}/t1"))).json();
        assert_eq!(metadata["issuer"], issuer);
        assert_eq!(metadata["configuration_endpoint"], "https://h.example/t1/ssf/streams");
        assert_eq!(metadata["jwks_uri"], "https://h.example/t1/jwks.json");
        assert_eq!(world.ask(&public("/t1/jwks.json")).status, 200);
        for elsewhere in [METADATA, "/t1/.well-known/ssf-configuration", "/jwks.json"] {
            assert_eq!(world.ask(&public(elsewhere)).status, 404, "{elsewhere}");
        }
    }
}

#[test]
fn the_key_set_holds_public_members_only_rfc_7517_5() {
    let keys = World::new().ask(&public("/jwks.json")).json();
    let [key] = keys["keys"].as_array().unwrap().as_slice() else { panic!("one key: {keys}") };
    assert_eq!(
        (&key["kid"], &key["kty"], &key["alg"]),
        (&json!("k-1"), &json!("EC"), &json!("ES256"))
    );
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(key.get(private), None, "{private}");
    }
}

/// The paths of every protected endpoint.
const PROTECTED: [&str; 6] = [
    "/ssf/streams",
    "/ssf/status",
    "/ssf/subjects/add",
    "/ssf/subjects/remove",
    "/ssf/verify",
    "/ssf/poll/s-1",
];

#[test]
fn a_resource_document_names_exactly_its_resource_rfc_9728_3_3() {
    let world = World::new();
    for path in PROTECTED.into_iter().chain([""]) {
        let document = world.ask(&public(format!("{RESOURCE}{path}")));
        let expected = json!({
            "resource": format!("{ISSUER}{path}"),
            "scopes_supported": ["ssf.read", "ssf.manage"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!((document.status, document.json()), (200, expected), "{path}");
    }
}

#[test]
fn there_is_no_document_about_what_is_no_resource_of_ours_rfc_9728_3() {
    let world = World::new();
    for path in ["/", "/jwks.json", "/ssf", "/ssf/poll/", "/ssf/poll/a/b", "/ssf/streams/", "x"] {
        assert_eq!(world.ask(&public(format!("{RESOURCE}{path}"))).status, 404, "{path}");
    }
    // The host may have other tenants: its root is not this issuer's to describe.
    let tenant = World::with("https://h.example/t1", |_| {});
    for (path, status) in [("/t1", 200), ("/t1/ssf/verify", 200), ("", 404), ("/ssf/verify", 404)] {
        assert_eq!(tenant.ask(&public(format!("{RESOURCE}{path}"))).status, status, "{path}");
    }
}

#[test]
fn a_document_has_no_empty_arrays_ssf_1_0_7_2_2() {
    let world = World::new();
    for uri in [METADATA, "/jwks.json", RESOURCE] {
        assert!(!has_empty_array(&world.ask(&public(uri)).json()), "{uri}");
    }
}

#[test]
fn a_bad_token_does_not_spoil_what_is_public() {
    let world = World::new();
    for uri in [METADATA, "/jwks.json", RESOURCE] {
        for header in ["Bearer wrong", "Bearer", "Basic dTpw", "Bearer é"] {
            let call = public(uri).header("authorization", header);
            assert_eq!(world.ask(&call).status, 200, "{uri} {header}");
        }
    }
}

#[test]
fn a_document_may_be_kept_by_caches_and_revalidated_rfc_9110_13_1_2() {
    let world = World::new();
    for uri in [METADATA, "/jwks.json", RESOURCE] {
        let fresh = world.ask(&public(uri));
        let tag = fresh.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
        assert_eq!(fresh.header("cache-control"), "public, max-age=300");
        let asked = |header: &str| world.ask(&public(uri).header("if-none-match", header));
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
            let Answer { status, headers, body } = asked(&known);
            assert_eq!((status, body.len()), (304, 0), "{uri} {known}");
            assert_eq!(headers["etag"], tag, "RFC 9110 §15.4.5");
            assert_eq!(headers["cache-control"], "public, max-age=300");
        }
        for other in ["\"x\"", "", tag.trim_matches('"')] {
            assert_eq!(asked(other), fresh, "{uri} {other}");
        }
    }
}

#[test]
fn the_validators_of_a_document_may_come_in_several_headers_rfc_9110_5_3() {
    let world = World::new();
    let tag = world.ask(&public(METADATA)).header("etag").to_owned();
    let mut call = public(METADATA).header("if-none-match", "\"x\"");
    call.headers.push(("if-none-match".to_owned(), tag.into_bytes()));
    assert_eq!(world.ask(&call).status, 304);
    let head = world.ask(&call.method("HEAD"));
    assert_eq!(
        (head.status, head.header("content-length")),
        (304, ""),
        "it is not 0, RFC 9110 8.6"
    );
}

#[test]
fn head_answers_as_get_without_the_body_rfc_9110_9_3_2() {
    let world = World::new();
    for uri in [METADATA, "/jwks.json", RESOURCE, "/nothing-here"] {
        let got = world.ask(&public(uri));
        let head = world.ask(&public(uri).method("HEAD"));
        assert_eq!(head, got.into_head(), "{uri}");
    }
}

#[test]
fn a_document_is_only_read_rfc_9110_15_5_6() {
    let world = World::new();
    for uri in [METADATA, "/jwks.json", RESOURCE] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = world.ask(&public(uri).method(method));
            assert_eq!(answer.refusal(), (405, "method_not_allowed".to_owned()), "{method} {uri}");
            assert_eq!(answer.header("allow"), "GET, HEAD");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
    }
}
