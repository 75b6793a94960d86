//! What a run is like: drawn once per seed, so that runs differ in kind and not only in detail.

use std::time::Duration;

use ssf_transmitter::outbox::BeyondLimit;
use ssf_transmitter::protocol::Profile;
use ssf_transmitter::stream::DefaultSubjects;
use ssf_transmitter::transmitter::Config;

use crate::model::Clocks;
use crate::random::Random;
use crate::rules::Rules;

/// The circumstances of a run.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) processes: usize,
    pub(crate) workers: Workers,
    /// Whether all processes push, or the first does it for all. Whose loop is his own looks for
    /// upkeep after what his process did, so all have one.
    pub(crate) all_push: bool,
    pub(crate) clocks: Clocks,
    pub(crate) rules: Rules,
    pub(crate) config: Config,
    pub(crate) profile: Profile,
    pub(crate) actions: usize,
    /// Whether the store tells of changes by other processes.
    pub(crate) tells: bool,
    pub(crate) faults: Faults,
    pub(crate) wishes: &'static [u64],
    /// Whether secrets are sealed, and whether there are tokens for streams without one.
    pub(crate) seals: bool,
    pub(crate) has_tokens: bool,
}

/// How the processes push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workers {
    /// By `run_once`, whenever it says that something is due.
    Steps,
    /// By `run`.
    Loops,
}

/// What goes wrong beside the receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Nothing.
    None,
    /// Processes die and callers hang up.
    Deaths,
    /// The line to the store breaks and is slow.
    Line,
    /// All of it, and the keys fail.
    All,
}

impl Scene {
    pub(crate) fn draw(random: &Random) -> Self {
        let workers = random.pick(&[Workers::Steps, Workers::Steps, Workers::Loops]);
        // A loop looks every second at a store that cannot tell: its runs have to be short.
        let tells = random.percent(50);
        let brisk = (workers == Workers::Loops && !tells) || random.percent(50);
        let rules = if brisk { Rules::BRISK } else { Rules::USUAL };
        let wishes: &[u64] =
            if brisk { &[0, 1, 7, 20, 60] } else { &[0, 1, 7, 20, 60, 900, 100_000] };
        let clocks = random.pick(&[Clocks::Agree, Clocks::Agree, Clocks::Agree, Clocks::Differ]);
        let mut config = config(random, &rules, brisk);
        if clocks == Clocks::Differ {
            // By the one clock a receiver is there, by the other it has been gone for minutes.
            config.inactivity_timeout = None;
        }
        Self {
            processes: random.pick(&[1, 2, 2, 3]),
            workers,
            all_push: workers == Workers::Steps || random.percent(60),
            clocks,
            config,
            profile: profile(random),
            rules,
            tells,
            actions: random.pick(&[15, 30, 45]),
            faults: random.pick(&[Faults::None, Faults::Deaths, Faults::Line, Faults::All]),
            wishes,
            seals: random.percent(40),
            has_tokens: random.percent(40),
        }
    }

    /// Whether box or tokens may fail.
    pub(crate) fn asks(&self) -> bool {
        self.seals || self.has_tokens
    }

    /// How long after it was due something may be seen to at the latest, by whichever clock: what
    /// failed is tried again after a minute.
    pub(crate) fn slack(&self) -> Duration {
        Duration::from_millis(70_000 + 2 * self.most_ahead())
    }

    pub(crate) fn kills(&self) -> bool {
        matches!(self.faults, Faults::Deaths | Faults::All)
    }

    pub(crate) fn breaks_lines(&self) -> bool {
        matches!(self.faults, Faults::Line | Faults::All)
    }

    pub(crate) fn fails_keys(&self) -> bool {
        self.faults == Faults::All
    }

    /// By how many milliseconds a clock may be ahead of the truth or behind it.
    pub(crate) fn most_ahead(&self) -> u64 {
        match self.clocks {
            // Five seconds from the store's is what is allowed: ten from one another.
            Clocks::Agree => 5_000,
            Clocks::Differ => 60_000,
        }
    }

    /// After how many seconds of good weather everything has ended.
    pub(crate) fn patience(&self) -> u64 {
        let waits = self.wishes.iter().copied().max().unwrap_or_default().min(3600);
        waits.max(self.rules.breaker.longest) + 240
    }
}

fn profile(random: &Random) -> Profile {
    let mut profile = Profile::default();
    profile.min_verification_interval = Duration::from_secs(random.pick(&[0, 0, 10]));
    profile
}

fn config(random: &Random, rules: &Rules, brisk: bool) -> Config {
    let mut config = Config::default();
    (config.outcomes, config.breaker) = rules.policies();
    config.default_subjects =
        random.pick(&[DefaultSubjects::All, DefaultSubjects::All, DefaultSubjects::None]);
    config.held.entries = random.pick(&[3, 1_000_000, 1_000_000, 1_000_000]);
    config.held.age = Duration::from_secs(random.pick(&[600, 30 * 24 * 3600, 30 * 24 * 3600]));
    config.held.bytes = random.pick(&[1_000, 1 << 30, 1 << 30, 1 << 30]);
    config.held.beyond = random.pick(&[BeyondLimit::GiveUpOldest, BeyondLimit::DisableStream]);
    config.pushes = random.pick(&[1, 3, 8, 64]);
    config.pushes_per_host = random.pick(&[1, 4, 32]);
    config.pushes_per_stream = random.pick(&[1, 2, 8]);
    config.poll_batch = random.pick(&[1, 3, 100]);
    let seconds = |times: &[u64]| match random.pick(times) {
        0 => None,
        seconds => Some(Duration::from_secs(seconds)),
    };
    config.poll_timeout = Duration::from_secs(random.pick(&[25, 25, 150]));
    config.visibility_window = seconds(&[0, 5, 30]);
    config.removal_grace = seconds(&[0, 0, 20, 300]).unwrap_or_default();
    config.verification_interval = seconds(if brisk { &[0, 0, 45] } else { &[0, 0, 90, 1_800] });
    config.inactivity_timeout = seconds(if brisk { &[0, 0, 90] } else { &[0, 0, 120, 1_800] });
    config.keep_dead_letters = seconds(&[0, 300]).unwrap_or(config.keep_dead_letters);
    config.keep_idempotency_keys = seconds(&[0, 60]).unwrap_or(config.keep_idempotency_keys);
    config
}
