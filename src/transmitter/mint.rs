//! New identifiers, made of random bits and the time.

use uuid::{Builder, Uuid};

use crate::id::{FailureId, Jti, StreamId, TrackingId, Txn, WorkerId};
use crate::timestamp::Timestamp;

/// A new `jti`: a UUID version 7, so that stores can keep them in the order of time.
pub(super) fn jti(now: Timestamp, bits: u128) -> Jti {
    Jti::trusted(text(uuid_v7(now, bits), &mut [0; uuid::fmt::Hyphenated::LENGTH]))
}

/// A new `txn`: a UUID version 7.
pub(super) fn txn(now: Timestamp, bits: u128) -> Txn {
    Txn::trusted(text(uuid_v7(now, bits), &mut [0; uuid::fmt::Hyphenated::LENGTH]))
}

/// A new identifier of an event that could not be made: a UUID version 7, so that they are listed
/// in the order of time.
pub(super) fn failure_id(now: Timestamp, bits: u128) -> FailureId {
    FailureId::trusted(text(uuid_v7(now, bits), &mut [0; uuid::fmt::Hyphenated::LENGTH]))
}

/// A new stream identifier: a UUID version 4, which nobody can guess.
pub(super) fn stream_id(bits: u128) -> StreamId {
    StreamId::trusted(text(uuid_v4(bits), &mut [0; uuid::fmt::Hyphenated::LENGTH]))
}

/// The identifier of a refusal: 32 hexadecimal digits.
pub(super) fn tracking_id(bits: u128) -> TrackingId {
    TrackingId::trusted(&format!("{bits:032x}"))
}

/// The name of a process.
pub(super) fn worker_id(bits: u128) -> WorkerId {
    WorkerId::trusted(text(uuid_v4(bits), &mut [0; uuid::fmt::Hyphenated::LENGTH]))
}

fn uuid_v7(now: Timestamp, bits: u128) -> Uuid {
    let [_, _, _, _, _, _, random @ ..] = bits.to_be_bytes();
    Builder::from_unix_timestamp_millis(u64::try_from(now.as_millis()).unwrap_or(0), &random)
        .into_uuid()
}

fn uuid_v4(bits: u128) -> Uuid {
    Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

fn text(uuid: Uuid, buffer: &mut [u8; uuid::fmt::Hyphenated::LENGTH]) -> &str {
    uuid.hyphenated().encode_lower(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_sorts_by_time_and_differs_by_its_random_bits() {
        let [early, late] = [1_000, 2_000].map(Timestamp::from_millis);
        assert!(jti(early, u128::MAX) < jti(late, 0));
        assert_ne!(jti(early, 1), jti(early, 2));
        let version = Uuid::parse_str(jti(early, 7).as_str()).map(|id| id.get_version_num());
        assert_eq!(version, Ok(7));
    }

    #[test]
    fn a_minted_stream_id_needs_no_encoding_in_a_url() {
        let id = stream_id(u128::MAX);
        assert_eq!(StreamId::parse(id.as_str()), Ok(id));
    }
}
