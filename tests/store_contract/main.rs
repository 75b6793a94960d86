//! The contract of stores, held against what ships and what broke.

mod memory;
