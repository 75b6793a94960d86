//! Whatever comes, the router answers, and no receiver reaches what is another's.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use ssf_transmitter::protocol::Profile;

use super::world::{
    Answer, Call, ELSEWHERE, NOTHING, OTHER, OWN, PUSH, READER, UNKNOWN, World, operations,
};

/// A world in which three receivers have streams with something in them.
fn populated() -> (World, Vec<String>) {
    let world = World::new();
    let push = json!({"delivery": {"method": PUSH, "endpoint_url": "https://rp.example.net/e"}});
    let mut streams: Vec<_> = [OWN, OTHER, ELSEWHERE].map(|token| world.poll_stream(token)).into();
    streams.extend([OWN, OTHER].map(|token| world.create(token, &push)));
    streams.extend([UNKNOWN, "a/b", ""].map(str::to_owned));
    world.emit("u@example.com");
    (world, streams)
}

/// The answer to a request of `OWN` or of nobody is sound, and the others see what they saw.
fn check(world: &World, request: Request<Bytes>) -> Result<(), TestCaseError> {
    let (other, elsewhere) = (world.seen_by(OTHER), world.seen_by(ELSEWHERE));
    let head = request.method() == Method::HEAD;
    let shown = format!("{request:?}");
    let Answer { status, headers, body } = world.handle(request);
    prop_assert!((200..500).contains(&status), "{status}: {shown}");
    if status >= 400 && !head {
        let refusal: Value = serde_json::from_slice(&body).unwrap_or_default();
        prop_assert!(refusal["error"].is_string(), "{refusal}: {shown}");
        prop_assert!(refusal["error_description"].is_string(), "{refusal}: {shown}");
        prop_assert_eq!(&headers["content-type"], "application/json");
    }
    if status == 401 {
        prop_assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
    }
    prop_assert_eq!(world.seen_by(OTHER), other, "{}", shown);
    prop_assert_eq!(world.seen_by(ELSEWHERE), elsewhere, "{}", shown);
    Ok(())
}

/// The request, unless the types of the `http` crate cannot hold it: then no server hands it over.
fn request(
    method: &str,
    uri: &str,
    headers: &[(String, Vec<u8>)],
    body: Vec<u8>,
) -> Option<Request<Bytes>> {
    let mut request = Request::new(Bytes::from(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = uri.parse::<Uri>().ok()?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(request)
}

fn built(call: &Call) -> Option<Request<Bytes>> {
    request(&call.method, &call.uri, &call.headers, call.body.clone())
}

fn method() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
            .prop_map(str::to_owned),
        1 => "[A-Z!#$%&'*+.^_`|~-]{1,12}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let known = select(vec![
        "/ssf/streams",
        "/ssf/status",
        "/ssf/subjects/add",
        "/ssf/subjects/remove",
        "/ssf/verify",
        "/ssf/poll/",
        "/jwks.json",
        "/.well-known/ssf-configuration",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-protected-resource/ssf/poll/",
    ]);
    (known, prop_oneof![2 => Just(String::new()), 1 => "[ -~]{0,20}", 1 => "\\PC{0,10}"])
        .prop_map(|(known, tail)| format!("{known}{tail}"))
}

fn query() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\?[ -~]{0,30}",
        "\\?stream_id=[ -~]{0,30}",
        "\\?(stream_id=[a-z%0-9]{0,4}&){0,3}",
    ]
}

/// A token of any receiver but those whose streams must not change.
fn authorization() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let header = |value: String| vec![("authorization".to_owned(), value.into_bytes())];
    prop_oneof![
        1 => Just(Vec::new()),
        6 => Just(header(format!("Bearer {OWN}"))),
        1 => select(vec![READER, NOTHING]).prop_map(move |token| header(format!("bearer {token}"))),
        1 => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| vec![("authorization".to_owned(), bytes)]),
    ]
}

/// Path and method of the operations of the SailPoint profile, and some of neither.
fn sailpoint_path() -> impl Strategy<Value = String> {
    select(vec![
        "/ssf/v1/streams",
        "/ssf/v1/streams",
        "/ssf/v1/streams/status",
        "/ssf/v1/streams/verify",
        "/ssf/v1/jwks",
        "/.well-known/v1/ssf-configuration",
        "/ssf/streams",
    ])
    .prop_map(str::to_owned)
}

/// A body with some members that operations know, of any kind.
fn sailpoint_body() -> impl Strategy<Value = Value> {
    let member = select(vec![
        ("stream_id", json!(UNKNOWN)),
        ("delivery", json!({"method": PUSH, "endpoint_url": "https://rp.example.net/e"})),
        ("events_requested", json!(["urn:x:y"])),
        ("description", json!("x")),
        ("status", json!("paused")),
        ("reason", json!("x")),
        ("state", json!("x")),
    ]);
    let member = (member, prop_oneof![2 => Just(None), 1 => any_json().prop_map(Some)]);
    proptest::collection::vec(member, 0..6).prop_map(|members| {
        let member = |((name, good), other): ((&str, Value), Option<Value>)| {
            (name.to_owned(), other.unwrap_or(good))
        };
        members.into_iter().map(member).collect()
    })
}

