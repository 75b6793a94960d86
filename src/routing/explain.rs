//! Would an event reach a stream, and if not, which rule stops it?

use super::matches::selects;
use crate::id::EventType;
use crate::stream::{StreamRecord, StreamStatus};
use crate::subject::Subject;

/// What becomes of an event at one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explanation {
    /// It is delivered.
    Delivered,
    /// It is accepted and held until the stream is enabled again (SSF 1.0 §8.1.2.1).
    Held,
    /// The stream never gets it.
    Stopped(StoppedBy),
}

/// The rule that keeps an event from a stream. In the order in which the rules are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoppedBy {
    /// The stream that was asked about is not the one there is now: its delivery changed or it was
    /// stopped since.
    Generation,
    /// The stream is disabled.
    Status,
    /// The stream does not deliver events of this type.
    Type,
    /// The subject is not among the stream's.
    Subject,
    /// The host's sharing policy vetoes it.
    Policy,
}

impl StoppedBy {
    /// A word for answers and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generation => "generation",
            Self::Status => "status",
            Self::Type => "type",
            Self::Subject => "subject",
            Self::Policy => "policy",
        }
    }
}

/// Whether a stream has a subject among its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Interest {
    /// It has.
    Wanted,
    /// It has not.
    NotWanted,
}

impl Interest {
    /// Whether a stream with these listed subjects has that one among its own. Its own subject it
    /// always has (SSF 1.0 §8.1.4.1, §8.1.5).
    #[must_use]
    pub fn of<'a>(
        record: &StreamRecord,
        listed: impl IntoIterator<Item = &'a Subject>,
        subject: &Subject,
    ) -> Self {
        let own = *subject == Subject::of_stream(&record.stream_id);
        if own || selects(record.default_subjects, listed, subject) {
            Self::Wanted
        } else {
            Self::NotWanted
        }
    }
}

/// What becomes of an event of that type at that stream, as far as the stream itself decides.
#[must_use]
pub fn explain(record: &StreamRecord, event_type: &EventType, interest: Interest) -> Explanation {
    if record.status == StreamStatus::Disabled {
        return Explanation::Stopped(StoppedBy::Status);
    }
    if !record.events_delivered.contains(event_type) {
        return Explanation::Stopped(StoppedBy::Type);
    }
    match (interest, record.status) {
        (Interest::NotWanted, _) => Explanation::Stopped(StoppedBy::Subject),
        (Interest::Wanted, StreamStatus::Paused) => Explanation::Held,
        (Interest::Wanted, _) => Explanation::Delivered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::types;
    use crate::id::{Audience, ClientId, Issuer, Owner, StreamId, TenantId};
    use crate::stream::{DefaultSubjects, Delivery};
    use crate::subject::SimpleSubject;
    use crate::timestamp::Timestamp;

    fn record() -> StreamRecord {
        let mut record = StreamRecord::new(
            Issuer::parse("https://tr.example.com").unwrap(),
            Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap()),
            StreamId::parse("s").unwrap(),
            Audience::parse("a").unwrap(),
            Delivery::Poll,
            Timestamp::default(),
        );
        record.events_delivered = vec![types::session_revoked()];
        record
    }

    #[test]
    fn each_rule_is_named_in_its_turn() {
        let session = types::session_revoked();
        let mut stream = record();
        assert_eq!(explain(&stream, &session, Interest::Wanted), Explanation::Delivered);
        let stopped = |rule| Explanation::Stopped(rule);
        assert_eq!(explain(&stream, &session, Interest::NotWanted), stopped(StoppedBy::Subject));
        let other = types::credential_change();
        assert_eq!(explain(&stream, &other, Interest::NotWanted), stopped(StoppedBy::Type));
        stream.status = StreamStatus::Paused;
        assert_eq!(explain(&stream, &session, Interest::Wanted), Explanation::Held);
        stream.status = StreamStatus::Disabled;
        assert_eq!(explain(&stream, &other, Interest::NotWanted), stopped(StoppedBy::Status));
    }

    #[test]
    fn a_stream_always_has_its_own_subject_ssf_1_0_8_1_4_1() {
        let mut stream = record();
        stream.default_subjects = DefaultSubjects::None;
        let own = Subject::of_stream(&stream.stream_id);
        assert_eq!(Interest::of(&stream, [], &own), Interest::Wanted);
        let other = Subject::from(SimpleSubject::opaque("other").unwrap());
        assert_eq!(Interest::of(&stream, [], &other), Interest::NotWanted);
        assert_eq!(Interest::of(&stream, [&other], &other), Interest::Wanted);
        stream.default_subjects = DefaultSubjects::All;
        assert_eq!(Interest::of(&stream, [&own], &own), Interest::Wanted);
    }
}
