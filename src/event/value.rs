//! The values that members of several events share.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::member::{Member, text};
use super::{EventError, EventProblem};
use crate::timestamp::Timestamp;

/// A time as events count it: whole seconds since 1970-01-01T00:00:00Z (CAEP 1.0 §2).
///
/// * not before that time;
/// * at most 9,999,999,999, which is in the year 2286: what is larger was counted in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventTimestamp(u64);

/// The last second that is not taken for a number of milliseconds.
const LAST_SECOND: u64 = 9_999_999_999;

impl EventTimestamp {
    /// That many seconds after 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// [`EventProblem::Milliseconds`] when it is more than 9,999,999,999.
    pub const fn from_seconds(seconds: u64) -> Result<Self, EventProblem> {
        if seconds > LAST_SECOND {
            return Err(EventProblem::Milliseconds);
        }
        Ok(Self(seconds))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn as_seconds(self) -> u64 {
        self.0
    }
}

/// Rounded down to the second.
impl TryFrom<Timestamp> for EventTimestamp {
    type Error = EventProblem;

    fn try_from(at: Timestamp) -> Result<Self, EventProblem> {
        let seconds = u64::try_from(at.as_seconds()).map_err(|_| NOT_SECONDS)?;
        Self::from_seconds(seconds)
    }
}

const NOT_SECONDS: EventProblem =
    EventProblem::Type("a whole number of seconds since 1970-01-01T00:00:00Z");

impl Member for EventTimestamp {
    fn read(value: &Value) -> Result<Self, EventError> {
        Ok(Self::from_seconds(value.as_u64().ok_or(NOT_SECONDS)?)?)
    }

    fn write(&self) -> Value {
        self.0.into()
    }
}

/// A message in one or more languages (CAEP 1.0 §2 `reason_admin`, `reason_user`).
///
/// * at least one language;
/// * each language is named by a tag of BCP 47 (RFC 5646), such as `en` or `es-410`, of which the
///   form is checked: subtags of 1 to 8 letters and digits, the first of 2 to 8 letters;
/// * no language comes twice, also not in other letters (`en-US`, `en-us`; RFC 5646 §2.1.1);
/// * no message is empty or nothing but white space.
///
/// ```
/// use ssf_transmitter::event::LocalizedText;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let reason = LocalizedText::new("en", "Left the company")?.with("de", "Ausgeschieden")?;
/// assert_eq!(reason.get("de"), Some("Ausgeschieden"));
/// assert!(LocalizedText::new("en", "").is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalizedText(BTreeMap<String, String>);

impl LocalizedText {
    /// A message in one language.
    ///
    /// # Errors
    /// When the tag is none or the message is empty; the tag is the member named.
    pub fn new(tag: impl Into<String>, message: impl Into<String>) -> Result<Self, EventError> {
        Self(BTreeMap::new()).with(tag, message)
    }

    /// The same in one more language; it replaces an earlier message in that language.
    ///
    /// # Errors
    /// Like [`new`](Self::new).
    pub fn with(
        mut self,
        tag: impl Into<String>,
        message: impl Into<String>,
    ) -> Result<Self, EventError> {
        let (tag, message) = (tag.into(), message.into());
        if !is_language_tag(&tag) {
            return Err(EventError::new(tag, EventProblem::NotLanguageTag));
        }
        if message.trim().is_empty() {
            return Err(EventError::new(tag, EventProblem::Empty));
        }
        self.0.retain(|other, _| !other.eq_ignore_ascii_case(&tag));
        self.0.insert(tag, message);
        Ok(self)
    }

    /// The message in the language of that tag.
    #[must_use]
    pub fn get(&self, tag: &str) -> Option<&str> {
        self.iter().find(|(other, _)| other.eq_ignore_ascii_case(tag)).map(|(_, message)| message)
    }

    /// Every tag with its message, sorted by tag.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(tag, message)| (tag.as_str(), message.as_str()))
    }
}

impl Member for LocalizedText {
    fn read(value: &Value) -> Result<Self, EventError> {
        let messages = value
            .as_object()
            .ok_or(EventProblem::Type("a JSON object of messages by language tag"))?;
        if messages.is_empty() {
            return Err(EventProblem::Empty.into());
        }
        let empty = Self(BTreeMap::new());
        messages.iter().try_fold(empty, |read, (tag, message)| {
            let message = text(message).map_err(|problem| EventError::new(tag, problem))?;
            if read.get(tag).is_some() {
                return Err(EventError::new(tag, EventProblem::LanguageTwice));
            }
            read.with(tag, message)
        })
    }

