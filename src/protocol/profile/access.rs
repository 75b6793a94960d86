//! Which scopes allow which operation.

use std::collections::BTreeSet;

use crate::id::Scope;
use crate::protocol::operation::Operation;
use crate::protocol::refusal::Refusal;

/// The scopes that allow each operation. Any of them is enough; they are compared as exact
/// strings, never by prefix. Who may change something may read it, too.
///
/// ```
/// use ssf_transmitter::id::Scope;
/// use ssf_transmitter::protocol::{Access, Operation};
///
/// # fn main() -> Result<(), ssf_transmitter::id::IdError> {
/// // CAEP interoperability profile 1.0 §2.7.3: polling may have a scope of its own.
/// let access = Access::new(&Scope::parse("ssf.read")?, &Scope::parse("ssf.manage")?)
///     .with_scope(Operation::Poll, Scope::parse("ssf.manage.poll")?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access(Vec<(Operation, Vec<Scope>)>);

impl Access {
    /// One scope to read, one to do everything, reading included (CAEP interoperability profile
    /// 1.0 §2.7.3).
    #[must_use]
    pub fn new(read: &Scope, manage: &Scope) -> Self {
        let scopes = |operation: Operation| {
            if operation.reads() { vec![read.clone()] } else { vec![manage.clone()] }
        };
        Self(Operation::ALL.map(|operation| (operation, scopes(operation))).to_vec())
    }

    /// One scope for everything.
    #[must_use]
    pub fn single(scope: &Scope) -> Self {
        Self::new(scope, scope)
    }

    /// One more scope that allows the operation.
    #[must_use]
    pub fn with_scope(mut self, operation: Operation, scope: Scope) -> Self {
        self.accepted_mut(operation).push(scope);
        self
    }

    /// These scopes and no others allow the operation. Without any, nobody may.
    #[must_use]
    pub fn with_scopes(
        mut self,
        operation: Operation,
        scopes: impl IntoIterator<Item = Scope>,
    ) -> Self {
        *self.accepted_mut(operation) = scopes.into_iter().collect();
        self
    }

    /// All scopes that allow something, each once.
    #[must_use]
    pub fn scopes(&self) -> Vec<Scope> {
        let mut scopes = Vec::new();
        for scope in self.0.iter().flat_map(|(_, accepted)| accepted) {
            if !scopes.contains(scope) {
                scopes.push(scope.clone());
            }
        }
        scopes
    }

    /// Checks that the granted scopes allow the operation.
    ///
    /// # Errors
    /// [`Refusal::InsufficientScope`] naming the first scope that would be enough.
    pub fn check(&self, operation: Operation, granted: &BTreeSet<Scope>) -> Result<(), Refusal> {
        let own = self.accepted(operation);
        // Who may change something may read it.
        let by_change = operation.changes().iter().flat_map(|change| self.accepted(*change));
        if own.iter().chain(by_change).any(|scope| granted.contains(scope)) {
            return Ok(());
        }
        Err(Refusal::InsufficientScope(own.first().cloned()))
    }

    fn accepted(&self, operation: Operation) -> &[Scope] {
        let found = self.0.iter().find(|(known, _)| *known == operation);
        found.map_or(&[], |(_, scopes)| scopes)
    }

    fn accepted_mut(&mut self, operation: Operation) -> &mut Vec<Scope> {
        let at = self.0.iter().position(|(known, _)| *known == operation).unwrap_or_else(|| {
            self.0.push((operation, Vec::new()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    fn ssf() -> Access {
        Access::new(&scope("ssf.read"), &scope("ssf.manage"))
    }

    /// What is missing for the operation, if anything.
    fn missing(access: &Access, operation: Operation, granted: &str) -> Option<String> {
        match access.check(operation, &BTreeSet::from([scope(granted)])) {
            Ok(()) => None,
            Err(Refusal::InsufficientScope(needed)) => Some(needed.map(String::from).unwrap()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn read_reads_and_manage_does_everything_interop_2_7_3() {
        for operation in Operation::ALL {
            assert_eq!(missing(&ssf(), operation, "ssf.manage"), None, "{operation:?}");
            let needed = (!operation.reads()).then(|| "ssf.manage".to_owned());
            assert_eq!(missing(&ssf(), operation, "ssf.read"), needed, "{operation:?}");
        }
    }

    #[test]
    fn scopes_are_exact_strings_never_prefixes() {
        for wrong in ["ssf.read.all", "SSF.READ", "ssf.rea", "ssf.manage.poll"] {
            let needed = Some("ssf.read".to_owned());
            assert_eq!(missing(&ssf(), Operation::ReadStream, wrong), needed, "{wrong}");
        }
    }

    #[test]
    fn an_operation_may_have_several_scopes_and_others_do_not_get_them() {
        let access = ssf().with_scope(Operation::Poll, scope("ssf.manage.poll"));
        assert_eq!(missing(&access, Operation::Poll, "ssf.manage.poll"), None);
        assert_eq!(missing(&access, Operation::Poll, "ssf.manage"), None);
        let needed = Some("ssf.manage".to_owned());
        assert_eq!(missing(&access, Operation::Verify, "ssf.manage.poll"), needed);
        let scopes: Vec<_> = access.scopes().into_iter().map(String::from).collect();
        assert_eq!(scopes, ["ssf.read", "ssf.manage", "ssf.manage.poll"]);
    }

    #[test]
    fn an_operation_may_have_scopes_of_its_own_and_its_change_still_implies_reading() {
        let access = ssf().with_scopes(Operation::UpdateStatus, [scope("status.set")]);
        let needed = Some("status.set".to_owned());
        assert_eq!(missing(&access, Operation::UpdateStatus, "ssf.manage"), needed);
        assert_eq!(missing(&access, Operation::ReadStatus, "status.set"), None);
        let needed = Some("ssf.read".to_owned());
        assert_eq!(missing(&access, Operation::ReadStream, "status.set"), needed);
    }

    #[test]
    fn without_any_scope_nobody_may() {
        let access = ssf().with_scopes(Operation::Poll, []);
        let refused = access.check(Operation::Poll, &access.scopes().into_iter().collect());
        assert_eq!(refused, Err(Refusal::InsufficientScope(None)));
    }
}
