//! The query of requests about streams: which stream, or which of them.

use url::form_urlencoded;

use crate::id::StreamId;
use crate::protocol::profile::{AudienceFilter, Profile};
use crate::protocol::refusal::{InvalidRequest, Problem, Refusal};

use super::view::StreamView;

/// What a query asks for (SSF 1.0 §8.1.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamsQuery {
    /// That stream; without it, all streams of the receiver.
    pub stream_id: Option<StreamId>,
    /// Of all streams, those whose audience contains this.
    pub audience: Option<String>,
}

impl StreamsQuery {
    /// Reads a query. An empty `stream_id` is a fault, never the list of all streams; so is
    /// whatever comes twice.
    ///
    /// # Errors
    /// [`Refusal::Invalid`], or [`Refusal::UnknownStream`] for what no stream can be called.
    pub fn parse(query: Option<&str>, profile: &Profile) -> Result<Self, Refusal> {
        let query = query.unwrap_or_default();
        let stream_id = match value(query, "stream_id")? {
            Some(id) if id.is_empty() => return Err(missing_stream_id()),
            Some(id) => Some(StreamId::parse(id).map_err(|_| Refusal::UnknownStream)?),
            None => None,
        };
        let audience = match profile.audience_filter {
            AudienceFilter::None => None,
            AudienceFilter::Contains => value(query, "aud")?,
        };
        Ok(Self { stream_id, audience })
    }

    /// The stream of a query that must name one.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] when it names none.
    pub fn required(self) -> Result<StreamId, Refusal> {
        self.stream_id.ok_or_else(missing_stream_id)
    }

    /// Whether a stream is among those that are asked for.
    #[must_use]
    pub fn admits(&self, stream: &StreamView) -> bool {
        self.audience.as_ref().is_none_or(|wanted| stream.aud.as_str().contains(wanted))
    }
}

/// The value of a parameter that comes at most once.
fn value(query: &str, name: &'static str) -> Result<Option<String>, InvalidRequest> {
    let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(known, _)| known == name);
    let first = values.next().map(|(_, value)| value.into_owned());
    match values.next() {
        Some(_) => Err(InvalidRequest::new(name, Problem::Duplicate)),
        None => Ok(first),
    }
}

fn missing_stream_id() -> Refusal {
    InvalidRequest::new("stream_id", Problem::Missing).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(profile: &Profile, query: &str) -> Result<StreamsQuery, Refusal> {
        StreamsQuery::parse(Some(query), profile)
    }

    fn fault(query: &str, problem: Problem) {
        let name = query.split('=').next().unwrap();
        let expected = Err(InvalidRequest::new(name, problem).into());
        assert_eq!(parse(&Profile::sailpoint(), query), expected, "{query}");
    }

    #[test]
    fn a_query_names_one_stream_or_none() {
        let ssf = Profile::ssf();
        for nothing in ["", "x=1", "aud=x", "STREAM_ID=x"] {
            assert_eq!(parse(&ssf, nothing), Ok(StreamsQuery::default()), "{nothing}");
        }
        let named = parse(&ssf, "x=1&stream_id=s-1").unwrap();
        assert_eq!(named.required(), Ok(StreamId::parse("s-1").unwrap()));
        assert_eq!(parse(&ssf, "stream_id=%2F"), Err(Refusal::UnknownStream));
        let missing = InvalidRequest::new("stream_id", Problem::Missing).into();
        assert_eq!(StreamsQuery::default().required(), Err(missing));
    }

    #[test]
    fn an_empty_stream_id_in_a_query_is_a_fault_never_the_list() {
        fault("stream_id=", Problem::Missing);
        fault("stream_id", Problem::Missing);
    }

    #[test]
    fn nothing_comes_twice() {
        fault("stream_id=a&stream_id=b", Problem::Duplicate);
        fault("aud=a&aud=b", Problem::Duplicate);
        assert_eq!(parse(&Profile::ssf(), "aud=a&aud=b"), Ok(StreamsQuery::default()));
    }

    #[test]
    fn the_audience_narrows_where_the_profile_says_so() {
        let wanted = parse(&Profile::sailpoint(), "aud=rp%2F").unwrap().audience;
        assert_eq!(wanted.as_deref(), Some("rp/"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(query: String) {
            for profile in [Profile::ssf(), Profile::sailpoint()] {
                let _ = parse(&profile, &query);
            }
        }
    }
}
