//! A host that embeds the bare core of `ssf-transmitter`: no features, no runtime, no framework.
//!
//! It brings the three ports itself, with nothing but what the library exports:
//!
//! * [`VecStore`]: the store, every list a vector, every question a search;
//! * [`OneKey`]: the keys, one on P-256, by OpenSSL;
//! * [`Inbox`]: the deliverer, which keeps what it is given;
//! * [`block_on`]: what drives the futures, in place of a runtime.
//!
//! The tests beside it walk an event through all of them, and hold the store to the contract of
//! stores. What does not compile here, no host outside the library's repository could write.

mod block_on;
mod deliver;
mod keys;
mod store;

pub use block_on::block_on;
pub use deliver::Inbox;
pub use keys::OneKey;
pub use store::VecStore;
