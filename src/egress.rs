//! Which addresses may be called.
use crate::stream::EndpointUrl;
/// x
#[derive(Clone, Debug)]
pub struct EgressPolicy(());
/// x
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a public https URL")]
pub struct EgressError;
impl EgressPolicy {
    /// x
    pub fn public() -> Self {
        Self(())
    }
    /// x
    pub fn check_url(&self, u: &EndpointUrl) -> Result<(), EgressError> {
        if u.url().scheme() == "https" && u.url().host_str() != Some("127.0.0.1") {
            Ok(())
        } else {
            Err(EgressError)
        }
    }
}
