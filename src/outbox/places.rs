//! How many pushes may begin, by what they are and where they go.

use std::collections::HashMap;

use super::entry::Lane;

/// How long the receiver of a stream took over the last request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Pace {
    /// Nothing is known: no request has ended since the stream started or its delivery changed.
    #[default]
    Unknown,
    /// It answered in time.
    Prompt,
    /// It took long, or the deadline passed.
    Slow,
}

/// How many pushes one process may have under way.
///
/// A quarter of the whole is for slow streams; the others have the rest to themselves, so that
/// however many streams hang, those that answer lose nothing. Streams of unknown pace get at most
/// half of the rest: however many new streams hang, those that are known to answer go on. An
/// eighth of either share, and of the whole, is for control entries alone: they wait for nobody,
/// however many streams that answered before hang now. At one host, slow streams get a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceLimits {
    /// The most in all.
    pub all: usize,
    /// The most to one host. Control entries may have a quarter more.
    pub per_host: usize,
    /// The most ordinary ones in all.
    ordinary: usize,
    /// The most ordinary ones to the slow streams of one host.
    slow_per_host: usize,
    rest: Share,
    unknown: usize,
    slow: Share,
}

/// The places of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    all: usize,
    ordinary: usize,
}

impl Share {
    const fn of(all: usize) -> Self {
        Self { all, ordinary: all - all / 8 }
    }
}

impl PlaceLimits {
    /// The limits of a process that may have `all` pushes under way, `per_host` of them to one
    /// host.
    #[must_use]
    pub fn new(all: usize, per_host: usize) -> Self {
        let slow = (all / 4).max(1);
        let rest = all.saturating_sub(slow).max(1);
        Self {
            all,
            per_host,
            ordinary: Share::of(all).ordinary,
            slow_per_host: (per_host / 4).max(1),
            rest: Share::of(rest),
            unknown: rest.div_ceil(2),
            slow: Share::of(slow),
        }
    }

    /// At most `all` pushes, of whatever kind, wherever to.
    #[must_use]
    pub const fn any(all: usize) -> Self {
        let share = Share { all, ordinary: all };
        Self {
            all,
            per_host: usize::MAX,
            ordinary: all,
            slow_per_host: usize::MAX,
            rest: share,
            unknown: all,
            slow: share,
        }
    }
}

/// The places that are taken, and whether there is one for another push.
#[derive(Clone, Debug)]
pub struct Places {
    limits: PlaceLimits,
    prompt: usize,
    unknown: usize,
    slow: usize,
    /// Those of them that control entries have: of the slow, and of the others.
    slow_control: usize,
    rest_control: usize,
    hosts: HashMap<String, AtHost>,
}

/// The places that are taken at one host.
#[derive(Clone, Copy, Debug, Default)]
struct AtHost {
    all: usize,
    slow: usize,
}

impl Places {
    /// All places, none of them taken.
    #[must_use]
    pub fn new(limits: PlaceLimits) -> Self {
        Self {
            limits,
            prompt: 0,
            unknown: 0,
            slow: 0,
            slow_control: 0,
            rest_control: 0,
            hosts: HashMap::new(),
        }
    }

    /// How many more pushes of that lane to streams of that pace there are places for, hosts
    /// aside.
    #[must_use]
    pub const fn free(&self, lane: Lane, pace: Pace) -> usize {
        let control = lane.is_control();
        let (share, taken, control_taken) = match pace {
            Pace::Unknown | Pace::Prompt => {
                (self.limits.rest, self.prompt + self.unknown, self.rest_control)
            }
            Pace::Slow => (self.limits.slow, self.slow, self.slow_control),
        };
        let kept = if control { share.all - share.ordinary } else { 0 };
        let mut room = share.ordinary.saturating_add(kept).saturating_sub(taken);
        if matches!(pace, Pace::Unknown) {
            let most = self.limits.unknown.saturating_add(kept);
            // Those that turned out slow stand in their way, not in that of the prompt.
            let beside = self.slow.saturating_sub(self.limits.slow.all);
            room = least(room, most.saturating_sub(self.unknown.saturating_add(beside)));
        }
        // However many turn slow, what is kept for control entries only they take.
        let kept = kept.saturating_sub(control_taken);
        least(self.free_in_all(lane), if room < kept { kept } else { room })
    }

