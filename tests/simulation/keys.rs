//! Keys whose signatures never come twice the same, that fail, dawdle and are rotated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;
use ssf_transmitter::clock::Clock;
use ssf_transmitter::id::KeyId;
use ssf_transmitter::keys::{KeyError, KeyProvider, KeySet, PublicKey, SignBatch, Signed};
use ssf_transmitter::set::Algorithm;
use ssf_transmitter::testkit::VirtualClock;
use ssf_transmitter::timestamp::Timestamp;

use crate::time::let_others_go_first;

/// The keys of all processes. Clones are handles of the same keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    truth: VirtualClock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Vec<PublicKey>,
    mood: Mood,
    /// When the set of keys could last not be had.
    gone_until: Timestamp,
    signatures: u64,
}

/// How the keys are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Sign,
    SignAfter(Duration),
    Fail,
    /// Not even the set of keys can be had.
    Gone,
}

impl Keys {
    pub(crate) fn new(truth: VirtualClock) -> Self {
        let (mood, gone_until) = (Mood::Sign, Timestamp::default());
        let state = State { keys: vec![key(0)], mood, gone_until, signatures: 0 };
        Self(Arc::new(Shared { truth, state: Mutex::new(state) }))
    }

    pub(crate) fn set(&self, mood: Mood) {
        let mut state = self.state();
        if state.mood == Mood::Gone {
            state.gone_until = self.0.truth.now();
        }
        state.mood = mood;
    }

    /// Whether the set of keys could not be had since then: who sends what is signed already goes by
    /// the set that was known last.
    pub(crate) fn were_gone_since(&self, since: Timestamp) -> bool {
        let state = self.state();
        state.mood == Mood::Gone || state.gone_until >= since
    }

    /// Announces another key, which signs a little later; the others leave the published set when
    /// nobody has signed with them for a while.
    pub(crate) fn rotate(&self, announced: Duration, retired: Duration) {
        let now = self.0.truth.now();
        let mut state = self.state();
        let mut next = key(state.keys.len());
        (next.published_from, next.signs_from) = (now, now.after(announced));
        for old in &mut state.keys {
            old.published_until.get_or_insert(next.signs_from.after(retired));
        }
        state.keys.push(next);
    }

    /// Whether a key has left the published set at that time.
    pub(crate) fn is_retired(&self, kid: &KeyId, at: Timestamp) -> bool {
        let state = self.state();
        let key = state.keys.iter().find(|key| key.kid == *kid);
        key.is_none_or(|key| key.published_until.is_some_and(|until| until <= at))
    }

    /// Whether another key than that one has signed from one time to the other.
    pub(crate) fn have_others_signed(&self, kid: &KeyId, from: Timestamp, to: Timestamp) -> bool {
        let (keys, gone) = (self.key_set(), self.were_gone_since(from));
        let other = |at| keys.current(at).is_some_and(|key| key.kid != *kid);
        !gone && other(from) && other(to)
    }

    fn key_set(&self) -> KeySet {
        KeySet::new(self.state().keys.clone()).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(number: usize) -> PublicKey {
    PublicKey::new(KeyId::parse(format!("k-{number}")).unwrap(), Algorithm::Es256, Map::new())
}

#[async_trait]
impl KeyProvider for Keys {
    async fn key_set(&self) -> Result<Arc<KeySet>, KeyError> {
        let_others_go_first().await;
        if self.state().mood == Mood::Gone {
            return Err(KeyError::Unavailable("out of reach".into()));
        }
        Ok(Arc::new(self.key_set()))
    }

    async fn sign(&self, batch: SignBatch) -> Result<Vec<Signed>, KeyError> {
        let_others_go_first().await;
        let mood = self.state().mood;
        match mood {
            Mood::Sign => {}
            Mood::SignAfter(time) => {
                self.0.truth.sleep_until(self.0.truth.now().after(time)).await;
            }
            Mood::Fail | Mood::Gone => return Err(KeyError::Unavailable("rebooting".into())),
        }
        let mut state = self.state();
        let sign = |input| {
            state.signatures += 1;
            Signed::new(input, state.signatures.to_be_bytes().to_vec())
        };
        Ok(batch.inputs.into_iter().map(sign).collect())
    }
}
