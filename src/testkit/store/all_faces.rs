//! The sentences that hold for all faces, but for isolation and dropped futures.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{
    Bench, at, dead_sets, delivered, id, jtis, keep, owner, push_to, rp, sorted, subject, token,
};
use crate::id::{ClientId, IdempotencyKey, Owner, TenantId};
use crate::outbox::Fate;
use crate::store::{
    Acknowledgement, Change, HandOutRequest, KeepToken, LetterQuery, Redrive, RedriveLetter,
    Redriven, Repeated, Settled, StoreError, StreamUpdate, SubjectChange, Watched,
};
use crate::stream::{
    AuthorizationHeader, Delivery, EndpointUrl, PushDelivery, StatusSetBy, StreamQuota,
    StreamStatus,
};

/// A claim at 50 of what was emitted at 100, settled at 30, and claimed again at 40.
pub async fn all_faces_1_time_may_go_backwards(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(100)).await;
    let held = bench.claim(at(50)).await;
    assert_eq!(jtis(&held), ["a"]);
    bench.settle(&held[0], Fate::Retry(at(40)), at(30)).await;
    assert_eq!(jtis(&bench.claim(at(20)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(at(40)).await), ["a"]);
}

/// Nor is anything stored refused or read otherwise for its time.
pub async fn all_faces_1_any_time_can_be_stored(bench: &Bench) {
    for (n, seconds) in [-62_135_596_800, -1, 0, 1, 253_402_300_799].into_iter().enumerate() {
        let stream = format!("s{n}");
        let mut record = bench.poll_record(&stream);
        (record.created_at, record.updated_at) = (at(seconds), at(seconds));
        bench.create(record).await;
        bench.emit(&stream, "a", "k", at(seconds)).await;
        assert_eq!(bench.read(&stream).await.created_at, at(seconds));
        assert_eq!(bench.poll(&stream).await[0].emitted_at, at(seconds));
        bench.refuse(&stream, "a", at(seconds)).await;
        assert_eq!(bench.letters(&stream).await[0].dead_at, at(seconds));
    }
}

/// A millisecond is the least that counts.
pub async fn all_faces_1_times_are_exact_to_the_millisecond(bench: &Bench) {
    let ms = crate::timestamp::Timestamp::from_millis;
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", ms(1_001)).await;
    let held = bench.claim(ms(1_002)).await;
    assert_eq!(held[0].emitted_at, ms(1_001));
    bench.settle(&held[0], Fate::Retry(ms(2_003)), ms(1_002)).await;
    assert_eq!(jtis(&bench.claim(ms(2_002)).await), [""; 0]);
    bench.assert_due(ms(2_002), Some(ms(2_003))).await;
    assert_eq!(jtis(&bench.claim(ms(2_003)).await), ["a"]);
    assert_eq!(jtis(&bench.claim(ms(62_002)).await), [""; 0]);
    assert_eq!(jtis(&bench.claim(ms(62_003)).await), ["a"]);
}

/// Worker 1 too: many processes, one store.
pub async fn all_faces_3_what_one_call_committed_the_next_one_sees(bench: &Bench) {
    bench.streams(&["s"]).await;
    let work = |n: usize| {
        let bench = bench.process(n);
        async move {
            let mut mine = Vec::new();
            for i in 0..10 {
                let set = format!("{n}-{i}");
                bench.emit("s", &set, &set, at(0)).await;
                mine.extend(bench.claim_most(at(0), 1, usize::MAX).await);
            }
            mine
        }
    };
    let mut claimed = bench.together((0..4).map(work)).await.concat();
    // Whoever came while another looked may have got less than there was.
    claimed.extend(bench.claim_most(at(0), 99, usize::MAX).await);
    let mut sets = sorted(&claimed);
    sets.dedup();
    assert_eq!((claimed.len(), sets.len()), (40, 40));
}

/// What is read is of one moment: a version, and what it says.
pub async fn all_faces_3_a_record_is_read_whole(bench: &Bench) {
    bench.streams(&["s"]).await;
    let write = |n: usize| {
        let bench = bench.process(n);
        async move {
            for version in 1..=20_u64 {
                let mut record = bench.record("s");
                record.generation = version + 1;
                record.description = Some((version + 1).to_string());
                let update = StreamUpdate::new(record, version);
                bench.store.update_stream(update).await.unwrap();
            }
        }
    };
    let read = |n: usize| {
        let bench = bench.process(n);
        async move {
            let mut last = 0;
            for _ in 0..20 {
                let record = bench.store.read_stream(&bench.issuer, &rp(), &id("s")).await.unwrap();
                assert!(record.version >= last, "{} after {last}", record.version);
                last = record.version;
                let said = record.description.map_or(1, |said| said.parse().unwrap());
                assert_eq!((record.generation, said), (last, last));
            }
        }
    };
    let tasks: Vec<super::Task> =
        vec![Box::pin(write(0)), Box::pin(read(0)), Box::pin(read(1)), Box::pin(read(2))];
    bench.together(tasks).await;
}

