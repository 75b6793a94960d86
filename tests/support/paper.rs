//! The log on paper: what is written while something is done, every level of it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::Level;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does it, and returns what was logged meanwhile by this thread.
pub(crate) fn logged<T>(act: impl FnOnce() -> T) -> (T, String) {
    let paper = Paper::default();
    let writer = paper.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .without_time()
        .finish();
    let result = tracing::subscriber::with_default(subscriber, act);
    let log = paper.0.lock().unwrap().clone();
    (result, String::from_utf8(log).unwrap())
}
