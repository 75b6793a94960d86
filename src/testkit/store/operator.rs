//! The operator face.

#![allow(missing_docs, reason = "a case is named by what it says")]

use super::bench::{
    Bench, at, dead_sets, delivered, fails, id, jti, jtis, keep, owner, rp, sorted, token,
};
use crate::outbox::{
    DeadLetterKind, DeadLetterReason, Fate, HeldLimit, Lane, PollError, TransportFailure,
};
use crate::store::{
    Backlog, LetterFilter, LetterPlace, LetterQuery, Redrive, RedriveLetter, Redriven, StoreError,
    SweepRequest,
};
use crate::stream::{StatusSetBy, StreamQuota, StreamStatus};

const fn expired() -> Fate {
    Fate::Dead(DeadLetterReason::AnnouncementExpired)
}

/// Gives up SETs of stream `s` at these times.
async fn bury(bench: &Bench, letters: &[(&str, i64)]) {
    for (set, died) in letters {
        bench.emit("s", set, set, at(0)).await;
        let held = bench.claim(at(0)).await;
        bench.settle(&held[0], expired(), at(*died)).await;
    }
}

/// Redrives letters `(set, died, new)` of stream `s` at 2.
async fn redrive(
    bench: &Bench,
    letters: &[(&str, i64, Option<&str>)],
) -> Result<Vec<Redriven>, StoreError> {
    let letter = |(set, died, new): &(&str, i64, Option<&str>)| {
        RedriveLetter::new(LetterPlace::new(at(*died), jti(set)), new.map(jti))
    };
    let redrive = Redrive::new(letters.iter().map(letter).collect(), at(2));
    bench.store.redrive(&bench.issuer, &id("s"), redrive).await
}

