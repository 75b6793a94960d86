//! Emission in a transaction of the host's: its change and the events it means count together.

use std::fmt;

use async_trait::async_trait;

use super::session::Session;
use super::{interests, outbox};
use crate::store::{Append, Appended, Candidate, CandidateQuery, Outbox, StoreError};

/// An outbox whose events are accepted when the host's own transaction commits, and that leave no
/// trace when it rolls back. The stores' `within` gives it, for
/// [`Transmitter::emit_in`](crate::Transmitter::emit_in).
///
/// A call that fails has done nothing, and the host may go on with its transaction. After
/// [`StoreError::Unavailable`] it may not: the database may have ended the transaction, or be at work
/// still. Nor when the future of a call was dropped, which may have done half of its work. Roll the
/// transaction back then.
pub struct HostOutbox<'a> {
    session: Box<dyn Session + 'a>,
    fan_out: usize,
}

impl<'a> HostOutbox<'a> {
    pub(in crate::store) fn new(session: Box<dyn Session + 'a>, fan_out: usize) -> Self {
        Self { session, fan_out }
    }
}

#[async_trait]
impl Outbox for HostOutbox<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        let session = &mut *self.session;
        session.script(SAVE).await?;
        let candidates = interests::candidates(session, query).await;
        end(session, Ended::of(&candidates)).await?;
        candidates
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let session = &mut *self.session;
        session.script(SAVE).await?;
        let appended = outbox::append(session, append, self.fan_out).await;
        end(session, Ended::of(&appended)).await?;
        if appended.as_ref().is_ok_and(|appended| !appended.accepted.is_empty()) {
            session.announce().await?;
        }
        appended
    }
}

const SAVE: &str = "SAVEPOINT transmitter_call";

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Well,
    Badly,
}

/// Ends what [`SAVE`] began. In PostgreSQL a failed statement would else end the host's transaction.
async fn end(session: &mut dyn Session, ended: Ended) -> Result<(), StoreError> {
    match ended {
        Ended::Well => {}
        Ended::Badly => session.script("ROLLBACK TO SAVEPOINT transmitter_call").await?,
    }
    session.script("RELEASE SAVEPOINT transmitter_call").await
}

impl Ended {
    fn of<T>(result: &Result<T, StoreError>) -> Self {
        result.as_ref().map_or(Self::Badly, |_| Self::Well)
    }
}

impl fmt::Debug for HostOutbox<'_> {
    /// Says nothing of what the transaction holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostOutbox").finish_non_exhaustive()
    }
}
