//! What a driver says went wrong, for the log of an operator: with its cause, and without anything
//! that was bound to a statement.

use crate::store::StoreError;

/// What went wrong in a database.
#[derive(Debug, thiserror::Error)]
enum Fault {
    /// It did not do a statement.
    #[error("the database answered {code}: {message}")]
    Answered { code: String, message: String },
    /// The statement or its answer did not get through.
    #[error("the database cannot be used")]
    Driver(#[source] sqlx::Error),
    /// It took too long.
    #[cfg(feature = "postgres")]
    #[error("the database did not answer in time")]
    TooSlow,
}

/// What a driver's error means for a caller.
pub(in crate::store) fn fault(error: sqlx::Error) -> StoreError {
    let sqlx::Error::Database(answer) = error else {
        return match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                StoreError::Corrupt(Box::new(Fault::Driver(error)))
            }
            _ => StoreError::Unavailable(Box::new(Fault::Driver(error))),
        };
    };
    if answer.is_unique_violation() {
        return StoreError::IdTaken;
    }
    let code = answer.code().unwrap_or_default().into_owned();
    let message = if is_free_of_values(&code) { answer.message() } else { "(not shown)" };
    let fault = Box::new(Fault::Answered { message: message.to_owned(), code });
    match fault.as_ref() {
        Fault::Answered { code, .. } if is_corruption(code) => StoreError::Corrupt(fault),
        _ => StoreError::Unavailable(fault),
    }
}

/// The database took too long.
#[cfg(feature = "postgres")]
pub(in crate::store) fn too_slow() -> StoreError {
    StoreError::Unavailable(Box::new(Fault::TooSlow))
}

/// Whether a message of that code never shows a value. PostgreSQL shows values that it cannot
/// convert (class 22), what triggers say (P0), and what it did not foresee (XX).
fn is_free_of_values(code: &str) -> bool {
    !["22", "P0", "XX"].iter().any(|class| code.len() == 5 && code.starts_with(class))
}

/// Data corrupted (PostgreSQL), or the database malformed or no database (SQLite, with its extended
/// codes, whose lowest byte is the code).
fn is_corruption(code: &str) -> bool {
    const CORRUPT: u32 = 11;
    const NOT_A_DATABASE: u32 = 26;
    let sqlite = code.parse::<u32>().ok().filter(|_| code.len() < 5).map(|code| code & 0xff);
    ["XX001", "XX002"].contains(&code) || matches!(sqlite, Some(CORRUPT | NOT_A_DATABASE))
}
