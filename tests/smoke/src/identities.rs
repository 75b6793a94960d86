//! Identities over HTTP: conditions, snapshots, dry runs, imports and failures.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::http::Client;

const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

fn conditions() -> Value {
    json!({"version": 1, "conditions": [{
        "name": "leaver",
        "when": {"attribute": "/status", "enters": {"equals": "terminated"}},
        "emit": {
            "event_type": REVOKED,
            "subject": {"format": "email", "email": {"$from": "/email"}},
            "reason": {"en": "Left the company"}
        }
    }]})
}

fn state(status: &str) -> Value {
    json!({"attributes": {"status": status, "email": "leaver@example.com"}})
}

pub(crate) async fn conditions_are_held_against_every_mistake(operator: &Client) {
    let wrong = json!({"version": 2, "conditions": [{"name": "x", "when": {}, "emit": {}}]});
    let refused = operator.put("/admin/conditions", &wrong).await.ok(400);
    assert_eq!(refused["mistakes"][0]["pointer"], "/version");
    assert!(refused["mistakes"].as_array().unwrap().len() > 3, "{refused}");
    operator.put("/admin/conditions", &conditions()).await.ok(200);
    let stored = operator.get("/admin/conditions").await;
    assert_eq!(stored.ok(200), conditions());
    assert_eq!(stored.header("etag"), "\"1\"");
}

/// Returns what was emitted: the transaction of one event, about `leaver@example.com`.
pub(crate) async fn a_change_fires_once(operator: &Client, stream: &str) -> String {
    let trial = json!({"before": state("active")["attributes"], "after": state("terminated")["attributes"]});
    let run = operator.post("/admin/conditions:dry-run", trial).await.ok(200);
    assert_eq!(run["events"][0]["subject"]["email"], "leaver@example.com");
    let to = json!({"stream_id": stream, "delivered": true, "outcome": "delivered", "rule": null});
    assert_eq!(run["events"][0]["streams"], json!([to]));

    let path = "/admin/identities/u%2F1";
    assert_eq!(operator.put(path, &state("active")).await.ok(200)["events"], json!([]));
    let fired = operator.put(path, &state("terminated")).await.ok(200);
    assert_eq!(fired["events"].as_array().unwrap().len(), 1, "{fired}");
    assert_eq!(fired["events"][0]["event_type"], REVOKED);
    let again = operator.put(path, &state("terminated")).await.ok(200);
    assert_eq!((&again["outcome"], &again["events"]), (&json!("unchanged"), &json!([])));
    operator.put(path, &json!({"attributes": 1})).await.ok(400);
    operator.put(path, &json!({"id": "u2", "attributes": {}})).await.ok(400);
    fired["events"][0]["txn"].as_str().unwrap().to_owned()
}

/// More than the largest body of any other request.
pub(crate) async fn an_import_is_taken_as_it_comes(operator: &Client, stranger: &Client) {
    let mut lines = String::new();
    for person in 0..8_000 {
        let attributes = json!({"status": "active", "padding": "x".repeat(120)});
        writeln!(lines, "{}", json!({"id": format!("p{person}"), "attributes": attributes}))
            .unwrap();
    }
    assert!(lines.len() > 1024 * 1024);
    let path = "/admin/identities:import";
    assert_eq!(stranger.send("POST", path, &lines[..200]).await.status, 401);
    let done = operator.send("POST", &format!("{path}?mode=baseline"), &lines).await.ok(200);
    assert_eq!((&done["read"], &done["recorded"]), (&json!(8_000), &json!(8_000)));
    assert_eq!(done["events"], 0);

    let bad = "{\"id\": \"p1\", \"attributes\": {}}\n\n{\"id\": 7}\n{\"id\": \"p2\"}";
    let refused = operator.send("POST", path, bad).await.ok(400);
    assert_eq!(refused["error_description"], "line 3: `id` must be a string");
    assert_eq!(refused["progress"]["recorded"], 1);
    operator.send("POST", &format!("{path}?mode=all"), bad).await.ok(400);
    for (line, fault) in [
        (r#"{"id": "p1", "attributes": {"a": 1, "a": 2}}"#, "line 1: `a` comes twice"),
        (r#"{"id": "p1"#, "line 1: is not well-formed JSON"),
        ("[]", "line 1: must be a JSON object"),
    ] {
        let refused = operator.send("POST", path, line).await.ok(400);
        assert_eq!(refused["error_description"], fault);
    }
    assert_eq!(operator.get(path).await.header("allow"), "POST");
}

pub(crate) async fn what_cannot_be_sent_is_kept(operator: &Client) {
    let path = "/admin/identities/no-address";
    operator.put(path, &json!({"attributes": {"status": "active"}})).await.ok(200);
    let kept = operator.put(path, &json!({"attributes": {"status": "terminated"}})).await.ok(200);
    assert_eq!(kept["failures"][0]["condition"], "leaver");
    let failures = operator.get("/admin/identity-failures").await.ok(200);
    assert_eq!(failures["failures"], kept["failures"]);
    let id = kept["failures"][0]["id"].as_str().unwrap();
    let retry = format!("/admin/identity-failures/{id}/retry");
    operator.post(&retry, json!({})).await.ok(409);
    let mended = json!({"attributes": {"status": "terminated", "email": "late@example.com"}});
    operator.put(path, &mended).await.ok(200);
    assert!(operator.post(&retry, json!({})).await.ok(200)["txn"].is_string());
    operator.post(&retry, json!({})).await.ok(404);
    let gone = operator.send("DELETE", path, "").await.ok(200);
    assert_eq!(gone["outcome"], "recorded");
}
