//! The bodies of all requests: each is read or refused.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ssf_transmitter::EgressPolicy;
use ssf_transmitter::protocol::{
    CreateStream, PatchStream, PollRequest, Profile, ReplaceStream, StatusRequest, SubjectRequest,
    VerificationRequest,
};

fuzz_target!(|body: &[u8]| {
    let egress = EgressPolicy::public();
    for profile in [Profile::ssf(), Profile::sailpoint()] {
        let _ = CreateStream::parse(body, &profile, &egress);
        let _ = PatchStream::parse(body, &profile, &egress);
        let _ = ReplaceStream::parse(body, &profile, &egress);
        let _ = StatusRequest::parse(body, &profile);
        let _ = SubjectRequest::parse_add(body, &profile);
        let _ = SubjectRequest::parse_remove(body, &profile);
        let _ = VerificationRequest::parse(body, &profile);
    }
    let _ = PollRequest::parse(body);
});
