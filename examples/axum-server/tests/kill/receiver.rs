//! The receiver of pushes, who notes what comes, over which connection, and how that ends; and the
//! client of everybody else.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};

use crate::fleet::{ISSUER, Urls};

/// What happened to a subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Event {
    pub(crate) subject: String,
    pub(crate) event_type: String,
    /// Events of one subject are numbered from 0.
    pub(crate) number: u64,
}

/// A SET that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Set {
    pub(crate) jti: String,
    pub(crate) audience: String,
    pub(crate) event: Event,
    pub(crate) token: String,
}

impl Set {
    /// The SET in compact serialisation.
    pub(crate) fn read(token: &str) -> Self {
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        assert_eq!(claims["iss"], ISSUER);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (event_type, event) = claims["events"].as_object().unwrap().iter().next().unwrap();
        Self {
            jti: text(&claims["jti"]),
            audience: text(&claims["aud"]),
            event: Event {
                subject: text(&claims["sub_id"]["email"]),
                event_type: event_type.clone(),
                number: event["number"].as_u64().unwrap(),
            },
            token: token.to_owned(),
        }
    }
}

/// A push that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// Whom it was pushed to.
    pub(crate) to: String,
    pub(crate) set: Set,
    pub(crate) at: Instant,
    connection: usize,
    /// When its connection ended, if it has.
    pub(crate) connection_ended: Option<Instant>,
}

#[derive(Default)]
struct Notes {
    pushes: Vec<Push>,
    events: HashSet<Event>,
    /// When each connection ended.
    ends: Vec<Option<Instant>>,
}

pub(crate) struct Receiver {
    base: String,
    notes: Arc<Mutex<Notes>>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let notes = Arc::<Mutex<Notes>>::default();
        let shared = Arc::clone(&notes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let notes = Arc::clone(&shared);
                let connection = {
                    let mut notes = notes.lock().unwrap();
                    notes.ends.push(None);
                    notes.ends.len() - 1
                };
                tokio::spawn(async move {
                    let noting = Arc::clone(&notes);
                    let take =
                        service_fn(move |request| take(request, Arc::clone(&noting), connection));
                    let serve = http1::Builder::new().serve_connection(TokioIo::new(stream), take);
                    drop(serve.await);
                    notes.lock().unwrap().ends[connection] = Some(Instant::now());
                });
            }
        });
        Self { base, notes }
    }

    /// Where that receiver is pushed to.
    pub(crate) fn url(&self, client: &str) -> String {
        format!("{}/{client}", self.base)
    }

    /// Whether all of these have arrived.
    pub(crate) fn has(&self, events: &[Event]) -> bool {
        let notes = self.notes.lock().unwrap();
        events.iter().all(|event| notes.events.contains(event))
    }

    pub(crate) fn pushed(&self) -> Vec<Push> {
        let notes = self.notes.lock().unwrap();
        let ended =
            |push: &Push| Push { connection_ended: notes.ends[push.connection], ..push.clone() };
        notes.pushes.iter().map(ended).collect()
    }
}

async fn take(
    request: Request<Incoming>,
    notes: Arc<Mutex<Notes>>,
    connection: usize,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    *response.status_mut() = StatusCode::ACCEPTED;
    let to = request.uri().path().trim_start_matches('/').to_owned();
    // One whose sender was killed while it wrote has not arrived.
    let Ok(token) = request.into_body().collect().await else { return Ok(response) };
    let set = Set::read(std::str::from_utf8(&token.to_bytes()).unwrap());
    let mut notes = notes.lock().unwrap();
    notes.events.insert(set.event.clone());
    notes.pushes.push(Push { to, set, at: Instant::now(), connection, connection_ended: None });
    Ok(response)
}

/// Somebody who calls the servers, one after the other.
pub(crate) struct Client {
    urls: Urls,
    token: String,
    client: HyperClient<HttpConnector, Full<Bytes>>,
    turn: AtomicUsize,
}

/// A call that got no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer;

const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

impl Client {
    pub(crate) fn new(urls: Urls, token: &str) -> Self {
        let client = HyperClient::builder(TokioExecutor::new()).build_http();
        Self { urls, token: token.to_owned(), client, turn: AtomicUsize::new(0) }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value), NoAnswer> {
        self.send("GET", path, &[], String::new()).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<(u16, Value), NoAnswer> {
        self.send("POST", path, headers, body.to_string()).await
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(u16, Value), NoAnswer> {
        let base = {
            let urls = self.urls.lock().unwrap();
            urls[self.turn.fetch_add(1, Ordering::Relaxed) % urls.len()].clone()
        };
        let mut request = Request::builder().method(method).uri(base + path);
        request = request.header("authorization", format!("Bearer {}", self.token));
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let call = async {
            let request = request.body(Full::new(Bytes::from(body))).unwrap();
            let answer = self.client.request(request).await.map_err(|_| NoAnswer)?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.map_err(|_| NoAnswer)?.to_bytes();
            Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        timeout(ANSWERS_WITHIN, call).await.unwrap_or(Err(NoAnswer))
    }
}
