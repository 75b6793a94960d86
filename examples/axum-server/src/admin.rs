//! The admin API: emission and operation over HTTP, behind the admin token.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ssf_transmitter::auth::tokens::StaticTokens;
use ssf_transmitter::auth::{Authenticator, Caller};
use ssf_transmitter::clock::SystemClock;
use ssf_transmitter::error::Error;
use ssf_transmitter::event::Event;
use ssf_transmitter::id::{
    Audience, ClientId, EventType, IdempotencyKey, OrderKey, Owner, StreamId, TenantId, Txn,
};
use ssf_transmitter::protocol::{Credentials, bearer_token};
use ssf_transmitter::routing::Explanation;
use ssf_transmitter::secret::Secret;
use ssf_transmitter::store::{DeadLetter, StreamOverview};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Transmitter;

/// The admin API, if there is a token for it, and the health check.
pub(crate) fn routes(transmitter: &Transmitter, token: Option<&Secret>) -> Router {
    let public = Router::new().route("/healthz", get(|| async { Json(json!({"status": "ok"})) }));
    let Some(guard) = token.and_then(guard) else { return public };
    let admin = Router::new()
        .route("/admin/events", post(emit))
        .route("/admin/explain", post(explain))
        .route("/admin/streams", get(list))
        .route("/admin/streams/{id}/status", post(set_status))
        .route("/admin/streams/{id}/dead-letters", get(dead_letters))
        .with_state(transmitter.clone())
        .layer(middleware::from_fn_with_state(Arc::new(guard), authorise));
    public.merge(admin)
}

/// The operator's token, compared like any other: as a digest, in constant time.
fn guard(token: &Secret) -> Option<StaticTokens> {
    let owner = Owner::new(TenantId::parse("admin").ok()?, ClientId::parse("admin").ok()?);
    let caller = Caller::new(owner, Audience::parse("admin").ok()?, []);
    StaticTokens::new().with_receiver(token, caller).ok()
}

async fn authorise(
    State(guard): State<Arc<StaticTokens>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers().get_all(header::AUTHORIZATION);
    if let Credentials::Token(token) = bearer_token(headers.iter().map(|value| value.as_bytes()))
        && guard.authenticate(&token, SystemClock::read()).await.is_ok()
    {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"admin\"")];
    (challenge, refuse(StatusCode::UNAUTHORIZED, "the admin token is required")).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewEvent {
    subject: Value,
    event_type: EventType,
    event: Map<String, Value>,
    txn: Option<Txn>,
    order_key: Option<OrderKey>,
}

async fn emit(
    State(transmitter): State<Transmitter>,
    headers: HeaderMap,
    body: Result<Json<NewEvent>, JsonRejection>,
) -> Result<Response, Refused> {
    let Json(new) = body.map_err(|e| Refused::bad(e.body_text()))?;
    let subject =
        Subject::parse(&new.subject).map_err(|e| Refused::bad(format!("subject: {e}")))?;
    let mut event = Event::new(new.event_type, subject).with_members(new.event);
    if let Some(txn) = new.txn {
        event = event.with_txn(txn);
    }
    if let Some(key) = new.order_key {
        event = event.with_order_key(key);
    }
    if let Some(key) = headers.get("idempotency-key") {
        let key = key.to_str().ok().and_then(|key| IdempotencyKey::parse(key).ok());
        let key = key.ok_or_else(|| Refused::bad("Idempotency-Key: is not a key"))?;
        event = event.with_idempotency_key(key);
    }
    let emission = transmitter.emit(event).await?;
    let sets: Vec<_> = emission
        .sets
        .iter()
        .map(|set| json!({"stream_id": set.stream_id, "jti": set.jti}))
        .collect();
    let body = json!({"txn": emission.txn, "sets": sets});
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    subject: Value,
    event_type: EventType,
    stream_id: String,
}

