//! The identity monitor: takes what sources say of identities, keeps the last snapshot, and emits
//! the events that changes mean.

mod dry_run;
mod error;
mod failures;
mod import;

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::event::Event;
use crate::id::{ConditionName, EventType, IdentityId, Txn};
use crate::lifecycle::{
    Conditions, DigestKey, Known, Mode, Observation, Planned, Report, Snapshot, TemplateError,
    observe,
};
use crate::store::{
    Append, Committed, FailedEvent, IdentityCommit, IdentityRecord, IdentityStore, IdentityWrite,
    StoreError,
};
use crate::timestamp::Timestamp;
use crate::transmitter::{Emission, Transmitter};

pub use dry_run::DryRun;
pub use error::{MonitorError, Unmade};
pub use failures::Retried;
pub use import::{BATCH, Import, ImportProgress};

/// Watches identities for a transmitter. Cheap to clone; all clones are one.
///
/// A snapshot and the events it means are committed in one transaction, by compare-and-set: of two
/// reporters of one change one commits, and the other finds nothing left to do. A crash before the
/// commit leaves the change to the next report; one after it leaves nothing to do.
///
/// ```
/// use serde_json::json;
/// use std::sync::Arc;
/// use ssf_transmitter::id::{IdentityId, Issuer, KeyId};
/// use ssf_transmitter::lifecycle::{Conditions, Report, presets};
/// use ssf_transmitter::monitor::IdentityMonitor;
/// use ssf_transmitter::{Algorithm, LocalKeys, MemoryStore, SigningKey, Transmitter};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # ssf_transmitter::testkit::block_on(async {
/// let store = Arc::new(MemoryStore::new());
/// let keys = LocalKeys::new(SigningKey::generate(Algorithm::Es256, KeyId::parse("k")?)?);
/// let issuer = Issuer::parse("https://tr.example.com")?;
/// let transmitter = Transmitter::builder(issuer, Arc::clone(&store), keys).build()?;
/// let monitor = IdentityMonitor::new(transmitter, store);
///
/// let user = json!({"format": "email", "email": {"$from": "/email", "$of": "last"}});
/// let leaver = presets::leaver("/status", &json!(["terminated"]), &user);
/// let document = json!({"version": 1, "conditions": [leaver]});
/// monitor.replace_conditions(0, Conditions::parse(&document)?).await?;
///
/// for status in ["active", "terminated", "terminated"] {
///     let attributes = json!({"email": "u@example.com", "status": status});
///     let report = Report::parse(&json!({"id": "u-1", "attributes": attributes}))?;
///     let observed = monitor.upsert(report).await?;
///     println!("{status}: {} events", observed.events.len());
/// }
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct IdentityMonitor {
    transmitter: Transmitter,
    store: Arc<dyn IdentityStore>,
    key: Option<DigestKey>,
    compiled: Arc<Mutex<Arc<Compiled>>>,
}

/// Conditions that were read from the store.
#[derive(Debug)]
struct Compiled {
    revision: u64,
    conditions: Conditions,
}

/// What became of a report.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Observed {
    /// Whether anything is known now that was not known before.
    pub outcome: Outcome,
    /// The events that were emitted, in the order of the conditions, under one `txn`.
    pub events: Vec<ObservedEvent>,
    /// The events that could not be made. They are kept for the operator.
    pub failures: Vec<FailedEvent>,
}

/// Whether a report said anything new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It did, and it is recorded.
    Recorded,
    /// It said what was known.
    Unchanged,
    /// It is not newer than what is known, by its version.
    Stale,
}

/// An event that a change meant.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObservedEvent {
    /// The condition that fired.
    pub condition: ConditionName,
    /// The type of the event.
    pub event_type: EventType,
    /// What its emission did.
    pub emission: Emission,
}

impl Observed {
    const fn nothing(outcome: Outcome) -> Self {
        Self { outcome, events: Vec::new(), failures: Vec::new() }
    }
}

/// How often a report is decided anew when others write at the same time.
const MOST_TRIES: usize = 32;

impl IdentityMonitor {
    /// A monitor that keeps snapshots in that store, which is the one that the transmitter uses.
    #[must_use]
    pub fn new(transmitter: Transmitter, store: impl IdentityStore) -> Self {
        let none = Compiled { revision: 0, conditions: Conditions::none() };
        Self {
            transmitter,
            store: Arc::new(store),
            key: None,
            compiled: Arc::new(Mutex::new(Arc::new(none))),
        }
    }

