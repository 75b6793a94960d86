//! What is known of identities, the conditions, and the events that could not be made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::dialect::Dialect;
use super::session::Session;
use super::value::Row;
use super::{issuers, outbox, rows};
use crate::id::{FailureId, IdentityId, Issuer};
use crate::lifecycle::Snapshot;
use crate::store::{
    Append, Appended, Committed, FailedEvent, IdentityCommit, IdentityRead, IdentityRecord,
    IdentityWrite, StoreError, StoredConditions,
};

pub(super) async fn stored_conditions(
    session: &mut dyn Session,
    issuer: &Issuer,
) -> Result<Option<StoredConditions>, StoreError> {
    let select = "SELECT c.revision, c.document \
        FROM ssf_issuers i JOIN ssf_conditions c ON c.issuer_no = i.no WHERE i.issuer = $1";
    let rows = session.rows(select, &[issuer.as_str().into()]).await?;
    let stored =
        |row: &Row| Ok(StoredConditions::new(rows::count(row, 0)?, Arc::from(row.text(1)?)));
    rows.first().map(stored).transpose()
}

pub(super) async fn replace_conditions(
    session: &mut dyn Session,
    issuer: &Issuer,
    expected: u64,
    document: Arc<str>,
) -> Result<u64, StoreError> {
    let issuer_no = issuers::enter(session, issuer).await?;
    let revision = expected.saturating_add(1);
    let arguments = [issuer_no.into(), rows::number(revision).into(), document.as_ref().into()];
    let replace = match expected {
        0 => {
            "INSERT INTO ssf_conditions (issuer_no, revision, document) VALUES ($1, $2, $3) \
                ON CONFLICT DO NOTHING"
        }
        _ => {
            "UPDATE ssf_conditions SET revision = $2, document = $3 \
                WHERE issuer_no = $1 AND revision = $2 - 1"
        }
    };
    match session.run(replace, &arguments).await? {
        0 => Err(StoreError::Conflict),
        _ => Ok(revision),
    }
}

pub(super) async fn read(
    session: &mut dyn Session,
    issuer: &Issuer,
    identities: &[IdentityId],
) -> Result<IdentityRead, StoreError> {
    let Some(issuer_no) = issuers::find(session, issuer).await? else {
        return Ok(IdentityRead::new(0, vec![None; identities.len()]));
    };
    let conditions = "SELECT revision FROM ssf_conditions WHERE issuer_no = $1";
    let conditions = session.rows(conditions, &[issuer_no.into()]).await?;
    let conditions = conditions.first().map(|row| rows::count(row, 0)).transpose()?;
    let mut records = vec![None; identities.len()];
    let select = "SELECT r.n, k.revision, k.version, k.snapshot \
        FROM {rows $2: identity text} r CROSS JOIN ssf_identities k \
        WHERE k.issuer_no = $1 AND k.identity = r.identity";
    let batch: Vec<_> = identities.iter().map(|identity| [identity]).collect();
    let known = session.rows(select, &[issuer_no.into(), rows::batch(&batch)?.into()]).await?;
    for row in &known {
        let place = usize::try_from(row.int(0)?).ok().and_then(|place| records.get_mut(place));
        if let Some(place) = place {
            let record =
                IdentityRecord::new(rows::count(row, 1)?, row.opt_int(2)?, snapshot(row, 3)?);
            *place = Some(record);
        }
    }
    Ok(IdentityRead::new(conditions.unwrap_or(0), records))
}

pub(super) async fn commit(
    session: &mut dyn Session,
    issuer: &Issuer,
    commit: IdentityCommit,
    fan_out: usize,
) -> Result<Vec<Committed>, StoreError> {
    let issuer_no = issuers::enter(session, issuer).await?;
    // Conditions that are replaced meanwhile wait for this transaction.
    let select = "SELECT revision FROM ssf_conditions WHERE issuer_no = $1 {share}";
    let conditions = session.rows(select, &[issuer_no.into()]).await?;
    let conditions = conditions.first().map(|row| rows::count(row, 0)).transpose()?;
    if conditions.unwrap_or(0) != commit.conditions {
        return Err(StoreError::Conflict);
    }
    let done = write(session, issuer_no, &commit.writes).await?;
    let done = |write: &&IdentityWrite| done.contains(&write.identity);
    let written: Vec<&IdentityWrite> = commit.writes.iter().filter(done).collect();
    let failures: Vec<&FailedEvent> = written.iter().flat_map(|write| &write.failures).collect();
    insert_failures(session, issuer_no, &failures).await?;
    let appends: Vec<Append> = written.iter().flat_map(|write| &write.appends).cloned().collect();
    let appended = outbox::append_all(session, issuer, &appends, fan_out).await?;
    let mut appended = appended.into_iter();
    let outcome = |write: &IdentityWrite| match done(&write) {
        true => Committed::Done(appended.by_ref().take(write.appends.len()).collect()),
        false => Committed::Conflict,
    };
    Ok(commit.writes.iter().map(outcome).collect())
}

