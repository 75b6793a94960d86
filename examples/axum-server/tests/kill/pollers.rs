//! A receiver that polls: it acknowledges what it was given with its next poll.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::receiver::{Client, Event, Set};

#[derive(Default)]
struct Notes {
    /// As they came, also when they came again.
    sets: Vec<Set>,
    events: HashSet<Event>,
    /// Came again although their acknowledgement had been answered.
    again: Vec<String>,
}

pub(crate) struct Poller(Arc<Mutex<Notes>>);

/// What a poller was given.
pub(crate) struct Polled {
    pub(crate) sets: Vec<Set>,
    pub(crate) again: Vec<String>,
}

impl Poller {
    pub(crate) fn start(
        fleet: &Fleet,
        client: &str,
        stream: &str,
        stopped: &watch::Receiver<bool>,
    ) -> Self {
        let notes = Arc::<Mutex<Notes>>::default();
        let poll = poll(
            fleet.client(client),
            format!("/ssf/poll/{stream}"),
            Arc::clone(&notes),
            stopped.clone(),
        );
        tokio::spawn(poll);
        Self(notes)
    }

    /// Whether all of these have come.
    pub(crate) fn is_done(&self, events: &[Event]) -> bool {
        let notes = self.0.lock().unwrap();
        events.iter().all(|event| notes.events.contains(event))
    }

    pub(crate) fn polled(self) -> Polled {
        let mut notes = self.0.lock().unwrap();
        Polled { sets: std::mem::take(&mut notes.sets), again: std::mem::take(&mut notes.again) }
    }
}

async fn poll(
    client: Client,
    path: String,
    notes: Arc<Mutex<Notes>>,
    stopped: watch::Receiver<bool>,
) {
    let (mut unanswered, mut acknowledged) = (HashSet::new(), HashSet::new());
    while !*stopped.borrow() {
        let acks: Vec<&String> = unanswered.iter().collect();
        let answer = client.post(&path, &[], &json!({ "ack": acks })).await;
        let sets = match answer {
            Ok((200, answer)) => answer["sets"].as_object().cloned().unwrap_or_default(),
            Ok((503, _)) | Err(_) => {
                sleep(Duration::from_millis(25)).await;
                continue;
            }
            Ok((status, answer)) => panic!("{status} {answer}"),
        };
        acknowledged.extend(std::mem::take(&mut unanswered));
        let read = |token: &Value| Set::read(token.as_str().unwrap());
        let mut sets: Vec<_> = sets.values().map(read).collect();
        // The members of an object have no order: what comes in one answer comes at once.
        sets.sort_by(|a, b| a.event.cmp(&b.event));
        let mut notes = notes.lock().unwrap();
        for set in sets {
            if acknowledged.contains(&set.jti) {
                notes.again.push(set.jti.clone());
            }
            unanswered.insert(set.jti.clone());
            notes.events.insert(set.event.clone());
            notes.sets.push(set);
        }
    }
}
