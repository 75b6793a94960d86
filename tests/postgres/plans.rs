//! That no call reads a table that grows from one end to the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Cases, Server};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use ssf_transmitter::event::types;
use ssf_transmitter::id::{
    Audience, ClientId, IdempotencyKey, Issuer, Jti, KeyId, OrderKey, Owner, StreamId, TenantId,
    Txn, WorkerId,
};
use ssf_transmitter::outbox::{
    BreakerPolicy, DeadLetterReason, Fate, HeldLimits, Jitter, KeptToken, Lane, PlaceLimits,
    Places, PollError, StreamReport,
};
use ssf_transmitter::set::SetBody;
use ssf_transmitter::store::postgres::PostgresStore;
use ssf_transmitter::store::{
    Acknowledgement, Append, CandidateQuery, ClaimRequest, Claimed, GiveUpHeld, HandOutRequest,
    HealthChange, KeepToken, LetterQuery, NewControl, NewEntry, NewVerification, OperatorStore,
    Queue, ReceiverStore, Redrive, RedriveLetter, SettleBatch, Settlement, StreamStore,
    StreamUpdate, SubjectChange, SweepRequest, Tokens, WorkerStore,
};
use ssf_transmitter::stream::{
    Delivery, EndpointUrl, PushDelivery, StreamQuota, StreamRecord, StreamStatus,
};
use ssf_transmitter::subject::Subject;
use ssf_transmitter::timestamp::Timestamp;

use crate::loaded::{self, Keys, Load, Tokens as Kept};
use crate::world::{ISSUER, World};

/// The tables that grow with what waits, with the streams, or with their subjects.
const HOT: [&str; 7] = [
    "ssf_entries",
    "ssf_queues",
    "ssf_streams",
    "ssf_events",
    "ssf_dead_letters",
    "ssf_subjects",
    "ssf_subject_keys",
];

/// Statements are planned anew a few times and then once for all arguments; both plans are run.
const OFTEN: usize = 12;
const STREAMS: u32 = 20_000;

pub(super) fn cases(cases: Cases) -> Cases {
    cases.with("no_call_reads_a_hot_table_from_end_to_end", no_scans)
}

fn issuer() -> Issuer {
    Issuer::parse(ISSUER).unwrap()
}

fn owner() -> Owner {
    Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap())
}

fn id(stream: u32) -> StreamId {
    StreamId::parse(format!("s{stream}")).unwrap()
}

fn jti(text: impl AsRef<str>) -> Jti {
    Jti::parse(text).unwrap()
}

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn body() -> SetBody {
    SetBody::from_stored("{\"iat\":1}".into())
}

fn subject(name: &str) -> Subject {
    Subject::parse(&serde_json::json!({"format": "opaque", "id": name})).unwrap()
}

fn push() -> Delivery {
    let endpoint = EndpointUrl::parse("https://rp.example.com/events").unwrap();
    Delivery::Push(PushDelivery::new(endpoint, None))
}

/// A store with many streams, entries, dead letters and subjects.
async fn load(world: &World) {
    let store = store(world).await;
    let audience = Audience::parse("https://rp.example.com").unwrap();
    let mut record = StreamRecord::new(issuer(), owner(), id(0), audience, push(), NOW);
    record.events_delivered = vec![types::session_revoked()];
    store.create_stream(record.clone(), StreamQuota::new(u32::MAX)).await.unwrap();
    store.close().await;
    let mut statements = loaded::streams(STREAMS - 1);
    for (first, streams, entries, keys) in [
        (0, 1, 20_000, Keys::Own),
        (1, 1, 20_000, Keys::OneRetrying),
        (2, 10_000, 40_000, Keys::Own),
    ] {
        let tokens = if keys == Keys::Own { Kept::None } else { Kept::Kept };
        statements.extend(loaded::entries(
            &Load { first, streams, entries, keys, tokens },
            body().as_str(),
            "token",
        ));
    }
    let numbers =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)";
    statements.extend([
        format!("{numbers} INSERT INTO ssf_events (issuer_no, body) SELECT 1, '{{}}' FROM n"),
        format!(
            "{numbers} INSERT INTO ssf_dead_letters (stream_no, dead_at, jti, issuer_no, lane, \
             event_no, order_key, kind, reason, attempts, emitted_at) \
             SELECT 1 + n.i % 1000, n.i, 'd' || n.i, 1, 0, n.i, '\"k\"', 'announcement_expired', \
             '{{\"kind\":\"announcement_expired\"}}', 1, 0 FROM n"
        ),
        "UPDATE ssf_queues SET dead = 30, dead_letters = 30 WHERE stream_no <= 1000".to_owned(),
        format!(
            "{numbers} INSERT INTO ssf_subjects (stream_no, issuer_no, digest, subject) \
             SELECT 1 + n.i % 20000, 1, 'x' || n.i, '{{}}' FROM n"
        ),
        format!(
            "{numbers} INSERT INTO ssf_subject_keys (issuer_no, key, stream_no, digest) \
             SELECT 1, 'x' || n.i, 1 + n.i % 20000, 'x' || n.i FROM n"
        ),
    ]);
    statements.extend(HOT.map(|table| format!("ANALYZE {table}")));
    let mut connection = connect(world).await;
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    let store = self::store(world).await;
    record.events_delivered = vec![types::credential_change()];
    for n in 0..20 {
        record.stream_id = StreamId::parse(format!("few-{n}")).unwrap();
        store.create_stream(record.clone(), StreamQuota::new(u32::MAX)).await.unwrap();
    }
    store.close().await;
}

