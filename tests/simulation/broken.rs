//! Stores and engines that break a promise: the proof that the simulation can fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ssf_transmitter::id::Jti;
use ssf_transmitter::outbox::{Fate, Fence};
use ssf_transmitter::store::{
    Acknowledgement, Append, ClaimRequest, Claims, HandOut, KeepToken, Kept, NewVerification,
    Queue, SettleBatch, StreamUpdate,
};

use crate::model::Tracing;
use crate::run::{memory, run};

/// What is wrong with the line to a store: it changes what is asked or what is answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fault {
    kind: Kind,
    /// The last fence of each entry.
    fences: Arc<Mutex<BTreeMap<Jti, Fence>>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    None,
    LastTokenWins,
    AnyFenceSettles,
    LeasesAreShort,
    BreakersStayClosed,
    RetriesComeAtOnce,
    AttemptsAreForgotten,
    AnEntryGetsLost,
    KeysOfRepetitionsAreIgnored,
    StopsAreSilent,
    DisabledStreamsKeepTheirQueue,
    OldGenerationsGoOn,
    PollsAreOutOfOrder,
    AcknowledgementsGetLost,
    DeliveriesAreForgotten,
    VerificationsComeTooOften,
}

const ALL: [Kind; 15] = [
    Kind::LastTokenWins,
    Kind::AnyFenceSettles,
    Kind::LeasesAreShort,
    Kind::BreakersStayClosed,
    Kind::RetriesComeAtOnce,
    Kind::AttemptsAreForgotten,
    Kind::AnEntryGetsLost,
    Kind::KeysOfRepetitionsAreIgnored,
    Kind::StopsAreSilent,
    Kind::DisabledStreamsKeepTheirQueue,
    Kind::OldGenerationsGoOn,
    Kind::PollsAreOutOfOrder,
    Kind::AcknowledgementsGetLost,
    Kind::DeliveriesAreForgotten,
    Kind::VerificationsComeTooOften,
];

/// Each of them is met within so many seeds.
const ENOUGH: u64 = 400;

#[test]
fn whatever_breaks_a_promise_is_noticed() {
    for kind in ALL {
        let noticed = (0..ENOUGH).any(|seed| {
            let fault = Fault { kind, fences: Arc::default() };
            run(seed, memory(), fault, Tracing::Off).is_err()
        });
        assert!(noticed, "{kind:?} was not noticed");
    }
}

impl Fault {
    fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    pub(crate) fn claim(&self, mut request: ClaimRequest) -> ClaimRequest {
        if self.is(Kind::LeasesAreShort) {
            request.lease_until = request.now;
        }
        request
    }

    pub(crate) fn claimed(&self, claims: &Claims) {
        let mut fences = self.fences.lock().unwrap_or_else(PoisonError::into_inner);
        fences.extend(claims.entries.iter().map(|entry| (entry.jti.clone(), entry.fence)));
    }

    pub(crate) fn kept(&self, asked: &[KeepToken], mut kept: Vec<Kept>) -> Vec<Kept> {
        if self.is(Kind::LastTokenWins) {
            for (asked, kept) in asked.iter().zip(&mut kept) {
                if let Kept::Token { token, .. } = kept {
                    *token = asked.token.clone();
                }
            }
        }
        kept
    }

    pub(crate) fn settle(&self, mut batch: SettleBatch) -> SettleBatch {
        if self.is(Kind::BreakersStayClosed) {
            batch.health.clear();
        }
        let fences = self.fences.lock().unwrap_or_else(PoisonError::into_inner);
        for settlement in &mut batch.settlements {
            match (self.kind, &settlement.fate) {
                (Kind::AnyFenceSettles, _) => {
                    settlement.fence = fences.get(&settlement.jti).copied().unwrap_or_default();
                }
                (Kind::RetriesComeAtOnce, Fate::Retry(_)) => {
                    settlement.fate = Fate::Retry(batch.now);
                }
                (Kind::AttemptsAreForgotten, Fate::Retry(at)) => {
                    settlement.fate = Fate::Defer(*at);
                }
                (Kind::DeliveriesAreForgotten, Fate::Delivered { .. }) => {
                    settlement.fate = Fate::Return;
                }
                _ => {}
            }
        }
        batch
    }

    pub(crate) fn append(&self, mut append: Append) -> Append {
        if self.is(Kind::AnEntryGetsLost) && append.entries.len() > 1 {
            append.entries.pop();
        }
        if self.is(Kind::KeysOfRepetitionsAreIgnored) {
            append.idempotency_key = None;
        }
        append
    }

    pub(crate) fn update(&self, mut update: StreamUpdate) -> StreamUpdate {
        match self.kind {
            Kind::StopsAreSilent => update.announce = None,
            Kind::DisabledStreamsKeepTheirQueue => update.queue = Queue::Keep,
            Kind::OldGenerationsGoOn => update.record.generation = 1,
            _ => {}
        }
        update
    }

    pub(crate) fn handed_out(&self, mut out: HandOut) -> HandOut {
        if self.is(Kind::PollsAreOutOfOrder) {
            out.entries.reverse();
        }
        out
    }

    pub(crate) fn acknowledge(&self, mut acknowledgement: Acknowledgement) -> Acknowledgement {
        if self.is(Kind::AcknowledgementsGetLost) {
            acknowledgement.acks.clear();
        }
        acknowledgement
    }

    pub(crate) fn verification(&self, mut verification: NewVerification) -> NewVerification {
        if self.is(Kind::VerificationsComeTooOften) {
            verification.min_interval = std::time::Duration::ZERO;
        }
        verification
    }
}
