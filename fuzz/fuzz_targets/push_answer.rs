//! What a receiver answers to a push: status, `Retry-After`, error body.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::outbox::Answer;
use ssf_transmitter::timestamp::Timestamp;

fuzz_target!(|input: (u16, Option<&str>, &[u8])| {
    let (status, retry_after, body) = input;
    let now = Timestamp::from_seconds(1_795_000_000);
    for status in [status, 400] {
        let answer = Answer::read(status, retry_after, body, now);
        let longest = answer.err.iter().chain(&answer.description).map(|t| t.chars().count()).max();
        assert!(longest.unwrap_or(0) <= 1024);
        if let Some(until) = answer.retry_after.map(|r| r.until(now, Duration::from_secs(3600))) {
            assert!(now <= until && until <= now.after(Duration::from_secs(3600)));
        }
    }
});
