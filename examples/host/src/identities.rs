//! The operator's API for identities: what they are like, and which changes mean which events.

use bytes::Bytes;
use http::header::{ETAG, HeaderValue, IF_MATCH};
use http::{HeaderMap, Response, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ssf_transmitter::error::Error;
use ssf_transmitter::id::{FailureId, IdentityId, ProfileName};
use ssf_transmitter::lifecycle::{Conditions, Mistakes, Mode, Report};
use ssf_transmitter::monitor::{DryRun, IdentityMonitor, MonitorError, Observed, Outcome, Retried};
use ssf_transmitter::store::{FailedEvent, StoreError};

use crate::admin::{Refused, json, parse};
use crate::explain;

/// How many failures are shown.
const FAILURES: usize = 1000;

/// `PUT /admin/identities/{id}`: what the identity is like now. `{"attributes", "profile"?,
/// "version"?, "before"?}`, or a SCIM user.
pub(crate) async fn put(
    monitor: &IdentityMonitor,
    id: &str,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    let id = identity(id)?;
    let mut body: Map<String, Value> = parse(body)?;
    let before = match body.remove("before") {
        None => None,
        Some(Value::Object(before)) => Some(before),
        Some(_) => return Err(Refused::bad("`before` must be a JSON object")),
    };
    if *body.entry("id").or_insert_with(|| id.as_str().into()) != id.as_str() {
        return Err(Refused::bad("`id` is not that of the path"));
    }
    let report = Report::parse(&body.into()).map_err(Refused::bad)?;
    let observed = match before {
        None => monitor.upsert(report).await?,
        Some(before) => monitor.change(before, report).await?,
    };
    Ok(json(StatusCode::OK, &told(&observed)))
}

/// `DELETE /admin/identities/{id}`: the identity is gone. That is a change like any other.
pub(crate) async fn remove(
    monitor: &IdentityMonitor,
    id: &str,
) -> Result<Response<Bytes>, Refused> {
    let observed = monitor.remove(identity(id)?).await?;
    Ok(json(StatusCode::OK, &told(&observed)))
}

fn identity(id: &str) -> Result<IdentityId, Refused> {
    let id = percent_decode_str(id).decode_utf8().map_err(Refused::bad)?;
    IdentityId::parse(&*id).map_err(|error| Refused::bad(format_args!("`id` {error}")))
}

fn told(observed: &Observed) -> Value {
    let events: Vec<_> = observed
        .events
        .iter()
        .map(|event| {
            json!({
                "condition": event.condition,
                "event_type": event.event_type,
                "txn": event.emission.txn,
                "sets": event.emission.sets.iter()
                    .map(|set| json!({"stream_id": set.stream_id, "jti": set.jti}))
                    .collect::<Vec<_>>(),
            })
        })
        .collect();
    let outcome = match observed.outcome {
        Outcome::Recorded => "recorded",
        Outcome::Unchanged => "unchanged",
        Outcome::Stale => "stale",
        _ => "unknown",
    };
    let failures: Vec<_> = observed.failures.iter().map(failure).collect();
    json!({"outcome": outcome, "events": events, "failures": failures})
}

/// `GET /admin/conditions`: the document, with its revision as the `ETag`.
pub(crate) async fn conditions(monitor: &IdentityMonitor) -> Result<Response<Bytes>, Refused> {
    let (revision, conditions) = monitor.conditions().await?;
    Ok(tagged(&conditions, revision))
}

/// `PUT /admin/conditions`: another document; with `If-Match` only in the place of that one.
pub(crate) async fn replace_conditions(
    monitor: &IdentityMonitor,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    let document: Value = parse(body)?;
    let conditions = match Conditions::parse(&document) {
        Ok(conditions) => conditions,
        Err(mistakes) => return Ok(mistaken(&mistakes)),
    };
    let (current, _) = monitor.conditions().await?;
    let changed =
        || Refused::new(StatusCode::PRECONDITION_FAILED, "the conditions are others by now");
    match headers.get(IF_MATCH) {
        Some(expected) if expected != "*" && *expected != tag(current) => return Err(changed()),
        _ => {}
    }
    match monitor.replace_conditions(current, conditions.clone()).await {
        Ok(revision) => Ok(tagged(&conditions, revision)),
        Err(MonitorError::Transmitter(Error::Store(StoreError::Conflict))) => Err(changed()),
        Err(error) => Err(error.into()),
    }
}

fn tagged(conditions: &Conditions, revision: u64) -> Response<Bytes> {
    let mut response = json(StatusCode::OK, conditions.document());
    if let Ok(tag) = HeaderValue::from_str(&tag(revision)) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn tag(revision: u64) -> String {
    format!("\"{revision}\"")
}

fn mistaken(mistakes: &Mistakes) -> Response<Bytes> {
    let list: Vec<_> = mistakes
        .list()
        .iter()
        .map(|it| json!({"pointer": it.pointer, "problem": it.problem.to_string()}))
        .collect();
    let body = json!({"error_description": mistakes.to_string(), "mistakes": list});
    json(StatusCode::BAD_REQUEST, &body)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Trial {
    /// Those to try; without them the present ones.
    conditions: Option<Value>,
    profile: Option<ProfileName>,
    #[serde(default)]
    before: Map<String, Value>,
    after: Map<String, Value>,
}

/// `POST /admin/conditions:dry-run`: what would be sent if an identity changed so, and to whom.
pub(crate) async fn dry_run(
    monitor: &IdentityMonitor,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    let trial: Trial = parse(body)?;
    let conditions = match &trial.conditions {
        None => monitor.conditions().await?.1,
        Some(document) => match Conditions::parse(document) {
            Ok(conditions) => conditions,
            Err(mistakes) => return Ok(mistaken(&mistakes)),
        },
    };
    let anybody = IdentityId::parse("dry-run").map_err(Refused::bad)?;
    let mut after = Report::new(anybody, trial.after);
    after.profile = trial.profile;
    let runs = monitor.dry_run(conditions, trial.before, &after).await?;
    let events: Vec<_> = runs.iter().map(run).collect();
    Ok(json(StatusCode::OK, &json!({"events": events})))
}

fn run(run: &DryRun) -> Value {
    match &run.event {
        Err(error) => json!({"condition": run.condition, "error": error.to_string()}),
        Ok(event) => json!({
            "condition": run.condition,
            "event_type": event.event_type(),
            "subject": event.subject(),
            "event": event.members(),
            "streams": run.streams.iter().map(|(stream, explanation)| {
                let mut answer = explain::told(*explanation);
                answer["stream_id"] = stream.as_str().into();
                answer
            }).collect::<Vec<_>>(),
        }),
    }
}

/// `GET /admin/identity-failures`: events that a change meant and that could not be made.
pub(crate) async fn failures(monitor: &IdentityMonitor) -> Result<Response<Bytes>, Refused> {
    let failures: Vec<_> = monitor.failures(None, FAILURES).await?.iter().map(failure).collect();
    Ok(json(StatusCode::OK, &json!({"failures": failures})))
}

fn failure(failure: &FailedEvent) -> Value {
    json!({
        "id": failure.id,
        "identity": failure.identity,
        "condition": failure.condition,
        "reason": &*failure.reason,
        "at": failure.at.to_string(),
    })
}

/// `POST /admin/identity-failures/{id}/retry`: the identity has by now what was missing.
pub(crate) async fn retry(monitor: &IdentityMonitor, id: &str) -> Result<Response<Bytes>, Refused> {
    let conflict = |reason: String| Err(Refused::new(StatusCode::CONFLICT, reason));
    match monitor.retry(&failure_id(id)?).await? {
        Retried::Emitted(emission) => Ok(json(StatusCode::OK, &json!({"txn": emission.txn}))),
        Retried::Failed(reason) => conflict(reason.to_string()),
        Retried::NoCondition => conflict("the condition is none any more".to_owned()),
        _ => Err(no_failure()),
    }
}

/// `DELETE /admin/identity-failures/{id}`: it needs no event any more.
pub(crate) async fn dismiss(
    monitor: &IdentityMonitor,
    id: &str,
) -> Result<Response<Bytes>, Refused> {
    if monitor.dismiss(&failure_id(id)?).await? {
        Ok(json(StatusCode::OK, &json!({})))
    } else {
        Err(no_failure())
    }
}

fn failure_id(id: &str) -> Result<FailureId, Refused> {
    FailureId::parse(id).map_err(|_| no_failure())
}

fn no_failure() -> Refused {
    Refused::new(StatusCode::NOT_FOUND, "there is no such failure")
}

/// How an import takes its reports, by the query `mode=baseline`, `changes` or `changes-and-new`.
pub(crate) fn mode(query: Option<&str>) -> Result<Mode, Refused> {
    match query {
        None | Some("" | "mode=changes") => Ok(Mode::Changes),
        Some("mode=baseline") => Ok(Mode::Baseline),
        Some("mode=changes-and-new") => Ok(Mode::ChangesAndNew),
        Some(_) => Err(Refused::bad("`mode` must be baseline, changes or changes-and-new")),
    }
}

impl From<MonitorError> for Refused {
    fn from(error: MonitorError) -> Self {
        match error {
            MonitorError::Transmitter(error) => error.into(),
            other => Self::bad(other),
        }
    }
}
