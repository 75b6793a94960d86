//! What comes with a request or from an operator: `Authorization` headers, endpoints, key sets.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::protocol::bearer_token;
use ssf_transmitter::stream::{AuthorizationHeader, EndpointUrl};
use ssf_transmitter::{EgressPolicy, LocalKeys};

fuzz_target!(|bytes: &[u8]| {
    let _ = bearer_token([bytes]);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = AuthorizationHeader::parse(text);
    let _ = LocalKeys::from_jwk_set(text);
    if let Ok(endpoint) = EndpointUrl::parse(text) {
        let _ = EgressPolicy::public().check_url(&endpoint);
    }
});