/// The answer has a status that the contract declares, and the body that goes with it.
fn check_sailpoint(world: &World, request: Request<Bytes>) -> Result<(), TestCaseError> {
    let head = request.method() == Method::HEAD;
    let shown = format!("{request:?}");
    let Answer { status, headers, body } = world.handle(request);
    let declared = [200, 201, 204, 400, 401, 403, 404, 405, 429];
    prop_assert!(declared.contains(&status), "{status}: {shown}");
    if status >= 400 && !head {
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let member = match status {
            401 => "error",
            429 => "message",
            _ => "trackingId",
        };
        prop_assert!(body[member].is_string(), "{status} {body}: {shown}");
        prop_assert_eq!(&headers["content-type"], "application/json");
    }
    prop_assert_eq!(status == 405, headers.contains_key("allow"));
    prop_assert_eq!(status == 429, headers.contains_key("retry-after"));
    Ok(())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        select(vec!["enabled", "disabled", PUSH, "urn:x:y", "https://rp.example.net/", "email"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|members| members.into_iter().collect::<Value>()),
        ]
    })
}

/// What is done to a well-formed request.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Truncate(Index),
    Insert(Index, Vec<u8>),
    Member(Index, Value),
    Add(String, Value),
    Method(String),
    Authorization(Vec<(String, Vec<u8>)>),
    MediaType(String),
    Query(String),
}

fn change() -> impl Strategy<Value = Change> {
    let name = select(vec![
        "stream_id",
        "delivery",
        "events_requested",
        "description",
        "status",
        "reason",
        "subject",
        "verified",
        "state",
        "ack",
        "setErrs",
        "maxEvents",
        "returnImmediately",
        "iss",
        "aud",
        "events_delivered",
        "x",
    ]);
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Flip(at, byte)),
        any::<Index>().prop_map(Change::Truncate),
        (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..4))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (any::<Index>(), any_json()).prop_map(|(at, value)| Change::Member(at, value)),
        (name, any_json()).prop_map(|(name, value)| Change::Add(name.to_owned(), value)),
        method().prop_map(Change::Method),
        authorization().prop_map(Change::Authorization),
        "[ -~]{0,20}".prop_map(Change::MediaType),
        query().prop_map(Change::Query),
    ]
}

fn changed(mut call: Call, change: Change) -> Call {
    let edited = |body: &[u8], edit: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        let mut value: Value = serde_json::from_slice(body).unwrap_or_default();
        if let Value::Object(members) = &mut value {
            edit(members);
            return value.to_string().into_bytes();
        }
        body.to_vec()
    };
    let length = call.body.len();
    match change {
        Change::Flip(at, byte) if length > 0 => call.body[at.index(length)] ^= byte,
        Change::Truncate(at) if length > 0 => call.body.truncate(at.index(length)),
        Change::Flip(..) | Change::Truncate(_) => {}
        Change::Insert(at, bytes) => {
            let at = at.index(length + 1);
            call.body.splice(at..at, bytes);
        }
        Change::Member(at, value) => {
            call.body = edited(&call.body, &|members| {
                let names: Vec<_> = members.keys().cloned().collect();
                if !names.is_empty() {
                    members.insert(at.get(&names).clone(), value.clone());
                }
            });
        }
        Change::Add(name, value) => {
            call.body = edited(&call.body, &|members| {
                members.insert(name.clone(), value.clone());
            });
        }
        Change::Method(method) => call.method = method,
        Change::Authorization(headers) => {
            call = call.without("authorization");
            call.headers.extend(headers);
        }
        Change::MediaType(media_type) => call = call.header("content-type", &media_type),
        Change::Query(query) => {
            let path = call.uri.split('?').next().unwrap_or_default();
            call.uri = format!("{path}{query}");
        }
    }
    call
}

proptest! {
    #[test]
    fn any_request_gets_a_sound_answer_and_changes_nothing_of_others(
        method in method(),
        path in path(),
        query in query(),
        headers in authorization(),
        media_type in prop_oneof![3 => Just("application/json".to_owned()), 1 => "[ -~]{0,20}"],
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..64),
            any_json().prop_map(|value| value.to_string().into_bytes()),
        ],
    ) {
        let (world, _) = populated();
        let mut headers = headers;
        headers.push(("content-type".to_owned(), media_type.into_bytes()));
        if let Some(request) = request(&method, &format!("{path}{query}"), &headers, body) {
            check(&world, request)?;
        }
    }

    #[test]
    fn the_sailpoint_profile_answers_with_nothing_its_contract_does_not_declare(
        method in method(),
        path in sailpoint_path(),
        query in query(),
        headers in authorization(),
        media_type in prop_oneof![9 => Just("application/json".to_owned()), 1 => "[ -~]{0,20}"],
        body in sailpoint_body(),
    ) {
        let world = World::with_profile(Profile::sailpoint());
        let mut headers = headers;
        headers.push(("content-type".to_owned(), media_type.into_bytes()));
        let body = body.to_string().into_bytes();
        if let Some(request) = request(&method, &format!("{path}{query}"), &headers, body) {
            check_sailpoint(&world, request)?;
        }
    }

    #[test]
    fn a_spoilt_request_gets_a_sound_answer_and_changes_nothing_of_others(
        stream in any::<Index>(),
        operation in any::<Index>(),
        changes in proptest::collection::vec(change(), 0..4),
    ) {
        let (world, streams) = populated();
        let calls = operations(stream.get::<String>(&streams));
        let call = changes.into_iter().fold(operation.get(&calls).clone(), changed);
        if let Some(request) = built(&call) {
            check(&world, request)?;
        }
    }
}
