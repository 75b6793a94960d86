//! Every wrong member is answered with 400 and its name, and nothing is stored or acknowledged.

use serde_json::{Value, json};
use ssf_transmitter::stream::DefaultSubjects;

use super::world::{Call, ISSUER, OWN, POLL, PUSH, World, post};

/// Asks each body with its own call and holds the fault against the member. Whatever was refused
/// left nothing behind.
fn refused(world: &World, call: &Call, faults: &[(Value, &str)]) {
    let (stored, seen) = (world.stored(), world.seen_by(OWN));
    for (body, member) in faults {
        let answer = world.ask(&call.clone().json(body));
        assert_eq!(answer.fault(), (400, (*member).to_owned()), "{body}");
        let body = answer.json();
        assert_eq!(body["error"], "invalid_request");
        let description = body["error_description"].as_str().unwrap();
        assert!(description.contains(&format!("`{member}`")) || member.is_empty(), "{description}");
    }
    assert_eq!(world.stored(), stored);
    assert_eq!(world.seen_by(OWN), seen);
}

/// The body with other values for some of its members.
fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Faults of members that creating, PATCH and PUT have in common.
fn stream_faults(stream: &Value) -> Vec<(Value, &'static str)> {
    let delivery = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
    let push = |more: Value| json!({"delivery": with(&delivery, &more)});
    let many: Vec<_> = (0..257).map(|n| format!("urn:example:{n}")).collect();
    let faults = vec![
        (json!({"delivery": null}), "delivery"),
        (json!({"delivery": PUSH}), "delivery"),
        (json!({"delivery": []}), "delivery"),
        (push(json!({"method": 1})), "delivery.method"),
        (push(json!({"method": "push"})), "delivery.method"),
        (push(json!({"method": ""})), "delivery.method"),
        (push(json!({"endpoint_url": null})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": ""})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "http://rp.example.net/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://u:p@rp.example.net/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://rp.example.net/e#f"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://127.0.0.1/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://2130706433/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://[::1]/e"})), "delivery.endpoint_url"),
        (push(json!({"endpoint_url": "https://169.254.169.254/"})), "delivery.endpoint_url"),
        (push(json!({"authorization_header": 1})), "delivery.authorization_header"),
        (push(json!({"authorization_header": ""})), "delivery.authorization_header"),
        (push(json!({"authorization_header": "a\r\nb: c"})), "delivery.authorization_header"),
        (json!({"events_requested": "urn:x:y"}), "events_requested"),
        (json!({"events_requested": {}}), "events_requested"),
        (json!({"events_requested": ["urn:x:y", null]}), "events_requested[1]"),
        (json!({"events_requested": ["not a uri"]}), "events_requested[0]"),
        (json!({"events_requested": [""]}), "events_requested[0]"),
        (json!({"events_requested": many}), "events_requested"),
        (json!({"description": 1}), "description"),
        (json!({"description": ["x"]}), "description"),
    ];
    faults.into_iter().map(|(body, member)| (with(stream, &body), member)).collect()
}

#[test]
fn a_wrong_member_of_a_creation_is_named_ssf_1_0_8_1_1_1() {
    let world = World::new();
    let mut faults = stream_faults(&json!({}));
    faults.push((json!({"delivery": {}}), "delivery.method"));
    faults.push((json!({"delivery": {"method": PUSH}}), "delivery.endpoint_url"));
    faults.push((json!({"description": null}), "description"));
    refused(&world, &post("/ssf/streams", &json!({})), &faults);
}

/// Members that a transmitter supplies, with values that are not its own.
fn mismatches(stream: &Value) -> Vec<(Value, &'static str)> {
    let faults = vec![
        (json!({"iss": "https://tr.example.com/"}), "iss"),
        (json!({"iss": null}), "iss"),
        (json!({"aud": "https://rp-2.acme.example"}), "aud"),
        (json!({"aud": ["https://rp-1.acme.example", "x"]}), "aud"),
        (json!({"events_supported": []}), "events_supported"),
        (json!({"events_delivered": []}), "events_delivered"),
        (json!({"min_verification_interval": 0}), "min_verification_interval"),
        (json!({"min_verification_interval": "10"}), "min_verification_interval"),
        (json!({"inactivity_timeout": 60}), "inactivity_timeout"),
    ];
    faults.into_iter().map(|(body, member)| (with(stream, &body), member)).collect()
}

#[test]
fn a_wrong_member_of_a_change_is_named_ssf_1_0_8_1_1_3() {
    let world = World::new();
    let stream = json!({"stream_id": world.poll_stream(OWN)});
    let patch = Call::new("PATCH", "/ssf/streams");
    refused(&world, &patch, &stream_faults(&stream));
    refused(&world, &patch, &mismatches(&stream));
    let elsewhere = json!({"delivery": {"endpoint_url": "https://rp.example.net/e"}});
    let incomplete = json!({"delivery": {"method": PUSH}});
    refused(
        &world,
        &patch,
        &[
            (with(&stream, &elsewhere), "delivery.endpoint_url"),
            (with(&stream, &incomplete), "delivery.endpoint_url"),
        ],
    );
}

#[test]
fn a_wrong_member_of_a_replacement_is_named_ssf_1_0_8_1_1_4() {
    let world = World::new();
    let stream = json!({"stream_id": world.poll_stream(OWN)});
    let put = Call::new("PUT", "/ssf/streams");
    refused(&world, &put, &stream_faults(&stream));
    refused(&world, &put, &mismatches(&stream));
    let elsewhere = json!({"method": POLL, "endpoint_url": "https://rp.example.net/e"});
    refused(
        &world,
        &put,
        &[
            (with(&stream, &json!({"delivery": {}})), "delivery.method"),
            (with(&stream, &json!({"delivery": elsewhere})), "delivery.endpoint_url"),
            (with(&stream, &json!({"events_requested": null})), "events_requested"),
        ],
    );
    let delivery = json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"});
    let push = json!({"stream_id": world.create(OWN, &json!({"delivery": delivery}))});
    // Nobody stops receiving pushes by leaving something out.
    refused(&world, &put, &[(push, "delivery")]);
}

#[test]
fn a_wrong_member_of_a_status_is_named_ssf_1_0_8_1_2_3() {
    let world = World::new();
    let stream = json!({"stream_id": world.poll_stream(OWN), "status": "paused"});
    let faults = [
        (json!({"stream_id": stream["stream_id"]}), "status"),
        (with(&stream, &json!({"status": ""})), "status"),
        (with(&stream, &json!({"status": "Paused"})), "status"),
        (with(&stream, &json!({"status": null})), "status"),
        (with(&stream, &json!({"reason": 1})), "reason"),
        (with(&stream, &json!({"reason": "x".repeat(1_025)})), "reason"),
    ];
    refused(&world, &post("/ssf/status", &json!({})), &faults);
}

#[test]
fn a_wrong_member_of_a_verification_is_named_ssf_1_0_8_1_4_2() {
    let world = World::new();
    let stream = json!({"stream_id": world.poll_stream(OWN)});
    let faults = [
        (with(&stream, &json!({"state": 1})), "state"),
        (with(&stream, &json!({"state": null})), "state"),
        (with(&stream, &json!({"state": "x".repeat(1_025)})), "state"),
    ];
    refused(&world, &post("/ssf/verify", &json!({})), &faults);
    // Nothing was counted against the interval either.
    assert_eq!(world.ask(&post("/ssf/verify", &stream)).status, 204);
}

/// Wrong subjects, and the member at fault inside each (RFC 9493 §3, SSF 1.0 §3.3 and §3.5).
fn wrong_subjects() -> Vec<(Value, &'static str)> {
    let email = json!({"format": "email", "email": "u@example.com"});
    let aliases = json!({"format": "aliases", "identifiers": [email]});
    vec![
        (json!(null), "subject"),
        (json!("u@example.com"), "subject"),
        (json!([email]), "subject"),
        (json!({}), "subject.format"),
        (json!({"format": 1}), "subject.format"),
        (json!({"subject_type": "email", "email": "u@example.com"}), "subject.format"),
        (json!({"format": "email"}), "subject.email"),
        (json!({"format": "email", "email": null}), "subject.email"),
        (json!({"format": "email", "email": "User <u@example.com>"}), "subject.email"),
        (json!({"format": "email", "email": "u@example.com", "x": 1}), "subject.x"),
        (json!({"format": "account", "uri": "u@example.com"}), "subject.uri"),
        (json!({"format": "iss_sub", "iss": "https://idp.example"}), "subject.sub"),
        (json!({"format": "iss_sub", "issuer": "x", "sub": "y"}), "subject.iss"),
        (json!({"format": "opaque", "id": ""}), "subject.id"),
        (json!({"format": "phone_number", "phone_number": "+1 206 5"}), "subject.phone_number"),
        (json!({"format": "did", "uri": "did:example:1"}), "subject.url"),
        (json!({"format": "uri", "uri": "relative"}), "subject.uri"),
        (json!({"format": "jwt_id", "iss": "x"}), "subject.jti"),
        (json!({"format": "saml_assertion_id", "issuer": "x"}), "subject.assertion_id"),
        (json!({"format": "ip-addresses", "ip-addresses": []}), "subject.ip-addresses"),
        (json!({"format": "ip-addresses", "ip-addresses": ["x"]}), "subject.ip-addresses[0]"),
        (json!({"format": "scim", "uri": "https://x.example/Users/1"}), "subject.uri"),
        (json!({"format": "aliases", "identifiers": []}), "subject.identifiers"),
        (
            json!({"format": "aliases", "identifiers": [email, aliases]}),
            "subject.identifiers[1].format",
        ),
        (json!({"format": "complex"}), "subject"),
        (json!({"format": "complex", "user": aliases}), "subject.user.format"),
        (json!({"format": "complex", "user": {"format": "email"}}), "subject.user.email"),
    ]
}

#[test]
fn a_wrong_member_of_a_subject_is_named_ssf_1_0_8_1_3() {
    let none = |config: &mut ssf_transmitter::Config| {
        config.default_subjects = DefaultSubjects::None;
    };
    let world = World::with(ISSUER, none);
    let stream = json!({"stream_id": world.poll_stream(OWN)});
    let email = json!({"format": "email", "email": "u@example.com"});
    let subjects = wrong_subjects().into_iter();
    let mut faults: Vec<_> = subjects
        .map(|(subject, member)| (with(&stream, &json!({"subject": subject})), member))
        .collect();
    faults.push((stream.clone(), "subject"));
    refused(&world, &post("/ssf/subjects/remove", &json!({})), &faults);
    let unsure = json!({"subject": email, "verified": "no"});
    faults.push((with(&stream, &unsure), "verified"));
    refused(&world, &post("/ssf/subjects/add", &json!({})), &faults);
    assert_eq!(world.emit("u@example.com"), 0, "nothing was added");

    let well_formed = with(&stream, &json!({"subject": email, "verified": false}));
    assert_eq!(world.ask(&post("/ssf/subjects/add", &well_formed)).status, 200);
    assert_eq!(world.emit("u@example.com"), 1, "and this adds");
}

#[test]
fn a_wrong_member_of_a_poll_is_named_and_nothing_is_acknowledged_rfc_8936_2_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    world.emit("u@example.com");
    let sets = world.poll(OWN, &stream, &json!({}));
    let jti = sets["sets"].as_object().unwrap().keys().next().unwrap().clone();
    let ack = json!({"ack": [jti], "setErrs": {&jti: {"err": "invalid_key"}}});
    let described = format!("setErrs.{jti}.description");
    let faults = [
        (with(&ack, &json!({"maxEvents": -1})), "maxEvents"),
        (with(&ack, &json!({"maxEvents": 1.5})), "maxEvents"),
        (with(&ack, &json!({"maxEvents": "1"})), "maxEvents"),
        (with(&ack, &json!({"maxEvents": null})), "maxEvents"),
        (with(&ack, &json!({"returnImmediately": "true"})), "returnImmediately"),
        (with(&ack, &json!({"returnImmediately": null})), "returnImmediately"),
        (with(&ack, &json!({"ack": jti})), "ack"),
        (with(&ack, &json!({"ack": [jti, 1]})), "ack[1]"),
        (with(&ack, &json!({"ack": null})), "ack"),
        (with(&ack, &json!({"setErrs": [jti]})), "setErrs"),
        (with(&ack, &json!({"setErrs": {"x": "invalid_key"}})), "setErrs.x"),
        (with(&ack, &json!({"setErrs": {"x": {}}})), "setErrs.x.err"),
        (with(&ack, &json!({"setErrs": {&jti: {"err": "x", "description": 1}}})), &described),
    ];
    refused(&world, &post(format!("/ssf/poll/{stream}"), &json!({})), &faults);
    assert_eq!(world.poll(OWN, &stream, &json!({})), sets, "it comes again with the same bytes");
}

#[test]
fn what_is_no_json_object_is_refused_as_a_whole() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let stored = world.stored();
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for call in super::world::operations(&stream).iter().filter(|call| !call.body.is_empty()) {
        for body in
            ["", " ", "{", "[]", "null", "\"x\"", "{} {}", "{\"a\":1,}", "\u{feff}{}", &deep]
        {
            assert_eq!(world.ask(&call.clone().body(body)).fault(), (400, String::new()), "{body}");
        }
        let not_utf8 = b"{\"stream_id\":\"\xff\"}".to_vec();
        assert_eq!(world.ask(&call.clone().body(not_utf8)).fault(), (400, String::new()));
        let twice = format!(r#"{{"stream_id":"{stream}","x":1,"stream_id":"{stream}"}}"#);
        assert_eq!(world.ask(&call.clone().body(twice)).fault(), (400, "stream_id".to_owned()));
    }
    assert_eq!(world.stored(), stored);
}

#[test]
fn the_name_of_a_member_comes_back_by_its_beginning() {
    let world = World::new();
    let (long, cut) = ("é".repeat(10_000), format!("{}…", "é".repeat(64)));
    let body = format!("{{\"{long}\": 1, \"{long}\": 2}}");
    let answer = world.ask(&post("/ssf/streams", &json!({})).body(body));
    assert_eq!(answer.fault(), (400, cut.clone()));
    assert_eq!(answer.json()["error_description"], format!("`{cut}` comes twice"));
    let just = "x".repeat(64);
    let body = format!("{{\"{just}\": 1, \"{just}\": 2}}");
    let answer = world.ask(&post("/ssf/streams", &json!({})).body(body));
    assert_eq!(answer.fault(), (400, just));
}