/// An unclear commit is safe to repeat.
pub async fn all_faces_6_a_call_that_is_repeated_counts_once(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    let retry = || Fate::Retry(at(5));
    assert_eq!(bench.settle(&held[0], retry(), at(0)).await, Settled::Done);
    assert_eq!(bench.settle(&held[0], retry(), at(0)).await, Settled::Gone);
    assert_eq!(bench.claim(at(5)).await[0].attempts, 1);

    let mut update = StreamUpdate::new(bench.record("s"), 1);
    update.record.description = Some("new".to_owned());
    bench.store.update_stream(update.clone()).await.unwrap();
    let again = bench.store.update_stream(update).await;
    assert!(matches!(again, Err(StoreError::Conflict)), "{again:?}");

    assert_eq!(bench.delete("s").await, 1);
    let again = bench.store.delete_stream(&bench.issuer, &rp(), &id("s")).await;
    assert!(matches!(again, Err(StoreError::NotFound)), "{again:?}");
}

/// Whatever the times of the emissions, whatever their identifiers.
pub async fn all_faces_7_entries_are_in_the_order_in_which_they_were_appended(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    for (set, emitted_at) in [("c", 3), ("a", 1), ("b", 2)] {
        bench.emit("s", set, set, at(emitted_at)).await;
    }
    assert_eq!(jtis(&bench.poll("s").await), ["c", "a", "b"]);
}

/// P4: an emission that returned before another was called comes first, on every stream.
pub async fn all_faces_7_of_overlapping_appends_each_keeps_its_own_order(bench: &Bench) {
    bench.poll_streams(&["s", "t"]).await;
    let emit = |n: usize| {
        let bench = bench.process(n);
        async move {
            for i in 0..10 {
                let (one, other) = (format!("{n}-{i}"), format!("{n}-{i}t"));
                bench.append(bench.event(&[("s", &one), ("t", &other)], "k", at(0))).await;
            }
        }
    };
    bench.together((0..4).map(emit)).await;
    for (stream, suffix) in [("s", ""), ("t", "t")] {
        let polled = bench.poll(stream).await;
        assert_eq!(polled.len(), 40);
        for n in 0..4 {
            let mine: Vec<_> = jtis(&polled)
                .into_iter()
                .filter_map(|set| set.strip_prefix(&format!("{n}-"))?.strip_suffix(suffix))
                .map(|i| i.parse::<u32>().unwrap())
                .collect();
            assert!(mine.is_sorted() && mine.len() == 10, "{stream}: {mine:?}");
        }
    }
}