async fn connect(world: &World) -> PgConnection {
    let mut connection = PgConnection::connect(world.server.url()).await.unwrap();
    let path = format!("SET search_path TO \"{}\"", world.schema);
    sqlx::raw_sql(AssertSqlSafe(path)).execute(&mut connection).await.unwrap();
    connection
}

async fn store(world: &World) -> PostgresStore {
    let mut options = world.options();
    options.clock_difference = None;
    options.connections = 1;
    PostgresStore::open(world.server.url(), options).await.unwrap()
}

/// How often each hot table was read from end to end so far. Connections report when they end.
async fn scans(world: &World) -> BTreeMap<String, i64> {
    let mut connection = connect(world).await;
    let read = "SELECT relname::text, seq_scan FROM pg_stat_user_tables \
         WHERE schemaname = current_schema()";
    let mut last = BTreeMap::new();
    // What was reported shows within a moment; four times the same is all.
    let mut same = 0;
    while same < 3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let rows = sqlx::query(read).fetch_all(&mut connection).await.unwrap();
        let seen: BTreeMap<String, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        same = if seen == last { same + 1 } else { 0 };
        last = seen;
    }
    last.retain(|table, _| HOT.contains(&table.as_str()));
    assert_eq!(last.len(), HOT.len(), "{last:?}");
    last
}

async fn no_scans(server: Arc<Server>) {
    let world = World::new(server);
    load(&world).await;
    let mut before = scans(&world).await;
    for part in Part::ALL {
        let store = store(&world).await;
        for round in 0..OFTEN {
            part.run(&store, round).await;
        }
        store.close().await;
        let after = scans(&world).await;
        assert_eq!(before, after, "{part:?} reads a table from end to end");
        before = after;
    }
    world.end().await;
}

/// Calls that belong together.
#[derive(Clone, Copy, Debug)]
enum Part {
    Push,
    Emit,
    Poll,
    Control,
    Held,
    Letters,
    Overdue,
    Change,
    Sweep,
    Delete,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Push,
        Self::Emit,
        Self::Poll,
        Self::Control,
        Self::Held,
        Self::Letters,
        Self::Overdue,
        Self::Change,
        Self::Sweep,
        Self::Delete,
    ];

    async fn run(self, store: &PostgresStore, round: usize) {
        match self {
            Self::Push => push_some(store, round).await,
            Self::Emit => emit(store, round).await,
            Self::Poll => poll(store, round).await,
            Self::Control => verify(store, round).await,
            Self::Held => hold(store).await,
            Self::Letters => letters(store, round).await,
            Self::Overdue => overdue(store).await,
            Self::Change => change(store, round).await,
            Self::Sweep => {
                let request = SweepRequest::new(issuer(), Timestamp::from_millis(300), NOW, 20);
                store.sweep(request).await.unwrap();
            }
            Self::Delete => {
                let stream = id(19_000 + u32::try_from(round).unwrap());
                store.delete_stream(&issuer(), &owner(), &stream).await.unwrap();
            }
        }
    }
}

