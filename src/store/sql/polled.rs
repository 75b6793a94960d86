//! What receivers poll and acknowledge.

use std::collections::HashSet;
use std::sync::Arc;

use super::endings;
use super::keep::{Keeper, lock_replacing};
use super::queue;
use super::rows::{self, batch};
use super::session::Session;
use super::streams::{self, Found};
use super::value::{Row, Value};
use crate::id::{Issuer, Jti, Owner, StreamId};
use crate::outbox::{Happening, Lane, RoundTrip, may_leave};
use crate::protocol::More;
use crate::set::SetBody;
use crate::store::{
    Acknowledged, Acknowledgement, Claimed, HandOut, HandOutRequest, KeepToken, Kept, Route,
    Settled, StoreError,
};
use crate::stream::Delivery;
use crate::timestamp::Timestamp;

/// Settles what a receiver acknowledged or reported.
pub(super) async fn acknowledge(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
    acknowledgement: Acknowledgement,
) -> Result<Acknowledged, StoreError> {
    let Acknowledgement { acks, errors, now } = acknowledgement;
    let no = streams::owned(session, issuer, owner, stream).await?.no;
    let queue = queue::lock(session, &[no]).await?.pop();
    let mut queue = queue.ok_or(StoreError::NotFound)?;
    let named: HashSet<&Jti> = acks.iter().chain(errors.iter().map(|(jti, _)| jti)).collect();
    let named: Vec<_> = named.into_iter().map(|jti| (&queue, jti)).collect();
    let mut entries = endings::named(session, &named).await?;
    let mut done = Acknowledged::default();
    // Errors first: what is named both ways ends as a dead letter.
    for (jti, error) in errors {
        let lane = entries.get(no, &jti).map(|entry| entry.lane);
        entries.happen(&mut queue, &jti, Happening::Report(error), now)?;
        done.dead.extend(lane.map(|lane| (jti, lane)));
    }
    for jti in acks {
        let entry = entries.get(no, &jti);
        let verification = entry.filter(|entry| entry.lane == Lane::Verification);
        let queued_at = verification.map(|entry| entry.queued_at);
        let happening = Happening::Acknowledge;
        if entries.happen(&mut queue, &jti, happening, now)? == Settled::Done {
            done.delivered += 1;
            let round_trip = queued_at.map(|queued_at| RoundTrip::new(queued_at, now));
            done.verified = round_trip.or(done.verified);
        }
    }
    if done.delivered > 0 {
        queue.health.last_success = Some(now);
    }
    entries.write(session, now).await?;
    queue::renew(session, &mut [queue]).await?;
    Ok(done)
}

/// What is hidden from polls: the order keys of hidden entries, as columns hold them, and whether
/// a control entry is.
#[derive(Debug, Default)]
struct Hidden {
    keys: HashSet<String>,
    control: bool,
    /// When the first of those is shown again.
    until: Option<Timestamp>,
}

const HIDDEN: &str = "SELECT order_key, hidden_until FROM ssf_entries \
     WHERE stream_no = $1 AND era = $2 AND hidden_until IS NOT NULL AND hidden_until > $3";

impl Hidden {
    async fn read(
        session: &mut dyn Session,
        stream: &Found,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let mut hidden = Self::default();
        let arguments = [stream.no.into(), stream.era.into(), now.as_millis().into()];
        for row in session.rows(HIDDEN, &arguments).await? {
            match row.opt_text(0)? {
                Some(key) => drop(hidden.keys.insert(key.to_owned())),
                None => hidden.control = true,
            }
            let until = rows::time(&row, 1)?;
            hidden.until = Some(hidden.until.map_or(until, |first| first.min(until)));
        }
        Ok(hidden)
    }

    /// Whether an entry of that key, or a control entry, is hidden or stands behind one that is.
    fn hides(&self, order_key: Option<&str>) -> bool {
        order_key.map_or(self.control, |key| self.keys.contains(key))
    }
}

macro_rules! handed {
    ($condition:literal) => {
        concat!(
            "SELECT e.jti, e.lane, v.body, e.emitted_at, e.token, e.kid, e.state, e.due, \
             e.attempts, e.fence, e.failed_with_stream, e.of_current_key \
             FROM (SELECT * FROM ssf_entries WHERE stream_no = $1 AND era = $2 AND ",
            $condition,
            " ORDER BY seq LIMIT $3) e JOIN ssf_events v ON v.no = e.event_no ORDER BY e.seq"
        )
    };
}

const ORDINARY: &str = handed!("lane = 0");
const ORDINARY_NOT_HIDDEN: &str =
    handed!("lane = 0 AND order_key NOT IN (SELECT k.order_key FROM {rows $4: order_key text} k)");
const CONTROL: &str = handed!("lane > 0");
const UPDATES: &str = handed!("lane = 1 AND lane > 0");

