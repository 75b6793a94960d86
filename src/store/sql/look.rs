//! The entries that decide when a stream is due: its heads, its leases, its control entries.

use std::collections::{HashMap, VecDeque};

use super::rows::{self, batch};
use super::session::Session;
use super::value::{Row, Value};
use crate::id::{Jti, KeyId};
use crate::outbox::{Backlog, Due, Lane, Life, Signature, Waiting};
use crate::store::{StoreError, Tokens};
use crate::timestamp::Timestamp;

/// An entry as far as a claim decides on it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) jti: Jti,
    pub(super) lane: Lane,
    pub(super) emitted_at: Timestamp,
    pub(super) life: Life,
    /// The key of its token, if one is kept.
    pub(super) kid: Option<KeyId>,
}

/// What of the entries of one stream was looked at.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The first heads that can be claimed at once.
    pub(super) at_once: VecDeque<Head>,
    /// The first heads that wait, or are held, by time.
    pub(super) later: VecDeque<Head>,
    /// When the last leases of ordinary entries end, the last first.
    leases: Vec<Timestamp>,
    /// The first stream-updated entry and the verification.
    control: Vec<Head>,
    /// Whether there may be more heads than were looked at.
    more_at_once: bool,
    more_later: bool,
    /// Whether there are heads that were never tried besides those.
    others_untried: bool,
    /// How many of those that wait were looked at and not claimed since.
    later_left: usize,
}

/// How far to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// So many heads of each kind.
    pub(super) heads: usize,
    /// So many leases.
    pub(super) leases: usize,
}

impl Depth {
    /// As far as it takes to say when a stream is due.
    pub(super) const DUE: Self = Self { heads: 1, leases: 1 };
}

macro_rules! head {
    ($kind:literal, $rows:literal, $first:literal) => {
        concat!(
            "SELECT ",
            $kind,
            ", e.stream_no, e.seq, e.jti, e.lane, e.emitted_at, e.state, e.due, e.attempts, \
             e.fence, e.failed_with_stream, e.of_current_key, e.kid FROM ",
            $rows,
            " k {first ",
            $first,
            "}"
        )
    };
}

macro_rules! of_streams {
    ($kind:literal, $first:literal) => {
        head!($kind, "{rows $1: stream_no bigint}", $first)
    };
}

macro_rules! of_keys {
    ($kind:literal, $first:literal) => {
        head!($kind, "{rows $4: stream_no bigint, kid text}", $first)
    };
}

/// Leases and control entries. SQLite takes an index of those of `lane > 0` only where that is said.
macro_rules! beside_heads {
    () => {
        concat!(
            of_streams!("2", "h.state = 1 AND h.lane = 0 ORDER BY h.due DESC LIMIT $3"),
            " UNION ALL ",
            of_streams!("3", "h.lane = 1 AND h.lane > 0 ORDER BY h.seq LIMIT 1"),
            " UNION ALL ",
            of_streams!("3", "h.lane = 2 AND h.lane > 0 ORDER BY h.seq LIMIT 1"),
        )
    };
}

pub(in crate::store) const LOOK: &str = concat!(
    of_streams!("0", "h.place = 1 AND h.due IS NULL ORDER BY h.seq LIMIT $2"),
    " UNION ALL ",
    of_streams!("1", "h.place = 1 AND h.due IS NOT NULL ORDER BY h.due, h.seq LIMIT $2"),
    " UNION ALL ",
    beside_heads!(),
);

/// The same, of the heads only those whose kept token is signed by certain keys. Of those that
/// somebody held last, there are as many as pushes are under way.
pub(in crate::store) const LOOK_SIGNED: &str = concat!(
    of_keys!("0", "h.signed = 1 AND h.kid = k.kid AND h.due IS NULL ORDER BY h.seq LIMIT $2"),
    " UNION ALL ",
    of_keys!(
        "1",
        "h.signed = 1 AND h.kid = k.kid AND h.due IS NOT NULL ORDER BY h.due, h.seq LIMIT $2"
    ),
    " UNION ALL ",
    of_keys!(
        "1",
        "h.state = 1 AND h.lane = 0 AND h.kid = k.kid AND h.of_current_key = 0 ORDER BY h.due"
    ),
    " UNION ALL ",
    of_streams!("4", "h.place = 1 AND h.due IS NULL ORDER BY h.seq LIMIT 1"),
    " UNION ALL ",
    beside_heads!(),
);

/// Looks at the entries of streams.
pub(super) async fn look(
    session: &mut dyn Session,
    streams: &[i64],
    depth: Depth,
) -> Result<HashMap<i64, Look>, StoreError> {
    look_at(session, streams, depth, &Tokens::Any).await
}

