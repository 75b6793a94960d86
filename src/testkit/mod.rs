//! Virtual time, seeded randomness, a scripted receiver, an executor and the contract of stores, for
//! tests of this library and of its hosts.
//!
//! Exempt from semver: any release may change what is in here.
//!
//! # Example
//! A sleeper wakes when the test says that its time has come; nothing waits.
//!
//! ```
//! use std::time::Duration;
//! use ssf_transmitter::clock::{Clock, Slept};
//! use ssf_transmitter::testkit::{VirtualClock, block_on};
//! use ssf_transmitter::timestamp::Timestamp;
//!
//! let clock = VirtualClock::new(Timestamp::from_seconds(1_000));
//! let until = clock.now().after(Duration::from_secs(60));
//! let sleeper = std::thread::spawn({
//!     let clock = clock.clone();
//!     move || block_on(clock.sleep_until(until))
//! });
//! clock.set(until);
//! assert_eq!(sleeper.join().ok(), Some(Slept::Reached));
//! ```

mod clock;
mod deliverer;
mod entropy;
mod executor;
pub mod store;

pub use clock::VirtualClock;
pub use deliverer::ScriptedDeliverer;
pub use entropy::SeededEntropy;
pub use executor::block_on;