/// Would an event be delivered, and if not, which rule stops it?
async fn explain(
    State(transmitter): State<Transmitter>,
    body: Result<Json<Question>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(question) = body.map_err(|e| Refused::bad(e.body_text()))?;
    let subject =
        Subject::parse(&question.subject).map_err(|e| Refused::bad(format!("subject: {e}")))?;
    let event = Event::new(question.event_type, subject);
    let explanation = transmitter.explain(&event, &stream(&question.stream_id)?).await?;
    let (outcome, rule) = match explanation {
        Explanation::Delivered => ("delivered", None),
        Explanation::Held => ("held", Some("status")),
        Explanation::Stopped(rule) => ("stopped", Some(rule.as_str())),
        _ => ("unknown", None),
    };
    let delivered = explanation == Explanation::Delivered;
    Ok(Json(json!({"delivered": delivered, "outcome": outcome, "rule": rule})))
}

/// How many streams are read at a time.
const PAGE: usize = 500;

async fn list(State(transmitter): State<Transmitter>) -> Result<Json<Value>, Refused> {
    let (mut streams, now) = (Vec::new(), SystemClock::read());
    let mut after = None;
    loop {
        let page = transmitter.streams(after.as_ref(), PAGE).await?;
        streams.extend(page.iter().map(|stream| overview(stream, now)));
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.record.stream_id.clone()),
            _ => return Ok(Json(json!({"streams": streams}))),
        }
    }
}

fn overview(stream: &StreamOverview, now: Timestamp) -> Value {
    let StreamOverview { record, health, .. } = stream;
    json!({
        "stream_id": record.stream_id,
        "client_id": record.owner.client,
        "status": record.status,
        "reason": record.reason,
        "backlog": stream.backlog,
        "oldest_pending_age": stream.oldest_pending.map(|at| now.since(at).as_secs_f64()),
        "last_success": health.last_success.map(|at| at.to_string()),
        "last_error": health.last_error.as_ref()
            .map(|error| json!({"at": error.at.to_string(), "error": error.what})),
        "next_attempt": stream.next_attempt.map(|at| at.to_string()),
        "breaker": health.breaker(now).as_str(),
        "dead_letters": stream.dead_letters,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStatus {
    status: StreamStatus,
    reason: Option<String>,
}

async fn set_status(
    State(transmitter): State<Transmitter>,
    Path(id): Path<String>,
    body: Result<Json<NewStatus>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(new) = body.map_err(|e| Refused::bad(e.body_text()))?;
    let record = transmitter.set_status(&stream(&id)?, new.status, new.reason).await?;
    let body = json!({
        "stream_id": record.stream_id, "status": record.status, "reason": record.reason
    });
    Ok(Json(body))
}

/// How many dead letters are shown.
const LETTERS: usize = 1000;

async fn dead_letters(
    State(transmitter): State<Transmitter>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let letters = transmitter.dead_letters(&stream(&id)?, LETTERS).await?;
    let letters: Vec<_> = letters.iter().map(letter).collect();
    Ok(Json(json!({"dead_letters": letters})))
}

fn letter(letter: &DeadLetter) -> Value {
    json!({
        "jti": letter.jti,
        "reason": format!("{:?}", letter.reason),
        "emitted_at": letter.emitted_at.to_string(),
        "dead_at": letter.dead_at.to_string(),
        "claims": serde_json::from_str::<Value>(letter.body.as_str()).ok(),
    })
}

fn stream(id: &str) -> Result<StreamId, Refused> {
    let unknown = || Refused(StatusCode::NOT_FOUND, "there is no such stream".to_owned());
    StreamId::parse(id).map_err(|_| unknown())
}

/// A refused admin request.
struct Refused(StatusCode, String);

impl Refused {
    fn bad(reason: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, reason.into())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        // The event is the caller's; what else fails is answered as it is to receivers.
        if let Error::Event(error) = &error {
            return Self::bad(error.to_string());
        }
        let answer = error.refusal().answer();
        let status = StatusCode::from_u16(answer.status).unwrap_or_default();
        Self(status, answer.description)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        refuse(self.0, &self.1)
    }
}

fn refuse(status: StatusCode, description: &str) -> Response {
    (status, Json(json!({"error_description": description}))).into_response()
}
