//! A store that breaks one sentence of the contract: a store in memory behind a fault.

use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use ssf_transmitter::MemoryStore;
use ssf_transmitter::id::{IdempotencyKey, Issuer, Jti, KeyId, StreamId};
use ssf_transmitter::outbox::Fence;
use ssf_transmitter::store::{Appended, Claimed, Outbox, StreamStore, SubjectChange};

use super::outbox::BrokenOutbox;

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing.
    None,
    // All faces.
    RoundsTimesToSeconds,
    AppendsEntryByEntry,
    SettlesEntryByEntry,
    ClaimsForAnyIssuer,
    ForgetsTheOwner,
    TakesNamesInAnyCase,
    ShowsSecrets,
    // The receiver face.
    IgnoresTheQuota,
    IgnoresTheTenantsQuota,
    ChecksTheQuotaBefore,
    ListsByTime,
    IgnoresTheVersion,
    IgnoresWhatIsProvided,
    LosesTheAnnouncement,
    EmptiesOnConflict,
    KeepsTheQueueOfTheDisabled,
    EnablesForTheSuspended,
    KeepsSubjectsOfTheDeleted,
    LosesRemovals,
    RemovesAtOnce,
    ListsAnyNumberOfSubjects,
    IgnoresTheInterval,
    AcknowledgesForeignSets,
    PrefersAcknowledgements,
    PollsNewestFirst,
    HandsOutOnce,
    NeverHasMore,
    HidesNothing,
    IgnoresActivity,
    // The worker face.
    ClaimsTwice,
    ClaimsOneMore,
    NeverEndsALease,
    IgnoresThePlaces,
    IgnoresTheLimitPerStream,
    ReplacesTheFirstToken,
    KeepsTokensForWhatIsGone,
    TakesAnOldFence,
    CountsDeferrals,
    SwapsTheSettled,
    ForgetsHealth,
    TakesHealthOfAnyGeneration,
    NamesVerdictsTwice,
    SweepsUnbounded,
    NamesTheBusiestFirst,
    WakesLate,
    WakesAgainAndAgain,
    PagesHeldFromTheStart,
    GivesUpWhatIsClaimed,
    ClaimsUnsigned,
    NamesTheLastVerifiedFirst,
    // The operator face.
    PagesInclusively,
    CountsDeliveriesTwice,
    NeverSuspends,
    ListsLettersBackwards,
    IgnoresTheFilter,
    RedrivesByHalves,
    AsksForInterestAtNoTime,
    // The outbox.
    OffersDisabledStreams,
    LosesTheLastEntry,
    ForgetsOrderKeys,
    ReportsNothingSkipped,
    ForgetsKeys,
    ChecksKeysBefore,
    // The identities face.
    IgnoresTheConditions,
    IgnoresTheRevision,
    ReadsBackwards,
    ReplacesConditionsOfAnyRevision,
    LosesFailures,
    KeepsFailuresOfTheForgotten,
    PagesFailuresInclusively,
    EndsFailuresByHalves,
}

/// A store with a fault.
pub(super) struct Broken {
    pub(super) store: MemoryStore,
    fault: Fault,
    remembered: Mutex<Remembered>,
}

/// What it remembers to do it wrong.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) issuers: Vec<Issuer>,
    pub(super) subjects: HashMap<(Issuer, StreamId), Vec<SubjectChange>>,
    pub(super) handed: Vec<(Issuer, Jti)>,
    pub(super) claimed: Vec<(Issuer, Claimed)>,
    pub(super) fences: HashMap<(Issuer, Jti), Fence>,
    pub(super) kids: HashMap<(Issuer, Jti), KeyId>,
    pub(super) keys: HashMap<(Issuer, IdempotencyKey), Appended>,
    pub(super) secrets: Vec<String>,
    pub(super) came: usize,
}

impl Broken {
    pub(super) fn new(fault: Fault) -> Self {
        Self { store: MemoryStore::new(), fault, remembered: Mutex::default() }
    }

    pub(super) fn does(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub(super) fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamStore for Broken {
    fn outbox(&self) -> Box<dyn Outbox + '_> {
        Box::new(BrokenOutbox(self))
    }
}

impl fmt::Debug for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broken").field("secrets", &self.remembered().secrets).finish()
    }
}

impl Broken {
    /// Waits for company: somebody who comes here too, or nobody for a while.
    pub(super) async fn company(&self) {
        let mine = {
            let mut remembered = self.remembered();
            remembered.came += 1;
            remembered.came
        };
        for _ in 0..200 {
            std::thread::yield_now();
            others().await;
            if self.remembered().came > mine {
                return;
            }
        }
    }
}

/// Lets others go first, as a store does that waits for a database.
pub(super) async fn others() {
    let mut waited = false;
    poll_fn(|cx| {
        if waited {
            return Poll::Ready(());
        }
        waited = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
