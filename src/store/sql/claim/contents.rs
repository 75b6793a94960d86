//! What is handed to whoever claimed: bodies, tokens and routes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::Taken;
use crate::id::Issuer;
use crate::outbox::KeptToken;
use crate::set::SetBody;
use crate::store::sql::queue::numbers;
use crate::store::sql::rows::{self, batch};
use crate::store::sql::session::Session;
use crate::store::{Claimed, Route, StoreError};

/// Of entries the token and the body, of streams the record and the secret.
const CONTENTS: &str = "SELECT 0, e.stream_no, e.seq, e.token, e.kid, v.body \
     FROM {rows $1: stream_no bigint, seq bigint} k \
     CROSS JOIN ssf_entries e CROSS JOIN ssf_events v \
     WHERE e.stream_no = k.stream_no AND e.seq = k.seq AND v.no = e.event_no \
     UNION ALL SELECT 1, st.no, 0, st.record, st.secret, NULL \
     FROM {rows $2: stream_no bigint} k CROSS JOIN ssf_streams st WHERE st.no = k.stream_no";

/// An entry or its stream that is not there, although its claim is.
#[derive(Debug, thiserror::Error)]
#[error("an entry has no event or no stream")]
struct Torn;

/// Fills in the contents of claimed entries, in the order given.
pub(super) async fn of(
    session: &mut dyn Session,
    issuer: &Issuer,
    taken: Vec<Taken>,
) -> Result<Vec<Claimed>, StoreError> {
    if taken.is_empty() {
        return Ok(Vec::new());
    }
    let entries: Vec<_> = taken.iter().map(|taken| (taken.stream_no, taken.head.seq)).collect();
    let streams: HashSet<i64> = taken.iter().map(|taken| taken.stream_no).collect();
    let streams: Vec<i64> = streams.into_iter().collect();
    let arguments = [batch(&entries)?.into(), numbers(&streams)?.into()];
    let mut contents: HashMap<(i64, i64), (Option<KeptToken>, SetBody)> = HashMap::new();
    let mut routes: HashMap<i64, Arc<Route>> = HashMap::new();
    for row in session.rows(CONTENTS, &arguments).await? {
        let stream_no = row.int(1)?;
        if row.int(0)? == 0 {
            let body = SetBody::from_stored(Arc::from(row.text(5)?));
            contents.insert((stream_no, row.int(2)?), (rows::kept_token(&row, 3)?, body));
        } else {
            let record = rows::record(issuer, row.text(3)?, row.opt_text(4)?)?;
            routes.insert(stream_no, Arc::new(Route::of(&record)));
        }
    }
    let mut claimed = Vec::with_capacity(taken.len());
    for Taken { stream_no, head, pace } in taken {
        let content = contents.remove(&(stream_no, head.seq));
        let (Some((token, body)), Some(route)) = (content, routes.get(&stream_no)) else {
            return Err(StoreError::Corrupt(Box::new(Torn)));
        };
        let life = head.life;
        claimed.push(Claimed {
            attempts: life.attempts,
            token,
            signature: life.signature,
            pace,
            ..Claimed::new(
                head.jti,
                head.lane,
                body,
                head.emitted_at,
                life.fence,
                Arc::clone(route),
            )
        });
    }
    Ok(claimed)
}
