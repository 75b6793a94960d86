//! The calls of the port: each is one transaction around a function of a room.

mod identities;
mod operator;
mod outbox;
mod receiver;
mod worker;

pub(super) use self::outbox::SqlOutbox;

/// Begins a transaction, makes the call in it, and commits; `announced`: what it did is something
/// that other processes may wait for.
macro_rules! in_transaction {
    ($database:expr, announced, $session:ident => $call:expr) => {{
        let mut transaction = $database.begin(Access::Write).await?;
        let $session = &mut *transaction;
        let done = $call.await?;
        transaction.announce().await?;
        transaction.commit().await?;
        Ok(done)
    }};
    ($database:expr, $access:ident, $session:ident => $call:expr) => {{
        let mut transaction = $database.begin(Access::$access).await?;
        let $session = &mut *transaction;
        let done = $call.await?;
        transaction.commit().await?;
        Ok(done)
    }};
}
use in_transaction;
