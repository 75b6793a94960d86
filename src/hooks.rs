//! Small questions that a host may answer for the library.

use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{EventType, Jti, Owner, StreamId};
use crate::outbox::{DeadLetterReason, HeldLimit};

/// Which event types a receiver may have.
///
/// # Contract
/// 1. The answer is the same for the same owner until the host restarts or changes its mind; it is
///    asked when a stream is created, changed or shown.
/// 2. It does not block.
///
/// # Example
/// ```
/// use ssf_transmitter::event::types;
/// use ssf_transmitter::hooks::SupportedEvents;
/// use ssf_transmitter::id::{EventType, Owner};
///
/// /// Everybody may have one type.
/// #[derive(Debug)]
/// struct OnlySessions;
///
/// impl SupportedEvents for OnlySessions {
///     fn supported_for(&self, _owner: &Owner) -> Vec<EventType> {
///         vec![types::session_revoked()]
///     }
/// }
/// ```
pub trait SupportedEvents: fmt::Debug + Send + Sync + 'static {
    /// The types this receiver may have. Those of control SETs
    /// ([`is_control`](crate::event::types::is_control)) are left out: streams get these anyway.
    fn supported_for(&self, owner: &Owner) -> Vec<EventType>;
}

impl<T: SupportedEvents + ?Sized> SupportedEvents for Arc<T> {
    fn supported_for(&self, owner: &Owner) -> Vec<EventType> {
        (**self).supported_for(owner)
    }
}

/// The same types for everybody.
impl SupportedEvents for Vec<EventType> {
    fn supported_for(&self, _owner: &Owner) -> Vec<EventType> {
        self.clone()
    }
}

/// Whether an event may be shared with a receiver: consent, contracts, jurisdiction
/// (SSF 1.0 §8.1.3.2, §9.2).
///
/// # Contract
/// 1. It is asked once per event and interested stream, when the event is emitted and when
///    somebody asks for an explanation. A veto means that the stream never gets the event.
/// 2. It does not block and has no side effects.
///
/// # Example
/// ```
/// use ssf_transmitter::event::Event;
/// use ssf_transmitter::hooks::{Sharing, SharingPolicy};
/// use ssf_transmitter::id::{Owner, StreamId};
///
/// /// Shares with one organisation only.
/// #[derive(Debug)]
/// struct OnlyAcme;
///
/// impl SharingPolicy for OnlyAcme {
///     fn decide(&self, _event: &Event, _stream: &StreamId, owner: &Owner) -> Sharing {
///         if owner.tenant.as_str() == "acme" { Sharing::Allow } else { Sharing::Veto }
///     }
/// }
/// ```
pub trait SharingPolicy: fmt::Debug + Send + Sync + 'static {
    /// Whether that stream of that owner may have the event.
    fn decide(&self, event: &Event, stream: &StreamId, owner: &Owner) -> Sharing;
}

impl<T: SharingPolicy + ?Sized> SharingPolicy for Arc<T> {
    fn decide(&self, event: &Event, stream: &StreamId, owner: &Owner) -> Sharing {
        (**self).decide(event, stream, owner)
    }
}

/// What a sharing policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// The stream gets the event.
    Allow,
    /// The stream does not get it.
    Veto,
}

/// Shares everything with everybody who wants it: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct ShareAll;

impl SharingPolicy for ShareAll {
    fn decide(&self, _event: &Event, _stream: &StreamId, _owner: &Owner) -> Sharing {
        Sharing::Allow
    }
}

/// Who wants to know at once what an operator should look at: to raise an alarm, to call somebody,
/// to write to the receiver's owner.
///
/// # Contract
/// 1. `observe` is called once for each thing that happened, after it was committed, by the process
///    that did it. A process that dies in between tells nobody: dead letters, statuses and totals
///    of the store are what counts.
/// 2. It does not block: what takes time is handed to a channel or a task.
/// 3. A panic in it is caught and changes nothing.
///
/// # Example
/// ```
/// use std::sync::mpsc::Sender;
///
/// use ssf_transmitter::hooks::{Notice, Observer};
///
/// /// Passes on what was given up.
/// #[derive(Debug)]
/// struct Undertaker(Sender<String>);
///
/// impl Observer for Undertaker {
///     fn observe(&self, notice: &Notice) {
///         if let Notice::DeadLettered { stream_id, jti, .. } = notice {
///             let _ = self.0.send(format!("{stream_id} will never get {jti}"));
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Takes notice.
    fn observe(&self, notice: &Notice);
}

impl<T: Observer + ?Sized> Observer for Arc<T> {
    fn observe(&self, notice: &Notice) {
        (**self).observe(notice);
    }
}

/// Something an operator should know. None of it is for the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The receiver of a stream takes SETs again.
    BreakerClosed {
        /// The stream.
        stream_id: StreamId,
    },
    /// The receiver of a stream cannot be reached or will not serve us, or we cannot serve it
    /// ([`Hindrance`](crate::outbox::Hindrance)): its SETs wait. A stream that is paused, changed or enabled anew meanwhile closes its breaker without a notice.
    BreakerOpened {
        /// The stream.
        stream_id: StreamId,
        /// An HTTP status, an error code, the kind of a transport failure, or what hinders us.
        error: String,
    },
    /// A SET was given up after an attempt or a report. What a held limit gives up is told by
    /// [`Notice::HeldGivenUp`].
    DeadLettered {
        /// The stream.
        stream_id: StreamId,
        /// The SET.
        jti: Jti,
        /// Why.
        reason: DeadLetterReason,
    },
    /// A stream held more than it may and was disabled: what waited is discarded.
    HeldDisabled {
        /// The stream.
        stream_id: StreamId,
        /// Which limit it exceeded.
        limit: HeldLimit,
    },
    /// A stream held more than it may: its oldest entries are dead letters.
    HeldGivenUp {
        /// The stream.
        stream_id: StreamId,
        /// Which limit it exceeded.
        limit: HeldLimit,
        /// How many entries were given up.
        entries: u64,
    },
    /// A stream that was enabled is paused (SSF 1.0 §8.1.2.1): its SETs are held.
    StreamPaused {
        /// The stream.
        stream_id: StreamId,
        /// Why.
        cause: PauseCause,
    },
    /// A verification SET (SSF 1.0 §8.1.4) was given up: what its receiver set up does not work.
    /// [`Notice::DeadLettered`] comes before it.
    VerificationFailed {
        /// The stream.
        stream_id: StreamId,
        /// The SET.
        jti: Jti,
        /// Why.
        reason: DeadLetterReason,
    },
}

/// Why a stream was paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PauseCause {
    /// Its receiver was silent for too long (SSF 1.0 §8.1.1 `inactivity_timeout`).
    Inactivity,
    /// The host asked for it.
    Operator,
    /// Its receiver asked for it.
    Receiver,
    /// Its receiver was suspended.
    Suspension,
    /// Its SETs could not be delivered; the cause is the stream's last error.
    Undeliverable,
    /// Something of ours kept its SETs from being sent: its secret did not open, or there was no
    /// authorization; which it was is the stream's last error.
    Hindered,
}

impl PauseCause {
    /// A word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactivity => "inactivity",
            Self::Operator => "operator",
            Self::Receiver => "receiver",
            Self::Suspension => "suspension",
            Self::Undeliverable => "undeliverable",
            Self::Hindered => "hindered",
        }
    }
}

/// Takes no notice of anything: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _notice: &Notice) {}
}
