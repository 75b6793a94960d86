//! What became of one delivery attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http_date;
use crate::subject::is_format;
use crate::timestamp::Timestamp;

/// What became of one attempt to push a SET.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The receiver answered.
    Answered(Answer),
    /// No answer came.
    Failed(TransportFailure),
    /// Nothing was sent, for a fault of ours.
    Hindered(Hindrance),
    /// The attempt was called off because the stream changed under it.
    Cancelled,
}

/// What the receiver answered (RFC 8935 §2.2, §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `err` member of the body, if it is an error body.
    pub err: Option<String>,
    /// The `description` member, cleaned and cut.
    pub description: Option<String>,
    /// When the receiver wants to be asked again.
    pub retry_after: Option<RetryAfter>,
}

/// The `Retry-After` header (RFC 9110 §10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryAfter {
    /// At a date.
    At(Timestamp),
    /// After some time.
    In(Duration),
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TransportFailure {
    /// The address may not be called.
    Blocked,
    /// The name did not resolve.
    Resolve,
    /// No connection.
    Connect,
    /// The TLS handshake or the certificate failed.
    Tls,
    /// The deadline passed.
    Timeout,
    /// The exchange broke off or was no HTTP.
    Exchange,
}

impl TransportFailure {
    /// A word for logs and statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Exchange => "exchange",
        }
    }
}

/// What of ours kept a SET from being sent: no fault of the SET and none of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hindrance {
    /// The stream's stored secret could not be opened.
    Secret,
    /// The authorization of the request was not to be had.
    Authorization,
}

impl Hindrance {
    /// A word for logs and statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "not sent: secret not opened",
            Self::Authorization => "not sent: no authorization",
        }
    }
}

/// Text of a receiver is kept no longer than this, in characters.
const MOST_TEXT: usize = 1024;

impl Answer {
    /// An answer with that status and nothing else.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        Self { status, err: None, description: None, retry_after: None }
    }

    /// Reads an answer that came at `now`: `retry_after` is the header, `body` what was read of the
    /// body.
    /// The body counts as an error body on 400 only (RFC 8935 §2.3); whatever else the receiver
    /// says is ignored.
    #[must_use]
    pub fn read(status: u16, retry_after: Option<&str>, body: &[u8], now: Timestamp) -> Self {
        let body: Option<Value> =
            if status == 400 { serde_json::from_slice(body).ok() } else { None };
        let text = |name: &str| Some(clean(body.as_ref()?.get(name)?.as_str()?));
        Self {
            status,
            err: text("err"),
            description: text("description"),
            retry_after: retry_after.and_then(|header| RetryAfter::parse(header, now)),
        }
    }
}

impl RetryAfter {
    /// Reads both forms of the header: seconds and HTTP date, which has three forms of its own
    /// (RFC 9110 §5.6.7).
    #[must_use]
    pub fn parse(header: &str, now: Timestamp) -> Option<Self> {
        let header = header.trim();
        if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
            // More digits than fit mean "very long", and the cap makes that the same.
            return Some(Self::In(Duration::from_secs(header.parse().unwrap_or(u64::MAX))));
        }
        http_date::parse(header, now).map(Self::At)
    }

    /// The time meant, at most `cap` from `now`.
    #[must_use]
    pub fn until(self, now: Timestamp, cap: Duration) -> Timestamp {
        match self {
            Self::At(at) => at.clamp(now, now.after(cap)),
            Self::In(wait) => now.after(wait.min(cap)),
        }
    }
}

/// Words of a receiver, made safe to keep and show: control and format characters become spaces,
/// and what is longer than 1,024 characters is cut.
#[must_use]
pub(crate) fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() || is_format(c) { ' ' } else { c };
    text.chars().take(MOST_TEXT).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(784_111_777);

    #[test]
    fn the_error_body_of_a_400_is_read_rfc_8935_2_3() {
        let answer =
            Answer::read(400, None, br#"{"err":"invalid_key","description":"no\nkid"}"#, NOW);
        assert_eq!(answer.err.as_deref(), Some("invalid_key"));
        assert_eq!(answer.description.as_deref(), Some("no kid"));
    }

    #[test]
    fn the_body_of_any_other_status_is_ignored() {
        assert_eq!(Answer::read(503, None, br#"{"err":"invalid_key"}"#, NOW), Answer::new(503));
    }

    #[test]
    fn a_body_that_is_no_error_body_says_nothing() {
        for body in [&b""[..], b"<html>", b"[]", b"{\"err\":1}", b"\xff"] {
            assert_eq!(Answer::read(400, None, body, NOW), Answer::new(400));
        }
    }

    #[test]
    fn nothing_of_a_receiver_can_turn_break_or_hide_text() {
        let answer = |description: &str| {
            let body = serde_json::json!({"err": "x", "description": description}).to_string();
            Answer::read(400, None, body.as_bytes(), NOW).description.unwrap()
        };
        for hostile in [
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{ad}',
            '\u{61c}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0041}',
        ] {
            assert_eq!(answer(&format!("a{hostile}b")), "a b", "{hostile:?}");
        }
        for plain in ["héllo", "שלום", "日本語", "🦀", "a b"] {
            assert_eq!(answer(plain), plain);
        }
    }

    #[test]
    fn a_long_description_is_cut() {
        let body = format!(r#"{{"err":"x","description":"{}"}}"#, "é".repeat(5000));
        let answer = Answer::read(400, None, body.as_bytes(), NOW);
        assert_eq!(answer.description.map(|d| d.chars().count()), Some(1024));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_rfc_9110_10_2_3() {
        let hour = Duration::from_secs(3600);
        for (header, seconds) in [
            ("120", 120),
            ("99999999999999999999999", 3600),
            ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
            ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
            ("Sun Nov  6 08:50:37 1994", 60),
            ("Sun, 06 Nov 1994 08:40:37 GMT", 0),
            ("Fri, 06 Nov 2094 08:50:37 GMT", 3600),
        ] {
            let until = RetryAfter::parse(header, NOW).map(|r| r.until(NOW, hour));
            assert_eq!(until, Some(NOW.after(Duration::from_secs(seconds))), "{header}");
        }
        for header in ["", "-1", "soon", "1.5"] {
            assert_eq!(RetryAfter::parse(header, NOW), None, "{header}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_answer_makes_it_panic_and_what_is_kept_is_short(
            status: u16,
            header: String,
            body: Vec<u8>,
            text: String,
            now: i64,
        ) {
            let now = Timestamp::from_millis(now);
            for (status, body) in [
                (status, body.clone()),
                (400, body),
                (400, json!({"err": text, "description": text.repeat(50)}).to_string().into()),
            ] {
                let answer = Answer::read(status, Some(&header), &body, now);
                let kept = answer.err.iter().chain(&answer.description);
                prop_assert!(kept.clone().all(|text| text.chars().count() <= MOST_TEXT));
                prop_assert!(kept.clone().all(|text| !text.chars().any(char::is_control)));
            }
            for header in [header, now.as_seconds().to_string()] {
                if let Some(until) = RetryAfter::parse(&header, now) {
                    prop_assert!(until.until(now, Duration::MAX) >= now);
                }
            }
        }
    }
}
