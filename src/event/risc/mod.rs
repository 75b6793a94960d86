//! The events of RISC 1.0: accounts, identifiers, credentials, recovery, opting out.
//!
//! ```
//! use ssf_transmitter::event::Event;
//! use ssf_transmitter::event::risc::IdentifierChanged;
//! use ssf_transmitter::subject::SimpleSubject;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let changed = IdentifierChanged::new().with_new_value("jane.roe@example.com");
//! let event = Event::of(&changed, SimpleSubject::email("jane.doe@example.com")?)?;
//! assert_eq!(event.members()["new-value"], "jane.roe@example.com");
//!
//! // The subject is the old identifier itself, not the account that it belongs to.
//! let account = SimpleSubject::iss_sub("https://idp.example.com/", "u-4711")?;
//! assert!(Event::of(&changed, account).is_err());
//! # Ok(()) }
//! ```

mod account;
mod deprecated;
mod identifier;
mod opt_out;

pub use account::{
    AccountCredentialChangeRequired, AccountDisabled, AccountEnabled, AccountPurged,
    CredentialCompromise, DisabledReason, RecoveryActivated, RecoveryInformationChanged,
};
#[expect(deprecated, reason = "receivers of older transmitters still know it")]
pub use deprecated::SessionsRevoked;
pub use identifier::{IdentifierChanged, IdentifierRecycled};
pub use opt_out::{
    IllegalTransition, OptIn, OptOutCancelled, OptOutEffective, OptOutEvent, OptOutInitiated,
    OptOutState,
};

/// An event without members of its own.
macro_rules! bare_event {
    ($(#[$doc:meta])* $name:ident = $uri:ident;) => {
        crate::event::define::event! {
            $(#[$doc])*
            #[derive(Default)]
            $name = $uri;
            /// The event, which has no members.
            fn new;
            required {}
            optional {}
        }
    };
}
use bare_event;
