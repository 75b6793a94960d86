//! The operations that need authorisation.

/// An operation of the management API (SSF 1.0 §8.1) or of polling (RFC 8936).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// SSF 1.0 §8.1.1.1.
    CreateStream,
    /// SSF 1.0 §8.1.1.2.
    ReadStream,
    /// SSF 1.0 §8.1.1.3, `PATCH`.
    UpdateStream,
    /// SSF 1.0 §8.1.1.4, `PUT`.
    ReplaceStream,
    /// SSF 1.0 §8.1.1.5.
    DeleteStream,
    /// SSF 1.0 §8.1.2.2.
    ReadStatus,
    /// SSF 1.0 §8.1.2.3.
    UpdateStatus,
    /// SSF 1.0 §8.1.3.2.
    AddSubject,
    /// SSF 1.0 §8.1.3.3.
    RemoveSubject,
    /// SSF 1.0 §8.1.4.2.
    Verify,
    /// RFC 8936 §2.4.
    Poll,
}

impl Operation {
    /// All of them, those that only read first.
    pub const ALL: [Self; 11] = [
        Self::ReadStream,
        Self::ReadStatus,
        Self::CreateStream,
        Self::UpdateStream,
        Self::ReplaceStream,
        Self::DeleteStream,
        Self::UpdateStatus,
        Self::AddSubject,
        Self::RemoveSubject,
        Self::Verify,
        Self::Poll,
    ];

    /// A word for logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateStream => "create_stream",
            Self::ReadStream => "read_stream",
            Self::UpdateStream => "update_stream",
            Self::ReplaceStream => "replace_stream",
            Self::DeleteStream => "delete_stream",
            Self::ReadStatus => "read_status",
            Self::UpdateStatus => "update_status",
            Self::AddSubject => "add_subject",
            Self::RemoveSubject => "remove_subject",
            Self::Verify => "verify",
            Self::Poll => "poll",
        }
    }

    /// Whether it only reads.
    #[must_use]
    pub const fn reads(self) -> bool {
        !self.changes().is_empty()
    }

    /// The operations that change what this one reads; none, if it changes something itself.
    pub(super) const fn changes(self) -> &'static [Self] {
        match self {
            Self::ReadStream => {
                &[Self::CreateStream, Self::UpdateStream, Self::ReplaceStream, Self::DeleteStream]
            }
            Self::ReadStatus => &[Self::UpdateStatus],
            Self::CreateStream
            | Self::UpdateStream
            | Self::ReplaceStream
            | Self::DeleteStream
            | Self::UpdateStatus
            | Self::AddSubject
            | Self::RemoveSubject
            | Self::Verify
            | Self::Poll => &[],
        }
    }
}
