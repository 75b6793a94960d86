//! What is held against what arrived.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use ssf_transmitter::store::Totals;
use tokio::time::Instant;

use crate::fleet::{POLLED, PUSHED};
use crate::pollers::Polled;
use crate::receiver::{Event, Push, Set};

/// How long after it arrived a push may be unsettled.
const UNSETTLED: Duration = Duration::from_millis(1_500);
/// How soon after a process was killed its connections have ended.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// All that happened.
pub(crate) struct Run {
    pub(crate) emitted: Vec<Event>,
    pub(crate) pushed: Vec<Push>,
    pub(crate) polled: Vec<Polled>,
    pub(crate) kills: Vec<Instant>,
}

impl Run {
    /// How many events did not arrive.
    pub(crate) fn missing(&self) -> String {
        let pushed: HashSet<_> = self.pushed.iter().map(|push| &push.set.event).collect();
        let missing = self.emitted.iter().filter(|event| !pushed.contains(event)).count();
        let not_polled = self.polled.iter().map(|polled| {
            let polled: HashSet<_> = polled.sets.iter().map(|set| &set.event).collect();
            self.emitted.iter().filter(|event| !polled.contains(event)).count()
        });
        let not_polled: usize = not_polled.sum();
        format!(
            "of {} events {missing} not by push and {not_polled} not by poll",
            self.emitted.len()
        )
    }

    pub(crate) fn judge(&self, totals: Totals) {
        let again = self.pushed.len() - self.pushed_once().len();
        println!(
            "{} kills, {} events, {} pushes ({again} again), {} polled",
            self.kills.len(),
            self.emitted.len(),
            self.pushed.len(),
            self.polled.iter().map(|polled| polled.sets.len()).sum::<usize>(),
        );
        self.every_set_ended_delivered(totals);
        self.everybody_got_what_is_theirs_and_nothing_else();
        self.an_event_has_one_set_on_each_stream();
        self.first_arrivals_are_in_order();
        self.a_set_comes_again_only_if_its_sender_was_killed();
        self.what_was_acknowledged_comes_no_more();
    }

    fn pushed_once(&self) -> HashSet<&String> {
        self.pushed.iter().map(|push| &push.set.jti).collect()
    }

    /// P6: each event is one SET that is pushed and two that are polled.
    fn every_set_ended_delivered(&self, totals: Totals) {
        let sets = 3 * self.emitted.len() as u64;
        assert_eq!((totals.accepted, totals.delivered, totals.waiting), (sets, sets, 0));
        assert_eq!((totals.dead, totals.redriven), (0, 0), "{totals:?}");
    }

    fn everybody_got_what_is_theirs_and_nothing_else(&self) {
        for push in &self.pushed {
            assert_eq!(push.set.audience, push.to);
            assert!(
                PUSHED.contains(&(push.to.as_str(), push.set.event.event_type.as_str())),
                "{push:?}"
            );
        }
        for (client, polled) in POLLED.iter().zip(&self.polled) {
            assert!(polled.sets.iter().all(|set| set.audience == *client), "{client}");
        }
        assert!(self.missing().contains(" 0 not by push and 0 not by poll"), "{}", self.missing());
    }

    /// Whatever arrived again has the same `jti`, and the same bytes.
    fn an_event_has_one_set_on_each_stream(&self) {
        let pushed = self.pushed.iter().map(|push| &push.set);
        let polled = self.polled.iter().flat_map(|polled| &polled.sets);
        let mut tokens = HashMap::new();
        for set in pushed.chain(polled) {
            let token = tokens.entry((&set.audience, &set.event)).or_insert(&set.token);
            assert_eq!(*token, &set.token, "{:?}", set.event);
        }
        assert_eq!(tokens.len(), 3 * self.emitted.len(), "nothing is made up");
    }

    /// P4.
    fn first_arrivals_are_in_order(&self) {
        in_order(self.pushed.iter().map(|push| &push.set));
        for polled in &self.polled {
            in_order(polled.sets.iter());
        }
    }

    fn a_set_comes_again_only_if_its_sender_was_killed(&self) {
        let mut before: HashMap<&String, &Push> = HashMap::new();
        for push in &self.pushed {
            if let Some(first) = before.insert(&push.set.jti, push) {
                let ended = first.connection_ended;
                let killed = ended.is_some_and(|ended| {
                    self.kills.iter().any(|kill| {
                        *kill <= ended + ENDS_WITHIN
                            && ended <= *kill + ENDS_WITHIN
                            && *kill <= first.at + UNSETTLED
                    })
                });
                assert!(killed, "{} came again and nobody was killed", push.set.jti);
            }
        }
    }

    fn what_was_acknowledged_comes_no_more(&self) {
        for polled in &self.polled {
            assert_eq!(polled.again, Vec::<String>::new());
        }
    }
}

/// Of each subject, the next number comes first when all before it have come.
fn in_order<'a>(sets: impl Iterator<Item = &'a Set>) {
    let mut next: BTreeMap<&String, u64> = BTreeMap::new();
    for set in sets {
        let next = next.entry(&set.event.subject).or_default();
        assert!(set.event.number <= *next, "{:?} came before {next}", set.event);
        *next = (*next).max(set.event.number + 1);
    }
}
