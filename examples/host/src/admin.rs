//! The operator's API: emission and operation over HTTP, behind a token of its own.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::Stream;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ssf_transmitter::auth::tokens::StaticTokens;
use ssf_transmitter::auth::{Authenticator, Caller};
use ssf_transmitter::clock::SystemClock;
use ssf_transmitter::error::Error;
use ssf_transmitter::id::{Audience, ClientId, Owner, StreamId, TenantId};
use ssf_transmitter::monitor::IdentityMonitor;
use ssf_transmitter::protocol::{Credentials, bearer_token, json_object};
use ssf_transmitter::store::{Backlog, StoreError, StreamOverview, Totals};
use ssf_transmitter::stream::StreamStatus;
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Transmitter;

use crate::event::Members;
use crate::flags::Flags;
use crate::import::import;
use crate::{event, explain, identities, letters, telemetry};

/// Where the operator's API is.
const PREFIX: &str = "/admin/";
const METRICS: &str = "/metrics";
/// Where identities are imported: the one path whose body is taken as it comes.
pub(crate) const IMPORT: &str = "/admin/identities:import";
/// The largest body of an operator's request, in bytes.
pub(crate) const BODY: usize = 1024 * 1024;

/// The operator's API. Cheap to clone.
#[derive(Clone)]
pub struct Admin {
    transmitter: Transmitter,
    monitor: IdentityMonitor,
    guard: Arc<StaticTokens>,
    metrics: PrometheusHandle,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("transmitter", &self.transmitter).finish_non_exhaustive()
    }
}

