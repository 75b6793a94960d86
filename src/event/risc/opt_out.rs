//! RISC 1.0 §2.8: users who opt out of RISC, and what may still be sent about them.
//!
//! ```text
//!          opt-out-initiated                opt-out-effective
//!  OptIn --------------------> Initiated ----------------------> OptOut
//!    ^ ^   opt-out-cancelled       |                                |
//!    | +---------------------------+                                |
//!    +--------------------------------------------------------------+
//!                                opt-in
//! ```
//!
//! The state belongs to a subject at a transmitter, whatever the stream. A host keeps it, asks it
//! before it emits, and moves it on when it emitted one of the four events:
//!
//! ```
//! use ssf_transmitter::event::risc::{OptOutEvent, OptOutState};
//! use ssf_transmitter::event::types;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let state = OptOutState::default().after(OptOutEvent::OptOutInitiated)?;
//! // For a while events still go out, so that a hijacker cannot silence them at once.
//! assert!(state.may_send(&types::account_disabled()));
//!
//! let state = state.after(OptOutEvent::OptOutEffective)?;
//! assert!(!state.may_send(&types::account_disabled()));
//! assert!(state.may_send(&types::opt_in()));
//! # Ok(()) }
//! ```

use super::bare_event;
use crate::event::types;
use crate::id::EventType;

/// Whether an account takes part in RISC (RISC 1.0 §2.8). An account of which nothing is known does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptOutState {
    /// The account takes part.
    #[default]
    OptIn,
    /// The user asked to be left out; for a period events are still exchanged.
    OptOutInitiated,
    /// The account does not take part.
    OptOut,
}

/// The events that change the state, of which the types are those of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OptOutEvent {
    /// [`OptIn`]: the account takes part again.
    OptIn,
    /// [`OptOutInitiated`]: the user asked to be left out.
    OptOutInitiated,
    /// [`OptOutCancelled`]: the user took that back.
    OptOutCancelled,
    /// [`OptOutEffective`]: the account is left out from now on.
    OptOutEffective,
}

/// A change of state that RISC 1.0 §2.8 does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {event:?} from the state {from:?}")]
#[non_exhaustive]
pub struct IllegalTransition {
    /// The state that the account is in.
    pub from: OptOutState,
    /// The event that cannot follow.
    pub event: OptOutEvent,
}

impl OptOutState {
    /// The state after that event.
    ///
    /// # Errors
    /// When the event cannot follow on this state.
    pub const fn after(self, event: OptOutEvent) -> Result<Self, IllegalTransition> {
        match (self, event) {
            (Self::OptIn, OptOutEvent::OptOutInitiated) => Ok(Self::OptOutInitiated),
            (Self::OptOutInitiated, OptOutEvent::OptOutCancelled)
            | (Self::OptOut, OptOutEvent::OptIn) => Ok(Self::OptIn),
            (Self::OptOutInitiated, OptOutEvent::OptOutEffective) => Ok(Self::OptOut),
            (from, event) => Err(IllegalTransition { from, event }),
        }
    }

    /// Whether an event of that type may be sent about an account in this state: one of the four
    /// where it may follow, any other unless the account is left out.
    ///
    /// So `opt-out-effective` is sent before the account goes silent, and `opt-in` is the only
    /// event that ends the silence.
    #[must_use]
    pub fn may_send(self, event_type: &EventType) -> bool {
        match OptOutEvent::of(event_type) {
            Some(event) => self.after(event).is_ok(),
            None => self != Self::OptOut,
        }
    }
}

impl OptOutEvent {
    /// The event of that type, if it is one of the four.
    #[must_use]
    pub fn of(event_type: &EventType) -> Option<Self> {
        match event_type.as_str() {
            types::OPT_IN => Some(Self::OptIn),
            types::OPT_OUT_INITIATED => Some(Self::OptOutInitiated),
            types::OPT_OUT_CANCELLED => Some(Self::OptOutCancelled),
            types::OPT_OUT_EFFECTIVE => Some(Self::OptOutEffective),
            _ => None,
        }
    }
}

bare_event! {
    /// The account takes part in RISC again (RISC 1.0 §2.8.1).
    OptIn = OPT_IN;
}

bare_event! {
    /// The user asked to be left out of RISC (RISC 1.0 §2.8.2).
    OptOutInitiated = OPT_OUT_INITIATED;
}

bare_event! {
    /// The user took back the wish to be left out (RISC 1.0 §2.8.3).
    OptOutCancelled = OPT_OUT_CANCELLED;
}

bare_event! {
    /// The account is left out of RISC from now on (RISC 1.0 §2.8.4).
    OptOutEffective = OPT_OUT_EFFECTIVE;
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [OptOutState; 3] =
        [OptOutState::OptIn, OptOutState::OptOutInitiated, OptOutState::OptOut];
    const EVENTS: [OptOutEvent; 4] = [
        OptOutEvent::OptIn,
        OptOutEvent::OptOutInitiated,
        OptOutEvent::OptOutCancelled,
        OptOutEvent::OptOutEffective,
    ];

    #[test]
    fn four_transitions_are_legal_and_no_other_risc_1_0_2_8() {
        let mut legal = Vec::new();
        for from in STATES {
            for event in EVENTS {
                match from.after(event) {
                    Ok(to) => legal.push((from, event, to)),
                    Err(error) => assert_eq!(error, IllegalTransition { from, event }),
                }
            }
        }
        use {OptOutEvent as E, OptOutState as S};
        let expected = [
            (S::OptIn, E::OptOutInitiated, S::OptOutInitiated),
            (S::OptOutInitiated, E::OptOutCancelled, S::OptIn),
            (S::OptOutInitiated, E::OptOutEffective, S::OptOut),
            (S::OptOut, E::OptIn, S::OptIn),
        ];
        assert_eq!(legal, expected);
    }

    #[test]
    fn only_opt_in_may_be_sent_about_who_opted_out_risc_1_0_2_8() {
        let sent = |state: OptOutState| -> Vec<EventType> {
            types::caep_and_risc().into_iter().filter(|event| state.may_send(event)).collect()
        };
        assert_eq!(sent(OptOutState::OptOut), [types::opt_in()]);
        for (state, not_sent) in [
            (
                OptOutState::OptIn,
                vec![types::opt_in(), types::opt_out_cancelled(), types::opt_out_effective()],
            ),
            (OptOutState::OptOutInitiated, vec![types::opt_in(), types::opt_out_initiated()]),
        ] {
            let all = types::caep_and_risc().into_iter();
            let expected: Vec<_> = all.filter(|event| !not_sent.contains(event)).collect();
            assert_eq!(sent(state), expected, "{state:?}");
        }
    }

    #[test]
    fn an_account_takes_part_until_it_opts_out() {
        assert_eq!(OptOutState::default(), OptOutState::OptIn);
    }
}
