//! The health of a stream, as JSON.

use serde::{Deserialize, Serialize};

use super::{from_json, to_json, unreadable};
use crate::outbox::{Health, Pace, RoundTrip, StreamError};
use crate::store::StoreError;
use crate::timestamp::Timestamp;

/// What is not there is zero or absent; a stream that is well takes a few bytes.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Stored {
    #[serde(skip_serializing_if = "is_zero")]
    failures: u32,
    #[serde(skip_serializing_if = "is_zero")]
    refusals: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hindered_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<i64>,
    /// When and what.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<(i64, String)>,
    pace: i64,
    /// When the verification was queued and when it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<(i64, i64)>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Health as its column holds it.
pub(in super::super) fn health_text(health: &Health) -> Result<String, StoreError> {
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let stored = Stored {
        failures: health.failures,
        refusals: health.refusals,
        failing_since: millis(health.failing_since),
        hindered_since: millis(health.hindered_since),
        open_until: millis(health.open_until),
        not_before: millis(health.not_before),
        last_success: millis(health.last_success),
        last_error: health.last_error.as_ref().map(|e| (e.at.as_millis(), e.what.clone())),
        pace: pace_number(health.pace),
        verified: health.verified.map(|v| (v.queued_at.as_millis(), v.ended_at.as_millis())),
    };
    to_json(&stored, "health")
}

/// The health that was written as that text.
pub(in super::super) fn health(text: &str) -> Result<Health, StoreError> {
    let stored: Stored = from_json(text, "health")?;
    let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
    let error = |(at, what)| StreamError::new(Timestamp::from_millis(at), what);
    let trip = |(queued_at, ended_at)| {
        RoundTrip::new(Timestamp::from_millis(queued_at), Timestamp::from_millis(ended_at))
    };
    Ok(Health {
        failures: stored.failures,
        refusals: stored.refusals,
        failing_since: time(stored.failing_since),
        hindered_since: time(stored.hindered_since),
        open_until: time(stored.open_until),
        not_before: time(stored.not_before),
        last_success: time(stored.last_success),
        last_error: stored.last_error.map(error),
        pace: pace(stored.pace)?,
        verified: stored.verified.map(trip),
    })
}

/// A pace as columns hold it.
pub(in super::super) const fn pace_number(pace: Pace) -> i64 {
    match pace {
        Pace::Unknown => 0,
        Pace::Prompt => 1,
        Pace::Slow => 2,
    }
}

/// The pace that was written as that number.
pub(in super::super) fn pace(number: i64) -> Result<Pace, StoreError> {
    match number {
        0 => Ok(Pace::Unknown),
        1 => Ok(Pace::Prompt),
        2 => Ok(Pace::Slow),
        _ => Err(unreadable("a pace")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn time() -> impl Strategy<Value = Option<Timestamp>> {
        prop::option::of(any::<i64>().prop_map(Timestamp::from_millis))
    }

    prop_compose! {
        fn any_health()(
            (failures, refusals) in any::<(u32, u32)>(),
            times in [time(), time(), time(), time(), time()],
            error in prop::option::of(any::<(i64, String)>()),
            verified in prop::option::of(any::<(i64, i64)>()),
            pace in prop_oneof![Just(Pace::Unknown), Just(Pace::Prompt), Just(Pace::Slow)],
        ) -> Health {
            let [failing_since, hindered_since, open_until, not_before, last_success] = times;
            let at = Timestamp::from_millis;
            Health {
                failures,
                refusals,
                failing_since,
                hindered_since,
                open_until,
                not_before,
                last_success,
                last_error: error.map(|(when, what)| StreamError::new(at(when), what)),
                pace,
                verified: verified.map(|(from, to)| RoundTrip::new(at(from), at(to))),
            }
        }
    }

    proptest! {
        #[test]
        fn health_comes_back_as_it_was_written(written in any_health()) {
            let text = health_text(&written).unwrap();
            prop_assert_eq!(health(&text).unwrap(), written);
            prop_assert!(!text.contains('\0'), "PostgreSQL has no such text");
        }
    }

    #[test]
    fn what_an_older_version_did_not_write_is_as_in_a_new_stream() {
        assert_eq!(health("{}").unwrap(), Health::default());
        assert!(matches!(health(r#"{"pace": 9}"#), Err(StoreError::Corrupt(_))));
    }
}
