//! Pushes that cannot begin because of us: a secret that does not open, a token that is not to be
//! had (P7), and tokens that are renewed.

use ssf_transmitter::deliver::PushRequest;
use ssf_transmitter::id::{Jti, StreamId};
use ssf_transmitter::outbox::Fate;

use super::{Model, Process};
use crate::rules::Ending;
use crate::secrets::stream_of;

impl Model {
    /// A push asks for its authorization.
    pub(crate) fn asks(&mut self) {
        self.asking += 1;
    }

    /// It was answered, or it is hindered: which of the stream's pushes it was, nobody says.
    pub(crate) fn asked(&mut self, by: Process, stream: &StreamId, answered: bool) {
        self.next_moment();
        self.asking -= 1;
        if !answered {
            *self.hindered.entry((by, stream.clone())).or_default() += 1;
        }
    }

    /// A token that was refused is replaced by another.
    pub(crate) fn renewed(&mut self, token: &str) {
        self.renewed.insert(token.to_owned());
    }

    /// The request that was never made was hindered, if any of the stream's was.
    pub(super) fn hinder(&mut self, by: Process, jti: &Jti, fence: u64, fate: &Fate) {
        let Some(entry) = self.entries.get_mut(jti) else { return };
        let Some(attempt) = entry.tries.get_mut(&fence) else { return };
        if attempt.request.is_some() || *fate == Fate::Return {
            return;
        }
        let Some(hindered) = self.hindered.get_mut(&(by, entry.stream.clone())) else { return };
        if *hindered > 0 {
            *hindered -= 1;
            attempt.ending = Some(Ending::Hindered);
            self.happened("a push was hindered");
        }
    }

    /// P1, P10: a request carries the stream's own secret, or a token for that stream.
    pub(super) fn may_carry(
        &self,
        stream: &StreamId,
        secret: Option<&str>,
        push: &PushRequest,
    ) -> bool {
        let header = push.authorization.as_ref().map(|header| header.expose());
        match (secret, self.tokens_are_had) {
            (None, true) => header.and_then(stream_of) == Some(stream.as_str()),
            (own, _) => header == own,
        }
    }
}
