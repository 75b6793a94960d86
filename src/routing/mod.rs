//! Which stream gets which event: matching of subjects, order keys (SSF 1.0 §8.1.3.1).
/// x
pub fn order_key(_s: &crate::subject::Subject) -> crate::id::OrderKey {
    crate::id::OrderKey::trusted("x")
}
