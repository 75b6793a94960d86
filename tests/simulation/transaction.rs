//! A host's own transaction, in which it emits (P8).

use async_trait::async_trait;
use ssf_transmitter::store::{
    Append, Appended, Candidate, CandidateQuery, Outbox, StoreError, StreamStore,
};
use ssf_transmitter::transmitter::{Emission, Transmitter};

use crate::connection::Connection;
use crate::time::let_others_go_first;

/// An outbox whose appends are committed with the rest of the transaction.
pub(crate) struct Transaction<'a> {
    outbox: Box<dyn Outbox + 'a>,
    append: Option<Append>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn begin(connection: &'a Connection) -> Self {
        Self { outbox: connection.outbox(), append: None }
    }

    /// Commits it. What was emitted is told, also when nobody knows whether it was committed.
    pub(crate) async fn commit(
        mut self,
        transmitter: &Transmitter,
        emission: &Emission,
    ) -> Result<Emission, StoreError> {
        let _told = Told { transmitter, emission };
        match self.append.take() {
            Some(append) => Ok(self.outbox.append(append).await?.into()),
            None => Err(StoreError::NotFound),
        }
    }
}

/// Wakes whoever waits for the SETs, however the commit ended.
struct Told<'a> {
    transmitter: &'a Transmitter,
    emission: &'a Emission,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.transmitter.wake(self.emission);
    }
}

#[async_trait]
impl Outbox for Transaction<'_> {
    async fn candidates(&mut self, query: &CandidateQuery) -> Result<Vec<Candidate>, StoreError> {
        self.outbox.candidates(query).await
    }

    async fn append(&mut self, append: Append) -> Result<Appended, StoreError> {
        let_others_go_first().await;
        let entries = append.entries.clone().into();
        let appended = Appended::new(append.txn.clone(), entries, Vec::new());
        self.append = Some(append);
        Ok(appended)
    }
}
