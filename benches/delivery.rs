//! How long it takes to push what waits, beside a bare loop that signs as many SETs and posts them;
//! and how long after its emission an event is on the wire. How to run and to read it:
//! `benches/README.md`.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ssf_transmitter::clock::Clock;
use ssf_transmitter::deliver::client::PushClient;
use ssf_transmitter::deliver::{Deliverer, PushRequest};
use ssf_transmitter::egress::EgressPolicy;
use ssf_transmitter::event::types;
use ssf_transmitter::id::{Audience, ClientId, Issuer, Jti, KeyId, Owner, TenantId, Txn};
use ssf_transmitter::keys::{KeyProvider, SignBatch};
use ssf_transmitter::protocol::{CreateStream, RequestedDelivery};
use ssf_transmitter::set::{HeaderSegment, SetBody, SigningInput};
use ssf_transmitter::stream::{EndpointUrl, PushDelivery};
use ssf_transmitter::{
    Algorithm, Caller, Config, Event, LocalKeys, SigningKey, SimpleSubject, TokioClock,
    Transmitter, Worker,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::support::{Database, Kind, Result, now, quantile};

/// How long pushes and their ends may take.
const AMPLE: Duration = Duration::from_secs(15);
/// The pause before an event that is to find everything idle.
const IDLE: Duration = Duration::from_millis(30);

/// How much is pushed.
#[derive(Clone, Copy)]
struct Sizes {
    streams: usize,
    subjects: usize,
    rounds: usize,
    /// Events whose latency is measured.
    events: usize,
}

impl Sizes {
    const SMOKE: Self = Self { streams: 4, subjects: 5, rounds: 1, events: 3 };
    const WHOLE: Self = Self { streams: 200, subjects: 100, rounds: 3, events: 500 };

    const fn sets(self) -> usize {
        self.streams * self.subjects
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let test = std::env::args().any(|argument| argument == "--test");
    let sizes = if test { Sizes::SMOKE } else { Sizes::WHOLE };
    let kinds = Kind::all().await?;
    let sender = Sender::new(Algorithm::Rs256).await?;
    drains(&kinds, &sender, sizes).await?;
    for sender in [sender, Sender::new(Algorithm::Es256).await?] {
        latency(&sender, sizes.events).await?;
    }
    Ok(())
}

/// Prints how long the drain of each store takes, in turns with the bare loop.
async fn drains(kinds: &[Kind], sender: &Arc<Sender>, sizes: Sizes) -> Result<()> {
    let (mut emissions, mut drains) =
        (vec![Vec::new(); kinds.len()], vec![Vec::new(); kinds.len()]);
    let mut ratios = vec![Vec::new(); kinds.len()];
    let mut bare = Vec::new();
    for _ in 0..sizes.rounds {
        for (which, kind) in kinds.iter().enumerate() {
            let posted = sender.post_all(sizes).await?;
            let (emission, drain) = drain(kind.open().await?, sender, sizes).await?;
            println!("{}: bare loop {posted:.1?}, drain {drain:.1?}", kind.name());
            bare.push(posted);
            emissions[which].push(emission);
            drains[which].push(drain);
            ratios[which].push(posted.as_secs_f64() / drain.as_secs_f64());
        }
    }
    let sets = sizes.sets();
    let rate = |times: &[Duration]| {
        quantile(times, 0.5).map(|time| sets as f64 / time.as_secs_f64()).unwrap_or_default()
    };
    println!(
        "{sets} SETs, {}, {} at once: the bare loop posts {:.0} a second",
        sender.algorithm.as_str(),
        connections(),
        rate(&bare),
    );
    for (((kind, emissions), drains), ratios) in
        kinds.iter().zip(&emissions).zip(&drains).zip(&ratios)
    {
        println!(
            "{}: {:.0} a second emitted beforehand, {:.0} a second pushed, {:.2} of the bare loop",
            kind.name(),
            rate(emissions),
            rate(drains),
            quantile(ratios, 0.5).unwrap_or_default(),
        );
    }
    Ok(())
}

/// How long it takes to emit all SETs, and then to push them until all are settled.
async fn drain(database: Database, sender: &Sender, sizes: Sizes) -> Result<(Duration, Duration)> {
    let transmitter = sender.transmitter(&database)?;
    for stream in 0..sizes.streams {
        sender.create_stream(&transmitter, stream).await?;
    }
    let start = now();
    for number in 0..sizes.subjects {
        let emission = transmitter.emit(event(number)?).await?;
        assert_eq!(emission.sets.len(), sizes.streams);
    }
    let emission = start.elapsed();
    let wanted = sender.receiver.count() + sizes.sets();
    let start = now();
    let worker = Worker::spawn(transmitter, AMPLE, |trouble| eprintln!("{trouble:?}"));
    sender.receiver.seen(wanted).await?;
    worker.stop().await?;
    let drain = start.elapsed();
    assert_eq!(sender.receiver.count(), wanted, "no SET twice");
    let totals = database.store.totals(&issuer()?).await?;
    assert_eq!((totals.waiting, totals.delivered), (0, sizes.sets() as u64));
    database.end().await?;
    Ok((emission, drain))
}

/// Prints how long it takes from the beginning of an emission to its request on the wire, and how
/// long that is from the beginning of a bare signature, in turns.
async fn latency(sender: &Arc<Sender>, events: usize) -> Result<()> {
    let database = Kind::Memory.open().await?;
    let transmitter = sender.transmitter(&database)?;
    sender.create_stream(&transmitter, 0).await?;
    let worker = Worker::spawn(transmitter.clone(), AMPLE, |trouble| eprintln!("{trouble:?}"));
    let (mut emitted, mut bare) = (Vec::new(), Vec::new());
    for number in 0..events {
        tokio::time::sleep(IDLE).await;
        let event = event(number)?;
        let wanted = sender.receiver.count() + 1;
        let start = now();
        transmitter.emit(event).await?;
        let at = sender.receiver.seen(wanted).await?;
        emitted.push(at.duration_since(start));

        tokio::time::sleep(IDLE).await;
        let wanted = sender.receiver.count() + 1;
        let start = now();
        sender.post(&sender.client, 0, number).await?;
        let at = sender.receiver.seen(wanted).await?;
        bare.push(at.duration_since(start));
    }
    worker.stop().await?;
    database.end().await?;
    let of = |times: &[Duration], share| quantile(times, share).unwrap_or_default();
    println!(
        "idle, memory, {}: emission to request on the wire {:.1?} (median), {:.1?} (p99); bare \
         signature to request {:.1?}, {:.1?}",
        sender.algorithm.as_str(),
        of(&emitted, 0.5),
        of(&emitted, 0.99),
        of(&bare, 0.5),
        of(&bare, 0.99),
    );
    Ok(())
}

/// How many pushes are under way at once: those that one process may have to one host.
fn connections() -> usize {
    Config::default().pushes_per_host
}

/// What signs and posts, for the transmitter and for the bare loop.
struct Sender {
    algorithm: Algorithm,
    keys: Arc<LocalKeys>,
    kid: KeyId,
    header: HeaderSegment,
    client: PushClient,
    receiver: Receiver,
}

impl Sender {
    async fn new(algorithm: Algorithm) -> Result<Arc<Self>> {
        let kid = KeyId::parse("2026-11-a")?;
        Ok(Arc::new(Self {
            algorithm,
            keys: Arc::new(LocalKeys::new(SigningKey::generate(algorithm, kid.clone())?)),
            header: HeaderSegment::new(algorithm, &kid),
            kid,
            client: client()?,
            receiver: Receiver::start().await?,
        }))
    }

    /// With connections of its own, like the bare loop.
    fn transmitter(&self, database: &Database) -> Result<Transmitter> {
        let mut config = Config::default();
        config.egress = EgressPolicy::allow_private();
        let store = Arc::clone(&database.store);
        Ok(Transmitter::builder(issuer()?, store, Arc::clone(&self.keys))
            .with_clock(TokioClock)
            .with_deliverer(client()?)
            .with_config(config)
            .build()?)
    }

    /// A push stream of a receiver of its own.
    async fn create_stream(&self, transmitter: &Transmitter, number: usize) -> Result<()> {
        let client = ClientId::parse(format!("client-{number}"))?;
        let owner = Owner::new(TenantId::parse("t")?, client);
        let caller = Caller::new(owner, audience(number)?, []);
        let push = PushDelivery::new(self.endpoint(number)?, None);
        let request = CreateStream::new(RequestedDelivery::Push(push));
        transmitter.receivers().create_stream(&caller, request).await?;
        Ok(())
    }

    fn endpoint(&self, stream: usize) -> Result<EndpointUrl> {
        Ok(EndpointUrl::parse(&format!("http://{}/events/{stream}", self.receiver.address))?)
    }

    /// The bare loop: how long it takes to sign as many SETs and to post them, as many at once.
    async fn post_all(self: &Arc<Self>, sizes: Sizes) -> Result<Duration> {
        let (client, next) = (client()?, Arc::new(AtomicUsize::new(0)));
        let wanted = self.receiver.count() + sizes.sets();
        let mut tasks = JoinSet::new();
        let start = now();
        for _ in 0..connections() {
            let (sender, client, next) = (Arc::clone(self), client.clone(), Arc::clone(&next));
            tasks.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= sizes.sets() {
                        return Ok(());
                    }
                    let (stream, subject) = (number % sizes.streams, number / sizes.streams);
                    sender.post(&client, stream, subject).await?;
                }
            });
        }
        while let Some(ended) = tasks.join_next().await {
            let ended: Result<()> = ended?;
            ended?;
        }
        let took = start.elapsed();
        assert_eq!(self.receiver.count(), wanted);
        Ok(took)
    }

    /// Makes one SET, signs it and posts it.
    async fn post(&self, client: &PushClient, stream: usize, subject: usize) -> Result<()> {
        let event = event(subject)?;
        let clock = TokioClock.now();
        let txn = Txn::parse(format!("019ab0f0-5c4e-7d3a-8f21-{subject:012x}"))?;
        let jti = Jti::parse(format!("019ab0f0-5c4e-7d3a-{stream:04x}-{subject:012x}"))?;
        let body = SetBody::new(clock, &txn, event.subject(), event.event_type(), event.members())?;
        let (issuer, audience) = (issuer()?, audience(stream)?);
        let mut buffer = Vec::new();
        let input = SigningInput::new(&self.header, &issuer, &jti, &audience, &body, &mut buffer);
        let batch = SignBatch::new(self.kid.clone(), vec![input], clock.after(AMPLE));
        let signed = self.keys.sign(batch).await?.pop().ok_or("nothing is signed")?;
        let token = signed.input.with_signature(&signed.signature);
        let request = PushRequest::new(self.endpoint(stream)?, None, token.into(), AMPLE);
        let answer = client.deliver(request).await?;
        assert_eq!(answer.status, 202);
        Ok(())
    }
}

