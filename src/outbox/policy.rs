//! Whose fault an outcome is and what follows: a table that hosts may change.

use std::fmt;
use std::time::Duration;

use super::backoff::Backoff;
use super::outcome::{Outcome, TransportFailure};

/// What follows from an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The SET is delivered.
    Deliver,
    /// The SET is at fault and stays so: dead letter at once.
    DeadLetter,
    /// The SET is at fault but may be accepted later: try it again with this backoff until it has
    /// been tried `attempts` times, then dead letter.
    RetrySet {
        /// Tries in all.
        attempts: u32,
        /// Waits between them.
        backoff: Backoff,
    },
    /// The receiver refuses the key: like [`RetrySet`](Self::RetrySet), but when another key signs
    /// by then, the SET is signed anew, under the same `jti` and with the same claims.
    SignAnew {
        /// Tries in all.
        attempts: u32,
        /// Waits between them.
        backoff: Backoff,
    },
    /// The stream is at fault: its SETs wait until it works again.
    WaitForStream,
    /// The stream refuses us: its SETs wait, and when it goes on the stream is paused.
    StreamRefuses,
    /// The stream is paused at once; its SETs wait.
    PauseStream,
}

/// What a row of the table applies to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matches {
    /// Any status of 200 to 299.
    Success,
    /// An error body with this code (RFC 8935 §2.4).
    Err(&'static str),
    /// An error body with any code.
    AnyErr,
    /// This HTTP status.
    Status(u16),
    /// HTTP statuses from the first to the last.
    Statuses(u16, u16),
    /// No answer, for this cause.
    Failure(TransportFailure),
    /// Everything.
    Anything,
}

/// A row: what it applies to and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// What it applies to.
    pub matches: Matches,
    /// What follows.
    pub action: Action,
}

impl Row {
    /// The row that lets `action` follow where `matches` applies.
    #[must_use]
    pub const fn new(matches: Matches, action: Action) -> Self {
        Self { matches, action }
    }
}

/// The table. The first row that applies decides. Its `Display` is the table as Markdown.
#[derive(Clone, Debug)]
pub struct OutcomePolicy {
    rows: Vec<Row>,
}

/// A receiver that answers so about one SET may do better a little later; not for long.
const FEW_TRIES: Action = Action::RetrySet {
    attempts: 3,
    backoff: Backoff::new(Duration::from_secs(5), Duration::from_secs(60)),
};

/// Receivers cache our keys for minutes: the tries are spaced so that a cache can run out.
const KEY_TRIES: Action = Action::SignAnew {
    attempts: 5,
    backoff: Backoff::new(Duration::from_secs(60), Duration::from_secs(600)),
};

impl Default for OutcomePolicy {
    fn default() -> Self {
        use Action::{DeadLetter, Deliver, StreamRefuses, WaitForStream};
        use Matches::{AnyErr, Anything, Err, Failure, Status, Statuses, Success};
        use TransportFailure::{Blocked, Connect, Exchange, Resolve, Timeout, Tls};
        let rows = [
            // RFC 8935 §2.2 says 202; many receivers say 200 or 204 and mean it.
            (Success, Deliver),
            // RFC 8935 §2.4: about the transmitter as a whole, not about this SET.
            (Err("authentication_failed"), StreamRefuses),
            (Err("access_denied"), StreamRefuses),
            (Err("invalid_key"), KEY_TRIES),
            // Structural: the same bytes will be refused again.
            (Err("invalid_request"), DeadLetter),
            (Err("invalid_issuer"), DeadLetter),
            (Err("invalid_audience"), DeadLetter),
            (Err("invalid_state"), DeadLetter),
            (AnyErr, DeadLetter),
            (Status(401), StreamRefuses),
            (Status(403), StreamRefuses),
            (Status(410), StreamRefuses),
            (Status(404), WaitForStream),
            (Status(405), WaitForStream),
            (Status(408), WaitForStream),
            (Status(425), WaitForStream),
            (Status(429), WaitForStream),
            (Status(400), FEW_TRIES),
            (Status(413), FEW_TRIES),
            (Status(415), FEW_TRIES),
            (Status(422), FEW_TRIES),
            // Whatever else 4xx means (a proxy, a firewall, a misrouted host), no SET is at fault.
            (Statuses(400, 499), WaitForStream),
            // Redirects are never followed: the receiver has to name the right endpoint.
            (Statuses(300, 399), WaitForStream),
            (Statuses(500, 599), WaitForStream),
            // Nobody judged the SET. A blocked address is the operator's to look into; the receiver
            // may also come back to one that is allowed.
            (Failure(Blocked), WaitForStream),
            (Failure(Resolve), WaitForStream),
            (Failure(Connect), WaitForStream),
            (Failure(Tls), WaitForStream),
            (Failure(Timeout), WaitForStream),
            (Failure(Exchange), WaitForStream),
            (Anything, WaitForStream),
        ];
        Self { rows: rows.into_iter().map(|(matches, action)| Row { matches, action }).collect() }
    }
}

