//! Small questions that a host may answer for the library.

use std::fmt;

use crate::id::{EventType, Owner};

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

/// The same types for everybody.
impl SupportedEvents for Vec<EventType> {
    fn supported_for(&self, _owner: &Owner) -> Vec<EventType> {
        self.clone()
    }
}
