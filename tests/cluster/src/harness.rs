//! Cases that need a server, as `cargo test` shows cases: those of a machine without one are
//! reported as ignored.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime;

use crate::{NOWHERE, Server, Source};

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// How a case is run: with a server, or without one.
enum Run {
    With(Box<dyn FnOnce(Arc<Server>) -> Running + Send>),
    Without(Box<dyn FnOnce() -> Running + Send>),
    /// Not on this machine, for that reason.
    Not(&'static str),
}

/// A case.
pub struct Case {
    name: String,
    run: Run,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// The cases of a test program.
#[derive(Debug, Default)]
pub struct Cases {
    cases: Vec<Case>,
    /// Schemas that cases share.
    schemas: Vec<String>,
}

impl Cases {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, which fails when it panics.
    #[must_use]
    pub fn with<F>(
        mut self,
        name: impl Into<String>,
        case: impl FnOnce(Arc<Server>) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let run = Run::With(Box::new(|server| Box::pin(case(server))));
        self.cases.push(Case { name: name.into(), run });
        self
    }

    /// Adds one that needs no server.
    #[must_use]
    pub fn without_server<F>(
        mut self,
        name: impl Into<String>,
        case: impl FnOnce() -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let run = Run::Without(Box::new(|| Box::pin(case())));
        self.cases.push(Case { name: name.into(), run });
        self
    }

    /// Adds one that cannot be run on this machine, for that reason.
    #[must_use]
    pub fn ignored(mut self, name: impl Into<String>, reason: &'static str) -> Self {
        self.cases.push(Case { name: name.into(), run: Run::Not(reason) });
        self
    }

    /// Removes a schema that cases share when all have ended.
    #[must_use]
    pub fn sharing(mut self, schema: impl Into<String>) -> Self {
        self.schemas.push(schema.into());
        self
    }

    /// Runs them as the arguments of the program say. They share one server; each has a runtime of
    /// its own.
    #[must_use]
    pub fn main(self) -> ExitCode {
        let arguments = Arguments::from_args();
        let source = Source::find().map(Arc::new);
        let shared = Arc::new(OnceLock::new());
        let trial = |case: Case| {
            let (source, shared) = (source.clone(), Arc::clone(&shared));
            if source.is_none() && matches!(case.run, Run::With(_)) {
                return Trial::test(case.name, || Ok(()))
                    .with_kind(NOWHERE)
                    .with_ignored_flag(true);
            }
            Trial::test(case.name, move || {
                let runtime = runtime::Builder::new_multi_thread().enable_all().build()?;
                let running = match (case.run, source) {
                    (Run::With(run), Some(source)) => {
                        run(Arc::clone(shared.get_or_init(|| Arc::new(source.start()))))
                    }
                    (Run::With(_), None) => return Err(NOWHERE.into()),
                    (Run::Not(reason), _) => return Err(reason.into()),
                    (Run::Without(run), _) => run(),
                };
                runtime.block_on(running);
                Ok(())
            })
        };
        let trials = self.cases.into_iter().map(trial).collect();
        let exit = libtest_mimic::run(&arguments, trials).exit_code();
        if let Some(server) = shared.get() {
            let clear = async {
                for schema in &self.schemas {
                    server.drop_schema(schema).await;
                }
            };
            runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(clear);
        }
        exit
    }
}
