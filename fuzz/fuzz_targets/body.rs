//! The bodies of all requests: each is read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::EgressPolicy;
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, ReplaceStream, StatusRequest, SubjectRequest,
    VerificationRequest,
};

fuzz_target!(|body: &[u8]| {
    let _ = CreateStream::parse(body, &EgressPolicy::default());
    let _ = PatchStream::parse(body);
    let _ = ReplaceStream::parse(body);
    let _ = StatusRequest::parse(body);
    let _ = SubjectRequest::parse_add(body);
    let _ = SubjectRequest::parse_remove(body);
    let _ = VerificationRequest::parse(body);
    let _ = PollRequest::parse(body);
});
