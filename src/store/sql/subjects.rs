//! What receivers add and remove: one row for each subject of a stream, and the keys it is found by.
//!
//! A stream that began with NONE has a row for what it added, one that began with ALL for what it
//! removed. A removal that waits is in the row: on NONE it says until when it counts, on ALL from
//! when.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::rows;
use super::session::Session;
use super::streams::{self, Found};
use crate::id::{Issuer, Owner, StreamId};
use crate::routing::keys::{self, FiledBy, Filing, Key, MOST_OWN_PATTERNS, Pattern};
use crate::store::{StoreError, SubjectChange};
use crate::stream::DefaultSubjects;
use crate::subject::Subject;
use crate::timestamp::Timestamp;

pub(super) async fn change(
    session: &mut dyn Session,
    issuer: &Issuer,
    owner: &Owner,
    stream: &StreamId,
    change: SubjectChange,
    most: u32,
) -> Result<(), StoreError> {
    let stream = streams::owned(session, issuer, owner, stream).await?;
    let list = List::lock(session, stream, most).await?;
    let of_stream = Subject::of_stream(&list.stream.record.stream_id);
    match (change, list.stream.record.default_subjects) {
        (SubjectChange::Add(subject), DefaultSubjects::None) => {
            let lasts = "UPDATE ssf_subjects SET counts_until = NULL \
                WHERE stream_no = $1 AND digest = $2";
            match list.run(session, lasts, &subject).await? {
                0 => list.insert(session, &subject, None).await,
                _ => Ok(()),
            }
        }
        // The subject of the stream itself is that of its control SETs, which cannot be refused.
        (
            SubjectChange::Remove(subject) | SubjectChange::RemoveLater { subject, .. },
            DefaultSubjects::All | DefaultSubjects::None,
        ) if subject == of_stream => Ok(()),
        (SubjectChange::Remove(subject), DefaultSubjects::All) => {
            let counts = "UPDATE ssf_subjects SET counts_from = NULL \
                WHERE stream_no = $1 AND digest = $2";
            match list.run(session, counts, &subject).await? {
                0 => list.insert(session, &subject, None).await,
                _ => Ok(()),
            }
        }
        (SubjectChange::RemoveLater { subject, at }, DefaultSubjects::All) => {
            // One that waits already keeps its time.
            match list.has(session, &subject).await? {
                true => Ok(()),
                false => list.insert(session, &subject, Some(at)).await,
            }
        }
        (SubjectChange::RemoveLater { subject, at }, DefaultSubjects::None) => {
            let ends = "UPDATE ssf_subjects SET counts_until = $3 \
                WHERE stream_no = $1 AND digest = $2 AND counts_until IS NULL";
            let digest = hex(&Key::of(&subject));
            let arguments = [list.stream.no.into(), digest.into(), at.as_millis().into()];
            session.run(ends, &arguments).await?;
            Ok(())
        }
        (SubjectChange::Add(subject), DefaultSubjects::All)
        | (SubjectChange::Remove(subject), DefaultSubjects::None) => {
            let delete = "DELETE FROM ssf_subjects WHERE stream_no = $1 AND digest = $2";
            let gone = list.run(session, delete, &subject).await?;
            count(session, list.stream.no, -rows::number(gone)).await
        }
    }
}

/// What a stream lists, locked.
struct List {
    stream: Found,
    /// How many subjects it lists, and how many it may.
    subjects: i64,
    most: u32,
}

impl List {
    async fn lock(session: &mut dyn Session, stream: Found, most: u32) -> Result<Self, StoreError> {
        let select = "SELECT subjects FROM ssf_subject_counts WHERE stream_no = $1 {lock}";
        let rows = session.rows(select, &[stream.no.into()]).await?;
        // It goes with its stream.
        let subjects = rows.first().ok_or(StoreError::NotFound)?.int(0)?;
        Ok(Self { stream, subjects, most })
    }

    async fn has(&self, session: &mut dyn Session, subject: &Subject) -> Result<bool, StoreError> {
        let select = "SELECT digest FROM ssf_subjects WHERE stream_no = $1 AND digest = $2";
        let digest = hex(&Key::of(subject));
        let rows = session.rows(select, &[self.stream.no.into(), digest.into()]).await?;
        Ok(!rows.is_empty())
    }

