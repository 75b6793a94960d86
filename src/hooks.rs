//! Small questions that a host may answer for the library.

use std::fmt;
use std::sync::Arc;

use crate::event::Event;
use crate::id::{EventType, Owner, StreamId};

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
    /// The types this receiver may have.
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
