//! The SailPoint profile, row by row: its ten operations, their members, statuses and bodies.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};
use ssf_transmitter::event::types;
use ssf_transmitter::id::Scope;
use ssf_transmitter::protocol::{Operation, Profile, Refusal};
use ssf_transmitter::router::Diagnosis;
use ssf_transmitter::stream::StreamQuota;
use ssf_transmitter::testkit::block_on;

use super::world::{
    Answer, Call, ELSEWHERE, ISSUER, NOTHING, OTHER, OWN, POLL, PUSH, READER, UNKNOWN, World, get,
    post,
};

const STREAMS: &str = "/ssf/v1/streams";
const STATUS: &str = "/ssf/v1/streams/status";
const VERIFY: &str = "/ssf/v1/streams/verify";
const METADATA: &str = "/.well-known/v1/ssf-configuration";
const JWKS: &str = "/ssf/v1/jwks";
const ENDPOINT: &str = "https://rp.example.net/events";

fn world() -> World {
    World::with_profile(Profile::sailpoint())
}

fn push_to(endpoint: &str) -> Value {
    json!({"method": PUSH, "endpoint_url": endpoint})
}

fn creation() -> Value {
    json!({"delivery": push_to(ENDPOINT), "description": "first"})
}

/// The identifier of a new stream of the receiver with that token.
fn created(world: &World, token: &str) -> String {
    let answer = world.ask(&post(STREAMS, &creation()).token(token));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["stream_id"].as_str().unwrap().to_owned()
}

fn patch(body: &Value) -> Call {
    Call::new("PATCH", STREAMS).json(body)
}

fn put(body: &Value) -> Call {
    Call::new("PUT", STREAMS).json(body)
}

/// The operations that name a stream, each well formed.
fn operations_on(stream: &str) -> Vec<(Call, Operation)> {
    vec![
        (get(format!("{STREAMS}?stream_id={stream}")), Operation::ReadStream),
        (patch(&json!({"stream_id": stream, "description": "x"})), Operation::UpdateStream),
        (
            put(&json!({"stream_id": stream, "delivery": push_to(ENDPOINT)})),
            Operation::ReplaceStream,
        ),
        (get(format!("{STATUS}?stream_id={stream}")), Operation::ReadStatus),
        (post(STATUS, &json!({"stream_id": stream, "status": "paused"})), Operation::UpdateStatus),
        (post(VERIFY, &json!({"stream_id": stream, "state": "x"})), Operation::Verify),
        (Call::new("DELETE", format!("{STREAMS}?stream_id={stream}")), Operation::DeleteStream),
    ]
}

/// All eight protected operations.
fn operations(stream: &str) -> Vec<(Call, Operation)> {
    let mut operations = vec![(post(STREAMS, &creation()), Operation::CreateStream)];
    operations.extend(operations_on(stream));
    operations
}

/// Status, code and cause of a refusal with an error body, which has these members and no others.
fn refusal(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let members: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, BTreeSet::from(["causes", "detailCode", "messages", "trackingId"]));
    assert_eq!(tracking_id(answer).len(), 32);
    for texts in ["messages", "causes"] {
        let [text] = body[texts].as_array().unwrap().as_slice() else { panic!("{body}") };
        assert_eq!((&text["locale"], &text["localeOrigin"]), (&json!("en-US"), &json!("DEFAULT")));
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (answer.status, text(&body["detailCode"]), text(&body["causes"][0]["text"]))
}

fn tracking_id(answer: &Answer) -> String {
    answer.json()["trackingId"].as_str().unwrap().to_owned()
}

/// The cause of a 400.
fn bad_request(world: &World, call: &Call) -> String {
    let answer = world.ask(call);
    let (status, code, cause) = refusal(&answer);
    assert_eq!((status, code.as_str()), (400, "400.1 Bad Request Content"), "{call:?}");
    cause
}

// Documents.

#[test]
fn the_documents_are_public_whatever_token_comes_along() {
    let world = world();
    for uri in [METADATA, "/.well-known/ssf-configuration", JWKS] {
        let public = world.ask(&get(uri).without("authorization"));
        assert_eq!((public.status, public.header("content-type")), (200, "application/json"));
        for header in ["Bearer wrong", "Bearer", "Basic dTpw", "Bearer é"] {
            assert_eq!(world.ask(&get(uri).header("authorization", header)), public, "{header}");
        }
    }
}

