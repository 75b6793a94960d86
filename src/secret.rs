//! Text that goes in and never comes out.

use std::fmt;
use std::hint::black_box;
use std::mem;

/// A secret text. `Debug` prints `[redacted]`; there is no `Display`, no `Serialize` and no
/// `PartialEq`, so that a secret cannot reach a log, an answer or a timing difference by accident.
/// Its memory is overwritten when it is dropped, as far as safe code can see to that.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a secret text.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    ///
    /// # Security
    /// Hand it to the peer it is meant for and to nobody else; never format it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut mem::take(&mut self.0).into_string().into_bytes());
    }
}

/// Overwrites bytes that were secret, in a way that the compiler does not leave out.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    black_box(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_the_secret() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([redacted])");
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut bytes = *b"hunter2";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 7]);
    }
}
