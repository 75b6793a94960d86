//! `POST /admin/explain`: would an event be delivered, and if not, which rule stops it?

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use ssf_transmitter::clock::SystemClock;
use ssf_transmitter::entropy::{Entropy, SystemEntropy};
use ssf_transmitter::id::{Audience, ClientId, EventType, IdError, Owner, StreamId, TenantId};
use ssf_transmitter::routing::Explanation;
use ssf_transmitter::stream::{DefaultSubjects, Delivery, StreamRecord, StreamStatus};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::transmitter::Transmitter;

use crate::admin::{Refused, json, stream};
use crate::event::{self, Members, subject};

/// A stream that need not exist.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hypothetical {
    events_delivered: Vec<EventType>,
    status: Option<StreamStatus>,
    /// `ALL` or `NONE`; absent, it is `ALL`.
    default_subjects: Option<String>,
    /// Those it removed when it began with all, those it added when it began with none.
    #[serde(default)]
    subjects: Vec<Value>,
}

/// Answers the question in that request: an event as it is emitted, and `stream_id`, a stream there
/// is, or `stream`, one there might be. `event` may be left out when it has no members. An event that
/// an emission would refuse is refused; nothing is emitted.
pub(crate) async fn answer(
    transmitter: &Transmitter,
    request: &Request<Bytes>,
) -> Result<Response<Bytes>, Refused> {
    let mut question = Members::of(request.body())?;
    question.default("event", json!({}));
    let event = event::take(&mut question, request.headers())?;
    let there_is: Option<String> = question.take("stream_id")?;
    let there_might_be: Option<Hypothetical> = question.take("stream")?;
    question.end()?;
    let explanation = match (there_is, there_might_be) {
        (Some(id), None) => transmitter.explain(&event, &stream(&id)?).await?,
        (None, Some(hypothetical)) => {
            let record = hypothetical.record(transmitter)?;
            let listed = hypothetical.listed()?;
            transmitter.explain_hypothetical(&event, &record, &listed).await?
        }
        _ => return Err(Refused::bad("either `stream_id` or `stream` must be given")),
    };
    Ok(json(StatusCode::OK, &told(explanation)))
}

/// An explanation as the operator reads it.
pub(crate) fn told(explanation: Explanation) -> Value {
    let (outcome, rule) = match explanation {
        Explanation::Delivered => ("delivered", None),
        Explanation::Held => ("held", Some("status")),
        Explanation::Stopped(rule) => ("stopped", Some(rule.as_str())),
        _ => ("unknown", None),
    };
    let delivered = explanation == Explanation::Delivered;
    json!({"delivered": delivered, "outcome": outcome, "rule": rule})
}

impl Hypothetical {
    fn record(&self, transmitter: &Transmitter) -> Result<StreamRecord, Refused> {
        let mut record = nobodys_stream(transmitter).map_err(Refused::bad)?;
        record.events_delivered.clone_from(&self.events_delivered);
        record.status = self.status.unwrap_or(record.status);
        record.default_subjects = match self.default_subjects.as_deref() {
            None | Some("ALL") => DefaultSubjects::All,
            Some("NONE") => DefaultSubjects::None,
            Some(_) => return Err(Refused::bad("`stream.default_subjects` must be ALL or NONE")),
        };
        Ok(record)
    }

    fn listed(&self) -> Result<Vec<Subject>, Refused> {
        let subjects = self.subjects.iter().enumerate();
        subjects.map(|(nth, value)| subject(&format!("stream.subjects[{nth}]"), value)).collect()
    }
}

/// A stream of nobody. Its identifier is one that no stream, no owner and no subject has: drawn by
/// lot, anew for each question.
fn nobodys_stream(transmitter: &Transmitter) -> Result<StreamRecord, IdError> {
    let name = format!("hypothetical-{:032x}", SystemEntropy.bits());
    Ok(StreamRecord::new(
        transmitter.issuer().clone(),
        Owner::new(TenantId::parse(&name)?, ClientId::parse(&name)?),
        StreamId::parse(&name)?,
        Audience::parse(&name)?,
        Delivery::Poll,
        SystemClock::read(),
    ))
}
