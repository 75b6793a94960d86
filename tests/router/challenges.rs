//! Bearer tokens and what is answered to bad ones: RFC 6750 §2 and §3, RFC 9728 §5.1.

use std::collections::BTreeMap;

use serde_json::json;

use super::world::{Answer, Call, ISSUER, NOTHING, OWN, World, get, operations, post};

/// The parameters of the one Bearer challenge of an answer; each comes at most once.
fn challenge(answer: &Answer) -> BTreeMap<String, String> {
    let header = answer.header("www-authenticate");
    let parameters = header.strip_prefix("Bearer ").unwrap_or_else(|| panic!("Bearer: {answer:?}"));
    let mut found = BTreeMap::new();
    for parameter in parameters.split(", ") {
        let (name, value) = parameter.split_once('=').unwrap();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap();
        assert_eq!(found.insert(name.to_owned(), value.to_owned()), None, "{header}");
    }
    found
}

fn parameters(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Where the endpoint of a call describes itself.
fn described(call: &Call) -> String {
    let path = call.uri.split('?').next().unwrap();
    format!("{ISSUER}/.well-known/oauth-protected-resource{path}")
}

#[test]
fn without_credentials_the_challenge_names_no_error_rfc_6750_3_1() {
    let world = World::new();
    for call in operations("s-1") {
        let answer = world.ask(&call.clone().without("authorization"));
        let url = described(&call);
        let expected = parameters(&[("realm", "ssf"), ("resource_metadata", &url)]);
        assert_eq!((answer.status, challenge(&answer)), (401, expected));
    }
}

#[test]
fn a_bad_token_is_called_invalid_and_nothing_more_rfc_6750_3_1() {
    let world = World::new();
    for call in operations("s-1") {
        let answer = world.ask(&call.clone().token("wrong"));
        let url = described(&call);
        let expected = parameters(&[
            ("realm", "ssf"),
            ("error", "invalid_token"),
            ("error_description", "the access token is not valid"),
            ("resource_metadata", &url),
        ]);
        assert_eq!((answer.status, challenge(&answer)), (401, expected));
    }
}

#[test]
fn a_weak_token_is_told_the_scope_that_is_needed_rfc_6750_3_1() {
    let world = World::new();
    for call in operations("s-1") {
        let answer = world.ask(&call.clone().token(NOTHING));
        let scope = if call.method == "GET" { "ssf.read" } else { "ssf.manage" };
        let url = described(&call);
        let expected = parameters(&[
            ("realm", "ssf"),
            ("error", "insufficient_scope"),
            ("scope", scope),
            ("resource_metadata", &url),
        ]);
        assert_eq!((answer.status, challenge(&answer)), (403, expected), "{call:?}");
    }
}

#[test]
fn the_url_of_a_challenge_leads_to_the_document_of_the_url_called_rfc_9728_3_3() {
    let world = World::with("https://h.example/t1", |_| {});
    let answer = world.ask(&get("/t1/ssf/status?stream_id=x").without("authorization"));
    let url = challenge(&answer)["resource_metadata"].clone();
    let path = url.strip_prefix("https://h.example").unwrap();
    let document = world.ask(&get(path).without("authorization")).json();
    assert_eq!(document["resource"], "https://h.example/t1/ssf/status");
}

#[test]
fn what_is_no_stream_gets_no_place_in_a_header() {
    let world = World::new();
    for uri in ["/ssf/poll/", "/ssf/poll/a\"b", "/ssf/poll/a%22,%20x=%22b", "/ssf/poll/a/b"] {
        let answer = world.ask(&post(uri, &json!({})).without("authorization"));
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"ssf\"", "{uri}");
    }
}

#[test]
fn the_scheme_has_no_case_and_the_token_has_one_rfc_9110_11_1() {
    let world = World::new();
    let asked = |header: &str| world.ask(&get("/ssf/streams").header("authorization", header));
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(asked(&format!("{scheme} {OWN}")).status, 200, "{scheme}");
    }
    assert_eq!(asked(&format!("Bearer {}", OWN.to_uppercase())).status, 401);
}

#[test]
fn what_is_no_bearer_token_is_refused_rfc_6750_2_1() {
    let world = World::new();
    let asked = |header: &str| world.ask(&get("/ssf/streams").header("authorization", header));
    for header in ["", "Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer a,b", "Bearer é", OWN]
    {
        let answer = asked(header);
        assert_eq!(answer.status, 401, "{header}");
        assert_eq!(challenge(&answer)["realm"], "ssf", "{header}");
    }
    assert_eq!(asked("Basic dTpw").refusal(), (401, "unauthorized".to_owned()));
}

#[test]
fn who_brings_credentials_twice_is_refused_with_a_challenge_rfc_6750_2_and_3_1() {
    let world = World::new();
    let mut two_headers = get("/ssf/streams");
    two_headers.headers.push(("Authorization".to_owned(), format!("Bearer {OWN}").into_bytes()));
    let header_and_query = get(format!("/ssf/streams?x=1&access_token={OWN}"));
    for call in [two_headers, header_and_query.clone(), header_and_query.token("wrong")] {
        let answer = world.ask(&call);
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{call:?}");
        let url = described(&call);
        let expected = parameters(&[
            ("realm", "ssf"),
            ("error", "invalid_request"),
            ("error_description", "the request brings more than one credential"),
            ("resource_metadata", &url),
        ]);
        assert_eq!(challenge(&answer), expected, "{call:?}");
    }
}

#[test]
fn a_token_in_the_query_or_the_body_is_no_token_interop_2_7_1() {
    let world = World::new();
    let query = get(format!("/ssf/streams?access_token={OWN}")).without("authorization");
    assert_eq!(world.ask(&query).refusal(), (401, "unauthorized".to_owned()));
    let form = Call::new("POST", "/ssf/streams")
        .without("authorization")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("access_token={OWN}"));
    assert_eq!(world.ask(&form).refusal(), (401, "unauthorized".to_owned()));
}
