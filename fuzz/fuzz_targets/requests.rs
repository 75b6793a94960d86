//! The bodies and queries of all requests: no bytes make their parsers panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::EgressPolicy;
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, ReplaceStream, StatusRequest, SubjectRequest,
    VerificationRequest, requested_stream_id,
};

fuzz_target!(|bytes: &[u8]| {
    let egress = EgressPolicy::public();
    let _ = CreateStream::parse(bytes, &egress);
    let _ = PatchStream::parse(bytes, &egress);
    let _ = ReplaceStream::parse(bytes, &egress);
    let _ = StatusRequest::parse(bytes);
    let _ = SubjectRequest::parse_add(bytes);
    let _ = SubjectRequest::parse_remove(bytes);
    let _ = VerificationRequest::parse(bytes);
    let _ = PollRequest::parse(bytes);
    let _ = requested_stream_id(std::str::from_utf8(bytes).ok());
});
