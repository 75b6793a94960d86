//! `POST /admin/identities:import`: JSON lines of any number, in bounded memory.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{Stream, StreamExt};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use ssf_transmitter::lifecycle::{Mode, Report};
use ssf_transmitter::monitor::{IdentityMonitor, Import, ImportProgress};
use ssf_transmitter::protocol::json_object;

use crate::admin::{Refused, json};

/// The longest line, in bytes.
const LINE: usize = 256 * 1024;
/// After how many lines progress is written to standard error.
const NEWS: u64 = 10_000;

/// Takes the lines as they come. A bad line ends the import: what came before it is committed, and
/// the answer says how far it got.
pub(crate) async fn import<E>(
    monitor: &IdentityMonitor,
    mode: Mode,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<Response<Bytes>, Refused> {
    let mut body = pin!(body);
    let mut lines = Lines { import: monitor.import(mode), line: 0 };
    let mut buffer = BytesMut::new();
    let mut fault = None;
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else { return Err(Refused::bad("the body broke off")) };
        // What is in the buffer has no end of line yet.
        let mut searched = buffer.len();
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer[searched..].iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(searched + end + 1);
            searched = 0;
            fault = lines.take(&line).await?;
            if fault.is_some() {
                break;
            }
        }
        if buffer.len() > LINE {
            fault = fault.or(Some(format!("line {}: is too long", lines.line + 1)));
        }
        if fault.is_some() {
            break;
        }
    }
    if fault.is_none() {
        fault = lines.take(&buffer).await?;
    }
    let progress = told(lines.import.finish().await?);
    Ok(match fault {
        None => json(StatusCode::OK, &progress),
        Some(fault) => {
            let body = json!({"error_description": fault, "progress": progress});
            json(StatusCode::BAD_REQUEST, &body)
        }
    })
}

struct Lines {
    import: Import,
    line: u64,
}

impl Lines {
    /// Takes one line; what is wrong with it, if anything is.
    async fn take(&mut self, line: &[u8]) -> Result<Option<String>, Refused> {
        if line.trim_ascii().is_empty() {
            self.line += u64::from(!line.is_empty());
            return Ok(None);
        }
        self.line += 1;
        let at = |what: &dyn std::fmt::Display| Some(format!("line {}: {what}", self.line));
        let report = match json_object(line) {
            Ok(object) => match Report::parse(&object.into()) {
                Ok(report) => report,
                Err(error) => return Ok(at(&error)),
            },
            Err(error) if error.member.is_empty() => return Ok(at(&error.problem)),
            Err(error) => return Ok(at(&error)),
        };
        self.import.push(report).await?;
        if self.line.is_multiple_of(NEWS) {
            eprintln!("import: {}", told(self.import.progress()));
        }
        Ok(None)
    }
}

fn told(progress: ImportProgress) -> Value {
    json!({
        "read": progress.read,
        "recorded": progress.recorded,
        "unchanged": progress.unchanged,
        "stale": progress.stale,
        "events": progress.events,
        "failures": progress.failures,
    })
}
