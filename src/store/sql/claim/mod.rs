//! Claiming entries for pushes: control entries before all others, then each stream in turn.

mod contents;
mod row;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use self::row::Ahead;
use super::endings::write_lives;
use super::intake::take_in;
use super::issuers;
use super::look::{Depth, Head, Look, look_at};
use super::numbers::draw;
use super::queue::{self, Queue, Standing};
use super::session::Session;
use crate::outbox::{Breaker, Due, Fence, Happening, Lane, Pace, Places, Step};
use crate::store::{ClaimRequest, Claims, StoreError, Tokens};

/// When to look again for streams that others have locked: not at once again and again.
const LOCKED: Duration = Duration::from_millis(20);
/// All paces there are.
const PACES: [Pace; 3] = [Pace::Unknown, Pace::Prompt, Pace::Slow];

/// Which entries of streams it is the turn of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Control,
    Ordinary,
}

impl Turn {
    /// A lane of these entries.
    const fn lane(self) -> Lane {
        match self {
            Self::Control => Lane::Verification,
            Self::Ordinary => Lane::Ordinary,
        }
    }
}

/// Claims entries. Streams that others have locked are passed over, unless there is nothing else.
pub(super) async fn claim(
    session: &mut dyn Session,
    request: ClaimRequest,
) -> Result<Claims, StoreError> {
    let Some(issuer_no) = issuers::find(session, &request.issuer).await? else {
        return Ok(Claims::default());
    };
    let (claims, locked) = attempt(session, issuer_no, &request).await?;
    if locked.is_empty() {
        return Ok(claims);
    }
    // Nothing is locked here yet, so nobody waits for this who is waited for.
    queue::lock(session, &locked).await?;
    Ok(attempt(session, issuer_no, &request).await?.0)
}

/// Claims what nobody else has locked. If that locked nothing, names streams that others have.
async fn attempt(
    session: &mut dyn Session,
    issuer_no: i64,
    request: &ClaimRequest,
) -> Result<(Claims, Vec<i64>), StoreError> {
    let woken = take_in(session, issuer_no, Some(request.now)).await?;
    let mut round = Round::new(issuer_no, request);
    for (turn, in_row) in [(Turn::Control, woken.control), (Turn::Ordinary, woken.ordinary)] {
        if in_row {
            round.serve(session, turn).await?;
        }
        round.note_open(turn);
    }
    let Ahead { due, locked } = row::ahead(session, &round, woken).await?;
    round.due = round.due.min(due);
    let empty_handed = request.most > 0 && round.streams.is_empty() && !woken.locked;
    let locked = if empty_handed { locked } else { Vec::new() };
    Ok((round.finish(session).await?, locked))
}

/// A stream that may be served. Its queue row is locked.
struct Candidate {
    queue: Queue,
    look: Look,
    /// How many heads were looked at.
    depth: usize,
    /// What was claimed of it.
    claimed: Vec<Head>,
    /// Whether its row is to be stored.
    changed: bool,
}

/// An entry that is claimed.
struct Taken {
    stream_no: i64,
    head: Head,
    pace: Pace,
}

/// The streams in the row, by their turns; those that were served stand behind the others.
type Row = BTreeMap<(bool, i64), i64>;

/// One claim.
struct Round<'r> {
    issuer_no: i64,
    request: &'r ClaimRequest,
    places: Places,
    streams: HashMap<i64, Candidate>,
    taken: Vec<Taken>,
    /// Counts those that join a row.
    order: u64,
    /// When the same claim could get more, as far as is known.
    due: Due,
    /// For which paces there were places when all were served, by turn.
    open: [Vec<Pace>; 2],
}

impl<'r> Round<'r> {
    fn new(issuer_no: i64, request: &'r ClaimRequest) -> Self {
        Self {
            issuer_no,
            request,
            places: request.places.clone(),
            streams: HashMap::new(),
            taken: Vec::new(),
            order: 0,
            due: Due::Never,
            open: [Vec::new(), Vec::new()],
        }
    }

