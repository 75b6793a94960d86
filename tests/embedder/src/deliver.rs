//! A deliverer that keeps what it is given, as a receiver with one answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use ssf_transmitter::deliver::{DeliverError, Deliverer, PushRequest, PushResponse};

/// Where pushed SETs end up. All clones are one.
#[derive(Clone, Debug)]
pub struct Inbox {
    answer: PushResponse,
    pushed: Arc<Mutex<Vec<PushRequest>>>,
}

impl Inbox {
    /// An inbox that answers every push with that status.
    #[must_use]
    pub fn answering(status: u16) -> Self {
        Self { answer: PushResponse::new(status), pushed: Arc::default() }
    }

    /// What was pushed, in the order in which it came.
    #[must_use]
    pub fn pushed(&self) -> Vec<PushRequest> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<PushRequest>> {
        self.pushed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Deliverer for Inbox {
    async fn deliver(&self, request: PushRequest) -> Result<PushResponse, DeliverError> {
        self.lock().push(request);
        Ok(self.answer.clone())
    }
}