    /// How many more pushes of that lane to streams of that pace at that host there are places
    /// for, shares aside.
    #[must_use]
    pub fn free_at(&self, lane: Lane, pace: Pace, host: &str) -> usize {
        let taken = self.hosts.get(host).copied().unwrap_or_default();
        let most = self.limits.per_host;
        if lane.is_control() {
            return most.saturating_add(most.div_ceil(4)).saturating_sub(taken.all);
        }
        let free = most.saturating_sub(taken.all);
        match pace {
            Pace::Unknown | Pace::Prompt => free,
            Pace::Slow => free.min(self.limits.slow_per_host.saturating_sub(taken.slow)),
        }
    }

    /// The hosts where no further push of that lane may go to a stream of that pace. There are few:
    /// each has taken as many places as a host may.
    pub fn full_hosts(&self, lane: Lane, pace: Pace) -> impl Iterator<Item = &str> {
        let full = move |host: &&String| self.free_at(lane, pace, host) == 0;
        self.hosts.keys().filter(full).map(String::as_str)
    }

    /// Whether there is a place for a push.
    #[must_use]
    pub fn has(&self, lane: Lane, pace: Pace, host: &str) -> bool {
        self.free(lane, pace) > 0 && self.free_at(lane, pace, host) > 0
    }

    /// Takes a place, whether there is one or not.
    pub fn take(&mut self, lane: Lane, pace: Pace, host: &str) {
        let control = usize::from(lane.is_control());
        match pace {
            Pace::Unknown => self.unknown += 1,
            Pace::Prompt => self.prompt += 1,
            Pace::Slow => self.slow += 1,
        }
        match pace {
            Pace::Unknown | Pace::Prompt => self.rest_control += control,
            Pace::Slow => self.slow_control += control,
        }
        let slow = usize::from(pace == Pace::Slow);
        match self.hosts.get_mut(host) {
            Some(taken) => (taken.all, taken.slow) = (taken.all + 1, taken.slow + slow),
            None => drop(self.hosts.insert(host.to_owned(), AtHost { all: 1, slow })),
        }
    }

    const fn free_in_all(&self, lane: Lane) -> usize {
        let most = if lane.is_control() { self.limits.all } else { self.limits.ordinary };
        most.saturating_sub(self.prompt + self.unknown + self.slow)
    }
}

