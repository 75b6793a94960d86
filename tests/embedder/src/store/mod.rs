//! A store of vectors: the shortest that keeps what the port promises.
//!
//! It keeps every promise but those about cost: it has no index, so every question is a search
//! through all streams of the issuer.

mod operator;
mod outbox;
mod receiver;
mod state;
mod stream;
mod worker;

use std::sync::{Mutex, PoisonError};

use ssf_transmitter::id::{Issuer, Owner, StreamId};
use ssf_transmitter::store::{Outbox, StoreError, StreamStore};

use self::outbox::VecOutbox;
use self::state::{IssuerState, State};
use self::stream::Stream;

/// Streams and entries in vectors, behind one lock.
#[derive(Debug, Default)]
pub struct VecStore(Mutex<State>);

impl StreamStore for VecStore {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(VecOutbox(self))
    }
}

impl VecStore {
    /// Runs `with` on what belongs to an issuer. The lock is held for this call only, never across
    /// an await, so a dropped future has done all of its work or none.
    fn of<T>(&self, issuer: &Issuer, with: impl FnOnce(&mut IssuerState) -> T) -> T {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        with(state.of(issuer))
    }

    /// Runs `with` on a stream of that owner.
    fn owned<T>(
        &self,
        issuer: &Issuer,
        owner: &Owner,
        id: &StreamId,
        with: impl FnOnce(&mut Stream) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.of(issuer, |state| with(state.owned(owner, id)?))
    }
}
