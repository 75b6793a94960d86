//! The router as a receiver meets it: requests in, answers out, no network in between.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod challenges;
#[cfg(test)]
mod diagnostics;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod order;
#[cfg(test)]
#[path = "../support/paper.rs"]
mod paper;
#[cfg(test)]
mod polls;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod sailpoint;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod success;
#[cfg(test)]
mod unknown_streams;
#[cfg(test)]
mod world;