pub async fn operator_1_a_stream_is_found_whoever_its_owner_is(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.create(bench.record_of(&owner("other"), "t")).await;
    assert_eq!(bench.read("s").await.owner, rp());
    assert_eq!(bench.read("t").await.owner, owner("other"));
    let error = bench.store.find_stream(&bench.issuer, &id("u")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

/// Pages go on where they were, also when streams come and go.
pub async fn operator_2_overviews_come_in_pages_of_a_stable_order(bench: &Bench) {
    for (n, stream) in ["c", "a", "d", "b", "e"].into_iter().enumerate() {
        bench.create(bench.record_of(&owner(&format!("rp{n}")), stream)).await;
    }
    let page = async |after: Option<&str>| {
        let after = after.map(id);
        let page = bench.store.list_overviews(&bench.issuer, after.as_ref(), 2).await.unwrap();
        page.iter().map(|o| o.record.stream_id.to_string()).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = Vec::new();
    for _ in 0..99 {
        let next = page(all.last().map(String::as_str)).await;
        assert!(next.len() <= 2);
        if next.is_empty() {
            break;
        }
        all.extend(next);
    }
    let mut once = all.clone();
    once.sort();
    assert_eq!(once, ["a", "b", "c", "d", "e"], "each once");
    let owner = bench.read(&all[2]).await.owner;
    bench.store.delete_stream(&bench.issuer, &owner, &id(&all[2])).await.unwrap();
    assert_eq!(page(Some(&all[1])).await, all[3..5]);
}

pub async fn operator_2_an_overview_tells_what_waits_since_when_and_until_when(bench: &Bench) {
    bench.streams(&["s"]).await;
    let empty = bench.overview("s").await;
    assert_eq!((empty.backlog, empty.oldest_pending), (Backlog::Exactly(0), None));
    assert_eq!(empty.next_attempt, None);
    for (set, now) in [("a", 4), ("b", 5)] {
        bench.emit("s", set, "k", at(now)).await;
    }
    let fresh = bench.overview("s").await;
    assert_eq!((fresh.backlog, fresh.oldest_pending), (Backlog::Exactly(2), Some(at(4))));
    assert_eq!(fresh.next_attempt, Some(at(4)));
    let held = bench.claim(at(6)).await;
    bench.settle(&held[0], expired(), at(6)).await;
    bench.report("s", fails(), at(6)).await;
    let failing = bench.overview("s").await;
    assert_eq!((failing.backlog, failing.dead_letters), (Backlog::Exactly(1), 1));
    assert_eq!((failing.health.failures, failing.record.version), (1, 1));
    assert_eq!((failing.oldest_pending, failing.next_attempt), (Some(at(5)), Some(at(7))));
    let totals = failing.totals;
    assert_eq!((totals.accepted, totals.dead, totals.waiting), (2, 1, 1));
}

pub async fn operator_2_the_list_shows_what_the_overview_shows(bench: &Bench) {
    bench.streams(&["s", "t"]).await;
    bury(bench, &[("dead", 1)]).await;
    bench.emit("s", "a", "a", at(3)).await;
    bench.report("s", fails(), at(6)).await;
    let list = bench.store.list_overviews(&bench.issuer, None, 9).await.unwrap();
    assert_eq!(list.len(), 2);
    for listed in list {
        let one = bench.overview(listed.record.stream_id.as_str()).await;
        assert_eq!(format!("{listed:?}"), format!("{one:?}"));
    }
    let error = bench.store.overview(&bench.issuer, &id("gone")).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

pub async fn operator_4_a_suspended_owner_gets_no_new_stream_until_it_is_resumed(bench: &Bench) {
    bench.streams(&["before"]).await;
    for _ in 0..2 {
        bench.store.suspend(&bench.issuer, &rp()).await.unwrap();
    }
    let quota = StreamQuota::new(9);
    let error = bench.store.create_stream(bench.record("s"), quota).await.unwrap_err();
    assert!(matches!(error, StoreError::Suspended), "{error}");
    bench.create(bench.record_of(&owner("other"), "other")).await;
    let elsewhere = bench.afresh();
    elsewhere.streams(&["s"]).await;
    assert_eq!(bench.store.list_streams(&bench.issuer, &rp()).await.unwrap().len(), 1);
    for _ in 0..2 {
        bench.store.resume(&bench.issuer, &rp()).await.unwrap();
    }
    bench.create(bench.record("s")).await;
}

/// An owner may be suspended before it has anything.
pub async fn operator_4_an_owner_without_streams_may_be_suspended(bench: &Bench) {
    bench.store.suspend(&bench.issuer, &rp()).await.unwrap();
    let quota = StreamQuota::new(9);
    let error = bench.store.create_stream(bench.record("s"), quota).await.unwrap_err();
    assert!(matches!(error, StoreError::Suspended), "{error}");
}

pub async fn operator_5_dead_letters_are_listed_in_the_order_of_their_places(bench: &Bench) {
    bench.streams(&["s", "other"]).await;
    bury(bench, &[("second", 2), ("first", 1), ("third", 2)]).await;
    bench.emit("other", "not ours", "k", at(0)).await;
    bench.refuse("other", "not ours", at(0)).await;
    let list = async |after: Option<(i64, &str)>, most| {
        let mut query = LetterQuery::new(most);
        query.after = after.map(|(died, set)| LetterPlace::new(at(died), jti(set)));
        let letters = bench.store.dead_letters(&bench.issuer, &id("s"), &query).await.unwrap();
        letters.iter().map(|letter| letter.jti.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9).await, ["first", "second", "third"]);
    assert_eq!(list(None, 1).await, ["first"]);
    assert_eq!(list(Some((1, "first")), 1).await, ["second"]);
    assert_eq!(list(Some((2, "second")), 9).await, ["third"]);
    assert_eq!(list(Some((2, "p")), 9).await, ["second", "third"], "a place need not be taken");
    assert_eq!(list(Some((2, "third")), 9).await, [""; 0]);
    let query = LetterQuery::new(1);
    let error = bench.store.dead_letters(&bench.issuer, &id("gone"), &query).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound), "{error}");
}

pub async fn operator_5_a_dead_letter_has_all_that_another_life_needs(bench: &Bench) {
    bench.streams(&["s"]).await;
    let reported = PollError::new("invalid_key".to_owned(), Some("\u{e9}'\"%".to_owned()));
    let rejected = |err: Option<&str>| DeadLetterReason::Rejected {
        status: 400,
        err: err.map(str::to_owned),
        description: err.map(|err| format!("{err}?")),
    };
    let reasons = [
        DeadLetterReason::AnnouncementExpired,
        DeadLetterReason::HeldLimit { limit: HeldLimit::Bytes },
        rejected(None),
        rejected(Some("invalid_request")),
        DeadLetterReason::Reported(reported),
        DeadLetterReason::Undeliverable { failure: TransportFailure::Connect },
    ];
    for (n, reason) in reasons.into_iter().enumerate() {
        let (set, now) = (format!("j{n}"), n as i64);
        bench.emit("s", &set, "the key", at(now)).await;
        let held = bench.claim(at(now)).await;
        let tokens = vec![keep(&held[0], token("t", "kid"))];
        bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
        bench.settle(&held[0], Fate::Dead(reason.clone()), at(now + 1)).await;
        let letter = bench.letters("s").await.pop().unwrap();
        assert_eq!((letter.jti, letter.lane), (jti(&set), Lane::Ordinary));
        assert_eq!(letter.order_key.as_ref().map(|key| key.as_str()), Some("the key"));
        assert_eq!((letter.body.as_str(), letter.token), ("{}", Some(token("t", "kid"))));
        assert_eq!((letter.reason, letter.attempts), (reason, 1));
        assert_eq!((letter.emitted_at, letter.dead_at), (at(now), at(now + 1)));
        assert_eq!(letter.first_attempt, Some(at(0)));
    }
}

pub async fn operator_5_a_filter_narrows_the_choice(bench: &Bench) {
    bench.streams(&["s"]).await;
    bury(bench, &[("a", 1), ("b", 2)]).await;
    for (set, died) in [("c", 3), ("d", 4)] {
        bench.emit("s", set, set, at(0)).await;
        bench.refuse("s", set, at(died)).await;
    }
    let list = async |filter: LetterFilter| {
        let mut query = LetterQuery::new(9);
        query.filter = filter;
        let letters = bench.store.dead_letters(&bench.issuer, &id("s"), &query).await.unwrap();
        letters.iter().map(|letter| letter.jti.to_string()).collect::<String>()
    };
    let all = LetterFilter::default;
    for (filter, found) in [
        (all(), "abcd"),
        (LetterFilter { jti: Some(jti("b")), ..all() }, "b"),
        (LetterFilter { kind: Some(DeadLetterKind::Reported), ..all() }, "cd"),
        (LetterFilter { kind: Some(DeadLetterKind::Rejected), ..all() }, ""),
        (LetterFilter { err: Some("invalid_request".to_owned()), ..all() }, "cd"),
        (LetterFilter { err: Some("Invalid_request".to_owned()), ..all() }, ""),
        (LetterFilter { err: Some("invalid%".to_owned()), ..all() }, ""),
        (LetterFilter { dead_from: Some(at(2)), dead_before: Some(at(4)), ..all() }, "bc"),
        (LetterFilter { jti: Some(jti("c")), dead_before: Some(at(3)), ..all() }, ""),
    ] {
        assert_eq!(list(filter.clone()).await, found, "{filter:?}");
    }
}

pub async fn operator_6_a_redriven_letter_waits_as_the_newest_with_what_it_was(bench: &Bench) {
    bench.streams(&["s"]).await;
    for set in ["same", "anew"] {
        bench.emit("s", set, "the key", at(7)).await;
        let held = bench.claim(at(7)).await;
        let tokens = vec![keep(&held[0], token(set, "kid"))];
        bench.store.keep_tokens(&bench.issuer, tokens).await.unwrap();
        bench.settle(&held[0], expired(), at(9)).await;
    }
    bench.emit("s", "waiting", "the key", at(9)).await;
    let letters = [("anew", 9, Some("new")), ("same", 9, None)];
    assert_eq!(redrive(bench, &letters).await.unwrap(), [Redriven::Done, Redriven::Done]);
    assert_eq!(bench.letters("s").await.len(), 0);
    for (set, kept) in [("waiting", None), ("new", None), ("same", Some(token("same", "kid")))] {
        let held = bench.claim(at(10)).await;
        assert_eq!((jtis(&held), &held[0].token), (vec![set], &kept));
        assert_eq!((held[0].attempts, held[0].body.as_str()), (0, "{}"));
        let emitted_at = if set == "waiting" { at(9) } else { at(7) };
        assert_eq!(held[0].emitted_at, emitted_at);
        bench.settle(&held[0], delivered(), at(10)).await;
    }
    let totals = bench.totals().await;
    assert_eq!((totals.accepted, totals.redriven), (3, 2));
    assert_eq!((totals.dead, totals.delivered, totals.waiting), (2, 3, 0));
}

/// Somebody else may have been there first, and nothing is done by halves.
pub async fn operator_6_a_redrive_is_all_or_nothing_and_knows_what_is_gone(bench: &Bench) {
    bench.streams(&["s"]).await;
    bury(bench, &[("a", 1), ("b", 1)]).await;
    bench.emit("s", "taken", "k", at(0)).await;
    for letters in [
        [("a", 1, None), ("b", 1, Some("taken"))],
        [("a", 1, Some("twice")), ("b", 1, Some("twice"))],
    ] {
        let error = redrive(bench, &letters).await;
        assert!(matches!(error, Err(StoreError::IdTaken)), "{error:?}");
    }
    assert_eq!(dead_sets(&bench.letters("s").await), ["a", "b"]);
    let letters = [("a", 1, None), ("a", 0, None), ("never", 1, None)];
    let (done, gone) = (Redriven::Done, Redriven::Gone);
    assert_eq!(redrive(bench, &letters).await.unwrap(), [done, gone, gone]);
    assert_eq!(redrive(bench, &letters[..1]).await.unwrap(), [gone]);
    let overview = bench.overview("s").await;
    assert_eq!((overview.dead_letters, overview.totals.redriven), (1, 1));
    // What lives again is swept no more with the dead.
    let sweep = SweepRequest::new(bench.issuer.clone(), at(9), at(9), 9);
    assert_eq!(bench.store.sweep(sweep).await.unwrap().dead_letters, 1);
    assert_eq!(sorted(&bench.claim(at(2)).await), ["a", "taken"]);
}

pub async fn operator_6_a_control_set_stays_dead(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.verify("s", "v", at(0)).await;
    bench.refuse("s", "v", at(1)).await;
    bury(bench, &[("a", 1)]).await;
    let letters = [("v", 1, None), ("a", 1, None)];
    let redriven = redrive(bench, &letters).await.unwrap();
    assert_eq!(redriven, [Redriven::Refused, Redriven::Done]);
    let letters = bench.letters("s").await;
    assert_eq!((dead_sets(&letters), letters[0].order_key.is_none()), (vec!["v"], true));
}

pub async fn operator_6_nothing_is_redriven_on_a_disabled_stream(bench: &Bench) {
    bench.streams(&["s"]).await;
    bury(bench, &[("a", 1)]).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    let error = redrive(bench, &[("a", 1, None)]).await;
    assert!(matches!(error, Err(StoreError::StreamDisabled)), "{error:?}");
    bench.set_status("s", StreamStatus::Paused, StatusSetBy::Receiver).await;
    assert_eq!(redrive(bench, &[("a", 1, None)]).await.unwrap(), [Redriven::Done]);
}

pub async fn operator_6_of_redrives_at_once_one_is_done(bench: &Bench) {
    for _ in 0..5 {
        let bench = bench.afresh();
        bench.streams(&["s"]).await;
        bury(&bench, &[("a", 1), ("b", 1)]).await;
        let again = |n: usize| {
            let bench = bench.process(n);
            async move {
                let mut letters = [("a", 1, None), ("b", 1, None)];
                if n % 2 == 1 {
                    letters.reverse();
                }
                redrive(&bench, &letters).await.unwrap()
            }
        };
        let results = bench.together((0..4).map(again)).await.concat();
        assert_eq!(results.iter().filter(|result| **result == Redriven::Done).count(), 2);
        let totals = bench.totals().await;
        assert_eq!((totals.redriven, totals.waiting, totals.dead), (2, 2, 2));
    }
}

/// P6.
pub async fn operator_7_totals_count_deleted_streams_and_add_up(bench: &Bench) {
    bench.streams(&["kept", "deleted"]).await;
    for stream in ["kept", "deleted"] {
        for set in ["delivered", "dead", "waiting"] {
            bench.emit(stream, &format!("{stream} {set}"), set, at(0)).await;
        }
        let held = bench.claim(at(0)).await;
        bench.settle(&held[0], delivered(), at(0)).await;
        bench.settle(&held[1], expired(), at(0)).await;
    }
    bench.delete("deleted").await;
    let totals = bench.totals().await;
    assert_eq!((totals.accepted, totals.delivered, totals.dead), (6, 2, 2));
    assert_eq!((totals.waiting, totals.discarded_deleted), (1, 1));
}

/// P6: every way an entry can end, and every event that is none.
pub async fn operator_7_every_entry_is_counted_where_it_ended(bench: &Bench) {
    bench.streams(&["s"]).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.verify("s", "v0", at(0)).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    for set in ["v1", "v2"] {
        bench.verify("s", set, at(0)).await;
    }
    bench.acknowledge("s", &["v2"]).await;
    bury(bench, &[("dead", 1)]).await;
    bench.append(bench.event(&[("gone", "skipped")], "k", at(0))).await;
    for set in ["reported", "discarded"] {
        bench.emit("s", set, set, at(0)).await;
    }
    bench.refuse("s", "reported", at(1)).await;
    bench.set_status("s", StreamStatus::Disabled, StatusSetBy::Receiver).await;
    bench.set_status("s", StreamStatus::Enabled, StatusSetBy::Receiver).await;
    redrive(bench, &[("dead", 1, None)]).await.unwrap();
    let totals = bench.totals().await;
    assert_eq!((totals.accepted, totals.redriven), (6, 1));
    assert_eq!((totals.delivered, totals.dead, totals.waiting), (1, 2, 1));
    assert_eq!((totals.discarded_disabled, totals.discarded_replaced), (2, 1));
    let ends = totals.delivered + totals.dead + totals.waiting;
    let discarded = totals.discarded_disabled + totals.discarded_replaced;
    assert_eq!(totals.accepted + totals.redriven, ends + discarded + totals.discarded_deleted);
    assert_eq!(bench.overview("s").await.totals, totals);
}