    /// Lists a subject that is not listed, with the keys it is found by.
    async fn insert(
        &self,
        session: &mut dyn Session,
        subject: &Subject,
        counts_from: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        if self.subjects >= i64::from(self.most) {
            return Err(StoreError::SubjectLimit);
        }
        let (no, issuer_no) = (self.stream.no, self.stream.issuer_no);
        let digest = hex(&Key::of(subject));
        let insert = "INSERT INTO ssf_subjects \
            (stream_no, issuer_no, digest, subject, counts_from) VALUES ($1, $2, $3, $4, $5)";
        let arguments = [
            no.into(),
            issuer_no.into(),
            digest.as_str().into(),
            subject.canonical().into(),
            counts_from.map(Timestamp::as_millis).into(),
        ];
        session.run(insert, &arguments).await?;
        let Filing { keys, .. } = file(session, issuer_no, subject).await?;
        let keys: Vec<_> = keys.iter().map(|key| [hex(key)]).collect();
        let insert = "INSERT INTO ssf_subject_keys (issuer_no, key, stream_no, digest) \
            SELECT $1, r.key, $2, $3 FROM {rows $4: key text} r";
        let keys = rows::batch(&keys)?;
        let arguments = [issuer_no.into(), no.into(), digest.as_str().into(), keys.into()];
        session.run(insert, &arguments).await?;
        count(session, no, 1).await
    }

    /// Runs a statement about a subject; says how many rows it changed.
    async fn run(
        &self,
        session: &mut dyn Session,
        statement: &'static str,
        subject: &Subject,
    ) -> Result<u64, StoreError> {
        let digest = hex(&Key::of(subject));
        session.run(statement, &[self.stream.no.into(), digest.into()]).await
    }
}

/// Counts subjects of a stream that came or went.
async fn count(session: &mut dyn Session, no: i64, more: i64) -> Result<(), StoreError> {
    if more != 0 {
        let update = "UPDATE ssf_subject_counts SET subjects = subjects + $2 WHERE stream_no = $1";
        session.run(update, &[no.into(), more.into()]).await?;
    }
    Ok(())
}

/// Removes subjects that counted until a time before that, at most that many.
pub(super) async fn expire(
    session: &mut dyn Session,
    issuer_no: i64,
    before: Timestamp,
    most: usize,
) -> Result<(), StoreError> {
    let select = "SELECT stream_no, digest FROM ssf_subjects \
        WHERE issuer_no = $1 AND counts_until < $2 ORDER BY counts_until LIMIT $3";
    let most = rows::number(most as u64);
    let arguments = [issuer_no.into(), before.as_millis().into(), most.into()];
    let mut ended: BTreeMap<i64, Vec<[String; 1]>> = BTreeMap::new();
    for row in session.rows(select, &arguments).await? {
        ended.entry(row.int(0)?).or_default().push([row.text(1)?.to_owned()]);
    }
    for (no, digests) in ended {
        // Those that somebody changes just now are left for the next time.
        let free = "SELECT stream_no FROM ssf_subject_counts WHERE stream_no = $1 {skip}";
        if session.rows(free, &[no.into()]).await?.is_empty() {
            continue;
        }
        let delete = "DELETE FROM ssf_subjects WHERE stream_no = $1 AND counts_until < $2 \
            AND digest IN (SELECT r.digest FROM {rows $3: digest text} r)";
        let arguments = [no.into(), before.as_millis().into(), rows::batch(&digests)?.into()];
        let gone = session.run(delete, &arguments).await?;
        count(session, no, -rows::number(gone)).await?;
    }
    Ok(())
}

/// Longer patterns are not kept, in bytes: PostgreSQL has no index over longer texts.
const LONGEST_PATTERN: usize = 1_000;

/// What a subject is kept under; its pattern is known from now on.
async fn file(
    session: &mut dyn Session,
    issuer_no: i64,
    subject: &Subject,
) -> Result<Filing, StoreError> {
    let mut filing = keys::listed(subject, FiledBy::AnyNames);
    if let Some(pattern) = filing.pattern.as_ref().filter(|pattern| pattern.has_own_names()) {
        let known = patterns(session, issuer_no).await?;
        let own = known.iter().filter(|pattern| pattern.has_own_names()).count();
        let too_many = own >= MOST_OWN_PATTERNS && !known.contains(pattern);
        if too_many || pattern.to_string().len() > LONGEST_PATTERN {
            filing = keys::listed(subject, FiledBy::StandardNames);
        }
    }
    if let Some(pattern) = &filing.pattern {
        let insert =
            "INSERT INTO ssf_patterns (issuer_no, names) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        session.run(insert, &[issuer_no.into(), pattern.to_string().into()]).await?;
    }
    Ok(filing)
}

/// The patterns of the complex subjects of an issuer.
pub(super) async fn patterns(
    session: &mut dyn Session,
    issuer_no: i64,
) -> Result<Vec<Pattern>, StoreError> {
    let select = "SELECT names FROM ssf_patterns WHERE issuer_no = $1";
    let rows = session.rows(select, &[issuer_no.into()]).await?;
    let pattern = |text: &str| Pattern::parse(text).ok_or_else(|| rows::unreadable("a pattern"));
    rows.iter().map(|row| pattern(row.text(0)?)).collect()
}

/// A key as columns hold it.
pub(super) fn hex(key: &Key) -> String {
    let mut text = String::with_capacity(32);
    for byte in key.as_bytes() {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
