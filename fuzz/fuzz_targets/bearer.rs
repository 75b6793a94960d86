//! The `Authorization` header, there once or twice.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::protocol::bearer_token;

fuzz_target!(|header: &[u8]| {
    let _ = bearer_token([header]);
    let _ = bearer_token(header.split(|byte| *byte == b'\n'));
});
