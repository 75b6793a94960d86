//! Static bearer tokens.