    /// Serves the streams in the row, one entry at a time.
    async fn serve(&mut self, session: &mut dyn Session, turn: Turn) -> Result<(), StoreError> {
        let (mut row, mut passed) = (Row::new(), Vec::new());
        let mut pages = row::Pages::default();
        loop {
            let first = row.iter().find(|(_, no)| self.has_place(turn, **no));
            let Some((place, no)) = first.map(|(place, no)| (*place, *no)) else {
                let page = pages.next(session, self, turn).await?;
                if page.is_empty() {
                    break;
                }
                self.enter(session, turn, page, &mut row).await?;
                continue;
            };
            let due = self.due(turn, no);
            if self.taken.len() >= self.request.most && due.has_come(self.request.now) {
                self.due = Due::AtOnce;
                break;
            }
            row.remove(&place);
            if self.claim_one(turn, no) {
                self.refresh(session).await?;
                if self.rejoin(turn, no) {
                    let last = i64::try_from(self.order).unwrap_or(i64::MAX);
                    row.insert((true, last), no);
                }
            } else {
                passed.push(no);
            }
        }
        for no in passed {
            self.due = self.due.min(self.due(turn, no));
            if self.request.tokens == Tokens::Any {
                self.rejoin(turn, no);
            }
        }
        Ok(())
    }

    fn has_place(&self, turn: Turn, no: i64) -> bool {
        let Some(Candidate { queue, .. }) = self.streams.get(&no) else { return false };
        self.places.has(turn.lane(), queue.health.pace, &queue.host)
    }

    /// Enters a page of the row. Streams that were locked before keep what is known of them.
    async fn enter(
        &mut self,
        session: &mut dyn Session,
        turn: Turn,
        page: Vec<Queue>,
        row: &mut Row,
    ) -> Result<(), StoreError> {
        let mut new = Vec::new();
        for queue in page {
            let known = self.streams.get(&queue.no).map(|known| &known.queue);
            let standing = match turn {
                Turn::Control => known.unwrap_or(&queue).control,
                Turn::Ordinary => known.unwrap_or(&queue).ordinary,
            };
            if let Standing::InRow(number) = standing {
                row.insert((false, number), queue.no);
            }
            if known.is_none() {
                new.push(queue);
            }
        }
        let wanted = self.request.most.saturating_sub(self.taken.len());
        // One more than are wanted of each tells whether there is more.
        let depth = wanted.div_ceil(new.len().max(1)).min(self.request.most_per_stream);
        let depth = depth.saturating_add(1);
        let numbers: Vec<i64> = new.iter().map(|queue| queue.no).collect();
        let mut looks = self.look(session, &numbers, depth).await?;
        for queue in new {
            let look = looks.remove(&queue.no).unwrap_or_default();
            let candidate = Candidate { look, depth, claimed: Vec::new(), changed: false, queue };
            self.streams.insert(candidate.queue.no, candidate);
        }
        Ok(())
    }

    async fn look(
        &self,
        session: &mut dyn Session,
        streams: &[i64],
        heads: usize,
    ) -> Result<HashMap<i64, Look>, StoreError> {
        let leases = self.request.most_per_stream.max(1);
        look_at(session, streams, Depth { heads, leases }, &self.request.tokens).await
    }

    /// Looks further at streams whose heads are used up.
    async fn refresh(&mut self, session: &mut dyn Session) -> Result<(), StoreError> {
        loop {
            let dry = self.streams.values().filter(|candidate| candidate.look.is_dry());
            let (dry, depths): (Vec<i64>, Vec<usize>) =
                dry.map(|candidate| (candidate.queue.no, candidate.depth)).unzip();
            let Some(deepest) = depths.into_iter().max() else { return Ok(()) };
            let depth = deepest.saturating_mul(2).saturating_add(1);
            let mut looks = self.look(session, &dry, depth).await?;
            for no in dry {
                let Some(candidate) = self.streams.get_mut(&no) else { continue };
                candidate.look = looks.remove(&no).unwrap_or_default();
                candidate.depth = depth;
                for head in &candidate.claimed {
                    candidate.look.claim(head);
                }
            }
        }
    }

    /// When the claim gets the next of these entries of a stream.
    fn due(&self, turn: Turn, no: i64) -> Due {
        let Some(Candidate { queue, look, .. }) = self.streams.get(&no) else {
            return Due::Never;
        };
        let (sender, ClaimRequest { now, tokens, .. }) = (queue.sender(look), self.request);
        let signed = |head: &Head| head.is_signed_as(tokens);
        match turn {
            Turn::Control => match sender.next_control(*now) {
                Some(next) if !signed(next) => Due::Never,
                Some(_) | None => sender.control_due(signed),
            },
            // A control entry whose turn it is is not overtaken, though no key can sign it.
            Turn::Ordinary
                if *tokens != Tokens::Any && sender.control_due(|_| true).has_come(*now) =>
            {
                Due::Never
            }
            Turn::Ordinary => sender.ordinary_due(self.request.most_per_stream, look.heads_due()),
        }
    }

