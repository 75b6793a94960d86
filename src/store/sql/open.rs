//! Why a store in an SQL database could not be opened.

use super::migrate::SchemaError;
use crate::store::StoreError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is none of the database.
    #[error("not a URL of the database")]
    Url(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file cannot be created, or its lock cannot be taken.
    #[error("the file of the database cannot be used")]
    File(#[source] std::io::Error),
    /// Another transmitter has the file open.
    #[error("another transmitter has this database open")]
    InUse,
    /// The schema is not one that this version of the library works with.
    #[error("the schema of the database does not fit")]
    Schema(#[from] SchemaError),
    /// The database did not do what opening takes.
    #[error("the database cannot be opened")]
    Database(#[from] StoreError),
}
