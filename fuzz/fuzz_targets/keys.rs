//! Keys: a text is a key, a set of keys, or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::{LocalKeys, SigningKey};

fuzz_target!(|text: &str| {
    let _ = SigningKey::from_jwk(text);
    let _ = LocalKeys::from_jwk_set(text);
});