/// P13.
pub async fn all_faces_8_no_debug_form_shows_a_secret(bench: &Bench) {
    let secret = AuthorizationHeader::parse("Bearer s3cret-of-the-receiver").unwrap();
    let endpoint = EndpointUrl::parse("https://rp.example.net/events").unwrap();
    let mut record = bench.record("s");
    record.delivery = Delivery::Push(PushDelivery::new(endpoint, Some(secret)));
    bench.create(record).await;
    bench.emit("s", "a", "k", at(0)).await;
    let held = bench.claim(at(0)).await;
    let read = bench.read("s").await;
    let overview = bench.overview("s").await;
    for shown in [
        format!("{:?}", bench.store),
        format!("{held:?}"),
        format!("{read:?}"),
        format!("{overview:?}"),
    ] {
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let Delivery::Push(push) = &held[0].route.delivery else { return };
    let kept = push.authorization.as_ref().unwrap().to_text();
    assert!(kept.expose().contains("s3cret"), "it is returned");
}

/// Texts that a query might take for something else, and the longest that there are.
fn odd_texts() -> Vec<String> {
    let odd = ["'", "\"", "%", "_", "\\", "a;--", "${x}", "?1", "NULL", "\u{1f980}", "A", "a"];
    let odd = odd.iter().map(|text| (*text).to_owned());
    odd.chain(["\u{e9}".repeat(127), "x".repeat(255), format!("{}y", "x".repeat(254))]).collect()
}

/// All of the identifiers of SETs, order keys, idempotency keys and owners.
pub async fn all_faces_5_odd_identifiers_are_identifiers(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    let texts = odd_texts();
    for text in &texts {
        let mut event = bench.event(&[("s", text)], text, at(0));
        event.idempotency_key = Some(IdempotencyKey::parse(text).unwrap());
        assert_eq!(bench.append(event.clone()).await.repeated, Repeated::No, "{text:?}");
        assert_eq!(bench.append(event).await.repeated, Repeated::Yes, "{text:?}");
    }
    assert_eq!(jtis(&bench.poll("s").await), texts);
    bench.deliver_by("s", push_to("rp.example.net")).await;
    let held = bench.claim_most(at(0), 99, 99).await;
    assert_eq!(held.len(), texts.len(), "each has an order key of its own");
    let tokens: Vec<KeepToken> =
        held.iter().map(|entry| keep(entry, token(entry.jti.as_str(), "%'"))).collect();
    bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
    for (n, text) in texts.iter().enumerate() {
        bench.refuse("s", text, at(1)).await;
        assert_eq!(bench.letters("s").await.len(), n + 1, "{text:?}");
    }
    let letters = bench.letters("s").await;
    let mut places: Vec<&str> = texts.iter().map(String::as_str).collect();
    places.sort_unstable();
    assert_eq!(dead_sets(&letters), places, "in the order of their bytes");
    let again: Vec<_> = letters.iter().map(|l| RedriveLetter::new(l.place(), None)).collect();
    let redrive = Redrive::new(again, at(2));
    let redriven = bench.store.redrive(&bench.issuer, &id("s"), redrive).await.unwrap();
    assert!(redriven.iter().all(|redriven| *redriven == Redriven::Done));
    for entry in bench.claim_most(at(2), 99, 99).await {
        assert_eq!(entry.token.map(|t| t.compact.to_string()).as_deref(), Some(entry.jti.as_str()));
    }
}

/// Nobody is taken for somebody whose name looks alike.
pub async fn all_faces_5_odd_owners_and_streams_are_kept_apart(bench: &Bench) {
    let long = "s".repeat(254);
    let streams = ["S", "s", "s.", "s_", "-s", "~", "1", "01", &format!("{long}s"), &long];
    let texts = odd_texts();
    for (n, text) in texts.iter().enumerate() {
        let client = ClientId::parse(text).unwrap();
        for (of, tenant) in [("own", text.as_str()), ("t1", "t1")] {
            let owner = Owner::new(TenantId::parse(tenant).unwrap(), client.clone());
            let stream = format!("o{n}-{of}");
            bench.create(bench.record_of(&owner, &stream)).await;
            let list = bench.store.list_streams(&bench.issuer, &owner).await.unwrap();
            let ids: Vec<_> = list.iter().map(|record| record.stream_id.as_str()).collect();
            assert_eq!(ids, [&stream], "{owner:?}");
        }
    }
    bench.streams(&streams).await;
    // That of the stream itself would be another.
    let about = |stream: &str| subject(&format!("about {stream}"));
    for (n, stream) in streams.iter().enumerate() {
        bench.emit(stream, &n.to_string(), "k", at(0)).await;
        bench.change_subject(stream, SubjectChange::Remove(about(stream))).await;
    }
    let list = bench.store.list_streams(&bench.issuer, &rp()).await.unwrap();
    let ids: Vec<_> = list.iter().map(|record| record.stream_id.as_str()).collect();
    assert_eq!(ids, streams, "in the order of creation");
    for stream in streams {
        let overview = bench.overview(stream).await;
        assert_eq!(overview.totals.accepted, 1, "{stream}");
        let interested = bench.interested(&about(stream)).await;
        assert_eq!(interested.len(), streams.len() + 2 * texts.len() - 1, "all but {stream}");
    }
    for stream in ["S", "s"] {
        bench.delete(stream).await;
        let list = bench.store.list_streams(&bench.issuer, &rp()).await.unwrap();
        assert!(list.iter().any(|record| record.stream_id == id("s.")), "{stream} was meant");
    }
    // The operator's pages are in one order whatever the case.
    let mut paged: Vec<String> = Vec::new();
    for _ in 0..99 {
        let after = paged.last().map(|last| id(last));
        let page = bench.store.list_overviews(&bench.issuer, after.as_ref(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page.iter().map(|overview| overview.record.stream_id.to_string()));
    }
    let count = paged.len();
    paged.sort();
    paged.dedup();
    assert_eq!((paged.len(), count), (8 + 2 * texts.len(), 8 + 2 * texts.len()));
}

/// Of all that one process did, another knows at once.
pub async fn all_faces_3_another_process_sees_what_this_one_did(bench: &Bench) {
    let other = bench.process(1);
    bench.streams(&["s"]).await;
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(other.read("s").await.version, 1);
    let held = other.claim(at(0)).await;
    assert_eq!(jtis(&held), ["a"]);
    assert_eq!(jtis(&bench.claim(at(59)).await), [""; 0]);
    other.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(bench.read("s").await.status, StreamStatus::Paused);
    assert_eq!(bench.settle(&held[0], delivered(), at(1)).await, Settled::Done);
    assert_eq!(other.totals().await.delivered, 1);
    bench.delete("s").await;
    let gone = other.store.read_stream(&other.issuer, &rp(), &id("s")).await;
    assert!(matches!(gone, Err(StoreError::NotFound)), "{gone:?}");
}

/// What commits after the look ends the wait, also when it commits before the wait begins.
pub async fn receiver_12_a_wait_ends_when_another_process_emits_after_the_mark(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    let other = bench.process(1);
    for watched in [Watched::Stream(&id("s")), Watched::AllStreams] {
        let mark = bench.store.change_mark();
        other.emit("s", &format!("{watched:?}"), "k", at(0)).await;
        let change = bench.store.wait_for_change(&bench.issuer, watched, mark).await;
        match change {
            Change::Happened => assert!(bench.poll("s").await.len() <= 2),
            // There is no other process, or the store looks no further.
            Change::NeverHappens | Change::CannotTell => {}
        }
    }
}

/// It holds no lock and no connection, and dropping it leaves nothing behind.
pub async fn receiver_12_waits_hinder_nothing_and_may_be_dropped(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    let mark = bench.store.change_mark();
    let stream = id("s");
    let mut waits = Vec::new();
    for _ in 0..100 {
        let watched = Watched::Stream(&stream);
        let mut wait = bench.store.wait_for_change(&bench.issuer, watched, mark);
        // Begun, and not ended or ended at once.
        let begun = std::future::poll_fn(|cx| std::task::Poll::Ready(wait.as_mut().poll(cx))).await;
        if begun.is_pending() {
            waits.push(wait);
        }
    }
    bench.emit("s", "a", "k", at(0)).await;
    assert_eq!(jtis(&bench.poll("s").await), ["a"]);
    bench.change("s", |record| record.description = Some("new".to_owned())).await;
    drop(waits);
    bench.acknowledge("s", &["a"]).await;
    assert_eq!(bench.totals().await.delivered, 1);
}

/// Many may use an outbox each.
pub async fn store_1_each_outbox_commits_each_append_on_its_own(bench: &Bench) {
    bench.poll_streams(&["s"]).await;
    let (mut one, mut other) = (bench.store.outbox(), bench.store.outbox());
    one.append(bench.event(&[("s", "a")], "k", at(0))).await.unwrap();
    other.append(bench.event(&[("s", "b")], "k", at(0))).await.unwrap();
    assert_eq!(jtis(&bench.poll("s").await), ["a", "b"]);
    one.append(bench.event(&[("s", "c")], "k", at(0))).await.unwrap();
    drop((one, other));
    assert_eq!(jtis(&bench.poll("s").await), ["a", "b", "c"]);
}

/// All faces 1 to 8 hold for what nobody asked for, too: asking of nothing answers nothing.
pub async fn all_faces_5_an_issuer_without_anything_is_answered(bench: &Bench) {
    let (issuer, store) = (&bench.issuer, &bench.store);
    assert_eq!(store.list_streams(issuer, &owner("nobody")).await.unwrap().len(), 0);
    assert_eq!(bench.totals().await, crate::store::Totals::default());
    bench.assert_due(at(0), None).await;
    assert_eq!(store.list_overviews(issuer, None, 9).await.unwrap().len(), 0);
    assert_eq!(store.held_streams(issuer, None, 9).await.unwrap().len(), 0);
    assert_eq!(store.idle_streams(issuer, at(9), 9).await.unwrap().streams.len(), 0);
    assert_eq!(store.unverified_streams(issuer, at(9), 9).await.unwrap().streams.len(), 0);
    let request = HandOutRequest::new(9, at(0));
    assert!(store.hand_out(issuer, &rp(), &id("s"), request).await.is_err());
    let nothing = Acknowledgement::default();
    assert!(store.acknowledge(issuer, &rp(), &id("s"), nothing).await.is_err());
    assert!(store.dead_letters(issuer, &id("s"), &LetterQuery::new(9)).await.is_err());
    let redrive = Redrive::new(vec![], at(0));
    assert!(store.redrive(issuer, &id("s"), redrive).await.is_err());
    store.resume(issuer, &owner("nobody")).await.unwrap();
    let quota = StreamQuota::new(0);
    let none = store.create_stream(bench.record("s"), quota).await;
    assert!(matches!(none, Err(StoreError::StreamLimit)), "{none:?}");
}
