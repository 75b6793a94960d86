//! The streams of one issuer, each in a numbered place.

use std::collections::HashMap;

use super::stream::Stream;
use crate::id::StreamId;

/// The number of a stream among those of its issuer. When it is gone, another gets its number.
pub(super) type StreamNumber = u32;

/// Streams by identifier and by number. Who knows the number finds its stream at once; the
/// identifier has to be looked up first, and of many streams the memory of the table is cold.
#[derive(Debug, Default)]
pub(super) struct Streams {
    numbers: HashMap<StreamId, StreamNumber>,
    /// Boxed, so that room for growth costs little.
    places: Vec<Option<Box<Stream>>>,
    free: Vec<StreamNumber>,
}

impl Streams {
    /// Puts a stream, which is not there yet, in a place.
    pub(super) fn insert(&mut self, stream: Stream) -> StreamNumber {
        let (id, stream) = (stream.record.stream_id.clone(), Some(Box::new(stream)));
        let number = match self.free.pop() {
            Some(free) => {
                if let Some(place) = self.places.get_mut(free as usize) {
                    *place = stream;
                }
                free
            }
            None => {
                // Memory ends long before numbers do.
                let number = StreamNumber::try_from(self.places.len()).unwrap_or(StreamNumber::MAX);
                self.places.push(stream);
                number
            }
        };
        self.numbers.insert(id, number);
        number
    }

    /// Takes a stream out of its place.
    pub(super) fn remove(&mut self, id: &StreamId) -> Option<(StreamNumber, Stream)> {
        let number = self.numbers.remove(id)?;
        let stream = self.places.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some((number, *stream))
    }

    /// The number of a stream.
    pub(super) fn number(&self, id: &StreamId) -> Option<StreamNumber> {
        self.numbers.get(id).copied()
    }

    pub(super) fn at(&self, number: StreamNumber) -> Option<&Stream> {
        self.places.get(number as usize)?.as_deref()
    }

    pub(super) fn at_mut(&mut self, number: StreamNumber) -> Option<&mut Stream> {
        self.places.get_mut(number as usize)?.as_deref_mut()
    }

    pub(super) fn get(&self, id: &StreamId) -> Option<&Stream> {
        self.at(self.number(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &StreamId) -> Option<&mut Stream> {
        self.at_mut(self.number(id)?)
    }

    /// All streams, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter_map(Option::as_deref)
    }
}
