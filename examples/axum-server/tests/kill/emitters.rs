//! Emitters: each emits about subjects of its own, one event after the other, and repeats one under
//! its idempotency key until it knows that it is accepted.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::fleet::{CHANGED, Fleet, OPERATOR, REVOKED};
use crate::receiver::{Client, Event};

const EMITTERS: u32 = 4;
const SUBJECTS: u32 = 5;
/// Time for the machine to do something else.
const PAUSE: Duration = Duration::from_millis(25);

pub(crate) struct Emitters {
    tasks: Vec<JoinHandle<Vec<Event>>>,
    stop: watch::Sender<bool>,
}

impl Emitters {
    pub(crate) fn start(fleet: &Fleet) -> Self {
        let (stop, stopped) = watch::channel(false);
        let emit = |number| {
            let (client, stopped) = (fleet.client(OPERATOR), stopped.clone());
            tokio::spawn(emit(number, client, stopped))
        };
        Self { tasks: (0..EMITTERS).map(emit).collect(), stop }
    }

    /// What was accepted.
    pub(crate) async fn stop(self) -> Vec<Event> {
        self.stop.send_replace(true);
        let mut emitted = Vec::new();
        for task in self.tasks {
            emitted.extend(task.await.unwrap());
        }
        emitted
    }
}

async fn emit(emitter: u32, client: Client, stopped: watch::Receiver<bool>) -> Vec<Event> {
    let mut emitted = Vec::new();
    for count in 0.. {
        if *stopped.borrow() {
            break;
        }
        let subject = format!("user{emitter}-{}@example.com", count % SUBJECTS);
        // Each subject is of one type: its order is seen on each stream.
        let event_type = if (count % SUBJECTS).is_multiple_of(2) { REVOKED } else { CHANGED };
        let number = u64::from(count / SUBJECTS);
        let mut event = json!({"number": number});
        if event_type == CHANGED {
            event["credential_type"] = json!("password");
            event["change_type"] = json!("update");
        }
        let body = json!({
            "subject": {"format": "email", "email": subject},
            "event_type": event_type,
            "event": event,
        });
        let key = format!("{subject} {number}");
        loop {
            match client.post("/admin/events", &[("idempotency-key", &key)], &body).await {
                Ok((202, _)) => break,
                // The process is gone, or the database does not answer: whether it was accepted is
                // not known.
                Ok((503, _)) | Err(_) => sleep(PAUSE).await,
                Ok((status, answer)) => panic!("{status} {answer}"),
            }
        }
        emitted.push(Event { subject, event_type: event_type.to_owned(), number });
        sleep(PAUSE).await;
    }
    emitted
}