    fn write(&self) -> Value {
        self.iter().map(|(tag, message)| (tag.to_owned(), Value::from(message))).collect()
    }
}

/// `^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`: the least that every tag of RFC 5646 §2.1 in use fulfils.
fn is_language_tag(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().unwrap_or_default();
    (2..=8).contains(&language.len())
        && language.bytes().all(|c| c.is_ascii_alphabetic())
        && subtags.all(|subtag| {
            (1..=8).contains(&subtag.len()) && subtag.bytes().all(|c| c.is_ascii_alphanumeric())
        })
}

/// Claims with their new values, at least one (CAEP 1.0 §3.2 `claims`). A value is any JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// One claim with its new value.
    #[must_use]
    pub fn new(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self(Map::new()).with(name, value)
    }

    /// The same with one more claim; it replaces an earlier one of that name.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The new values by the names of their claims.
    #[must_use]
    pub const fn values(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl Member for Claims {
    fn read(value: &Value) -> Result<Self, EventError> {
        let claims = Map::read(value)?;
        if claims.is_empty() {
            return Err(EventProblem::Empty.into());
        }
        Ok(Self(claims))
    }

    fn write(&self) -> Value {
        self.0.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_timestamp_counts_whole_seconds_caep_1_0_2() {
        let read = |value: Value| EventTimestamp::read(&value).map_err(|error| error.problem);
        assert_eq!(read(json!(0)), Ok(EventTimestamp(0)));
        assert_eq!(read(json!(1_794_999_990)), Ok(EventTimestamp(1_794_999_990)));
        assert_eq!(read(json!(9_999_999_999_u64)), Ok(EventTimestamp(9_999_999_999)));
        assert_eq!(read(json!(10_000_000_000_u64)), Err(EventProblem::Milliseconds));
        assert_eq!(read(json!(1_794_999_990_000_u64)), Err(EventProblem::Milliseconds));
        for bad in [json!(-1), json!(1.5), json!(1e9), json!("1794999990"), json!(null)] {
            assert_eq!(read(bad.clone()), Err(NOT_SECONDS), "{bad}");
        }
        let at = Timestamp::from_millis(1_794_999_990_999);
        assert_eq!(EventTimestamp::try_from(at), Ok(EventTimestamp(1_794_999_990)));
        assert_eq!(EventTimestamp::try_from(Timestamp::from_millis(-1)), Err(NOT_SECONDS));
    }

    #[test]
    fn a_message_has_a_language_tag_bcp_47() {
        for good in ["en", "de", "es-410", "zh-Hant-TW", "sl-rozaj-biske-1994"] {
            let text = LocalizedText::new(good, "x").unwrap();
            assert_eq!(text.iter().collect::<Vec<_>>(), [(good, "x")]);
        }
        for bad in
            ["", "e", "en_US", "en-", "-en", "en--US", "e1", "deutschland", "en-deutschland", "dé"]
        {
            let error = EventError::new(bad, EventProblem::NotLanguageTag);
            assert_eq!(LocalizedText::new(bad, "x"), Err(error));
        }
    }

    #[test]
    fn a_localized_text_is_never_empty_caep_1_0_2() {
        let read = |value: Value| LocalizedText::read(&value).map_err(|error| error.inside("r"));
        let empty = |member: &str| EventError::new(member, EventProblem::Empty);
        assert_eq!(read(json!({})), Err(empty("r")));
        assert_eq!(read(json!({"en": ""})), Err(empty("r.en")));
        let no_text = EventError::new("r.en", EventProblem::Type("a string"));
        assert_eq!(read(json!({"en": null})), Err(no_text));
        let text = read(json!("text")).unwrap_err();
        assert_eq!(text.to_string(), "`r` must be a JSON object of messages by language tag");
        let both = LocalizedText::new("en", "x").unwrap().with("de", "y").unwrap();
        assert_eq!(both.write(), json!({"de": "y", "en": "x"}));
        assert_eq!(LocalizedText::new("en", "x").unwrap().with("de", ""), Err(empty("de")));
    }

    #[test]
    fn claims_are_at_least_one_of_any_type_caep_1_0_3_2() {
        let claims =
            Claims::new("role", "ro-admin").with("trusted", false).with("gone", Value::Null);
        let wire = json!({"role": "ro-admin", "trusted": false, "gone": null});
        assert_eq!(claims.write(), wire);
        assert_eq!(Claims::read(&wire), Ok(claims));
        assert_eq!(Claims::read(&json!({})), Err(EventProblem::Empty.into()));
        assert_eq!(Claims::read(&json!([])), Err(EventProblem::Type("a JSON object").into()));
    }
}