const fn least(one: usize, other: usize) -> usize {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: Lane = Lane::Ordinary;
    const CONTROL: Lane = Lane::Verification;

    fn taken(limits: PlaceLimits, pace: Pace, count: usize) -> Places {
        let mut places = Places::new(limits);
        for host in 0..count {
            places.take(ORDINARY, pace, &host.to_string());
        }
        places
    }

    #[test]
    fn slow_streams_get_a_quarter_and_take_nothing_from_the_others() {
        let limits = PlaceLimits::new(64, 64);
        let none = Places::new(limits);
        let free = |places: &Places| [Pace::Prompt, Pace::Slow].map(|p| places.free(ORDINARY, p));
        assert_eq!(free(&none), [42, 14]);
        assert_eq!(free(&taken(limits, Pace::Slow, 14)), [42, 0]);
        assert_eq!(free(&taken(limits, Pace::Prompt, 42)), [0, 14]);
    }

    #[test]
    fn the_shares_of_256_are_those_of_the_documentation() {
        let limits = PlaceLimits::new(256, 32);
        let kept = |share: Share| share.all - share.ordinary;
        assert_eq!((limits.slow.all, limits.rest.all, limits.unknown), (64, 192, 96));
        assert_eq!(
            (kept(limits.slow), kept(limits.rest), limits.all - limits.ordinary),
            (8, 24, 32)
        );
        assert_eq!(limits.slow_per_host, 8);
    }

    #[test]
    fn streams_of_unknown_pace_leave_half_to_those_that_are_known_to_answer() {
        let limits = PlaceLimits::new(64, 64);
        let places = taken(limits, Pace::Unknown, 24);
        let free = [Pace::Unknown, Pace::Prompt].map(|pace| places.free(ORDINARY, pace));
        assert_eq!(free, [0, 18]);
    }

    #[test]
    fn pushes_that_turned_out_slow_leave_half_to_those_that_are_known_to_answer() {
        let limits = PlaceLimits::new(64, 64);
        let places = taken(limits, Pace::Slow, 16 + 24);
        let free = [Pace::Unknown, Pace::Prompt].map(|pace| places.free(ORDINARY, pace));
        assert_eq!(free, [0, 16]);
    }

    #[test]
    fn a_place_is_kept_for_control_entries() {
        let limits = PlaceLimits::new(64, 64);
        let full = taken(limits, Pace::Prompt, 42);
        assert_eq!([ORDINARY, CONTROL].map(|lane| full.free(lane, Pace::Prompt)), [0, 6]);
        let full = taken(limits, Pace::Slow, 14);
        assert_eq!([ORDINARY, CONTROL].map(|lane| full.free(lane, Pace::Slow)), [0, 2]);
        let full = taken(limits, Pace::Unknown, 24);
        assert_eq!(full.free(CONTROL, Pace::Unknown), 6);
    }

    #[test]
    fn streams_that_were_prompt_and_hang_leave_an_eighth_of_all_to_control_entries() {
        let limits = PlaceLimits::new(64, 64);
        for slow in [42, 56, 60] {
            let places = taken(limits, Pace::Slow, slow);
            let free = [ORDINARY, CONTROL].map(|lane| places.free(lane, Pace::Prompt));
            assert_eq!(free, [56_usize.saturating_sub(slow), 64 - slow]);
        }
    }

    #[test]
    fn however_many_turned_slow_what_is_kept_for_control_entries_is_there() {
        let limits = PlaceLimits::new(64, 64);
        for pace in [Pace::Unknown, Pace::Slow] {
            let mut places = taken(limits, Pace::Slow, 56);
            for free in (0..=places.free(CONTROL, pace)).rev() {
                assert_eq!(places.free(CONTROL, pace), free, "{pace:?}");
                places.take(CONTROL, pace, "h.example");
            }
            let all = if pace == Pace::Slow { 2 } else { 6 };
            assert_eq!(places.slow_control + places.rest_control, all + 1);
        }
    }

    #[test]
    fn the_slow_streams_of_a_host_get_a_quarter_of_its_places() {
        let mut places = Places::new(PlaceLimits::new(256, 8));
        let free = |places: &Places, lane| {
            [Pace::Unknown, Pace::Prompt, Pace::Slow].map(|p| places.free_at(lane, p, "h.example"))
        };
        assert_eq!(free(&places, ORDINARY), [8, 8, 2]);
        for _ in 0..2 {
            places.take(ORDINARY, Pace::Slow, "h.example");
        }
        assert_eq!(free(&places, ORDINARY), [6, 6, 0]);
        assert!(!places.has(ORDINARY, Pace::Slow, "h.example"));
        assert!(places.has(CONTROL, Pace::Slow, "h.example"), "a verification waits for nobody");
        assert_eq!(places.full_hosts(ORDINARY, Pace::Slow).collect::<Vec<_>>(), ["h.example"]);
        assert_eq!(places.full_hosts(ORDINARY, Pace::Prompt).count(), 0);
    }

    #[test]
    fn a_host_has_its_own_limit() {
        let mut places = Places::new(PlaceLimits::new(64, 2));
        for _ in 0..2 {
            assert!(places.has(ORDINARY, Pace::Prompt, "one.example"));
            places.take(ORDINARY, Pace::Prompt, "one.example");
        }
        assert!(!places.has(ORDINARY, Pace::Prompt, "one.example"));
        assert!(places.has(CONTROL, Pace::Prompt, "one.example"));
        assert!(places.has(ORDINARY, Pace::Prompt, "two.example"));
        assert_eq!(places.full_hosts(ORDINARY, Pace::Prompt).collect::<Vec<_>>(), ["one.example"]);
        assert_eq!(places.full_hosts(CONTROL, Pace::Prompt).count(), 0);
    }

    #[test]
    fn the_fewest_places_serve_every_pace() {
        for all in 1..9 {
            let places = Places::new(PlaceLimits::new(all, 1));
            for pace in [Pace::Unknown, Pace::Prompt, Pace::Slow] {
                assert!(places.free(ORDINARY, pace) > 0, "{all} {pace:?}");
            }
            assert_eq!(taken(PlaceLimits::new(all, 1), Pace::Prompt, all).free_in_all(CONTROL), 0);
        }
    }
}