/// Writes what is known of each identity that has the revision expected; returns which have.
async fn write(
    session: &mut dyn Session,
    issuer_no: i64,
    writes: &[IdentityWrite],
) -> Result<HashSet<IdentityId>, StoreError> {
    let (known, new): (Vec<_>, Vec<_>) = writes.iter().partition(|write| write.expected.is_some());
    let revision = next_revision(session).await?;
    let mut done = update(session, issuer_no, revision, &known).await?;
    done.extend(insert(session, issuer_no, revision, &new).await?);
    Ok(done)
}

/// A number that no identity ever had as its revision. Writes of one transaction share it.
async fn next_revision(session: &mut dyn Session) -> Result<i64, StoreError> {
    let next = match session.dialect() {
        Dialect::Sqlite => {
            "UPDATE ssf_counters SET last = last + 1 WHERE name = 'revisions' RETURNING last"
        }
        Dialect::Postgres => "SELECT nextval('ssf_revisions')",
    };
    let rows = session.rows(next, &[]).await?;
    rows.first().ok_or_else(|| rows::unreadable("a counter"))?.int(0)
}

/// Identities that are known. They are locked in their order first: two transactions that write some
/// of the same wait for each other, and never in a circle.
async fn update(
    session: &mut dyn Session,
    issuer_no: i64,
    revision: i64,
    writes: &[&IdentityWrite],
) -> Result<HashSet<IdentityId>, StoreError> {
    if writes.is_empty() {
        return Ok(HashSet::new());
    }
    let lock = "SELECT identity, revision FROM ssf_identities WHERE issuer_no = $1 \
        AND identity IN (SELECT r.identity FROM {rows $2: identity text} r) \
        ORDER BY identity {lock}";
    let batch: Vec<_> = writes.iter().map(|write| [&write.identity]).collect();
    let mut known: HashMap<IdentityId, u64> = HashMap::new();
    for row in session.rows(lock, &[issuer_no.into(), rows::batch(&batch)?.into()]).await? {
        known.insert(rows::id(&row, 0)?, rows::count(&row, 1)?);
    }
    let as_expected =
        |write: &&&IdentityWrite| known.get(&write.identity) == write.expected.as_ref();
    let writes: Vec<_> = writes.iter().filter(as_expected).copied().collect();
    // They are there, so all of them are updated.
    let update = "INSERT INTO ssf_identities (issuer_no, identity, revision, version, snapshot) \
        SELECT $1, p.name, $2, CAST(NULLIF(trim(substr(p.text, 1, 20)), '') AS BIGINT), \
            substr(p.text, 21) FROM {pairs $3} p WHERE TRUE \
        ON CONFLICT (issuer_no, identity) DO UPDATE SET \
        revision = excluded.revision, version = excluded.version, snapshot = excluded.snapshot";
    session.run(update, &[issuer_no.into(), revision.into(), batch_of(&writes)?.into()]).await?;
    Ok(writes.into_iter().map(|write| write.identity.clone()).collect())
}

/// Identities of which nothing is known, in their order for the same reason.
async fn insert(
    session: &mut dyn Session,
    issuer_no: i64,
    revision: i64,
    writes: &[&IdentityWrite],
) -> Result<HashSet<IdentityId>, StoreError> {
    if writes.is_empty() {
        return Ok(HashSet::new());
    }
    let insert = "INSERT INTO ssf_identities (issuer_no, identity, revision, version, snapshot) \
        SELECT $1, p.name, $2, CAST(NULLIF(trim(substr(p.text, 1, 20)), '') AS BIGINT), \
            substr(p.text, 21) FROM {pairs $3} p WHERE TRUE \
        ON CONFLICT DO NOTHING";
    let arguments = [issuer_no.into(), revision.into(), batch_of(writes)?.into()];
    if session.run(insert, &arguments).await? == writes.len() as u64 {
        return Ok(writes.iter().map(|write| write.identity.clone()).collect());
    }
    // Somebody else wrote some of them. Ours have our revision.
    let select = "SELECT identity FROM ssf_identities WHERE issuer_no = $1 AND revision = $2 \
        AND identity IN (SELECT r.identity FROM {rows $3: identity text} r)";
    let batch: Vec<_> = writes.iter().map(|write| [&write.identity]).collect();
    let arguments = [issuer_no.into(), revision.into(), rows::batch(&batch)?.into()];
    session.rows(select, &arguments).await?.iter().map(|row| rows::id(row, 0)).collect()
}

