//! The query of a request: the `stream_id` it names is one that needs no encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::protocol::{Profile, StreamsQuery};

fuzz_target!(|query: &str| {
    for profile in [Profile::ssf(), Profile::sailpoint()] {
        let parse = |query: &str| StreamsQuery::parse(Some(query), &profile).ok();
        if let Some(stream) = parse(query).and_then(|query| query.stream_id) {
            let again = parse(&format!("stream_id={stream}"));
            assert_eq!(again.and_then(|query| query.stream_id), Some(stream));
        }
    }
});
