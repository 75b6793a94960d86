//! How many streams there may be.

/// The most streams that receivers may create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamQuota {
    /// Of one receiver.
    pub receiver: u32,
    /// Of all receivers of one tenant together; `None`: as many as they may each have.
    pub tenant: Option<u32>,
}

impl StreamQuota {
    /// So many for each receiver.
    #[must_use]
    pub const fn new(receiver: u32) -> Self {
        Self { receiver, tenant: None }
    }

    /// So many for all receivers of a tenant together.
    #[must_use]
    pub const fn with_tenant(mut self, most: u32) -> Self {
        self.tenant = Some(most);
        self
    }
}
