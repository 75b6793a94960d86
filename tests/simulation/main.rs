//! The engine in virtual time: processes that die, lines that break, clocks that differ, receivers
//! that do anything, and a reference that judges every step. A seed says everything.
//!
//! `SIMULATION=17 cargo test --test simulation seeds` runs one seed,
//! `SIMULATION=0..100000 cargo test --test simulation seeds` as many as you like.

#[cfg(test)]
mod bell;
#[cfg(test)]
mod broken;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod changes;
#[cfg(test)]
mod connection;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod happenings;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod model;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod quiet;
#[cfg(test)]
mod random;
#[cfg(test)]
mod receiver;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod run;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod seeds;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod time;
#[cfg(test)]
mod transaction;
#[cfg(test)]
mod world;