fn client() -> Result<PushClient> {
    Ok(PushClient::builder(EgressPolicy::allow_private()).build()?)
}

fn issuer() -> Result<Issuer> {
    Ok(Issuer::parse("https://tr.example.com")?)
}

fn audience(stream: usize) -> Result<Audience> {
    Ok(Audience::parse(format!("https://rp-{stream}.example.net"))?)
}

fn event(subject: usize) -> Result<Event> {
    let subject = SimpleSubject::email(format!("user-{subject}@example.com"))?;
    Ok(Event::new(types::session_revoked(), subject))
}

/// A receiver on loopback that accepts every SET.
struct Receiver {
    address: std::net::SocketAddr,
    seen: watch::Receiver<Seen>,
}

/// The requests so far.
#[derive(Clone, Copy)]
struct Seen {
    /// Those that have come whole.
    count: usize,
    /// When the first bytes of the last one came.
    at: Instant,
}

impl Receiver {
    async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (tell, seen) = watch::channel(Seen { count: 0, at: now() });
        let tell = Arc::new(tell);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let tell = Arc::clone(&tell);
                tokio::spawn(async move {
                    // A client that goes away ends its connection.
                    let _ = accept_all(connection, &tell).await;
                });
            }
        });
        Ok(Self { address, seen })
    }

    fn count(&self) -> usize {
        self.seen.borrow().count
    }

    /// Waits for so many requests; says when the last one came.
    async fn seen(&self, count: usize) -> Result<Instant> {
        let mut seen = self.seen.clone();
        let at = seen.wait_for(|seen| seen.count >= count).await?.at;
        Ok(at)
    }
}

async fn accept_all(mut connection: TcpStream, tell: &watch::Sender<Seen>) -> std::io::Result<()> {
    connection.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(4096);
    loop {
        bytes.clear();
        let mut at = None;
        while !is_whole(&bytes) {
            if connection.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            at.get_or_insert_with(now);
        }
        tell.send_modify(|seen| {
            seen.count += 1;
            seen.at = at.unwrap_or(seen.at);
        });
        connection.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").await?;
    }
}

/// Whether these bytes are a head and the body that it announces.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse::<usize>().ok());
    bytes.len() >= end + 4 + length.unwrap_or(0)
}