/// The rows of writes, by identity and so in their order: 20 characters of the version, if there is
/// one, and the snapshot.
fn batch_of(writes: &[&IdentityWrite]) -> Result<String, StoreError> {
    let mut batch = BTreeMap::new();
    for write in writes {
        let version = write.version.map(|version| version.to_string()).unwrap_or_default();
        let snapshot = rows::to_json(&*write.snapshot, "a snapshot")?;
        batch.insert(&write.identity, format!("{version:<20}{snapshot}"));
    }
    rows::to_json(&batch, "identities")
}

pub(super) async fn forget(
    session: &mut dyn Session,
    issuer: &Issuer,
    identity: &IdentityId,
) -> Result<(), StoreError> {
    let arguments = [issuer.as_str().into(), identity.as_str().into()];
    let record = "DELETE FROM ssf_identities WHERE identity = $2 \
        AND issuer_no = (SELECT no FROM ssf_issuers WHERE issuer = $1)";
    session.run(record, &arguments).await?;
    let failures = "DELETE FROM ssf_failures WHERE identity = $2 \
        AND issuer_no = (SELECT no FROM ssf_issuers WHERE issuer = $1)";
    session.run(failures, &arguments).await?;
    Ok(())
}

async fn insert_failures(
    session: &mut dyn Session,
    issuer_no: i64,
    failures: &[&FailedEvent],
) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let mut batch = Vec::with_capacity(failures.len());
    for failure in failures {
        let FailedEvent { id, identity, condition, reason, at, before, after } = failure;
        let reason = rows::to_json(&**reason, "a reason")?;
        let [before, after] = [before, after].map(|known| rows::to_json(&**known, "a snapshot"));
        batch.push((id, identity, condition, reason, at.as_millis(), before?, after?));
    }
    let insert = "INSERT INTO ssf_failures \
        (issuer_no, id, identity, condition, reason, at, before, after) \
        SELECT $1, r.id, r.identity, r.condition, r.reason, r.at, r.before, r.after \
        FROM {rows $2: id text, identity text, condition text, reason text, at bigint, \
            before text, after text} r";
    session.run(insert, &[issuer_no.into(), rows::batch(&batch)?.into()]).await?;
    Ok(())
}

pub(super) async fn list_failures(
    session: &mut dyn Session,
    issuer: &Issuer,
    after: Option<&FailureId>,
    most: usize,
) -> Result<Vec<FailedEvent>, StoreError> {
    let select = "SELECT f.id, f.identity, f.condition, f.reason, f.at, f.before, f.after \
        FROM ssf_issuers i JOIN ssf_failures f ON f.issuer_no = i.no \
        WHERE i.issuer = $1 AND f.id > $2 ORDER BY f.id LIMIT $3";
    // No identifier is empty.
    let after = after.map_or("", FailureId::as_str);
    let most = rows::number(most as u64);
    let rows = session.rows(select, &[issuer.as_str().into(), after.into(), most.into()]).await?;
    rows.iter().map(failure).collect()
}

pub(super) async fn read_failure(
    session: &mut dyn Session,
    issuer: &Issuer,
    id: &FailureId,
) -> Result<Option<FailedEvent>, StoreError> {
    let select = "SELECT f.id, f.identity, f.condition, f.reason, f.at, f.before, f.after \
        FROM ssf_issuers i JOIN ssf_failures f ON f.issuer_no = i.no \
        WHERE i.issuer = $1 AND f.id = $2";
    let rows = session.rows(select, &[issuer.as_str().into(), id.as_str().into()]).await?;
    rows.first().map(failure).transpose()
}

pub(super) async fn end_failure(
    session: &mut dyn Session,
    issuer: &Issuer,
    failure: &FailureId,
    appends: Vec<Append>,
    fan_out: usize,
) -> Result<Option<Vec<Appended>>, StoreError> {
    let delete = "DELETE FROM ssf_failures WHERE id = $2 \
        AND issuer_no = (SELECT no FROM ssf_issuers WHERE issuer = $1)";
    match session.run(delete, &[issuer.as_str().into(), failure.as_str().into()]).await? {
        0 => Ok(None),
        _ => outbox::append_all(session, issuer, &appends, fan_out).await.map(Some),
    }
}

fn failure(row: &Row) -> Result<FailedEvent, StoreError> {
    let reason: String = rows::from_json(row.text(3)?, "a reason")?;
    Ok(FailedEvent::new(
        rows::id(row, 0)?,
        rows::id(row, 1)?,
        rows::id(row, 2)?,
        reason.into(),
        rows::time(row, 4)?,
        (snapshot(row, 5)?, snapshot(row, 6)?),
    ))
}