#[test]
fn a_public_document_comes_whole_also_to_a_client_that_has_it_for_304_is_not_declared() {
    let world = world();
    for uri in [METADATA, "/.well-known/ssf-configuration", JWKS] {
        let fresh = world.ask(&get(uri));
        let tag = fresh.header("etag").to_owned();
        assert_eq!(world.ask(&get(uri).header("if-none-match", &tag)), fresh, "{uri}");
    }
}

#[test]
fn the_metadata_names_what_there_is_and_nothing_else() {
    let world = world();
    let expected = json!({
        "spec_version": "1_0",
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}{JWKS}"),
        "delivery_methods_supported": [PUSH],
        "configuration_endpoint": format!("{ISSUER}{STREAMS}"),
        "status_endpoint": format!("{ISSUER}{STATUS}"),
        "verification_endpoint": format!("{ISSUER}{VERIFY}"),
        "authorization_schemes":
            [{"spec_urn": "urn:ietf:rfc:6749"}, {"spec_urn": "urn:ietf:rfc:6750"}],
    });
    for uri in [METADATA, "/.well-known/ssf-configuration"] {
        assert_eq!(world.ask(&get(uri)).json(), expected, "{uri}");
    }
    assert_eq!(world.ask(&get(JWKS)).json()["keys"][0]["kid"], "k-1");
    for elsewhere in ["/ssf/streams", "/ssf/v1/poll/x", "/ssf/subjects/add", "/jwks.json"] {
        assert_eq!(refusal(&world.ask(&get(elsewhere))).0, 404, "{elsewhere}");
    }
}