/// What a poll gets: control entries first, then the oldest.
pub(super) async fn hand_out(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
    request: HandOutRequest,
) -> Result<HandOut, StoreError> {
    let found = streams::owned(session, issuer, owner, stream).await?;
    match found.record.delivery {
        Delivery::Push(_) => return Err(StoreError::NotFound),
        Delivery::Poll => {}
    }
    let hidden = Hidden::read(session, &found, request.now).await?;
    // One more than is handed out tells whether there are more.
    let wanted = request.most.saturating_add(1);
    let mut entries = control(session, &found, &hidden, wanted).await?;
    if entries.len() < wanted {
        let wanted = wanted - entries.len();
        entries.extend(ordinary(session, &found, &hidden, wanted).await?);
    }
    let more = if entries.len() > request.most { More::Available } else { More::None };
    entries.truncate(request.most);
    Ok(HandOut { hidden_until: hidden.until, ..HandOut::new(entries, more) })
}

async fn control(
    session: &mut dyn Session,
    stream: &Found,
    hidden: &Hidden,
    most: usize,
) -> Result<Vec<Claimed>, StoreError> {
    let leaves = |lane| may_leave(stream.record.status, stream.record.status_set_by, lane);
    let statement = match (leaves(Lane::StreamUpdated), leaves(Lane::Verification)) {
        _ if hidden.hides(None) => return Ok(Vec::new()),
        (false, _) => return Ok(Vec::new()),
        (true, true) => CONTROL,
        (true, false) => UPDATES,
    };
    let arguments = [stream.no.into(), stream.era.into(), limit(most)];
    handed(stream, &session.rows(statement, &arguments).await?)
}

async fn ordinary(
    session: &mut dyn Session,
    stream: &Found,
    hidden: &Hidden,
    most: usize,
) -> Result<Vec<Claimed>, StoreError> {
    let record = &stream.record;
    if !may_leave(record.status, record.status_set_by, Lane::Ordinary) {
        return Ok(Vec::new());
    }
    let mut arguments = vec![stream.no.into(), stream.era.into(), limit(most)];
    let statement = if hidden.keys.is_empty() {
        ORDINARY
    } else {
        let keys: Vec<[&str; 1]> = hidden.keys.iter().map(|key| [key.as_str()]).collect();
        arguments.push(batch(&keys)?.into());
        ORDINARY_NOT_HIDDEN
    };
    handed(stream, &session.rows(statement, &arguments).await?)
}

fn limit(most: usize) -> Value<'static> {
    rows::number(most as u64).into()
}

fn handed(stream: &Found, rows: &[Row]) -> Result<Vec<Claimed>, StoreError> {
    let route = Arc::new(Route::of(&stream.record));
    let hand = |row: &Row| {
        let body = SetBody::from_stored(Arc::from(row.text(2)?));
        let (life, emitted_at) = (rows::life(row, 6)?, rows::time(row, 3)?);
        let (jti, lane) = (rows::id(row, 0)?, rows::lane(row, 1)?);
        Ok(Claimed {
            attempts: life.attempts,
            token: rows::kept_token(row, 4)?,
            signature: life.signature,
            ..Claimed::new(jti, lane, body, emitted_at, life.fence, Arc::clone(&route))
        })
    };
    rows.iter().map(hand).collect()
}

/// Keeps the tokens of what was handed out, and hides it until that time. What another poll was
/// answered with meanwhile, or stands behind that, is not this one's any more.
pub(super) async fn keep(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
    tokens: Vec<KeepToken>,
    hide: Option<Timestamp>,
) -> Result<Vec<Kept>, StoreError> {
    let found = streams::owned(session, issuer, owner, stream).await?;
    match hide {
        // Of two polls at once, the second sees what the first hid.
        Some(_) => drop(queue::lock(session, &[found.no]).await?),
        None => lock_replacing(session, issuer, &tokens).await?,
    }
    let now = tokens.iter().map(|token| token.at).max().unwrap_or_default();
    let hidden = Hidden::read(session, &found, now).await?;
    let own = |token: &&KeepToken| token.stream_id == *stream;
    let of_stream: Vec<KeepToken> = tokens.iter().filter(own).cloned().collect();
    let mut keeper = Keeper::lock(session, issuer, &of_stream).await?;
    let mut kept = Vec::with_capacity(tokens.len());
    for token in tokens {
        let order_key = keeper.order_key(&token.stream_id, &token.jti);
        if order_key.is_none_or(|key| hidden.hides(key)) {
            kept.push(Kept::Gone);
            continue;
        }
        let jti = token.jti.clone();
        let outcome = keeper.keep(token);
        if let (Kept::Token { .. }, Some(until)) = (&outcome, hide) {
            keeper.hide(stream, &jti, until);
        }
        kept.push(outcome);
    }
    keeper.write(session).await?;
    Ok(kept)
}
