//! The schema: its migrations, each a file of SQL that is also published, and the table that tells
//! which were made.
//!
//! Each migration is additive for the version before it, so that old and new processes run side by
//! side: the last statement of its file names its own version and the least version of this library
//! that can work with what it made.

use super::dialect::Dialect;
use super::session::{Session, Transaction};
use crate::store::StoreError;

/// The migrations of a database, the first being version 1.
type Migrations = [&'static str; 1];

const POSTGRES: Migrations = [include_str!("migrations/postgres/0001_first.sql")];
const SQLITE: Migrations = [include_str!("migrations/sqlite/0001_first.sql")];

const LATEST: i64 = POSTGRES.len() as i64;

/// What a store does about the schema when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Migration {
    /// Makes the migrations that are missing. Safe when several processes start at once.
    #[default]
    Apply,
    /// Makes none: the host does, with the files that come with this library.
    Check,
}

/// A schema that this version of the library cannot work with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// Migrations are missing, and the host makes them.
    #[error("the schema has version {found} and version {wanted} is needed: migrate it first")]
    Missing {
        /// The version it has; 0 when there are no tables.
        found: i64,
        /// The version this library needs.
        wanted: i64,
    },
    /// A newer library made it.
    #[error("the schema has version {found}, which needs a newer version of this library")]
    Unknown {
        /// The version it has.
        found: i64,
    },
}

/// The version of the schema, and the least version that can work with it.
struct Version {
    version: i64,
    least: i64,
}

/// Holds the schema against what this library needs.
pub(in crate::store) async fn check(
    session: &mut dyn Session,
) -> Result<Result<(), SchemaError>, StoreError> {
    let Version { version, least } = version(session).await?;
    Ok(match version {
        _ if least > LATEST => Err(SchemaError::Unknown { found: version }),
        _ if version < LATEST => Err(SchemaError::Missing { found: version, wanted: LATEST }),
        _ => Ok(()),
    })
}

/// Makes the migrations that are missing. `lock` is what two processes that start at once agree on.
pub(in crate::store) async fn apply(
    mut transaction: Box<dyn Transaction + '_>,
    lock: &str,
) -> Result<Result<(), SchemaError>, StoreError> {
    let session = &mut *transaction;
    let (lock_out, migrations) = match session.dialect() {
        // Whoever may write is alone.
        Dialect::Sqlite => (None, SQLITE),
        Dialect::Postgres => {
            (Some("SELECT 1 FROM pg_advisory_xact_lock(hashtextextended($1, 0))"), POSTGRES)
        }
    };
    if let Some(lock_out) = lock_out {
        session.rows(lock_out, &[lock.into()]).await?;
    }
    let Version { version, least } = version(session).await?;
    if least > LATEST {
        return Ok(Err(SchemaError::Unknown { found: version }));
    }
    let made = usize::try_from(version).unwrap_or(0);
    for migration in migrations.iter().skip(made) {
        session.script(migration).await?;
    }
    transaction.commit().await?;
    Ok(Ok(()))
}

async fn version(session: &mut dyn Session) -> Result<Version, StoreError> {
    let table = match session.dialect() {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_schema WHERE name = 'ssf_migrations'",
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('ssf_migrations') IS NOT NULL",
    };
    if session.rows(table, &[]).await?.is_empty() {
        return Ok(Version { version: 0, least: 0 });
    }
    let last = "SELECT version, least FROM ssf_migrations ORDER BY version DESC LIMIT 1";
    match session.rows(last, &[]).await?.first() {
        Some(row) => Ok(Version { version: row.int(0)?, least: row.int(1)? }),
        None => Ok(Version { version: 0, least: 0 }),
    }
}
