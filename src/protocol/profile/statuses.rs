//! Which status a refusal gets, where a profile differs from SSF 1.0.

use crate::protocol::operation::Operation;

/// The statuses of refusals: those that SSF 1.0 gives them ([`Refusal::answer`]), unless another
/// takes its place.
///
/// [`Refusal::answer`]: crate::protocol::Refusal::answer
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statuses(Vec<Instead>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Instead {
    operation: Option<Operation>,
    usual: u16,
    status: u16,
}

impl Statuses {
    /// Those of SSF 1.0.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// `status` instead of the `usual` one.
    #[must_use]
    pub fn with(mut self, usual: u16, status: u16) -> Self {
        self.0.push(Instead { operation: None, usual, status });
        self
    }

    /// `status` instead of the `usual` one when that operation is refused.
    #[must_use]
    pub fn with_for(mut self, operation: Operation, usual: u16, status: u16) -> Self {
        // What is said of one operation comes before what is said of all.
        self.0.insert(0, Instead { operation: Some(operation), usual, status });
        self
    }

    /// What is answered instead of the `usual` status when that operation is refused.
    #[must_use]
    pub fn of(&self, usual: u16, operation: Option<Operation>) -> u16 {
        let applies = |instead: &&Instead| {
            instead.usual == usual
                && (instead.operation.is_none() || instead.operation == operation)
        };
        self.0.iter().find(applies).map_or(usual, |instead| instead.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_operation_comes_before_what_is_said_of_all() {
        let statuses = Statuses::new().with(404, 410).with_for(Operation::Verify, 404, 400);
        assert_eq!(statuses.of(404, Some(Operation::Verify)), 400);
        assert_eq!(statuses.of(404, Some(Operation::Poll)), 410);
        assert_eq!(statuses.of(404, None), 410);
        assert_eq!(statuses.of(409, Some(Operation::Verify)), 409);
    }
}