impl OutcomePolicy {
    /// Puts a row before all others.
    #[must_use]
    pub fn with_row(mut self, row: Row) -> Self {
        self.rows.insert(0, row);
        self
    }

    /// The rows, in the order they are asked.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What follows from an outcome.
    #[must_use]
    pub fn action(&self, outcome: &Outcome) -> Action {
        self.rows
            .iter()
            .find(|row| row.matches.applies_to(outcome))
            // A table without a last row for everything: the careful reading loses nothing.
            .map_or(Action::WaitForStream, |row| row.action)
    }
}

impl Matches {
    fn applies_to(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (Self::Anything, _) => true,
            (Self::Failure(kind), Outcome::Failed(failure)) => kind == failure,
            (Self::Success, Outcome::Answered(a)) => (200..=299).contains(&a.status),
            (Self::Err(code), Outcome::Answered(a)) => a.err.as_deref() == Some(*code),
            (Self::AnyErr, Outcome::Answered(a)) => a.err.is_some(),
            (Self::Status(status), Outcome::Answered(a)) => a.status == *status,
            (Self::Statuses(first, last), Outcome::Answered(a)) => {
                (*first..=*last).contains(&a.status)
            }
            _ => false,
        }
    }
}

impl fmt::Display for OutcomePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("| outcome | the SET | the stream | `Retry-After` | signed anew |\n")?;
        f.write_str("|---|---|---|---|---|\n")?;
        for Row { matches, action } in &self.rows {
            let anew = match action {
                Action::SignAnew { .. } => "if the key changed",
                _ => "no",
            };
            let (stream, wish) = (action.for_the_stream(), action.retry_after());
            writeln!(f, "| {matches} | {action} | {stream} | {wish} | {anew} |")?;
        }
        Ok(())
    }
}

impl fmt::Display for Matches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Success => f.write_str("any 2xx"),
            Self::Err(code) => write!(f, "400, `err` is `{code}`"),
            Self::AnyErr => f.write_str("400, any other `err`"),
            Self::Status(status) => write!(f, "{status}"),
            Self::Statuses(first, last) => write!(f, "{first} to {last}"),
            Self::Failure(kind) => write!(f, "no answer: {}", kind.as_str()),
            Self::Anything => f.write_str("anything else"),
        }
    }
}

/// What happens to the SET.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver => f.write_str("delivered"),
            Self::DeadLetter => f.write_str("dead letter"),
            Self::RetrySet { attempts, backoff } | Self::SignAnew { attempts, backoff } => {
                let (first, most) = (backoff.first.as_secs_f64(), backoff.most.as_secs_f64());
                write!(f, "{attempts} tries, {first} s to {most} s apart, then dead letter")
            }
            Self::WaitForStream | Self::StreamRefuses | Self::PauseStream => {
                f.write_str("waits with its stream")
            }
        }
    }
}

