//! One transmitter per file: a lock on a file beside it, which the system releases when the process
//! ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// That no other transmitter has the database open.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: File,
}

/// The path of a database by its one name, and its lock; none when somebody else has it. The
/// database is created, if it is not there, for its owner only.
///
/// The lock is on a file of its own: SQLite would lose its locks on the database, were that opened
/// and closed here.
#[expect(clippy::incompatible_msrv, reason = "the driver of SQLite asks for a newer Rust")]
pub(super) fn create(path: &Path) -> io::Result<(PathBuf, Option<FileLock>)> {
    if !path.try_exists()? {
        owned().create(true).truncate(false).write(true).open(path)?;
    }
    let path = path.canonicalize()?;
    let mut beside = path.clone().into_os_string();
    beside.push(".lock");
    let file = owned().create(true).truncate(false).write(true).open(beside)?;
    match file.try_lock() {
        Ok(()) => Ok((path, Some(FileLock { _file: file }))),
        Err(TryLockError::WouldBlock) => Ok((path, None)),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Files that are created are their owner's only.
fn owned() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
