//! Why a SET is given up, and how it may live again.

use serde::{Deserialize, Serialize};

use super::entry::{Lane, PollError};
use super::outcome::TransportFailure;
use crate::stream::HeldLimit;

/// Why a SET ended in dead letters. Its JSON form is what stores keep and operators read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterReason {
    /// The announcement of a stop could not be delivered in its three tries or its minute.
    AnnouncementExpired,
    /// The stream held more than it may while nobody was being sent anything.
    HeldLimit {
        /// Which limit it was.
        limit: HeldLimit,
    },
    /// The receiver's answer says that this SET will never be accepted (RFC 8935 §2.3), or said so
    /// as often as the policy allows.
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The error code, if the answer had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        err: Option<String>,
        /// The receiver's words, cleaned and cut.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
    },
    /// The receiver reported an error about the SET when polling (RFC 8936 §2.6).
    Reported(PollError),
    /// No answer came, and the host's own table gives up then.
    Undeliverable {
        /// Why none came.
        failure: TransportFailure,
    },
}

/// The kinds of reasons, by which dead letters are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeadLetterKind {
    /// [`DeadLetterReason::AnnouncementExpired`].
    AnnouncementExpired,
    /// [`DeadLetterReason::HeldLimit`].
    HeldLimit,
    /// [`DeadLetterReason::Rejected`].
    Rejected,
    /// [`DeadLetterReason::Reported`].
    Reported,
    /// [`DeadLetterReason::Undeliverable`].
    Undeliverable,
}

impl DeadLetterKind {
    /// The word that stores keep and operators read.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnnouncementExpired => "announcement_expired",
            Self::HeldLimit => "held_limit",
            Self::Rejected => "rejected",
            Self::Reported => "reported",
            Self::Undeliverable => "undeliverable",
        }
    }
}

impl DeadLetterReason {
    /// What kind of reason this is.
    #[must_use]
    pub const fn kind(&self) -> DeadLetterKind {
        match self {
            Self::AnnouncementExpired => DeadLetterKind::AnnouncementExpired,
            Self::HeldLimit { .. } => DeadLetterKind::HeldLimit,
            Self::Rejected { .. } => DeadLetterKind::Rejected,
            Self::Reported(_) => DeadLetterKind::Reported,
            Self::Undeliverable { .. } => DeadLetterKind::Undeliverable,
        }
    }

    /// The error code that the receiver gave (RFC 8935 §2.4).
    #[must_use]
    pub fn err(&self) -> Option<&str> {
        match self {
            Self::Rejected { err, .. } => err.as_deref(),
            Self::Reported(error) => Some(&error.err),
            Self::AnnouncementExpired | Self::HeldLimit { .. } | Self::Undeliverable { .. } => None,
        }
    }

    /// Whether the receiver judged the SET: it named an error of it, or answered with a status that
    /// speaks of what was sent. `authentication_failed` and `access_denied` speak of the request.
    #[must_use]
    pub fn is_judgement(&self) -> bool {
        match self {
            Self::Reported(_) => true,
            Self::Rejected { err: Some(err), .. } => {
                !["authentication_failed", "access_denied"].contains(&err.as_str())
            }
            Self::Rejected { status, err: None, .. } => [400, 413, 415, 422].contains(status),
            Self::AnnouncementExpired | Self::HeldLimit { .. } | Self::Undeliverable { .. } => {
                false
            }
        }
    }
}

/// How a dead letter may live again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revival {
    /// As the same SET: same `jti`, same bytes. The receiver never judged it.
    Same,
    /// As a new SET, with a new `jti` and the same claims otherwise: what a receiver judged is not
    /// sent again under the same `jti`. `iat` stays the time of the emission: receivers order by
    /// it what a poll gives them without order, and an event must not look newer than those that
    /// came after it.
    New,
    /// Not at all: a control SET speaks of a moment that is over.
    Never,
}

/// How a dead letter of that lane, with that reason and so many counted attempts, may live again.
///
/// An attempt before the last counts because the receiver judged the SET in it: also what was then
/// given up for another reason was judged.
#[must_use]
pub fn revival(lane: Lane, reason: &DeadLetterReason, attempts: u32) -> Revival {
    let earlier = match reason {
        // A held limit ends the life without an attempt.
        DeadLetterReason::HeldLimit { .. } => attempts,
        DeadLetterReason::AnnouncementExpired
        | DeadLetterReason::Rejected { .. }
        | DeadLetterReason::Reported(_)
        | DeadLetterReason::Undeliverable { .. } => attempts.saturating_sub(1),
    };
    match lane {
        Lane::Ordinary if earlier > 0 || reason.is_judgement() => Revival::New,
        Lane::Ordinary => Revival::Same,
        Lane::StreamUpdated | Lane::Verification => Revival::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(status: u16, err: Option<&str>) -> DeadLetterReason {
        DeadLetterReason::Rejected { status, err: err.map(str::to_owned), description: None }
    }

    fn all() -> [DeadLetterReason; 5] {
        [
            DeadLetterReason::AnnouncementExpired,
            DeadLetterReason::HeldLimit { limit: HeldLimit::Age },
            rejected(400, Some("invalid_request")),
            DeadLetterReason::Reported(PollError::new("invalid_key".to_owned(), None)),
            DeadLetterReason::Undeliverable { failure: TransportFailure::Tls },
        ]
    }

    #[test]
    fn a_reason_comes_back_from_its_json_and_is_known_by_its_kind() {
        for reason in all() {
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(json["kind"], reason.kind().as_str());
            assert_eq!(serde_json::from_value::<DeadLetterReason>(json).unwrap(), reason);
        }
    }

    #[test]
    fn what_the_receiver_judged_is_sent_anew_under_another_jti() {
        for (reason, expected) in [
            (rejected(400, Some("invalid_audience")), Revival::New),
            (rejected(400, Some("something_new")), Revival::New),
            (rejected(413, None), Revival::New),
            (DeadLetterReason::Reported(PollError::new("x".to_owned(), None)), Revival::New),
            (rejected(400, Some("access_denied")), Revival::Same),
            (rejected(503, None), Revival::Same),
            (DeadLetterReason::HeldLimit { limit: HeldLimit::Bytes }, Revival::Same),
            (DeadLetterReason::Undeliverable { failure: TransportFailure::Tls }, Revival::Same),
        ] {
            let attempts = u32::from(reason.kind() != DeadLetterKind::HeldLimit);
            assert_eq!(revival(Lane::Ordinary, &reason, attempts), expected, "{reason:?}");
        }
    }

    #[test]
    fn what_was_judged_before_it_was_given_up_for_another_reason_is_sent_anew() {
        let unanswered = DeadLetterReason::Undeliverable { failure: TransportFailure::Tls };
        for (reason, attempts) in [
            (DeadLetterReason::HeldLimit { limit: HeldLimit::Age }, 1),
            (rejected(400, Some("access_denied")), 2),
            (unanswered, 2),
        ] {
            assert_eq!(revival(Lane::Ordinary, &reason, attempts), Revival::New, "{reason:?}");
        }
    }

    #[test]
    fn control_sets_do_not_live_again() {
        for lane in [Lane::StreamUpdated, Lane::Verification] {
            for reason in all() {
                assert_eq!(revival(lane, &reason, 1), Revival::Never);
            }
        }
    }
}