/// Looks at the entries of streams that a claim is for.
pub(super) async fn look_at(
    session: &mut dyn Session,
    streams: &[i64],
    depth: Depth,
    tokens: &Tokens,
) -> Result<HashMap<i64, Look>, StoreError> {
    let mut looks: HashMap<i64, Look> = streams.iter().map(|no| (*no, Look::default())).collect();
    if streams.is_empty() {
        return Ok(looks);
    }
    let numbers: Vec<[i64; 1]> = streams.iter().map(|no| [*no]).collect();
    let (heads, leases) = (limit(depth.heads), limit(depth.leases));
    let mut arguments: Vec<Value<'_>> = vec![batch(&numbers)?.into(), heads.into(), leases.into()];
    let statement = match tokens {
        Tokens::Any => LOOK,
        Tokens::SignedBy(keys) => {
            let of_stream = |no: &i64| {
                let no = *no;
                keys.iter().map(move |key| (no, key.as_str()))
            };
            let keys: Vec<(i64, &str)> = streams.iter().flat_map(of_stream).collect();
            arguments.push(batch(&keys)?.into());
            LOOK_SIGNED
        }
    };
    for row in session.rows(statement, &arguments).await? {
        if let Some(look) = looks.get_mut(&row.int(1)?) {
            look.add(&row)?;
        }
    }
    for look in looks.values_mut() {
        look.sort();
        look.more_at_once = look.at_once.len() >= depth.heads;
        look.later_left = look.later.len();
        look.more_later = look.later_left >= depth.heads;
    }
    Ok(looks)
}

/// A number of rows as a statement takes it.
pub(super) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

impl Look {
    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        let head = Head {
            seq: row.int(2)?,
            jti: rows::id(row, 3)?,
            lane: rows::lane(row, 4)?,
            emitted_at: rows::time(row, 5)?,
            life: rows::life(row, 6)?,
            kid: row.opt_text(12)?.map(KeyId::trusted),
        };
        match row.int(0)? {
            0 => self.at_once.push_back(head),
            1 => self.later.push_back(head),
            2 => self.leases.extend(head.life.due()),
            4 => self.others_untried = true,
            _ => self.control.push(head),
        }
        Ok(())
    }

    fn sort(&mut self) {
        self.at_once.make_contiguous().sort_by_key(|head| head.seq);
        self.later.make_contiguous().sort_by_key(|head| (head.life.due(), head.seq));
        self.leases.sort_unstable_by(|one, other| other.cmp(one));
        self.control.sort_by_key(|head| head.seq);
    }

    /// Whether the heads that were looked at are used up while there may be more.
    pub(super) fn is_dry(&self) -> bool {
        (self.at_once.is_empty() && self.more_at_once) || (self.later_left == 0 && self.more_later)
    }

    /// When the first head can be claimed.
    pub(super) fn heads_due(&self) -> Due {
        if self.at_once.is_empty() {
            self.later.front().map_or(Due::Never, |head| head.life.due().into())
        } else {
            Due::AtOnce
        }
    }

    /// Takes note that an entry was claimed.
    pub(super) fn claim(&mut self, claimed: &Head) {
        if claimed.lane.is_control() {
            for head in self.control.iter_mut().filter(|head| head.seq == claimed.seq) {
                head.life = claimed.life;
            }
            return;
        }
        self.at_once.retain(|head| head.seq != claimed.seq);
        if let Some(at) = self.later.iter().position(|head| head.seq == claimed.seq) {
            self.later_left = self.later_left.saturating_sub(1);
            let before = self.later.remove(at).map(|head| head.life);
            let lease = before.filter(Life::is_claimed).and_then(|life| life.due());
            if let Some(at) = self.leases.iter().position(|end| Some(*end) == lease) {
                self.leases.remove(at);
            }
        }
        self.later.push_back(claimed.clone());
        self.leases.extend(claimed.life.due());
        self.sort();
    }
}

impl Backlog for Look {
    type Entry = Head;

    fn control_fronts(&self) -> impl Iterator<Item = &Head> {
        self.control.iter()
    }

    fn control_free(&self) -> Due {
        let held = self.control.iter().filter(|head| head.life.is_claimed());
        held.filter_map(|head| head.life.due()).max().into()
    }

    fn ordinary_free(&self, most: usize) -> Due {
        match most.checked_sub(1) {
            None => Due::Never,
            Some(others) => self.leases.get(others).copied().into(),
        }
    }

    fn has_untried(&self) -> bool {
        !self.at_once.is_empty() || self.others_untried
    }
}

impl Waiting for Head {
    fn lane(&self) -> Lane {
        self.lane
    }

    fn life(&self) -> Life {
        self.life
    }
}

impl Head {
    /// Whether it is one of those that a claim is for.
    pub(super) fn is_signed_as(&self, tokens: &Tokens) -> bool {
        match tokens {
            Tokens::Any => true,
            Tokens::SignedBy(keys) => {
                self.life.signature == Signature::Kept
                    && self.kid.as_ref().is_some_and(|kid| keys.contains(kid))
            }
        }
    }
}
