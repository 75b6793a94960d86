//! Which streams want an event. They are found by key: streams that are not interested cost nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::session::Session;
use super::streams::{self, Found};
use super::value::Row;
use super::{issuers, rows, subjects};
use crate::id::{ClientId, Issuer, Owner, StreamId, TenantId};
use crate::routing::Interest;
use crate::routing::keys::{self, Key, Rule, Wanted};
use crate::store::{Candidate, CandidateQuery, StoreError};
use crate::stream::DefaultSubjects;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

pub(super) async fn candidates(
    session: &mut dyn Session,
    query: &CandidateQuery,
) -> Result<Vec<Candidate>, StoreError> {
    let Some(issuer_no) = issuers::find(session, &query.issuer).await? else {
        return Ok(Vec::new());
    };
    let event_type = query.event_type.as_str();
    let (mut wanting, mut excluding) = (BTreeMap::new(), BTreeSet::new());
    let select = "SELECT s.no, s.default_subjects, s.stream_id, s.tenant, s.client, \
            CASE WHEN w.compared = 1 THEN u.subject END \
        FROM {rows $3: key text, began_with text, compared bigint} w \
        CROSS JOIN ssf_subject_keys k CROSS JOIN ssf_subjects u CROSS JOIN ssf_streams s \
        CROSS JOIN ssf_stream_types t \
        WHERE k.issuer_no = $1 AND k.key = w.key \
        AND u.stream_no = k.stream_no AND u.digest = k.digest \
        AND (u.counts_from IS NULL OR u.counts_from <= $4) \
        AND (u.counts_until IS NULL OR u.counts_until > $4) \
        AND s.no = k.stream_no AND s.default_subjects = w.began_with \
        AND t.issuer_no = $1 AND t.event_type = $2 \
        AND t.default_subjects = s.default_subjects AND t.stream_no = s.no";
    if let Some(keys) = wanted(session, issuer_no, &query.subject).await? {
        let arguments =
            [issuer_no.into(), event_type.into(), keys.into(), query.now.as_millis().into()];
        for row in session.rows(select, &arguments).await? {
            let rule = rule(row.text(1)?);
            if !fits(&row, 5, rule, &query.subject)? {
                continue;
            }
            match rule {
                Rule::Excludes => _ = excluding.insert(row.int(0)?),
                Rule::Includes => _ = wanting.insert(row.int(0)?, candidate(&row, 2)?),
            }
        }
    }
    let select = "SELECT s.no, s.stream_id, s.tenant, s.client \
        FROM ssf_stream_types t JOIN ssf_streams s ON s.no = t.stream_no \
        WHERE t.issuer_no = $1 AND t.event_type = $2 AND t.default_subjects = 'ALL'";
    for row in session.rows(select, &[issuer_no.into(), event_type.into()]).await? {
        if !excluding.contains(&row.int(0)?) {
            wanting.insert(row.int(0)?, candidate(&row, 1)?);
        }
    }
    // A stream always has its own subject (SSF 1.0 §8.1.4.1), also where it added none.
    if let Some(own) = query.subject.as_stream() {
        let select = "SELECT s.no, s.stream_id, s.tenant, s.client \
            FROM ssf_streams s JOIN ssf_stream_types t ON t.issuer_no = $1 \
                AND t.event_type = $2 AND t.default_subjects = s.default_subjects \
                AND t.stream_no = s.no \
            WHERE s.issuer_no = $1 AND s.stream_id = $3";
        let arguments = [issuer_no.into(), event_type.into(), own.as_str().into()];
        for row in session.rows(select, &arguments).await? {
            wanting.insert(row.int(0)?, candidate(&row, 1)?);
        }
    }
    Ok(wanting.into_values().collect())
}

pub(super) async fn interest(
    session: &mut dyn Session,
    issuer: &Issuer,
    stream: &StreamId,
    subject: &Subject,
    now: Timestamp,
) -> Result<Interest, StoreError> {
    let stream = streams::find(session, issuer, stream).await?;
    let wants = match stream.record.default_subjects {
        _ if *subject == Subject::of_stream(&stream.record.stream_id) => true,
        DefaultSubjects::All => !lists(session, &stream, subject, now).await?,
        DefaultSubjects::None => lists(session, &stream, subject, now).await?,
    };
    Ok(if wants { Interest::Wanted } else { Interest::NotWanted })
}

/// Whether a stream lists a subject that fulfils its rule.
async fn lists(
    session: &mut dyn Session,
    stream: &Found,
    subject: &Subject,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(keys) = wanted(session, stream.issuer_no, subject).await? else { return Ok(false) };
    let began_with = stream.record.default_subjects.as_str();
    let select = "SELECT CASE WHEN w.compared = 1 THEN u.subject END \
        FROM {rows $3: key text, began_with text, compared bigint} w \
        CROSS JOIN ssf_subject_keys k CROSS JOIN ssf_subjects u \
        WHERE w.began_with = $5 AND k.issuer_no = $1 AND k.key = w.key AND k.stream_no = $2 \
        AND u.stream_no = k.stream_no AND u.digest = k.digest \
        AND (u.counts_from IS NULL OR u.counts_from <= $4) \
        AND (u.counts_until IS NULL OR u.counts_until > $4)";
    let arguments = [
        stream.issuer_no.into(),
        stream.no.into(),
        keys.into(),
        now.as_millis().into(),
        began_with.into(),
    ];
    for row in session.rows(select, &arguments).await? {
        if fits(&row, 0, rule(began_with), subject)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys to look up for an event as rows: the key, which streams it is for, and whether what is
/// found there is to be compared. `None` when there are none.
async fn wanted(
    session: &mut dyn Session,
    issuer_no: i64,
    subject: &Subject,
) -> Result<Option<String>, StoreError> {
    let patterns = match subject {
        Subject::Complex(_) => subjects::patterns(session, issuer_no).await?,
        Subject::Simple(_) | Subject::Aliases(_) => Vec::new(),
    };
    let mut keys: Vec<(String, &str, u8)> = Vec::new();
    for (rule, began_with) in
        [(Rule::Includes, DefaultSubjects::None), (Rule::Excludes, DefaultSubjects::All)]
    {
        let Wanted { matching, compared, .. } = keys::wanted(rule, subject, &patterns);
        let row = |key: &Key, compared| (subjects::hex(key), began_with.as_str(), compared);
        keys.extend(matching.iter().map(|key| row(key, 0)));
        keys.extend(compared.iter().map(|key| row(key, 1)));
    }
    if keys.is_empty() { Ok(None) } else { rows::batch(&keys).map(Some) }
}

/// What is asked of what a stream lists that began with these subjects.
fn rule(began_with: &str) -> Rule {
    if began_with == DefaultSubjects::All.as_str() { Rule::Excludes } else { Rule::Includes }
}

/// Whether what was found fulfils the rule: it does, unless its text is there to be compared.
fn fits(row: &Row, column: usize, rule: Rule, event: &Subject) -> Result<bool, StoreError> {
    let Some(text) = row.opt_text(column)? else { return Ok(true) };
    let value = serde_json::from_str(text).map_err(|_| rows::unreadable("a subject"))?;
    let listed = Subject::parse(&value).map_err(|_| rows::unreadable("a subject"))?;
    Ok(rule.holds(&listed, event))
}

fn candidate(row: &Row, first: usize) -> Result<Candidate, StoreError> {
    let owner =
        Owner::new(rows::id::<TenantId>(row, first + 1)?, rows::id::<ClientId>(row, first + 2)?);
    Ok(Candidate::new(rows::id(row, first)?, owner))
}
