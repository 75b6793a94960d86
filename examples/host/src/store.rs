//! Where streams and SETs are kept, as `--store` says.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use ssf_transmitter::MemoryStore;
use ssf_transmitter::secret::Secret;
use ssf_transmitter::store::postgres::{PostgresOptions, PostgresStore};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::store::{IdentityStore, StreamStore};

/// Where streams and SETs are kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kept {
    /// In memory.
    Memory,
    /// In an SQLite file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, named by a URL that may hold a password.
    Postgres(Secret),
}

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Secret::new(text))),
            _ => Err("must be memory, sqlite:PATH or postgres://...".to_owned()),
        }
    }
}

/// A store, by the faces that a server needs.
pub(crate) type Opened = (Arc<dyn StreamStore>, Arc<dyn IdentityStore>);

impl Kept {
    /// The file with the signing key, if there is one: that which is given, else one beside the
    /// SQLite file. What outlives the process must be signed with a key that does, too; the
    /// processes over one PostgreSQL database sign with the same.
    pub(crate) fn signing_key(&self, given: Option<&Path>) -> Result<Option<PathBuf>, String> {
        match (self, given) {
            (_, Some(given)) => Ok(Some(given.to_owned())),
            (Self::Memory, None) => Ok(None),
            (Self::Sqlite(path), None) => {
                let mut beside = path.clone().into_os_string();
                beside.push(".keys.json");
                Ok(Some(beside.into()))
            }
            (Self::Postgres(_), None) => {
                Err("--store postgres://... asks for --signing-key".to_owned())
            }
        }
    }

    /// How far the clocks of the processes over it may differ, where a claim lasts longer than a push
    /// by that much: less than the usual five seconds if there is not room for them.
    pub(crate) fn clock_difference(&self, margin: Duration) -> Duration {
        match self {
            Self::Memory | Self::Sqlite(_) => Duration::ZERO,
            Self::Postgres(_) => (margin / 4).min(Duration::from_secs(5)),
        }
    }

    /// Opens it.
    pub(crate) async fn open(&self, clock_difference: Duration) -> Result<Opened, Box<dyn Error>> {
        match self {
            Self::Memory => {
                let store = Arc::new(MemoryStore::new());
                Ok((Arc::clone(&store) as _, store))
            }
            Self::Sqlite(path) => {
                let store = Arc::new(SqliteStore::open(path, SqliteOptions::default()).await?);
                Ok((Arc::clone(&store) as _, store))
            }
            Self::Postgres(url) => {
                let mut options = PostgresOptions::default();
                options.clock_difference = Some(clock_difference);
                let store = Arc::new(PostgresStore::open(url.expose(), options).await?);
                Ok((Arc::clone(&store) as _, store))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_in_memory_in_a_file_or_in_a_database() {
        assert!(matches!("memory".parse(), Ok(Kept::Memory)));
        assert!(
            matches!("sqlite:a/b.db".parse(), Ok(Kept::Sqlite(path)) if path == Path::new("a/b.db"))
        );
        let url = "postgres://user:s3cret@db/x";
        let kept: Kept = url.parse().unwrap();
        assert!(matches!(&kept, Kept::Postgres(secret) if secret.expose() == url));
        assert!(!format!("{kept:?}").contains("s3cret"));
        for wrong in ["", "sqlite", "sqlite:", "mysql://x", "Memory"] {
            assert!(wrong.parse::<Kept>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_claim_that_ends_soon_allows_less_difference_of_clocks() {
        let difference = |store: &str, millis| {
            let margin = Duration::from_millis(millis);
            store.parse::<Kept>().unwrap().clock_difference(margin).as_millis()
        };
        assert_eq!(difference("postgres://db/x", 45_000), 5_000);
        assert_eq!(difference("postgres://db/x", 1_500), 375);
        assert_eq!(difference("memory", 45_000), 0);
    }

    #[test]
    fn keys_outlive_the_process_where_streams_do() {
        let key = |store: &str, given: Option<&str>| {
            store.parse::<Kept>().unwrap().signing_key(given.map(Path::new))
        };
        assert_eq!(key("memory", None), Ok(None));
        assert_eq!(key("sqlite:a.db", None), Ok(Some("a.db.keys.json".into())));
        assert!(key("postgres://db/x", None).unwrap_err().contains("--signing-key"));
        for store in ["memory", "sqlite:a.db", "postgres://db/x"] {
            assert_eq!(key(store, Some("k.json")), Ok(Some("k.json".into())));
        }
    }
}
