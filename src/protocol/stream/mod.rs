//! Creating, changing and showing streams (SSF 1.0 §8.1.1).

mod apply;
mod parse;
mod query;
mod view;

pub(super) use parse::required_stream_id;
pub use parse::{
    CreateStream, DeliveryMethod, DeliveryPatch, EndpointPatch, MemberChange, PatchStream,
    ReplaceStream, RequestedDelivery, Supplied,
};
pub use query::StreamsQuery;
pub use view::{DeliveryView, StreamContext, StreamView};

#[cfg(test)]
pub(super) mod tests {
    use crate::id::{Audience, ClientId, Issuer, Owner, StreamId, TenantId};
    use crate::stream::{Delivery, StreamRecord};
    use crate::timestamp::Timestamp;

    /// A poll stream for the tests of this module.
    pub(in crate::protocol) fn record() -> StreamRecord {
        StreamRecord::new(
            Issuer::parse("https://tr.example.com").unwrap(),
            Owner::new(TenantId::parse("t").unwrap(), ClientId::parse("c").unwrap()),
            StreamId::parse("s-1").unwrap(),
            Audience::parse("https://rp.example.net").unwrap(),
            Delivery::Poll,
            Timestamp::from_seconds(1000),
        )
    }
}
