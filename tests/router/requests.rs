//! How a request may be written: cases, encodings, media types, paths.

use serde_json::json;

use super::paper::logged;
use super::world::{Call, NOTHING, OWN, World, get, operations, post};

#[test]
fn the_media_type_has_no_case_and_may_have_parameters_rfc_9110_8_3_1() {
    let world = World::new();
    let create = |media_type: &str| {
        world.ask(&post("/ssf/streams", &json!({})).header("Content-Type", media_type)).status
    };
    for json in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; x=y",
    ] {
        assert_eq!(create(json), 201, "{json}");
    }
    for other in ["", "text/plain", "application/jsonx", "application/secevent+jwt", "json", "é"] {
        assert_eq!(create(other), 415, "{other}");
    }
    let nothing = post("/ssf/streams", &json!({})).without("content-type");
    assert_eq!(world.ask(&nothing).status, 415);
}

#[test]
fn names_of_headers_have_no_case_rfc_9110_5_1() {
    let world = World::new();
    let call = Call::new("POST", "/ssf/streams")
        .without("authorization")
        .header("AUTHORIZATION", &format!("bearer {OWN}"))
        .header("CONTENT-TYPE", "application/json")
        .body("{}");
    assert_eq!(world.ask(&call).status, 201);
}

#[test]
fn a_query_may_be_percent_encoded_in_names_and_values_rfc_3986_2_1() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let encoded: String = stream.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for query in [
        format!("stream_id={encoded}"),
        format!("stream%5Fid={stream}"),
        format!("%73tream_id={stream}"),
        format!("x=1&stream_id={stream}&y"),
        format!("&&stream_id={stream}&"),
    ] {
        for path in ["/ssf/streams", "/ssf/status"] {
            let answer = world.ask(&get(format!("{path}?{query}")));
            let shown = answer.json();
            assert_eq!((answer.status, &shown["stream_id"]), (200, &json!(stream)), "{query}");
        }
    }
    let twice = get(format!("/ssf/streams?stream_id={stream}&stream%5fid={stream}"));
    assert_eq!(world.ask(&twice).fault(), (400, "stream_id".to_owned()));
}

#[test]
fn the_name_of_a_parameter_has_a_case() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let delete = Call::new("DELETE", format!("/ssf/streams?Stream_Id={stream}"));
    assert_eq!(world.ask(&delete).fault(), (400, "stream_id".to_owned()));
}

#[test]
fn a_body_where_none_belongs_is_ignored_rfc_9110_9_3_1() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for call in operations(&stream).iter().filter(|call| call.body.is_empty()) {
        for body in [b"not json".to_vec(), vec![b'x'; 2 * 1024 * 1024]] {
            // A deletion works once: the other bodies meet a stream that is gone.
            let status = world.ask(&call.clone().body(body)).status;
            let gone = call.method == "DELETE" && status == 404;
            assert!(status == 200 || status == 204 || gone, "{call:?}: {status}");
        }
    }
}

#[test]
fn a_query_where_none_belongs_is_ignored() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for call in operations(&stream).iter().filter(|call| !call.body.is_empty()) {
        let uri = format!("{}?stream_id=&stream_id=x&y", call.uri);
        let answer = world.ask(&Call { uri, ..call.clone() });
        assert!(answer.status < 300, "{call:?}: {answer:?}");
    }
}

#[test]
fn a_path_is_compared_byte_by_byte_rfc_3986_6_2_1() {
    let world = World::new();
    for uri in [
        "/",
        "/ssf",
        "/ssf/streams/",
        "//ssf/streams",
        "/SSF/streams",
        "/ssf/%73treams",
        "/ssf/./streams",
        "/x/../ssf/streams",
        "/ssf/status/",
        "/ssf/verify/",
        "/ssf/subjects",
        "/ssf/subjects/add/",
        "/ssf/poll",
        "/jwks.json/",
        "/.well-known/ssf-configuration/",
        "/.well-known/ssf-configuration/t1",
        "*",
    ] {
        let answer = world.ask(&get(uri));
        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{uri}");
    }
}

#[test]
fn head_reads_what_get_reads_and_shows_no_body_rfc_9110_9_3_2() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    for uri in [
        "/ssf/streams".to_owned(),
        format!("/ssf/streams?stream_id={stream}"),
        format!("/ssf/status?stream_id={stream}"),
        "/ssf/status".to_owned(),
        "/ssf/status?stream_id=no-such-stream".to_owned(),
        "/ssf/verify".to_owned(),
    ] {
        for token in [OWN, "wrong"] {
            let got = world.ask(&get(&uri).token(token));
            let head = world.ask(&get(&uri).token(token).method("HEAD"));
            assert_eq!(head, got.into_head(), "{uri}");
        }
    }
}

#[test]
fn an_absolute_uri_is_read_by_its_path_rfc_9112_3_2_2() {
    let world = World::new();
    assert_eq!(world.ask(&get("https://anything.example/ssf/streams")).status, 200);
    assert_eq!(world.ask(&get("tr.example.com:443").method("CONNECT")).status, 404);
}

#[test]
fn half_a_request_does_nothing_and_is_told_so_if_it_may_be_made() {
    let world = World::new();
    let stream = world.poll_stream(OWN);
    let stored = world.stored();
    for call in operations(&stream) {
        let (answer, log) = logged(|| world.ask_broken(&call));
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{call:?}");
        assert_eq!(answer.json()["error_description"], "the body is not well-formed JSON");
        assert!(log.contains("client=\"rp-1\"") && log.contains("status=400"), "{log}");
        let stranger = world.ask_broken(&call.clone().token("wrong"));
        assert_eq!(stranger.refusal(), (401, "invalid_token".to_owned()), "{call:?}");
        let idle = world.ask_broken(&call.token(NOTHING));
        assert_eq!(idle.refusal(), (403, "insufficient_scope".to_owned()));
    }
    assert_eq!(world.stored(), stored);
    assert_eq!(world.ask_broken(&get("/jwks.json")), world.ask(&get("/jwks.json")));
    assert_eq!(world.ask_broken(&get("/nothing")).status, 404);
}