#[test]
fn each_protected_resource_describes_itself_rfc_9728_3_3() {
    let world = world();
    for path in [STREAMS, STATUS, VERIFY] {
        let uri = format!("/.well-known/oauth-protected-resource{path}");
        let expected = json!({
            "resource": format!("{ISSUER}{path}"),
            "scopes_supported": ["sp:ssf-transmitter-streams:manage"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(world.ask(&get(uri).without("authorization")).json(), expected);
    }
}

#[test]
fn a_host_may_move_an_endpoint() {
    let mut profile = Profile::sailpoint();
    profile.locations.status = "/state".into();
    let world = World::with_profile(profile);
    let stream = created(&world, OWN);
    assert_eq!(world.ask(&get(METADATA)).json()["status_endpoint"], format!("{ISSUER}/state"));
    assert_eq!(world.ask(&get(format!("/state?stream_id={stream}"))).status, 200);
    assert_eq!(world.ask(&get(format!("{STATUS}?stream_id={stream}"))).status, 404);
    let challenged = world.ask(&get("/state").without("authorization"));
    assert!(challenged.header("www-authenticate").ends_with("oauth-protected-resource/state\""));
}

// Creation.

#[test]
fn a_created_stream_has_the_members_of_the_contract_and_no_secret() {
    let mut body = creation();
    body["delivery"]["authorization_header"] = "Bearer s3cret".into();
    body["events_requested"] = json!([types::session_revoked(), "urn:example:unknown"]);
    let answer = world().ask(&post(STREAMS, &body));
    let mut stream = answer.json();
    let stream = stream.as_object_mut().unwrap();
    assert!(stream.remove("stream_id").is_some_and(|id| id.is_string()));
    assert!(stream.remove("events_supported").is_some_and(|types| types.is_array()));
    let expected = json!({
        "iss": ISSUER,
        "aud": "https://rp-1.acme.example",
        "delivery": push_to(ENDPOINT),
        "events_requested": [types::session_revoked(), "urn:example:unknown"],
        "events_delivered": [types::session_revoked()],
        "description": "first",
        "min_verification_interval": 300,
    });
    assert_eq!((answer.status, Value::Object(stream.clone())), (201, expected));
}

#[test]
fn a_creation_needs_a_whole_push_delivery() {
    let world = world();
    let stored = world.stored();
    for (body, cause) in [
        (json!({}), "`delivery` is required"),
        (json!({"delivery": {}}), "`delivery.method` is required"),
        (json!({"delivery": {"endpoint_url": ENDPOINT}}), "`delivery.method` is required"),
        (json!({"delivery": {"method": PUSH}}), "`delivery.endpoint_url` is required"),
        (
            json!({"delivery": {"method": POLL}}),
            "`delivery.method` is not a delivery method this transmitter supports",
        ),
        (json!({"delivery": null}), "`delivery` must be an object"),
    ] {
        assert_eq!(bad_request(&world, &post(STREAMS, &body)), cause);
    }
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_client_has_one_stream_and_an_organisation_ten() {
    let mut profile = Profile::sailpoint();
    assert_eq!(profile.quota, StreamQuota::new(1).with_tenant(10));
    profile.quota = StreamQuota::new(1).with_tenant(1);
    let per_client = world();
    let first = created(&per_client, OWN);
    let create =
        |world: &World, token| refusal(&world.ask(&post(STREAMS, &creation()).token(token)));
    let forbidden = |cause: &str| (403, "403 Forbidden".to_owned(), cause.to_owned());
    let full = forbidden("the receiver has as many streams as it may have");
    assert_eq!(create(&per_client, OWN), full);
    created(&per_client, OTHER);
    per_client.ask(&Call::new("DELETE", format!("{STREAMS}?stream_id={first}")));
    created(&per_client, OWN);

    let per_tenant = World::with_profile(profile);
    created(&per_tenant, OWN);
    let full = forbidden("the tenant has as many streams as it may have");
    assert_eq!(create(&per_tenant, OTHER), full);
    created(&per_tenant, ELSEWHERE);
}

// Reading.

#[test]
fn with_an_identifier_there_is_one_stream_and_without_an_array() {
    let world = world();
    assert_eq!(world.ask(&get(STREAMS)).json(), json!([]));
    let stream = created(&world, OWN);
    let one = world.ask(&get(format!("{STREAMS}?stream_id={stream}"))).json();
    assert_eq!(one["stream_id"], stream);
    assert_eq!(world.ask(&get(STREAMS)).json(), json!([one]));
    assert_eq!(world.ask(&get(STREAMS).token(OTHER)).json(), json!([]), "another's list");
    for wrong in ["?stream_id=", "?stream_id=a&stream_id=b", "?aud=a&aud=b"] {
        bad_request(&world, &get(format!("{STREAMS}{wrong}")));
    }
}

#[test]
fn the_list_is_narrowed_to_audiences_that_contain_a_text() {
    let world = world();
    let stream = created(&world, OWN);
    for (query, found) in [
        ("aud=https%3A%2F%2Frp-1.acme.example", 1),
        ("aud=acme", 1),
        ("aud=", 1),
        ("aud=ACME", 0),
        ("aud=globex", 0),
    ] {
        let list = world.ask(&get(format!("{STREAMS}?{query}"))).json();
        assert_eq!(list.as_array().unwrap().len(), found, "{query}");
    }
    let one = world.ask(&get(format!("{STREAMS}?aud=globex&stream_id={stream}"))).json();
    assert_eq!(one["stream_id"], stream, "an identifier says which");
}

// Changes.

#[test]
fn a_patch_merges_inside_delivery_and_tells_its_time() {
    let world = world();
    let stream = created(&world, OWN);
    world.clock.advance(Duration::from_millis(1500));
    let body = json!({"stream_id": stream, "delivery": {"endpoint_url": format!("{ENDPOINT}/v2")}});
    let answer = world.ask(&patch(&body));
    let changed = answer.json();
    assert_eq!((answer.status, &changed["updatedAt"]), (200, &json!("2026-11-18T11:06:41.5Z")));
    assert_eq!(changed["delivery"], push_to(&format!("{ENDPOINT}/v2")));
    assert_eq!(changed["description"], "first");
}

#[test]
fn a_put_replaces_all_and_needs_a_delivery() {
    let world = world();
    let stream = created(&world, OWN);
    let cause = bad_request(&world, &put(&json!({"stream_id": stream, "description": "x"})));
    assert_eq!(cause, "`delivery` is required");
    let answer = world.ask(&put(&json!({"stream_id": stream, "delivery": push_to(ENDPOINT)})));
    let replaced = answer.json();
    assert_eq!((answer.status, replaced.get("description")), (200, None));
    assert_eq!(replaced["updatedAt"], "2026-11-18T11:06:40Z");
}

#[test]
fn an_answer_may_be_put_back_until_the_stream_changes_again() {
    let world = world();
    let stream = created(&world, OWN);
    let read = world.ask(&get(format!("{STREAMS}?stream_id={stream}"))).json();
    assert_eq!(world.ask(&put(&read)).status, 200, "a stream as it was read");
    let changed = world.ask(&patch(&json!({"stream_id": stream, "description": "second"}))).json();
    assert_eq!(world.ask(&put(&changed)).status, 200, "a stream as it was changed");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask(&patch(&json!({"stream_id": stream}))).status, 200);
    let stale = bad_request(&world, &put(&changed));
    assert_eq!(stale, "`updatedAt` is supplied by the transmitter and does not match");
}

#[test]
fn a_deletion_must_name_its_stream_and_has_no_body() {
    let world = world();
    let stream = created(&world, OWN);
    for query in ["", "?stream_id=", "?stream_id"] {
        let cause = bad_request(&world, &Call::new("DELETE", format!("{STREAMS}{query}")));
        assert_eq!(cause, "`stream_id` is required", "{query}");
    }
    let answer = world.ask(&Call::new("DELETE", format!("{STREAMS}?stream_id={stream}")));
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.header("content-type"), "");
    let again = world.ask(&Call::new("DELETE", format!("{STREAMS}?stream_id={stream}")));
    assert_eq!(refusal(&again).0, 404);
}

// Status and verification.

#[test]
fn a_status_has_a_reason_which_is_empty_until_one_is_given() {
    let world = world();
    let stream = created(&world, OWN);
    let read = || world.ask(&get(format!("{STATUS}?stream_id={stream}"))).json();
    let status = |status: &str, reason: &str| json!({"stream_id": stream, "status": status, "reason": reason});
    assert_eq!(read(), status("enabled", ""));
    for word in ["paused", "disabled", "enabled"] {
        let answer = world.ask(&post(STATUS, &status(word, "why")));
        assert_eq!((answer.status, answer.json()), (200, status(word, "why")));
        assert_eq!(read(), status(word, "why"));
    }
    let answer = world.ask(&post(STATUS, &json!({"stream_id": stream, "status": "paused"})));
    assert_eq!(answer.json(), status("paused", ""));
    bad_request(&world, &get(STATUS));
    bad_request(&world, &post(STATUS, &status("stopped", "")));
}

#[test]
fn an_unknown_stream_to_verify_is_400_and_never_404() {
    let world = world();
    let foreign = created(&world, OTHER);
    for unknown in [UNKNOWN, &foreign, "a/b"] {
        let cause = bad_request(&world, &post(VERIFY, &json!({"stream_id": unknown})));
        assert_eq!(cause, "there is no stream with this `stream_id`");
    }
}

#[test]
fn a_verification_too_early_is_told_how_long_to_wait() {
    let world = world();
    let stream = created(&world, OWN);
    let verify = || world.ask(&post(VERIFY, &json!({"stream_id": stream})));
    let answer = verify();
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    world.clock.advance(Duration::from_millis(1));
    let early = verify();
    assert_eq!((early.status, early.header("retry-after")), (429, "300"));
    assert_eq!(early.json(), json!({"message": "verification was requested too early"}));
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(verify().status, 204);
}

// Who may.

#[test]
fn one_scope_allows_all_eight_operations_and_no_other_any() {
    let world = world();
    let stream = created(&world, OWN);
    for (call, _) in operations(&stream) {
        for token in [READER, NOTHING] {
            let answer = world.ask(&call.clone().token(token));
            let cause = "the scope `sp:ssf-transmitter-streams:manage` is required".to_owned();
            assert_eq!(refusal(&answer), (403, "403 Forbidden".to_owned(), cause), "{call:?}");
            let challenge = answer.header("www-authenticate");
            let needed =
                "error=\"insufficient_scope\", scope=\"sp:ssf-transmitter-streams:manage\"";
            assert!(challenge.contains(needed), "{challenge}");
        }
    }
    let own = operations_on(&stream).into_iter().map(|(call, _)| world.ask(&call).status);
    assert_eq!(own.collect::<Vec<_>>(), [200, 200, 200, 200, 200, 204, 204]);
}

#[test]
fn a_host_may_ask_for_another_scope() {
    let mut profile = Profile::sailpoint();
    let read = Scope::parse("ssf.read").unwrap();
    profile.access = profile.access.with_scope(Operation::ReadStream, read);
    let world = World::with_profile(profile);
    assert_eq!(world.ask(&get(STREAMS).token(READER)).status, 200);
    assert_eq!(world.ask(&post(STREAMS, &creation()).token(READER)).status, 403);
}

#[test]
fn a_request_without_a_valid_token_has_an_error_and_a_challenge() {
    let world = world();
    for (call, _) in operations(UNKNOWN) {
        let nobody = world.ask(&call.clone().without("authorization"));
        let expected = json!({"error": "a bearer token is required"});
        assert_eq!((nobody.status, nobody.json()), (401, expected), "{call:?}");
        assert!(nobody.header("www-authenticate").starts_with("Bearer realm=\"ssf\", resource_"));
        for header in ["Bearer wrong", "Bearer a b", "Bearer", "Bearer \"x\""] {
            let bad = world.ask(&call.clone().header("authorization", header));
            let expected = json!({"error": "the access token is not valid"});
            assert_eq!((bad.status, bad.json()), (401, expected), "{header}");
            assert!(bad.header("www-authenticate").contains("error=\"invalid_token\""));
        }
    }
}

// Refusals.

/// What the operator can know of a refused request. The receiver was told the same tracking id.
fn diagnosed(world: &World, call: Call) -> Diagnosis {
    let mut request = Request::builder().method(call.method.as_str()).uri(&call.uri);
    for (name, value) in &call.headers {
        request = request.header(name, value.as_slice());
    }
    let response = block_on(world.router.handle(request.body(call.body.into()).unwrap()));
    let diagnosis = response.extensions().get::<Diagnosis>().unwrap().clone();
    let body: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["trackingId"], diagnosis.tracking_id.as_str());
    diagnosis
}

#[test]
fn a_tracking_id_is_fresh_and_the_operators_log_has_it() {
    let world = world();
    let foreign = created(&world, OTHER);
    let mut seen = BTreeSet::new();
    for (call, operation) in operations_on(&foreign) {
        let weak = diagnosed(&world, call.clone().token(NOTHING));
        assert_eq!(weak.operation, Some(operation), "who may not is known to have wanted it");
        assert!(matches!(weak.refusal, Refusal::InsufficientScope(Some(_))));
        let diagnosis = diagnosed(&world, call);
        assert!(seen.insert(weak.tracking_id), "it came twice");
        assert_eq!(diagnosis.operation, Some(operation));
        assert_eq!(diagnosis.caller.unwrap().client.as_str(), "rp-1");
        assert_eq!(diagnosis.refusal, Refusal::UnknownStream);
        assert!(seen.insert(diagnosis.tracking_id), "it came twice");
    }
}

#[test]
fn a_wrong_method_is_405_with_allow() {
    let world = world();
    for (uri, allow) in [
        (METADATA, "GET, HEAD"),
        (JWKS, "GET, HEAD"),
        (STREAMS, "DELETE, GET, HEAD, PATCH, POST, PUT"),
        (STATUS, "GET, HEAD, POST"),
        (VERIFY, "POST"),
    ] {
        let known: Vec<_> = allow.split(", ").collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
            if !known.contains(&method) {
                let answer = world.ask(&Call::new(method, uri));
                assert_eq!(refusal(&answer).0, 405, "{method} {uri}");
                assert_eq!(answer.header("allow"), allow);
            }
        }
    }
}