impl Admin {
    /// The API over that transmitter and that monitor, if the flags have a token for it. Must be
    /// called within a tokio runtime, and once in a process: it keeps the metrics.
    ///
    /// # Errors
    /// When the token can be no bearer token.
    pub fn of(
        transmitter: &Transmitter,
        monitor: &IdentityMonitor,
        flags: &Flags,
    ) -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let Some(token) = &flags.admin_token else { return Ok(None) };
        // The operator's token is compared like any other: as a digest, in constant time.
        let owner = Owner::new(TenantId::parse("admin")?, ClientId::parse("admin")?);
        let caller = Caller::new(owner, Audience::parse("admin")?, []);
        let guard = Arc::new(StaticTokens::new().with_receiver(token, caller)?);
        let (transmitter, monitor) = (transmitter.clone(), monitor.clone());
        Ok(Some(Self { transmitter, monitor, guard, metrics: telemetry::metrics()? }))
    }

    /// Whether that path is the operator's.
    pub(crate) fn has(path: &str) -> bool {
        path == METRICS || path.starts_with(PREFIX)
    }

    /// Answers an operator's request.
    pub(crate) async fn handle(&self, request: &Request<Bytes>) -> Response<Bytes> {
        if !self.may_enter(request.headers()).await {
            return stranger();
        }
        self.answer(request).await.unwrap_or_else(|refused| refused.answer())
    }

    /// Answers an operator's request whose body broke off.
    pub(crate) async fn handle_broken(&self, headers: &HeaderMap) -> Response<Bytes> {
        if !self.may_enter(headers).await {
            return stranger();
        }
        Refused::bad("the body broke off").answer()
    }

    /// Answers an import, whose body is taken as it comes.
    pub(crate) async fn import<E>(
        &self,
        head: &Parts,
        body: impl Stream<Item = Result<Bytes, E>>,
    ) -> Response<Bytes> {
        if !self.may_enter(&head.headers).await {
            return stranger();
        }
        let imported = match identities::mode(head.uri.query()) {
            Ok(mode) => import(&self.monitor, mode, body).await,
            Err(refused) => Err(refused),
        };
        imported.unwrap_or_else(|refused| refused.answer())
    }

    async fn may_enter(&self, headers: &HeaderMap) -> bool {
        let headers = headers.get_all(AUTHORIZATION);
        let Credentials::Token(token) = bearer_token(headers.iter().map(HeaderValue::as_bytes))
        else {
            return false;
        };
        self.guard.authenticate(&token, SystemClock::read()).await.is_ok()
    }

    async fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refused> {
        if request.body().len() > BODY {
            return Err(Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        let path = request.uri().path();
        if path == METRICS {
            return self.show_metrics(request.method()).await;
        }
        let path = path.strip_prefix(PREFIX).unwrap_or_default();
        let path: Vec<&str> = path.split('/').collect();
        match (request.method().as_str(), path.as_slice()) {
            ("POST", ["events"]) => self.emit(request).await,
            ("POST", ["explain"]) => explain::answer(&self.transmitter, request).await,
            ("GET", ["streams"]) => self.list().await,
            ("POST", ["streams", id, "status"]) => self.set_status(id, request.body()).await,
            ("GET", ["streams", id, "dead-letters"]) => {
                let query = request.uri().query().unwrap_or_default();
                letters::list(&self.transmitter, id, query).await
            }
            ("POST", ["streams", id, "dead-letters", "redrive"]) => {
                letters::redrive(&self.transmitter, id, request.body()).await
            }
            (
                _,
                ["events" | "explain"]
                | ["streams", _, "status"]
                | ["streams", _, "dead-letters", "redrive"],
            ) => Ok(only("POST")),
            (_, ["streams"] | ["streams", _, "dead-letters"]) => Ok(only("GET")),
            _ => self.lifecycle(request, &path).await,
        }
    }

    /// What is about identities: which changes of them mean which events.
    async fn lifecycle(
        &self,
        request: &Request<Bytes>,
        path: &[&str],
    ) -> Result<Response<Bytes>, Refused> {
        let (monitor, body) = (&self.monitor, request.body());
        match (request.method().as_str(), path) {
            ("PUT", ["identities", id]) => identities::put(monitor, id, body).await,
            ("DELETE", ["identities", id]) => identities::remove(monitor, id).await,
            ("GET", ["conditions"]) => identities::conditions(monitor).await,
            ("PUT", ["conditions"]) => {
                identities::replace_conditions(monitor, request.headers(), body).await
            }
            ("POST", ["conditions:dry-run"]) => identities::dry_run(monitor, body).await,
            ("GET", ["identity-failures"]) => identities::failures(monitor).await,
            ("POST", ["identity-failures", id, "retry"]) => identities::retry(monitor, id).await,
            ("DELETE", ["identity-failures", id]) => identities::dismiss(monitor, id).await,
            (_, ["identities", _]) => Ok(only("PUT, DELETE")),
            (_, ["conditions"]) => Ok(only("GET, PUT")),
            (
                _,
                ["identities:import" | "conditions:dry-run"] | ["identity-failures", _, "retry"],
            ) => Ok(only("POST")),
            (_, ["identity-failures"]) => Ok(only("GET")),
            (_, ["identity-failures", _]) => Ok(only("DELETE")),
            _ => Err(Refused::new(StatusCode::NOT_FOUND, "there is nothing at this path")),
        }
    }
}

/// What somebody is told who is not the operator.
fn stranger() -> Response<Bytes> {
    let refused = Refused::new(StatusCode::UNAUTHORIZED, "the admin token is required");
    with(refused.answer(), WWW_AUTHENTICATE, "Bearer realm=\"admin\"")
}

impl Admin {
    /// The metrics in the text format of Prometheus.
    async fn show_metrics(&self, method: &Method) -> Result<Response<Bytes>, Refused> {
        if method != Method::GET {
            return Ok(only("GET"));
        }
        self.transmitter.update_gauges().await?;
        let response = Response::new(Bytes::from(self.metrics.render()));
        Ok(with(response, CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
    }

    async fn emit(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Refused> {
        let mut members = Members::of(request.body())?;
        let event = event::take(&mut members, request.headers())?;
        members.end()?;
        let emission = self.transmitter.emit(event).await?;
        let sets: Vec<_> = emission
            .sets
            .iter()
            .map(|set| json!({"stream_id": set.stream_id, "jti": set.jti}))
            .collect();
        Ok(json(StatusCode::ACCEPTED, &json!({"txn": emission.txn, "sets": sets})))
    }
}

/// How many streams are read at a time.
const PAGE: usize = 500;

impl Admin {
    async fn list(&self) -> Result<Response<Bytes>, Refused> {
        let (mut streams, now) = (Vec::new(), SystemClock::read());
        let mut after = None;
        loop {
            let page = self.transmitter.streams(after.as_ref(), PAGE).await?;
            streams.extend(page.iter().map(|stream| overview(stream, now)));
            match page.last() {
                Some(last) if page.len() == PAGE => after = Some(last.record.stream_id.clone()),
                _ => return Ok(json(StatusCode::OK, &json!({"streams": streams}))),
            }
        }
    }
}

fn overview(stream: &StreamOverview, now: Timestamp) -> Value {
    let StreamOverview { record, health, .. } = stream;
    json!({
        "stream_id": record.stream_id,
        "client_id": record.owner.client,
        "status": record.status,
        "reason": record.whole_reason(),
        "backlog": stream.backlog.entries(),
        "backlog_is_estimate": matches!(stream.backlog, Backlog::About(_)),
        "oldest_pending_age": stream.oldest_pending.map(|at| now.since(at).as_secs_f64()),
        "last_success": health.last_success.map(|at| at.to_string()),
        "last_error": health.last_error.as_ref()
            .map(|error| json!({"at": error.at.to_string(), "error": error.what})),
        "next_attempt": stream.next_attempt.map(|at| at.to_string()),
        "breaker": health.breaker(now).as_str(),
        "dead_letters": stream.dead_letters,
        "totals": totals(&stream.totals),
    })
}

fn totals(totals: &Totals) -> Value {
    json!({
        "accepted": totals.accepted,
        "redriven": totals.redriven,
        "waiting": totals.waiting,
        "delivered": totals.delivered,
        "delivered_unusually": totals.delivered_unusually,
        "dead": totals.dead,
        "dead_by_held_limit": totals.dead_by_held_limit,
        "discarded_disabled": totals.discarded_disabled,
        "discarded_replaced": totals.discarded_replaced,
        "tokens_replaced": totals.tokens_replaced,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewStatus {
    status: StreamStatus,
    reason: Option<String>,
}

impl Admin {
    async fn set_status(&self, id: &str, body: &[u8]) -> Result<Response<Bytes>, Refused> {
        let new: NewStatus = parse(body)?;
        let record = self.transmitter.set_status(&stream(id)?, new.status, new.reason).await?;
        let body = json!({
            "stream_id": record.stream_id, "status": record.status, "reason": record.whole_reason()
        });
        Ok(json(StatusCode::OK, &body))
    }
}

pub(crate) fn stream(id: &str) -> Result<StreamId, Refused> {
    let unknown = |_| Refused::new(StatusCode::NOT_FOUND, "there is no such stream");
    StreamId::parse(id).map_err(unknown)
}

/// Reads a body as strictly as a receiver's: of two members of one name none is taken.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let body = json_object(body).map_err(Refused::bad)?;
    serde_json::from_value(body.into()).map_err(Refused::bad)
}

/// A refused operator's request.
pub(crate) struct Refused {
    status: StatusCode,
    description: String,
}

impl Refused {
    pub(crate) fn new(status: StatusCode, description: impl fmt::Display) -> Self {
        Self { status, description: description.to_string() }
    }

    pub(crate) fn bad(reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, reason)
    }

    fn answer(&self) -> Response<Bytes> {
        json(self.status, &json!({"error_description": self.description}))
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        // The event is the caller's; what else fails is answered as it is to receivers.
        if let Error::Event(error) = &error {
            return Self::bad(error);
        }
        if let Error::Store(refused @ StoreError::StreamDisabled) = &error {
            return Self::new(StatusCode::CONFLICT, refused);
        }
        let answer = error.refusal().answer();
        Self::new(StatusCode::from_u16(answer.status).unwrap_or_default(), answer.description)
    }
}

fn only(method: &'static str) -> Response<Bytes> {
    let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, format_args!("allowed: {method}"));
    with(refused.answer(), ALLOW, method)
}

pub(crate) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "application/json")
}

fn with(
    mut response: Response<Bytes>,
    name: http::HeaderName,
    value: &'static str,
) -> Response<Bytes> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_given_twice_is_refused_and_named() {
        let bodies: [(&[u8], &str); 2] = [
            (br#"{"status":"paused","status":"enabled"}"#, "`status` comes twice"),
            (br#"{"event":{"reason":1,"reason":2}}"#, "`reason` comes twice"),
        ];
        for (body, named) in bodies {
            let refused = parse::<Value>(body).unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST);
            assert_eq!(refused.description, named);
        }
        assert!(parse::<NewStatus>(br#"{"status":"paused"}"#).is_ok());
    }
}