fn request(now: Timestamp) -> ClaimRequest {
    let worker = WorkerId::parse("w").unwrap();
    let until = now.after(Duration::from_secs(60));
    ClaimRequest::new(issuer(), worker, now, until, 32, 8)
}

fn keep(entry: &Claimed, replaces: Option<KeyId>) -> KeepToken {
    let token = KeptToken::new("token".into(), KeyId::parse("k").unwrap());
    let stream = entry.route.stream_id.clone();
    let mut keep = KeepToken::new(stream, entry.jti.clone(), entry.fence, token, NOW);
    keep.replaces = replaces;
    keep
}

async fn push_some(store: &PostgresStore, round: usize) {
    let claims = store.claim(request(NOW)).await.unwrap();
    assert_eq!(claims.entries.len(), 32);
    let replaces = (round % 3 == 2).then(|| KeyId::parse("k").unwrap());
    for replaces in [None, replaces] {
        let tokens = claims.entries.iter().map(|entry| keep(entry, replaces.clone())).collect();
        store.keep_tokens(&issuer(), tokens).await.unwrap();
    }
    let mut batch = SettleBatch::new(BreakerPolicy::default(), NOW);
    let later = NOW.after(Duration::from_secs(5));
    for (n, entry) in claims.entries.iter().enumerate() {
        let fate = match n % 6 {
            0 => Fate::Retry(later),
            1 => Fate::Dead(DeadLetterReason::AnnouncementExpired),
            2 => Fate::Return,
            _ => Fate::Delivered { unusual_status: None },
        };
        let stream = entry.route.stream_id.clone();
        batch.settlements.push(Settlement::new(
            stream.clone(),
            entry.jti.clone(),
            entry.fence,
            fate,
        ));
        batch.health.push(HealthChange::new(stream, StreamReport::Works, Jitter::NONE));
    }
    store.settle(&issuer(), batch).await.unwrap();
    // Where there are few places, when the keys rest, and only to know when.
    let mut few = request(NOW);
    few.places = Places::new(PlaceLimits::new(8, 2));
    few.most = 2;
    store.claim(few).await.unwrap();
    let mut signed = request(later);
    signed.tokens = Tokens::SignedBy(vec![KeyId::parse("k").unwrap()]);
    store.claim(signed.clone()).await.unwrap();
    signed.most = 0;
    store.claim(signed).await.unwrap();
}

/// What all streams want is not found by looking at few.
async fn emit(store: &PostgresStore, round: usize) {
    let about = subject(&format!("about-{round}"));
    let query = CandidateQuery::new(issuer(), types::credential_change(), about, NOW);
    let mut outbox = store.outbox();
    let candidates = outbox.candidates(&query).await.unwrap();
    let txn = Txn::parse(format!("txn-{round}")).unwrap();
    let key = OrderKey::parse(format!("key-{round}")).unwrap();
    let mut append = Append::new(issuer(), body(), txn, types::credential_change(), key, NOW);
    append.idempotency_key = Some(IdempotencyKey::parse(format!("once-{round}")).unwrap());
    let entry = |stream: StreamId| {
        let set = jti(format!("new-{round}-{}", stream.as_str()));
        NewEntry::new(stream, set)
    };
    append.entries = candidates.into_iter().take(20).map(|found| entry(found.stream_id)).collect();
    outbox.append(append).await.unwrap();
}

async fn poll(store: &PostgresStore, round: usize) {
    let (issuer, owner) = (issuer(), owner());
    let stream = id(15_000 + u32::try_from(round).unwrap());
    let mut record = store.read_stream(&issuer, &owner, &stream).await.unwrap();
    let version = record.version;
    record.delivery = Delivery::Poll;
    record.generation += 1;
    store.update_stream(StreamUpdate::new(record, version)).await.unwrap();
    emit_to(store, &stream, round).await;
    let request = HandOutRequest::new(32, NOW);
    let handed = store.hand_out(&issuer, &owner, &stream, request).await.unwrap();
    let tokens = handed.entries.iter().map(|entry| keep(entry, None)).collect();
    let until = NOW.after(Duration::from_secs(9));
    store.keep_polled(&issuer, &owner, &stream, tokens, Some(until)).await.unwrap();
    store.hand_out(&issuer, &owner, &stream, request).await.unwrap();
    let sets: Vec<Jti> = handed.entries.iter().map(|entry| entry.jti.clone()).collect();
    let (acks, errors) = sets.split_at(sets.len() / 2);
    let error = || PollError::new("invalid_key".to_owned(), None);
    let mut acknowledgement = Acknowledgement::default();
    acknowledgement.acks = acks.to_vec();
    acknowledgement.errors = errors.iter().map(|set| (set.clone(), error())).collect();
    acknowledgement.now = NOW;
    store.acknowledge(&issuer, &owner, &stream, acknowledgement).await.unwrap();
}

