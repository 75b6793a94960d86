//! The outbox of a store in an SQL database, which commits each append on its own.

use async_trait::async_trait;

use super::in_transaction;
use crate::store::sql::session::{Access, Database};
use crate::store::sql::{interests, outbox};
use crate::store::{Append, Appended, Candidate, CandidateQuery, Outbox, StoreError};

/// Commits each append on its own.
#[derive(Debug)]
pub(in crate::store::sql) struct SqlOutbox<'a, D> {
    database: &'a D,
    fan_out: usize,
}

impl<'a, D> SqlOutbox<'a, D> {
    pub(in crate::store::sql) fn new(database: &'a D, fan_out: usize) -> Self {
        Self { database, fan_out }
    }
}

#[async_trait]
impl<D: Database> Outbox for SqlOutbox<'_, D> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        in_transaction!(self.database, Read, session => interests::candidates(session, query))
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        in_transaction!(
            self.database, announced,
            session => outbox::append(session, append, self.fan_out)
        )
    }
}
