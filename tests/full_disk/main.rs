//! A disk that is full under an SQLite file: clear errors, nothing broken, and on it goes when there
//! is room again.

#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use cluster::Cases;
use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, Jti, KeyId, Owner, Scope, TenantId};
use ssf_transmitter::protocol::{CreateStream, PollRequest, RequestedDelivery};
use ssf_transmitter::store::sqlite::{SqliteOptions, SqliteStore};
use ssf_transmitter::{
    Algorithm, Caller, Event, LocalKeys, SigningKey, SimpleSubject, TokioClock, Transmitter,
};

const NAME: &str = "a_full_disk_is_an_error_that_ends_when_there_is_room";

fn main() -> ExitCode {
    match Disk::mount() {
        Some(disk) => Cases::new().without_server(NAME, || full(disk)).main(),
        None => Cases::new().ignored(NAME, "only root can make a disk that is small").main(),
    }
}

/// A disk of eight megabytes.
struct Disk(PathBuf);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = std::env::temp_dir().join(format!("ssf-disk-{}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(&folder)
            .output();
        match mounted {
            Ok(mounted) if mounted.status.success() => Some(Self(folder)),
            Ok(_) | Err(_) => {
                let _ = fs::remove_dir(&folder);
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// Fills the disk until nothing more fits.
fn fill(path: &Path) {
    let mut size = 1 << 20;
    let mut ballast = Vec::new();
    while size > 0 {
        let mut longer = ballast.clone();
        longer.resize(ballast.len() + size, 0_u8);
        match fs::write(path, &longer) {
            Ok(()) => ballast = longer,
            Err(_) => size /= 2,
        }
    }
    fs::write(path, ballast).unwrap();
}

fn caller() -> Caller {
    let owner = Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("rp").unwrap());
    let audience = Audience::parse("https://rp.example.com").unwrap();
    Caller::new(owner, audience, [Scope::parse("ssf.manage").unwrap()])
}

async fn full(disk: Disk) {
    let file = disk.path("transmitter.db");
    let store = SqliteStore::open(&file, SqliteOptions::default()).await.unwrap();
    let store = Arc::new(store);
    let key = SigningKey::generate(Algorithm::Es256, KeyId::parse("k").unwrap()).unwrap();
    let issuer = Issuer::parse("https://tr.example.com").unwrap();
    let transmitter = Transmitter::builder(issuer, Arc::clone(&store), LocalKeys::new(key))
        .with_clock(TokioClock)
        .build()
        .unwrap();
    let receivers = transmitter.receivers();
    let stream = CreateStream::new(RequestedDelivery::Poll);
    let stream = receivers.create_stream(&caller(), stream).await.unwrap().stream_id;
    let mut accepted = HashSet::new();
    let emit = |number: u32| {
        let subject = SimpleSubject::email(format!("user{number}@example.com")).unwrap();
        let event =
            Event::new(types::session_revoked(), subject).with_member("padding", "x".repeat(4_000));
        transmitter.emit(event)
    };
    let note = |accepted: &mut HashSet<Jti>, emission: ssf_transmitter::transmitter::Emission| {
        accepted.extend(emission.sets.iter().map(|set| set.jti.clone()));
    };
    for number in 0..20 {
        note(&mut accepted, emit(number).await.unwrap());
    }

    fill(&disk.path("ballast"));
    let mut refused = None;
    for number in 20..2_000 {
        match emit(number).await {
            Ok(emission) => note(&mut accepted, emission),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let refused = refused.unwrap();
    let mut causes = vec![refused.to_string()];
    let mut source = refused.source();
    while let Some(error) = source {
        causes.push(error.to_string());
        source = error.source();
    }
    assert!(causes.iter().any(|cause| cause.contains("full")), "{causes:?}");
    for number in 0..10 {
        assert!(emit(number).await.is_err(), "it stays full");
    }
    // What only reads goes on.
    assert_eq!(receivers.list_streams(&caller()).await.unwrap().len(), 1);
    assert_eq!(transmitter.totals().await.unwrap().waiting, accepted.len() as u64);

    fs::remove_file(disk.path("ballast")).unwrap();
    for number in 0..20 {
        note(&mut accepted, emit(number).await.unwrap());
    }
    let mut polled = HashSet::new();
    let mut acks = Vec::new();
    loop {
        let request = json!({"ack": acks, "returnImmediately": true}).to_string();
        let request = PollRequest::parse(request.as_bytes()).unwrap();
        let reply = receivers.poll(&caller(), &stream, request).await.unwrap();
        acks = reply.sets.iter().map(|(jti, _)| jti.to_string()).collect();
        if acks.is_empty() {
            break;
        }
        polled.extend(reply.sets.into_iter().map(|(jti, _)| jti));
    }
    assert_eq!(polled, accepted, "nothing is lost, and nothing is made up");
    let totals = transmitter.totals().await.unwrap();
    assert_eq!((totals.accepted, totals.delivered), (accepted.len() as u64, totals.accepted));
    let mut connection =
        SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    let intact: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(intact, "ok");
}
