//! The operations that need authorisation, and the scopes that allow them.

use std::collections::BTreeSet;

use crate::id::Scope;

use super::refusal::Refusal;

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

/// The scopes that allow the operations (CAEP interoperability profile 1.0 §2.7.3): one to read,
/// one to do everything.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Access {
    /// Allows to read.
    pub read: Scope,
    /// Allows everything, polling included.
    pub manage: Scope,
}

impl Default for Access {
    fn default() -> Self {
        Self { read: Scope::trusted("ssf.read"), manage: Scope::trusted("ssf.manage") }
    }
}

impl Access {
    /// Checks that the granted scopes allow the operation. Scopes are compared as exact strings.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`] naming the scope that would be enough.
    pub fn check(&self, operation: Operation, granted: &BTreeSet<Scope>) -> Result<(), Refusal> {
        let needed = match operation {
            Operation::ReadStream | Operation::ReadStatus => &self.read,
            Operation::CreateStream
            | Operation::UpdateStream
            | Operation::ReplaceStream
            | Operation::DeleteStream
            | Operation::UpdateStatus
            | Operation::AddSubject
            | Operation::RemoveSubject
            | Operation::Verify
            | Operation::Poll => &self.manage,
        };
        if granted.contains(needed) || granted.contains(&self.manage) {
            Ok(())
        } else {
            Err(Refusal::InsufficientScope(needed.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: Operation, scope: &str) -> Result<(), Refusal> {
        let granted = BTreeSet::from([Scope::parse(scope).unwrap()]);
        Access::default().check(operation, &granted)
    }

    #[test]
    fn read_reads_and_manage_does_everything() {
        assert_eq!(check(Operation::ReadStream, "ssf.read"), Ok(()));
        assert_eq!(check(Operation::ReadStatus, "ssf.manage"), Ok(()));
        assert_eq!(check(Operation::Poll, "ssf.manage"), Ok(()));
        let refused = Refusal::InsufficientScope(Scope::parse("ssf.manage").unwrap());
        assert_eq!(check(Operation::CreateStream, "ssf.read"), Err(refused.clone()));
        assert_eq!(check(Operation::Poll, "ssf.read"), Err(refused));
    }

    #[test]
    fn scopes_are_exact_strings_never_prefixes() {
        let refused = Refusal::InsufficientScope(Scope::parse("ssf.read").unwrap());
        assert_eq!(check(Operation::ReadStream, "ssf.read.all"), Err(refused.clone()));
        assert_eq!(check(Operation::ReadStream, "SSF.READ"), Err(refused));
    }
}