    /// The one of these entries that the claim gets, if there is one whose time has come.
    fn next(&self, turn: Turn, candidate: &Candidate) -> Option<Head> {
        let (now, Candidate { queue, look, .. }) = (self.request.now, candidate);
        if !self.due(turn, queue.no).has_come(now) {
            return None;
        }
        let at_once = look.at_once.front();
        let waited = look.later.front().filter(|head| head.life.due() <= Some(now));
        let next = match (turn, &self.request.tokens, queue.health.breaker(now)) {
            (Turn::Control, _, _) => queue.sender(look).next_control(now),
            // Those whose time has come go before those that never waited, so that a busy stream
            // does not starve its retries;
            (Turn::Ordinary, Tokens::Any, Breaker::Closed) => waited.or(at_once),
            // but the probe is one that never waited, so that it is not always the same.
            (Turn::Ordinary, Tokens::Any, Breaker::Open | Breaker::HalfOpen)
            | (Turn::Ordinary, Tokens::SignedBy(_), _) => at_once.or(waited),
        };
        next.cloned()
    }

    /// Claims one entry of a stream, if more are wanted and there is one.
    fn claim_one(&mut self, turn: Turn, no: i64) -> bool {
        if self.taken.len() >= self.request.most {
            return false;
        }
        let next = self.streams.get(&no).and_then(|candidate| self.next(turn, candidate));
        let (Some(mut head), Some(candidate)) = (next, self.streams.get_mut(&no)) else {
            return false;
        };
        // Its number is drawn when all are claimed.
        let (fence, now, until) = (head.life.fence, self.request.now, self.request.lease_until);
        let Step::GoesOn(life) = head.life.after(Happening::Claim { fence, now, until }) else {
            return false;
        };
        head.life = life;
        candidate.look.claim(&head);
        candidate.claimed.push(head.clone());
        candidate.changed = true;
        let pace = candidate.queue.health.pace;
        self.places.take(turn.lane(), pace, &candidate.queue.host);
        self.taken.push(Taken { stream_no: no, head, pace });
        true
    }

    /// Puts a stream that was served or passed over at the end of its row; whether it stands there.
    fn rejoin(&mut self, turn: Turn, no: i64) -> bool {
        let Some(candidate) = self.streams.get_mut(&no) else { return false };
        candidate.changed = true;
        match turn {
            Turn::Control => candidate.queue.control = Standing::Out,
            Turn::Ordinary => candidate.queue.ordinary = Standing::Out,
        }
        if self.request.tokens != Tokens::Any {
            // Of its heads not all were looked at: when it is due is derived at the end.
            self.order += 1;
            return true;
        }
        candidate.queue.derive(&candidate.look, &mut self.order);
        match turn {
            Turn::Control => candidate.queue.control.is_in_row(),
            Turn::Ordinary => candidate.queue.ordinary.is_in_row(),
        }
    }

    fn note_open(&mut self, turn: Turn) {
        let open = |pace: &Pace| self.places.free(turn.lane(), *pace) > 0;
        let open = PACES.into_iter().filter(open).collect();
        let [control, ordinary] = &mut self.open;
        match turn {
            Turn::Control => *control = open,
            Turn::Ordinary => *ordinary = open,
        }
    }

    /// Writes what was claimed and whose turn it is then.
    async fn finish(mut self, session: &mut dyn Session) -> Result<Claims, StoreError> {
        let mut queues: Vec<Queue> = Vec::new();
        for candidate in std::mem::take(&mut self.streams).into_values() {
            if candidate.changed {
                queues.push(candidate.queue);
            }
        }
        let derive_now = self.request.tokens == Tokens::Any;
        let joining = if derive_now { queue::joining(&mut queues).len() } else { 0 };
        let mut numbers = draw(session, self.taken.len() + joining).await?;
        let fences = numbers.by_ref().take(self.taken.len());
        for (taken, fence) in self.taken.iter_mut().zip(fences) {
            taken.head.life.fence = Fence(fence.unsigned_abs());
        }
        let lives: Vec<_> =
            self.taken.iter().map(|t| (t.stream_no, t.head.seq, t.head.life)).collect();
        write_lives(session, &lives).await?;
        if derive_now {
            queue::assign(&mut queues, numbers);
            queue::store_with_turns(session, &queues).await?;
        } else {
            queue::renew(session, &mut queues).await?;
        }
        let entries = contents::of(session, &self.request.issuer, self.taken).await?;
        Ok(Claims::new(entries, self.due.time(self.request.now)))
    }
}
