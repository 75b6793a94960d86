//! Keeping signed tokens: the first one of an entry counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::rows::{self, batch};
use super::session::Session;
use super::value::Row;
use crate::id::{Issuer, Jti, KeyId, StreamId};
use crate::outbox::{Fence, KeptToken, Lane, may_leave};
use crate::store::{KeepToken, Kept, Route, StoreError};
use crate::timestamp::Timestamp;

/// An entry whose token is to be kept. Its row is locked.
#[derive(Debug)]
pub(super) struct Keeping {
    stream_no: i64,
    seq: i64,
    lane: Lane,
    fence: Fence,
    first_attempt: Option<Timestamp>,
    token: Option<KeptToken>,
    /// As its column holds it; control entries have none.
    order_key: Option<String>,
    hidden_until: Option<Timestamp>,
    changed: bool,
}

/// The entries, the routes of their streams, and how many tokens were replaced.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    entries: HashMap<(StreamId, Jti), Keeping>,
    routes: HashMap<StreamId, Arc<Route>>,
    replaced: BTreeMap<i64, i64>,
}

/// Locks entries by stream and identifier. Those of an earlier era are discarded already.
const LOCK: &str = "SELECT e.stream_no, e.seq, e.lane, e.fence, e.first_attempt, e.token, e.kid, \
     st.stream_id, e.jti, st.record, st.secret, e.order_key \
     FROM {rows $2: stream_id text, jti text} k \
     CROSS JOIN ssf_issuers i CROSS JOIN ssf_streams st CROSS JOIN ssf_entries e \
     WHERE i.issuer = $1 AND st.issuer_no = i.no AND st.stream_id = k.stream_id \
     AND e.stream_no = st.no AND e.jti = k.jti AND e.era = st.era \
     ORDER BY e.stream_no, e.seq {lock e}";

const KEEP: &str = "UPDATE ssf_entries AS e SET token = v.token, kid = v.kid, \
     first_attempt = v.first_attempt, signed = CASE WHEN e.place = 1 AND e.state <> 1 \
     AND e.of_current_key = 0 THEN 1 ELSE 0 END \
     FROM {rows $1: stream_no bigint, seq bigint, token text, kid text, first_attempt bigint} v \
     WHERE e.stream_no = v.stream_no AND e.seq = v.seq";

const HIDE: &str = "UPDATE ssf_entries AS e SET hidden_until = v.until \
     FROM {rows $1: stream_no bigint, seq bigint, until bigint} v \
     WHERE e.stream_no = v.stream_no AND e.seq = v.seq";

/// Keeps tokens for claimed entries; no queue row is locked for it but when a token is replaced.
pub(super) async fn keep_tokens(
    session: &mut dyn Session,
    issuer: &Issuer,
    tokens: Vec<KeepToken>,
) -> Result<Vec<Kept>, StoreError> {
    lock_replacing(session, issuer, &tokens).await?;
    let mut keeper = Keeper::lock(session, issuer, &tokens).await?;
    let kept = tokens.into_iter().map(|token| keeper.keep(token)).collect();
    keeper.write(session).await?;
    Ok(kept)
}

/// Locks the queue rows that may count a replaced token: queue rows are locked before entries.
pub(super) async fn lock_replacing(
    session: &mut dyn Session,
    issuer: &Issuer,
    tokens: &[KeepToken],
) -> Result<(), StoreError> {
    let replacing = tokens.iter().filter(|token| token.replaces.is_some());
    let streams: BTreeSet<[&str; 1]> = replacing.map(|t| [t.stream_id.as_str()]).collect();
    if streams.is_empty() {
        return Ok(());
    }
    let lock = "SELECT q.stream_no FROM ssf_queues q WHERE q.stream_no IN \
         (SELECT st.no FROM {rows $2: stream_id text} k CROSS JOIN ssf_issuers i \
          CROSS JOIN ssf_streams st WHERE i.issuer = $1 AND st.issuer_no = i.no AND st.stream_id = k.stream_id) \
         ORDER BY q.stream_no {lock}";
    let streams: Vec<_> = streams.into_iter().collect();
    session.rows(lock, &[issuer.as_str().into(), batch(&streams)?.into()]).await?;
    Ok(())
}

