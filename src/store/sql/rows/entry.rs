//! Entries and dead letters, column by column.

use std::sync::Arc;

use super::{flag, from_json, id, number, opt_time, time, to_json, unreadable};
use crate::id::OrderKey;
use crate::outbox::{DeadLetterReason, Fence, KeptToken, Lane, Life, Signature, State};
use crate::set::SetBody;
use crate::store::sql::value::Row;
use crate::store::{DeadLetter, StoreError};
use crate::timestamp::Timestamp;

/// A lane as columns hold it.
pub(in super::super) const fn lane_number(lane: Lane) -> i64 {
    match lane {
        Lane::Ordinary => 0,
        Lane::StreamUpdated => 1,
        Lane::Verification => 2,
    }
}

/// The lane in a column.
pub(in super::super) fn lane(row: &Row, column: usize) -> Result<Lane, StoreError> {
    match row.int(column)? {
        0 => Ok(Lane::Ordinary),
        1 => Ok(Lane::StreamUpdated),
        2 => Ok(Lane::Verification),
        _ => Err(unreadable("a lane")),
    }
}

/// The columns `state`, `due`, `attempts`, `fence`, `failed_with_stream` and `of_current_key`.
pub(in super::super) type LifeColumns = (i64, Option<i64>, i64, i64, i64, i64);

/// Where an entry is in its life, as its columns hold it.
pub(in super::super) fn life_columns(life: &Life) -> LifeColumns {
    let state = match life.state {
        State::Waiting => 0,
        State::Claimed { .. } => 1,
        State::Retrying { .. } => 2,
        State::Deferred { .. } => 3,
    };
    let of_current_key = match life.signature {
        Signature::Kept => false,
        Signature::OfCurrentKey => true,
    };
    (
        state,
        life.due().map(Timestamp::as_millis),
        i64::from(life.attempts),
        number(life.fence.0),
        flag(life.failed_with_stream),
        flag(of_current_key),
    )
}

/// Where an entry is in its life, from the columns of [`LifeColumns`], the first at `first`.
pub(in super::super) fn life(row: &Row, first: usize) -> Result<Life, StoreError> {
    let state = match (row.int(first)?, opt_time(row, first + 1)?) {
        (0, None) => State::Waiting,
        (1, Some(until)) => State::Claimed { until },
        (2, Some(at)) => State::Retrying { at },
        (3, Some(at)) => State::Deferred { at },
        _ => return Err(unreadable("a state")),
    };
    Ok(Life {
        state,
        attempts: attempts(row, first + 2)?,
        fence: Fence(u64::try_from(row.int(first + 3)?).map_err(|_| unreadable("a fence"))?),
        failed_with_stream: row.int(first + 4)? != 0,
        signature: match row.int(first + 5)? {
            0 => Signature::Kept,
            _ => Signature::OfCurrentKey,
        },
    })
}

fn attempts(row: &Row, column: usize) -> Result<u32, StoreError> {
    u32::try_from(row.int(column)?).map_err(|_| unreadable("a number of attempts"))
}

/// An order key as columns hold it. It may hold U+0000, which PostgreSQL takes in JSON only.
pub(in super::super) fn order_key_text(key: &OrderKey) -> Result<String, StoreError> {
    to_json(key, "an order key")
}

/// The order key in a column; control entries have none.
pub(in super::super) fn order_key(
    row: &Row,
    column: usize,
) -> Result<Option<OrderKey>, StoreError> {
    row.opt_text(column)?.map(|text| from_json(text, "an order key")).transpose()
}

/// The token in the columns `token` and `kid`, if one is kept.
pub(in super::super) fn kept_token(
    row: &Row,
    first: usize,
) -> Result<Option<KeptToken>, StoreError> {
    match row.opt_text(first)? {
        Some(compact) => Ok(Some(KeptToken::new(compact.into(), id(row, first + 1)?))),
        None => Ok(None),
    }
}

/// The error code of a receiver as the column `err` holds it.
pub(in super::super) fn error_code(err: &str) -> Result<String, StoreError> {
    to_json(&err, "an error code")
}

/// The dead letter in the columns `jti`, `lane`, `order_key`, `body` of its event, `token`, `kid`,
/// `reason`, `attempts`, `emitted_at`, `first_attempt` and `dead_at`.
pub(in super::super) fn letter(row: &Row) -> Result<DeadLetter, StoreError> {
    let reason: DeadLetterReason = from_json(row.text(6)?, "a reason")?;
    let body = SetBody::from_stored(Arc::from(row.text(3)?));
    let (emitted_at, dead_at) = (time(row, 8)?, time(row, 10)?);
    Ok(DeadLetter {
        lane: lane(row, 1)?,
        token: kept_token(row, 4)?,
        attempts: attempts(row, 7)?,
        first_attempt: opt_time(row, 9)?,
        ..DeadLetter::new(id(row, 0)?, order_key(row, 2)?, body, reason, emitted_at, dead_at)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::sql::value::Value;

    fn row<const N: usize>(values: [Value<'static>; N]) -> Row {
        Row(values.into())
    }

    fn state() -> impl Strategy<Value = State> {
        let at = || any::<i64>().prop_map(Timestamp::from_millis);
        prop_oneof![
            Just(State::Waiting),
            at().prop_map(|until| State::Claimed { until }),
            at().prop_map(|at| State::Retrying { at }),
            at().prop_map(|at| State::Deferred { at }),
        ]
    }

    proptest! {
        #[test]
        fn a_life_comes_back_as_it_was_written(
            state in state(),
            attempts in any::<u32>(),
            fence in 0..=i64::MAX as u64,
            failed_with_stream in any::<bool>(),
            anew in any::<bool>(),
        ) {
            let signature = if anew { Signature::OfCurrentKey } else { Signature::Kept };
            let fence = Fence(fence);
            let written = Life { state, attempts, fence, failed_with_stream, signature };
            let (state, due, attempts, fence, failed, anew) = life_columns(&written);
            let columns = row([
                "before".into(), state.into(), due.into(), attempts.into(), fence.into(),
                failed.into(), anew.into(),
            ]);
            prop_assert_eq!(life(&columns, 1).unwrap(), written);
        }

        #[test]
        fn an_order_key_comes_back_whatever_is_in_it(text in ".{1,100}|\0") {
            let written = OrderKey::parse(text).unwrap();
            let stored = order_key_text(&written).unwrap();
            prop_assert!(!stored.contains('\0'), "PostgreSQL has no such text");
            prop_assert_eq!(order_key(&row([stored.into()]), 0).unwrap(), Some(written));
        }
    }

    #[test]
    fn lanes_come_back() {
        for written in [Lane::Ordinary, Lane::StreamUpdated, Lane::Verification] {
            assert_eq!(lane(&row([lane_number(written).into()]), 0).unwrap(), written);
        }
        assert!(lane(&row([3.into()]), 0).is_err());
    }

    #[test]
    fn a_state_that_does_not_end_is_none_but_waiting() {
        let columns = |state: i64, due: Option<i64>| {
            row([state.into(), due.into(), 0.into(), 0.into(), 0.into(), 0.into()])
        };
        for broken in [columns(0, Some(1)), columns(1, None), columns(4, Some(1))] {
            assert!(matches!(life(&broken, 0), Err(StoreError::Corrupt(_))), "{broken:?}");
        }
    }
}