impl Action {
    const fn for_the_stream(self) -> &'static str {
        match self {
            Self::Deliver => "works",
            Self::DeadLetter | Self::RetrySet { .. } | Self::SignAnew { .. } => {
                "works: it judges SETs"
            }
            Self::WaitForStream => "failed",
            Self::StreamRefuses => "failed: it refuses us",
            Self::PauseStream => "paused",
        }
    }

    /// Whose next attempt waits for `Retry-After`.
    const fn retry_after(self) -> &'static str {
        match self {
            Self::Deliver | Self::DeadLetter => "-",
            Self::RetrySet { .. } | Self::SignAnew { .. } => "minded by the SET",
            Self::WaitForStream | Self::StreamRefuses | Self::PauseStream => "minded by the stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::Answer;
    use super::*;

    fn err(code: &str) -> Outcome {
        Outcome::Answered(Answer { err: Some(code.to_owned()), ..Answer::new(400) })
    }

    fn status(status: u16) -> Outcome {
        Outcome::Answered(Answer::new(status))
    }

    #[test]
    fn every_row_of_the_promise_p7_holds() {
        let policy = OutcomePolicy::default();
        for (outcome, action) in [
            (status(202), Action::Deliver),
            (status(200), Action::Deliver),
            (status(204), Action::Deliver),
            (err("invalid_request"), Action::DeadLetter),
            (err("invalid_issuer"), Action::DeadLetter),
            (err("invalid_audience"), Action::DeadLetter),
            (err("invalid_state"), Action::DeadLetter),
            (err("something_new"), Action::DeadLetter),
            (err("invalid_key"), KEY_TRIES),
            (err("authentication_failed"), Action::StreamRefuses),
            (err("access_denied"), Action::StreamRefuses),
            (status(400), FEW_TRIES),
            (status(413), FEW_TRIES),
            (status(415), FEW_TRIES),
            (status(422), FEW_TRIES),
            (status(401), Action::StreamRefuses),
            (status(403), Action::StreamRefuses),
            (status(410), Action::StreamRefuses),
            (status(404), Action::WaitForStream),
            (status(405), Action::WaitForStream),
            (status(408), Action::WaitForStream),
            (status(425), Action::WaitForStream),
            (status(429), Action::WaitForStream),
            (status(302), Action::WaitForStream),
            (status(500), Action::WaitForStream),
            (status(503), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Connect), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Tls), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Timeout), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Resolve), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Exchange), Action::WaitForStream),
            (Outcome::Failed(TransportFailure::Blocked), Action::WaitForStream),
            (status(402), Action::WaitForStream),
            (status(409), Action::WaitForStream),
            (status(451), Action::WaitForStream),
        ] {
            assert_eq!(policy.action(&outcome), action, "{outcome:?}");
        }
    }

    #[test]
    fn a_row_of_the_host_goes_before_ours() {
        let policy =
            OutcomePolicy::default().with_row(Row::new(Matches::Status(410), Action::DeadLetter));
        assert_eq!(policy.action(&status(410)), Action::DeadLetter);
        assert_eq!(policy.action(&status(401)), Action::StreamRefuses);
    }

    #[test]
    fn the_table_in_the_documents_is_that_of_the_code() {
        let documents = include_str!("../../docs/delivery.md");
        let (_, rest) = documents.split_once("<!-- outcomes -->\n").unwrap();
        let printed = rest.split("<!-- end of outcomes -->").next().unwrap();
        assert_eq!(printed, OutcomePolicy::default().to_string(), "print it anew");
    }

    #[test]
    fn every_action_is_printed_for_set_and_stream() {
        let policy = OutcomePolicy::default()
            .with_row(Row::new(Matches::Failure(TransportFailure::Blocked), Action::PauseStream));
        let row =
            "| no answer: blocked | waits with its stream | paused | minded by the stream | no |";
        assert_eq!(policy.to_string().lines().nth(2), Some(row));
    }
}
