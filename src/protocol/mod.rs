//! Requests of the management API, from bytes to commands (SSF 1.0 §8).
