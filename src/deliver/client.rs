//! The push client.