impl Keeper {
    /// Locks the entries that tokens are for.
    pub(super) async fn lock(
        session: &mut dyn Session,
        issuer: &Issuer,
        tokens: &[KeepToken],
    ) -> Result<Self, StoreError> {
        let mut keeper = Self::default();
        let wanted: BTreeSet<_> = tokens.iter().map(|t| (&t.stream_id, &t.jti)).collect();
        if wanted.is_empty() {
            return Ok(keeper);
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        let arguments = [issuer.as_str().into(), batch(&wanted)?.into()];
        for row in session.rows(LOCK, &arguments).await? {
            keeper.add(issuer, &row)?;
        }
        Ok(keeper)
    }

    fn add(&mut self, issuer: &Issuer, row: &Row) -> Result<(), StoreError> {
        let stream_id: StreamId = rows::id(row, 7)?;
        if !self.routes.contains_key(&stream_id) {
            let record = rows::record(issuer, row.text(9)?, row.opt_text(10)?)?;
            self.routes.insert(stream_id.clone(), Arc::new(Route::of(&record)));
        }
        let keeping = Keeping {
            stream_no: row.int(0)?,
            seq: row.int(1)?,
            lane: rows::lane(row, 2)?,
            fence: Fence(rows::count(row, 3)?),
            first_attempt: rows::opt_time(row, 4)?,
            token: rows::kept_token(row, 5)?,
            order_key: row.opt_text(11)?.map(str::to_owned),
            hidden_until: None,
            changed: false,
        };
        self.entries.insert((stream_id, rows::id(row, 8)?), keeping);
        Ok(())
    }

    /// Keeps a token, unless an earlier one counts.
    pub(super) fn keep(&mut self, new: KeepToken) -> Kept {
        let KeepToken { stream_id, jti, fence, token, replaces, at } = new;
        let Some(route) = self.routes.get(&stream_id).map(Arc::clone) else { return Kept::Gone };
        let Some(entry) = self.entries.get_mut(&(stream_id, jti)) else { return Kept::Gone };
        if entry.fence != fence || !may_leave(route.status, route.status_set_by, entry.lane) {
            return Kept::Gone;
        }
        entry.changed |= entry.first_attempt.is_none();
        entry.first_attempt.get_or_insert(at);
        let before = entry.token.take();
        let had = before.is_some();
        let earlier = before.filter(|token| Some(&token.kid) != replaces.as_ref());
        if had && earlier.is_none() {
            *self.replaced.entry(entry.stream_no).or_default() += 1;
        }
        entry.changed |= earlier.is_none();
        let token = earlier.unwrap_or(token);
        entry.token = Some(token.clone());
        Kept::Token { token, route }
    }

    /// The order key of an entry as its column holds it; `None`: it is a control entry. Nothing
    /// of one that is gone.
    pub(super) fn order_key(&self, stream: &StreamId, jti: &Jti) -> Option<Option<&str>> {
        let entry = self.entries.get(&(stream.clone(), jti.clone()))?;
        Some(entry.order_key.as_deref())
    }

    /// Hides an entry from polls until that time.
    pub(super) fn hide(&mut self, stream: &StreamId, jti: &Jti, until: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&(stream.clone(), jti.clone())) {
            entry.hidden_until = Some(until);
        }
    }

    /// Writes what is kept and hidden.
    pub(super) async fn write(self, session: &mut dyn Session) -> Result<(), StoreError> {
        let kept: Vec<_> = self
            .entries
            .values()
            .filter(|entry| entry.changed)
            .map(|entry| {
                let compact = entry.token.as_ref().map(|token| &*token.compact);
                let kid = entry.token.as_ref().map(|token| KeyId::as_str(&token.kid));
                let first = entry.first_attempt.map(Timestamp::as_millis);
                (entry.stream_no, entry.seq, compact, kid, first)
            })
            .collect();
        if !kept.is_empty() {
            session.run(KEEP, &[batch(&kept)?.into()]).await?;
        }
        let hidden = self.entries.values().filter_map(|entry| {
            Some((entry.stream_no, entry.seq, entry.hidden_until?.as_millis()))
        });
        let hidden: Vec<_> = hidden.collect();
        if !hidden.is_empty() {
            session.run(HIDE, &[batch(&hidden)?.into()]).await?;
        }
        if !self.replaced.is_empty() {
            let count = "UPDATE ssf_queues AS q \
                 SET tokens_replaced = q.tokens_replaced + v.replaced \
                 FROM {rows $1: stream_no bigint, replaced bigint} v \
                 WHERE q.stream_no = v.stream_no";
            let replaced: Vec<_> = self.replaced.into_iter().collect();
            session.run(count, &[batch(&replaced)?.into()]).await?;
        }
        Ok(())
    }
}