fn snapshot(row: &Row, column: usize) -> Result<Arc<Snapshot>, StoreError> {
    rows::from_json(row.text(column)?, "a snapshot").map(Arc::new)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::id::{Audience, ClientId, EventType, Jti, OrderKey, Owner, StreamId, TenantId, Txn};
    use crate::set::SetBody;
    use crate::store::sql::session::{Access, Database, Transaction};
    use crate::store::sql::streams;
    use crate::store::sql::value::Value;
    use crate::store::sqlite::{SqliteOptions, SqliteStore};
    use crate::store::{NewEntry, StoreError};
    use crate::stream::{Delivery, StreamQuota, StreamRecord};
    use crate::timestamp::Timestamp;

    const WRITES: usize = 1_000;
    const FAN_OUT: usize = 10;

    /// Counts statements.
    struct Counting<'a>(&'a mut dyn Transaction, usize);

    #[async_trait]
    impl Session for Counting<'_> {
        fn dialect(&self) -> Dialect {
            self.0.dialect()
        }

        async fn rows(
            &mut self,
            statement: &'static str,
            arguments: &[Value<'_>],
        ) -> Result<Vec<Row>, StoreError> {
            self.1 += 1;
            self.0.rows(statement, arguments).await
        }

        async fn run(
            &mut self,
            statement: &'static str,
            arguments: &[Value<'_>],
        ) -> Result<u64, StoreError> {
            self.1 += 1;
            self.0.run(statement, arguments).await
        }

        async fn script(&mut self, script: &'static str) -> Result<(), StoreError> {
            self.1 += 1;
            self.0.script(script).await
        }

        async fn announce(&mut self) -> Result<(), StoreError> {
            self.0.announce().await
        }
    }

    /// A write with one event for the one stream.
    fn write(issuer: &Issuer, n: usize, round: usize, expected: Option<u64>) -> IdentityWrite {
        let identity = IdentityId::parse(format!("i{n}")).unwrap();
        let mut write = IdentityWrite::new(identity, expected, None, Arc::new(Snapshot::unknown()));
        let mut append = Append::new(
            issuer.clone(),
            SetBody::from_stored(format!("{{\"n\":{n}}}").into()),
            Txn::parse("t").unwrap(),
            EventType::parse("urn:example:event").unwrap(),
            OrderKey::from(&write.identity),
            Timestamp::from_seconds(1),
        );
        let jti = Jti::parse(format!("{round}-{n}")).unwrap();
        append.entries = vec![NewEntry::new(StreamId::parse("s").unwrap(), jti)];
        write.appends.push(append);
        write
    }

    fn is_done(committed: &Committed) -> bool {
        matches!(committed, Committed::Done(appended) if appended[0].accepted.len() == 1)
    }

    #[tokio::test]
    async fn a_thousand_writes_with_an_event_each_are_a_handful_of_statements() {
        let folder = std::env::temp_dir().join(format!("ssf-identities-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = SqliteOptions::default();
        let store = SqliteStore::open(folder.join("t.db"), options).await.unwrap();
        let issuer = Issuer::parse("https://tr.example.com").unwrap();
        let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap());
        let record = StreamRecord::new(
            issuer.clone(),
            owner,
            StreamId::parse("s").unwrap(),
            Audience::parse("https://rp.example.com").unwrap(),
            Delivery::Poll,
            Timestamp::from_seconds(1),
        );
        let mut transaction = store.database.begin(Access::Write).await.unwrap();
        streams::create(&mut *transaction, record, StreamQuota::new(1)).await.unwrap();

        let mut session = Counting(&mut *transaction, 0);
        let new = (0..WRITES).map(|n| write(&issuer, n, 1, None)).collect();
        let new = IdentityCommit::new(0, new);
        let done = commit(&mut session, &issuer, new, FAN_OUT).await.unwrap();
        assert!(done.iter().all(is_done));
        assert!(session.1 < 10, "{} statements", session.1);

        session.1 = 0;
        let identities: Vec<_> =
            (0..WRITES).map(|n| IdentityId::parse(format!("i{n}")).unwrap()).collect();
        let known = read(&mut session, &issuer, &identities).await.unwrap().records;
        let known = known.into_iter().flatten().enumerate();
        // Every second one is decided on what it was not.
        let again = known
            .map(|(n, record)| write(&issuer, n, 2, Some(record.revision + u64::from(n % 2 == 1))));
        let again = IdentityCommit::new(0, again.collect());
        let done = commit(&mut session, &issuer, again, FAN_OUT).await.unwrap();
        assert_eq!(done.len(), WRITES);
        for (n, committed) in done.iter().enumerate() {
            assert_eq!(is_done(committed), n % 2 == 0, "{n}");
            assert!(n % 2 == 0 || *committed == Committed::Conflict, "{n}");
        }
        assert!(session.1 < 14, "{} statements", session.1);
        drop(transaction);
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