    /// With the key for attributes that conditions want kept as digests. All processes over one
    /// store use the same.
    #[must_use]
    pub fn with_digest_key(mut self, key: DigestKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The conditions and their revision; 0 before there were any.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn conditions(&self) -> Result<(u64, Conditions), MonitorError> {
        let stored = self.store.stored_conditions(self.transmitter.issuer()).await?;
        let revision = stored.map_or(0, |stored| stored.revision);
        let compiled = self.compiled(revision).await?;
        Ok((compiled.revision, compiled.conditions.clone()))
    }

    /// Puts other conditions in the place of those of that revision, and returns theirs. Nothing
    /// fires: what they watch is known from the next report on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the revision is another one by now,
    /// [`MonitorError::NoDigestKey`], or another error of the store.
    pub async fn replace_conditions(
        &self,
        expected: u64,
        conditions: Conditions,
    ) -> Result<u64, MonitorError> {
        let conditions = self.keyed(conditions)?;
        let document = conditions.document().to_string().into();
        let issuer = self.transmitter.issuer();
        let revision = self.store.replace_conditions(issuer, expected, document).await?;
        self.remember(Compiled { revision, conditions });
        Ok(revision)
    }

    /// Takes a report. What changed since the last one fires; a first one fires nothing.
    ///
    /// # Errors
    /// An error of the store; the report may be repeated, and fires once.
    pub async fn upsert(&self, report: Report) -> Result<Observed, MonitorError> {
        self.report(report, &Mode::Changes).await
    }

    /// Notes that an identity is gone: every attribute is missing from now on. What that means
    /// fires, as [`upsert`](Self::upsert) does.
    ///
    /// # Errors
    /// Like [`upsert`](Self::upsert).
    pub async fn remove(&self, identity: IdentityId) -> Result<Observed, MonitorError> {
        self.report(Report::removed(identity), &Mode::Changes).await
    }

    /// Takes a change of which the source knows both sides. Where an earlier value is known here,
    /// that one counts: the same change told twice fires once.
    ///
    /// # Errors
    /// Like [`upsert`](Self::upsert).
    pub async fn change(
        &self,
        before: Map<String, Value>,
        after: Report,
    ) -> Result<Observed, MonitorError> {
        self.report(after, &Mode::Since(before)).await
    }

    /// Takes a report in that mode.
    ///
    /// # Errors
    /// Like [`upsert`](Self::upsert).
    pub async fn report(&self, report: Report, mode: &Mode) -> Result<Observed, MonitorError> {
        let mut observed = self.apply(&[report], mode).await?;
        observed.pop().ok_or_else(|| StoreError::Conflict.into())
    }

    /// Removes everything that is kept of an identity. Nothing fires; it is unknown from now on.
    ///
    /// # Errors
    /// An error of the store.
    pub async fn forget(&self, identity: &IdentityId) -> Result<(), MonitorError> {
        Ok(self.store.forget_identity(self.transmitter.issuer(), identity).await?)
    }

    /// Takes reports of different identities, in one transaction; those that meet a conflict are
    /// decided anew.
    async fn apply(&self, reports: &[Report], mode: &Mode) -> Result<Vec<Observed>, MonitorError> {
        let mut done: Vec<Option<Observed>> = reports.iter().map(|_| None).collect();
        for _ in 0..MOST_TRIES {
            let open: Vec<usize> =
                (0..done.len()).filter(|position| done[*position].is_none()).collect();
            if open.is_empty() {
                return Ok(done.into_iter().flatten().collect());
            }
            self.attempt(reports, &open, mode, &mut done).await?;
        }
        Err(StoreError::Conflict.into())
    }

    /// Reads, decides and commits once. What met a conflict stays open.
    async fn attempt(
        &self,
        reports: &[Report],
        open: &[usize],
        mode: &Mode,
        done: &mut [Option<Observed>],
    ) -> Result<(), MonitorError> {
        let issuer = self.transmitter.issuer();
        let identities: Vec<_> =
            open.iter().map(|position| reports[*position].identity.clone()).collect();
        let read = self.store.read_identities(issuer, &identities).await?;
        let compiled = self.compiled(read.conditions).await?;
        let now = self.transmitter.now();
        let (mut writes, mut pending) = (Vec::new(), Vec::new());
        for (position, record) in open.iter().zip(read.records) {
            let report = &reports[*position];
            let known = record.as_ref().map(|it| Known::new(it.version, &it.snapshot));
            match observe(&compiled.conditions, known, report, mode, now) {
                Observation::Stale => done[*position] = Some(Observed::nothing(Outcome::Stale)),
                Observation::Unchanged => {
                    done[*position] = Some(Observed::nothing(Outcome::Unchanged));
                }
                Observation::Changed { before, after, version, planned } => {
                    let snapshots = (Arc::new(before), Arc::new(after));
                    let change = Change { record, version, snapshots, now };
                    let (write, events) = self.prepare(report, change, planned).await?;
                    writes.push(write);
                    pending.push((*position, events));
                }
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        let failures: Vec<_> = writes.iter().map(|write| write.failures.clone()).collect();
        let commit = IdentityCommit::new(compiled.revision, writes);
        let committing = self.transmitter.committing();
        let committed = self.store.commit_identities(issuer, commit).await.map_err(Error::from);
        let committed = match committing.over(committed) {
            // The conditions are others by now.
            Err(Error::Store(StoreError::Conflict)) => return Ok(()),
            result => result?,
        };
        for (((position, events), failures), committed) in
            pending.into_iter().zip(failures).zip(committed)
        {
            let Committed::Done(appended) = committed else { continue };
            let emitted = events.into_iter().zip(appended);
            let events = emitted
                .map(|((condition, event_type), appended)| {
                    let emission = Emission::from(appended);
                    self.transmitter.wake(&emission);
                    ObservedEvent { condition, event_type, emission }
                })
                .collect();
            done[position] = Some(Observed { outcome: Outcome::Recorded, events, failures });
        }
        Ok(())
    }

    /// What is to be stored of a change. An event that cannot be made becomes a failure: the change
    /// is not lost.
    async fn prepare(
        &self,
        report: &Report,
        change: Change,
        planned: Vec<Planned>,
    ) -> Result<(IdentityWrite, Vec<(ConditionName, EventType)>), MonitorError> {
        let Change { record, version, snapshots, now } = change;
        let identity = report.identity.clone();
        let expected = record.map(|record| record.revision);
        let mut write =
            IdentityWrite::new(identity.clone(), expected, version, Arc::clone(&snapshots.1));
        let mut events = Vec::new();
        let txn = self.transmitter.new_txn(now);
        for Planned { condition, event } in planned {
            match self.make(event, &txn, now).await? {
                Ok(append) => {
                    events.push((condition, append.event_type.clone()));
                    write.appends.push(append);
                }
                Err(unmade) => write.failures.push(FailedEvent::new(
                    self.transmitter.new_failure_id(now),
                    identity.clone(),
                    condition,
                    unmade.to_string().into(),
                    now,
                    snapshots.clone(),
                )),
            }
        }
        Ok((write, events))
    }

    /// The event of a condition as it goes into the store, or why there is none.
    async fn make(
        &self,
        event: Result<Event, TemplateError>,
        txn: &Txn,
        now: Timestamp,
    ) -> Result<Result<Append, Unmade>, MonitorError> {
        let event = match event {
            Ok(event) => event.with_txn(txn.clone()),
            Err(error) => return Ok(Err(Unmade::Template(error))),
        };
        let mut outbox = self.transmitter.outbox();
        match self.transmitter.plan(&mut *outbox, &event, now).await {
            Ok(append) => Ok(Ok(append)),
            Err(Error::Event(error)) => Ok(Err(Unmade::Set(error))),
            Err(Error::InvalidEvent(error)) => Ok(Err(Unmade::Event(error))),
            Err(error) => Err(error.into()),
        }
    }

    /// The conditions of that revision, or of a newer one.
    async fn compiled(&self, revision: u64) -> Result<Arc<Compiled>, MonitorError> {
        let last = Arc::clone(&self.compiled.lock().unwrap_or_else(PoisonError::into_inner));
        if last.revision == revision {
            return Ok(last);
        }
        let stored = self.store.stored_conditions(self.transmitter.issuer()).await?;
        let compiled = match stored {
            None => Compiled { revision: 0, conditions: Conditions::none() },
            Some(stored) => {
                let conditions = serde_json::from_str(&stored.document)
                    .map_err(|error| StoreError::Corrupt(Box::new(error)))?;
                Compiled { revision: stored.revision, conditions: self.keyed(conditions)? }
            }
        };
        Ok(self.remember(compiled))
    }

    fn remember(&self, compiled: Compiled) -> Arc<Compiled> {
        let compiled = Arc::new(compiled);
        let mut last = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Arc::clone(&compiled);
        compiled
    }

    fn keyed(&self, conditions: Conditions) -> Result<Conditions, MonitorError> {
        match &self.key {
            Some(key) => Ok(conditions.with_digest_key(key.clone())),
            None if conditions.wants_digests() => Err(MonitorError::NoDigestKey),
            None => Ok(conditions),
        }
    }
}

/// A change of one identity, on its way into the store.
struct Change {
    record: Option<IdentityRecord>,
    version: Option<i64>,
    /// Before and after it.
    snapshots: (Arc<Snapshot>, Arc<Snapshot>),
    now: Timestamp,
}
