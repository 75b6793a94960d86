//! The store in PostgreSQL: the contract, how it is opened, how processes hear of each other, and
//! what happens when the database is away.

#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

mod away;
mod bodies;
mod clocks;
mod contract;
mod hearing;
mod host;
mod identities;
#[path = "../support/loaded.rs"]
mod loaded;
mod opening;
mod plans;
#[path = "../support/reporters.rs"]
mod reporters;
#[path = "../support/host.rs"]
mod scenarios;
mod world;

use std::process::ExitCode;

use cluster::Cases;

fn main() -> ExitCode {
    let cases = opening::cases(Cases::new());
    let cases = hearing::cases(cases);
    let cases = clocks::cases(cases);
    let cases = plans::cases(cases);
    let cases = host::cases(cases);
    let cases = identities::cases(cases);
    let cases = bodies::cases(cases);
    let cases = away::cases(cases);
    contract::cases(cases).main()
}
