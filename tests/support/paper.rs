//! The log on paper: what is written while something is done, every level of it.

use std::io::Write;
use std::sync::{Arc, Mutex, Once};

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

/// A subscriber of every thread that has none of its own. A place in the code that logs asks the
/// subscriber of the thread that comes by first, and would be silent on all of them without one.
static EVERYWHERE: Once = Once::new();

/// Does it, and returns what was logged meanwhile by this thread.
pub(crate) fn logged<T>(act: impl FnOnce() -> T) -> (T, String) {
    EVERYWHERE.call_once(|| {
        let nowhere = tracing_subscriber::fmt().with_max_level(Level::TRACE);
        let nowhere = nowhere.with_writer(std::io::sink).finish();
        let _ = tracing::subscriber::set_global_default(nowhere);
    });
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