async fn emit_to(store: &PostgresStore, stream: &StreamId, round: usize) {
    for n in 0..4 {
        let txn = Txn::parse("txn").unwrap();
        let key = OrderKey::parse("key").unwrap();
        let mut append = Append::new(issuer(), body(), txn, types::session_revoked(), key, NOW);
        append.entries = vec![NewEntry::new(stream.clone(), jti(format!("polled-{round}-{n}")))];
        store.outbox().append(append).await.unwrap();
    }
}

async fn verify(store: &PostgresStore, round: usize) {
    let stream = id(16_000 + u32::try_from(round / 2).unwrap());
    let control = NewControl::new(Lane::Verification, jti(format!("v{round}")), body(), NOW);
    let verification = NewVerification::new(control, Duration::ZERO);
    store.queue_verification(&issuer(), &owner(), &stream, verification).await.unwrap();
    let activity = ssf_transmitter::store::Activity::new(stream, NOW);
    store.touch(&issuer(), &owner(), activity).await.unwrap();
    store.claim(request(NOW)).await.unwrap();
}

async fn hold(store: &PostgresStore) {
    let held = store.held_streams(&issuer(), None, 20).await.unwrap();
    for stream in held.iter().take(2) {
        let mut limits = HeldLimits::default();
        limits.entries = 0;
        let request = GiveUpHeld::new(stream.stream_id.clone(), limits, NOW, 2);
        store.give_up_held(&issuer(), request).await.unwrap();
    }
    store.list_overviews(&issuer(), Some(&id(5)), 20).await.unwrap();
}

async fn letters(store: &PostgresStore, round: usize) {
    let stream = id(u32::try_from(round).unwrap() + 40);
    let mut query = LetterQuery::new(10);
    let letters = store.dead_letters(&issuer(), &stream, &query).await.unwrap();
    query.after = letters.first().map(|letter| letter.place());
    store.dead_letters(&issuer(), &stream, &query).await.unwrap();
    let new = letters.iter().map(|letter| RedriveLetter::new(letter.place(), None)).collect();
    store.redrive(&issuer(), &stream, Redrive::new(new, NOW)).await.unwrap();
    store.overview(&issuer(), &stream).await.unwrap();
    store.find_stream(&issuer(), &stream).await.unwrap();
    store.interest(&issuer(), &stream, &subject("x"), NOW).await.unwrap();
}

async fn overdue(store: &PostgresStore) {
    store.idle_streams(&issuer(), NOW, 20).await.unwrap();
    store.unverified_streams(&issuer(), NOW, 20).await.unwrap();
}

async fn change(store: &PostgresStore, round: usize) {
    let (issuer, owner) = (issuer(), owner());
    let stream = id(100 + u32::try_from(round).unwrap());
    for (status, queue) in [
        (StreamStatus::Paused, Queue::Keep),
        (StreamStatus::Disabled, Queue::Discard),
        (StreamStatus::Enabled, Queue::Keep),
    ] {
        let mut record = store.read_stream(&issuer, &owner, &stream).await.unwrap();
        let version = record.version;
        record.status = status;
        record.generation += 1;
        let mut update = StreamUpdate::new(record, version);
        update.queue = queue;
        let set = jti(format!("u{round}-{}", status.as_str()));
        update.announce = Some(NewControl::new(Lane::StreamUpdated, set, body(), NOW));
        store.update_stream(update).await.unwrap();
    }
    for change in [SubjectChange::Remove(subject("y")), SubjectChange::Add(subject("y"))] {
        store.change_subject(&issuer, &owner, &stream, change, 1_000).await.unwrap();
    }
}
