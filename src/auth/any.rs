//! Several authenticators, asked in order.

use std::sync::Arc;

use async_trait::async_trait;

use super::{AuthError, Authenticator, Caller, TokenFault};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

/// Takes a token that any of its authenticators takes. The first that knows a receiver wins.
///
/// A token that none of them takes is invalid; the fault is that of the last one asked. If one of
/// them was out of reach, so is the answer: it might have been the one that knows.
///
/// The authenticators share one space of receivers: give no two receivers the same owner.
///
/// ```
/// use ssf_transmitter::StaticTokens;
/// use ssf_transmitter::auth::any::AnyOf;
///
/// let authenticator = AnyOf::new().with(StaticTokens::new()).with(StaticTokens::new());
/// ```
#[derive(Clone, Debug, Default)]
pub struct AnyOf(Vec<Arc<dyn Authenticator>>);

impl AnyOf {
    /// No authenticators: nobody is known.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more, asked after the others.
    #[must_use]
    pub fn with(mut self, authenticator: impl Authenticator) -> Self {
        self.0.push(Arc::new(authenticator));
        self
    }
}

#[async_trait]
impl Authenticator for AnyOf {
    async fn authenticate(&self, token: &Secret, now: Timestamp) -> Result<Caller, AuthError> {
        let mut unavailable = None;
        let mut invalid = AuthError::InvalidToken(TokenFault::Unknown);
        for authenticator in &self.0 {
            match authenticator.authenticate(token, now).await {
                Ok(caller) => return Ok(caller),
                Err(error @ AuthError::InvalidToken(_)) => invalid = error,
                Err(error @ AuthError::Unavailable { .. }) => {
                    unavailable.get_or_insert(error);
                }
            }
        }
        Err(unavailable.unwrap_or(invalid))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::id::{Audience, ClientId, Owner, TenantId};

    /// Gives everybody the same answer and counts.
    #[derive(Debug)]
    struct Scripted(Answer, AtomicUsize);

    #[derive(Clone, Copy, Debug)]
    enum Answer {
        Knows(&'static str),
        Refuses(fn() -> TokenFault),
        Away(u64),
    }

    #[async_trait]
    impl Authenticator for Scripted {
        async fn authenticate(&self, _: &Secret, _: Timestamp) -> Result<Caller, AuthError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            match self.0 {
                Answer::Knows(client) => {
                    let tenant = TenantId::parse("default").unwrap();
                    let owner = Owner::new(tenant, ClientId::parse(client).unwrap());
                    Ok(Caller::new(owner, Audience::parse(client).unwrap(), []))
                }
                Answer::Refuses(fault) => Err(AuthError::InvalidToken(fault())),
                Answer::Away(seconds) => Err(AuthError::Unavailable {
                    retry_after: Duration::from_secs(seconds),
                    source: "away".into(),
                }),
            }
        }
    }

    /// What the combination answers, and how often each was asked.
    async fn asked(answers: &[Answer]) -> (String, Vec<usize>) {
        let scripted: Vec<_> =
            answers.iter().map(|answer| Arc::new(Scripted(*answer, AtomicUsize::new(0)))).collect();
        let any = scripted.iter().cloned().fold(AnyOf::new(), AnyOf::with);
        let answer = match any.authenticate(&Secret::new("t"), Timestamp::default()).await {
            Ok(caller) => caller.owner.client.to_string(),
            Err(AuthError::InvalidToken(fault)) => fault.to_string(),
            Err(AuthError::Unavailable { retry_after, .. }) => format!("{retry_after:?}"),
        };
        (answer, scripted.iter().map(|one| one.1.load(Ordering::Relaxed)).collect())
    }

    const UNKNOWN: Answer = Answer::Refuses(|| TokenFault::Unknown);
    const EXPIRED: Answer = Answer::Refuses(|| TokenFault::Expired);

    #[tokio::test]
    async fn the_first_that_knows_a_receiver_wins_and_the_others_are_not_asked() {
        let order = [UNKNOWN, Answer::Away(7), Answer::Knows("a"), Answer::Knows("b")];
        assert_eq!(asked(&order).await, ("a".to_owned(), vec![1, 1, 1, 0]));
    }

    #[tokio::test]
    async fn one_out_of_reach_might_have_known() {
        let order = [UNKNOWN, Answer::Away(7), Answer::Away(9), EXPIRED];
        assert_eq!(asked(&order).await, ("7s".to_owned(), vec![1, 1, 1, 1]));
    }

    #[tokio::test]
    async fn a_token_that_none_takes_has_the_fault_of_the_last() {
        assert_eq!(asked(&[UNKNOWN, EXPIRED]).await.0, "it has expired");
        assert_eq!(asked(&[]).await.0, "nobody has this token");
    }
}
