//! What belongs to one issuer.

use std::collections::HashMap;

use ssf_transmitter::id::{IdempotencyKey, Issuer, Jti, Owner, StreamId};
use ssf_transmitter::store::{Appended, StoreError, Totals};
use ssf_transmitter::timestamp::Timestamp;

use super::stream::Stream;

/// All issuers: nothing of one is reached through another.
#[derive(Debug, Default)]
pub(super) struct State(HashMap<Issuer, IssuerState>);

impl State {
    pub(super) fn of(&mut self, issuer: &Issuer) -> &mut IssuerState {
        self.0.entry(issuer.clone()).or_default()
    }
}

/// The streams of one issuer, and what is left of those that are gone.
#[derive(Debug, Default)]
pub(super) struct IssuerState {
    /// In the order of their creation.
    pub(super) streams: Vec<Stream>,
    pub(super) suspended: Vec<Owner>,
    pub(super) first_results: Vec<FirstResult>,
    /// What became of the entries of streams that were deleted.
    pub(super) departed: Totals,
    pub(super) last_fence: u64,
    /// The stream that the next claim begins with, so that a long backlog starves nobody.
    pub(super) turn: usize,
}

/// What the first emission under an idempotency key did.
#[derive(Debug)]
pub(super) struct FirstResult {
    pub(super) key: IdempotencyKey,
    pub(super) at: Timestamp,
    pub(super) appended: Appended,
}

impl IssuerState {
    pub(super) fn find(&mut self, id: &StreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.record.stream_id == *id)
    }

    /// A stream of that owner; one of another owner does not exist.
    pub(super) fn owned(
        &mut self,
        owner: &Owner,
        id: &StreamId,
    ) -> Result<&mut Stream, StoreError> {
        let stream = self.find(id).filter(|stream| stream.record.owner == *owner);
        stream.ok_or(StoreError::NotFound)
    }

    /// Whether a new entry may have that identifier.
    pub(super) fn check_unused(&self, jti: &Jti) -> Result<(), StoreError> {
        let taken = self.streams.iter().flat_map(|stream| &stream.entries).any(|e| e.jti == *jti);
        if taken { Err(StoreError::IdTaken) } else { Ok(()) }
    }
}
