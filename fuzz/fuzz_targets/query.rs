//! The query of a request: the `stream_id` it names is one that needs no encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::protocol::requested_stream_id;

fuzz_target!(|query: &str| {
    if let Ok(Some(stream)) = requested_stream_id(Some(query)) {
        let query = format!("stream_id={stream}");
        assert_eq!(requested_stream_id(Some(&query)).ok().flatten(), Some(stream));
    }
});
