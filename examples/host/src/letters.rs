//! The operator's API for dead letters: listing them page by page, and redriving them.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use ssf_transmitter::id::Jti;
use ssf_transmitter::outbox::DeadLetterKind;
use ssf_transmitter::store::{DeadLetter, LetterFilter, LetterPlace, LetterQuery};
use ssf_transmitter::timestamp::Timestamp;
use ssf_transmitter::transmitter::Transmitter;

use crate::admin::{Refused, json, parse, stream};

/// How many dead letters a page has that does not say so, and the most it may have.
const PAGE: usize = 100;
const MOST: usize = 1000;

/// Which dead letters are meant; every member narrows the choice. Times are in RFC 3339.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    jti: Option<Jti>,
    reason: Option<DeadLetterKind>,
    err: Option<String>,
    from: Option<String>,
    before: Option<String>,
}

/// `GET .../dead-letters?jti=&reason=&err=&from=&before=&most=&after=`: a page, and as `next`
/// what `after` gets the page behind it.
pub(crate) async fn list(
    transmitter: &Transmitter,
    id: &str,
    query: &str,
) -> Result<Response<Bytes>, Refused> {
    let mut asked: BTreeMap<String, String> =
        serde_urlencoded::from_str(query).map_err(Refused::bad)?;
    let most = asked.remove("most").map_or(Ok(PAGE), |most| most.parse());
    let after = asked.remove("after").map(|after| place(&after)).transpose()?;
    let filter = asked.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
    let filter: Filter = serde_json::from_value(Value::Object(filter)).map_err(Refused::bad)?;
    let most = most.map_err(|_| Refused::bad("most: is not a number"))?.clamp(1, MOST);
    let mut query = LetterQuery::new(most);
    (query.filter, query.after) = (filter.read()?, after);
    let letters = transmitter.dead_letters(&stream(id)?, &query).await?;
    let next = letters.last().filter(|_| letters.len() == most);
    let next = next.map(|last| format!("{}.{}", last.dead_at.as_millis(), last.jti));
    let letters: Vec<_> = letters.iter().map(letter).collect();
    Ok(json(StatusCode::OK, &json!({"dead_letters": letters, "next": next})))
}

/// `POST .../dead-letters/redrive`: those that the members of the body mean; without a body,
/// all.
pub(crate) async fn redrive(
    transmitter: &Transmitter,
    id: &str,
    body: &[u8],
) -> Result<Response<Bytes>, Refused> {
    let filter: Filter = if body.is_empty() { Filter::default() } else { parse(body)? };
    let report = transmitter.redrive(&stream(id)?, filter.read()?).await?;
    let body = json!({
        "redriven": report.same + report.renewed,
        "same_jti": report.same,
        "new_jti": report.renewed,
        "control": report.control,
        "gone": report.gone,
    });
    Ok(json(StatusCode::OK, &body))
}

impl Filter {
    fn read(self) -> Result<LetterFilter, Refused> {
        let mut filter = LetterFilter::default();
        (filter.jti, filter.kind, filter.err) = (self.jti, self.reason, self.err);
        filter.dead_from = time("from", self.from)?;
        filter.dead_before = time("before", self.before)?;
        Ok(filter)
    }
}

fn time(member: &str, text: Option<String>) -> Result<Option<Timestamp>, Refused> {
    let read = |text: String| {
        Timestamp::parse(&text).map_err(|error| Refused::bad(format!("{member}: {error}")))
    };
    text.map(read).transpose()
}

fn place(text: &str) -> Result<LetterPlace, Refused> {
    let read = || {
        let (millis, jti) = text.split_once('.')?;
        let dead_at = Timestamp::from_millis(millis.parse().ok()?);
        Some(LetterPlace::new(dead_at, Jti::parse(jti).ok()?))
    };
    read().ok_or_else(|| Refused::bad("after: is not the `next` of a page"))
}

/// A dead letter: why, with what the receiver said beside it, and when.
fn letter(letter: &DeadLetter) -> Value {
    let mut members = match serde_json::to_value(&letter.reason) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    };
    members.remove("kind");
    members.extend([
        ("jti".to_owned(), json!(letter.jti)),
        ("reason".to_owned(), letter.reason.kind().as_str().into()),
        ("attempts".to_owned(), letter.attempts.into()),
        ("emitted_at".to_owned(), letter.emitted_at.to_string().into()),
        ("first_attempt".to_owned(), json!(letter.first_attempt.map(|at| at.to_string()))),
        ("dead_at".to_owned(), letter.dead_at.to_string().into()),
        ("claims".to_owned(), json!(serde_json::from_str::<Value>(letter.body.as_str()).ok())),
    ]);
    Value::Object(members)
}