#[test]
fn who_brings_credentials_twice_is_400() {
    let world = world();
    let cause = bad_request(&world, &get(format!("{STREAMS}?access_token={OWN}")));
    assert_eq!(cause, "the request brings more than one credential");
}

#[test]
fn what_is_no_json_of_the_right_size_is_400() {
    let world = world();
    let stream = created(&world, OWN);
    let stored = world.stored();
    let deep = format!("{{\"stream_id\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let large = vec![b' '; world.router.body_limit(STREAMS) + 1];
    for (call, _) in operations(&stream).iter().filter(|(call, _)| !call.body.is_empty()) {
        for media_type in ["", "text/plain", "application/xml", "multipart/form-data; boundary=x"] {
            let cause = bad_request(&world, &call.clone().header("content-type", media_type));
            assert_eq!(cause, "the body must be application/json", "{media_type}");
        }
        bad_request(&world, &call.clone().without("content-type"));
        for body in
            ["", "{", "[]", "null", "1", "{} {}", &deep, "{\"a\":1,\"a\":1}", "{\"a\":1e999}"]
        {
            bad_request(&world, &call.clone().body(body));
        }
        bad_request(&world, &call.clone().body(b"{\"stream_id\":\"\xff\"}".to_vec()));
        bad_request(&world, &call.clone().body(large.clone()));
    }
    assert_eq!(world.stored(), stored);
}

#[test]
fn a_member_of_another_type_or_none_of_the_request_is_refused_and_changes_nothing() {
    let world = world();
    let stream = created(&world, OWN);
    let stored = world.stored();
    let wrong = [json!(null), json!(1), json!(true), json!({}), json!([1]), json!(["\u{e9}"])];
    let members = |name: &str| match name {
        "CREATE" | "PUT" | "PATCH" => vec!["delivery", "events_requested", "description"],
        "STATUS" => vec!["status", "reason", "stream_id"],
        _ => vec!["state", "stream_id"],
    };
    let id = json!({"stream_id": stream});
    for (name, call, body) in [
        ("CREATE", post(STREAMS, &json!({})).token(OTHER), creation()),
        ("PATCH", patch(&json!({})), id.clone()),
        ("PUT", put(&json!({})), json!({"stream_id": stream, "delivery": push_to(ENDPOINT)})),
        ("STATUS", post(STATUS, &json!({})), json!({"stream_id": stream, "status": "paused"})),
        ("VERIFY", post(VERIFY, &json!({})), id),
    ] {
        for member in members(name) {
            for value in &wrong {
                // An empty object is a `delivery` of a PATCH that changes nothing.
                if (name, member, value) != ("PATCH", "delivery", &json!({})) {
                    let mut body = body.clone();
                    body[member] = value.clone();
                    bad_request(&world, &call.clone().json(&body));
                }
            }
        }
        let mut unknown = body.clone();
        unknown["descripton"] = "misspelt".into();
        let cause = bad_request(&world, &call.clone().json(&unknown));
        assert_eq!(cause, "`descripton` is no member of this request", "{name}");
    }
    for member in ["method", "endpoint_url", "authorization_header", "x"] {
        for value in &wrong {
            let body = json!({"stream_id": stream, "delivery": {member: value}});
            bad_request(&world, &patch(&body));
        }
    }
    assert_eq!(world.stored(), stored);
}

#[test]
fn what_is_no_uri_is_refused() {
    let world = world();
    for wrong in
        ["", "x", "//rp.example", "https://rp.example/ü", "https://rp.example/%zz", "a:[b]"]
    {
        let body = json!({"delivery": push_to(wrong)});
        assert!(bad_request(&world, &post(STREAMS, &body)).starts_with("`delivery.endpoint_url` "));
        let mut body = creation();
        body["events_requested"] = json!([wrong]);
        let cause = bad_request(&world, &post(STREAMS, &body));
        assert!(cause.starts_with("`events_requested[0]` "), "{cause}");
    }
}

#[test]
fn a_foreign_stream_is_answered_as_an_unknown_one_byte_by_byte() {
    let world = world();
    let foreign = created(&world, OTHER);
    let elsewhere = created(&world, ELSEWHERE);
    let stored = world.stored();
    let told = |call: &Call| {
        let answer = world.ask(call);
        let id = tracking_id(&answer);
        let body = String::from_utf8(answer.body.to_vec()).unwrap().replace(&id, "");
        (answer.status, answer.headers, body)
    };
    let unknown = operations_on(UNKNOWN);
    for stream in [&foreign, &elsewhere] {
        for ((call, operation), (unknown, _)) in operations_on(stream).iter().zip(&unknown) {
            assert_eq!(told(call), told(unknown), "{operation:?}");
        }
    }
    assert_eq!(world.stored(), stored);
}
