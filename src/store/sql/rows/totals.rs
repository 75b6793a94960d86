//! What became of entries, as counters in columns.

use super::{count, number};
use crate::store::sql::value::Row;
use crate::store::{StoreError, Totals};

/// How many columns there are: `redriven`, `delivered`, `delivered_unusually`, `dead`,
/// `dead_by_held_limit`, `discarded_disabled`, `discarded_deleted`, `discarded_replaced` and
/// `tokens_replaced`, in this order.
pub(in super::super) const TOTALS: usize = 9;

/// The counters as columns hold them. What is accepted and what waits is not among them.
pub(in super::super) fn totals_columns(totals: &Totals) -> [i64; TOTALS] {
    [
        totals.redriven,
        totals.delivered,
        totals.delivered_unusually,
        totals.dead,
        totals.dead_by_held_limit,
        totals.discarded_disabled,
        totals.discarded_deleted,
        totals.discarded_replaced,
        totals.tokens_replaced,
    ]
    .map(number)
}

/// The counters in columns, the first at `first`, of a stream or issuer with so many entries that
/// wait. Nothing counts acceptances: an emission would have to wait for that counter. They are what
/// ended and what waits, less the lives that redrives began.
pub(in super::super) fn totals(
    row: &Row,
    first: usize,
    waiting: u64,
) -> Result<Totals, StoreError> {
    let mut totals = Totals {
        accepted: 0,
        redriven: count(row, first)?,
        waiting,
        delivered: count(row, first + 1)?,
        delivered_unusually: count(row, first + 2)?,
        dead: count(row, first + 3)?,
        dead_by_held_limit: count(row, first + 4)?,
        discarded_disabled: count(row, first + 5)?,
        discarded_deleted: count(row, first + 6)?,
        discarded_replaced: count(row, first + 7)?,
        tokens_replaced: count(row, first + 8)?,
    };
    let ended = totals.delivered
        + totals.dead
        + totals.discarded_disabled
        + totals.discarded_deleted
        + totals.discarded_replaced;
    totals.accepted = (ended + waiting).saturating_sub(totals.redriven);
    Ok(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_follows_from_what_became_of_it() {
        let written = Totals {
            accepted: 19,
            redriven: 2,
            waiting: 5,
            delivered: 4,
            delivered_unusually: 1,
            dead: 3,
            dead_by_held_limit: 1,
            discarded_disabled: 2,
            discarded_deleted: 6,
            discarded_replaced: 1,
            tokens_replaced: 7,
        };
        let row = Row(totals_columns(&written).into_iter().map(Into::into).collect());
        assert_eq!(totals(&row, 0, 5).unwrap(), written);
    }
}
