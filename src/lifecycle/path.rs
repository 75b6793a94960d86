//! Where an attribute of an identity is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Where an attribute is: a JSON pointer (RFC 6901) into the attributes of an identity.
///
/// * a text that begins with `/` is a pointer: `/name/familyName`, `/emails/0/value`; `~0` stands
///   for `~` and `~1` for `/`, and `~` stands nowhere else;
/// * any other text is the name of an attribute, without `/`, `~` and control characters: `status`
///   is `/status`.
///
/// ```
/// use ssf_transmitter::lifecycle::AttributePath;
///
/// assert_eq!(AttributePath::parse("status"), AttributePath::parse("/status"));
/// assert!(AttributePath::parse("/a~2b").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttributePath(Arc<str>);

/// Why a text is neither the name of an attribute nor a JSON pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// There is nothing in it, or it points at all attributes at once.
    #[error("must name an attribute")]
    Empty,
    /// A `~` that is not followed by 0 or 1 (RFC 6901 §3).
    #[error("must be a JSON pointer: `~` is followed by 0 or 1")]
    Escape,
    /// A name with a character that only a pointer may hold.
    #[error("must be a name without `/` and `~`, or a JSON pointer that begins with `/`")]
    NotName,
}

impl AttributePath {
    /// Reads a name or a pointer.
    ///
    /// # Errors
    /// [`PathError`] when the text breaks a rule listed at the type.
    pub fn parse(text: impl AsRef<str>) -> Result<Self, PathError> {
        let text = text.as_ref();
        if text.is_empty() || text == "/" {
            return Err(PathError::Empty);
        }
        if !text.starts_with('/') {
            let name = !text.contains(['/', '~']) && !text.contains(char::is_control);
            return if name {
                Ok(Self(format!("/{text}").into()))
            } else {
                Err(PathError::NotName)
            };
        }
        let escaped = |rest: &str| rest.starts_with(['0', '1']);
        if text.split('~').skip(1).all(escaped) {
            Ok(Self(text.into()))
        } else {
            Err(PathError::Escape)
        }
    }

    /// The pointer.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value there. `None`: the attribute is missing. `null` is a value.
    #[must_use]
    pub fn of<'a>(&self, attributes: &'a Map<String, Value>) -> Option<&'a Value> {
        let pointer = &self.0[1..];
        let (first, rest) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
        attributes.get(&*unescape(first)).and_then(|value| value.pointer(rest))
    }
}

fn unescape(token: &str) -> Cow<'_, str> {
    if token.contains('~') {
        // RFC 6901 §4: `~1` first, so that `~01` becomes `~1` and not `/`.
        token.replace("~1", "/").replace("~0", "~").into()
    } else {
        token.into()
    }
}

impl TryFrom<String> for AttributePath {
    type Error = PathError;

    fn try_from(text: String) -> Result<Self, PathError> {
        Self::parse(text)
    }
}

impl From<AttributePath> for String {
    fn from(path: AttributePath) -> Self {
        path.as_str().to_owned()
    }
}

impl fmt::Debug for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for AttributePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_leads_to_its_value_rfc_6901_4() {
        let attributes = json!({
            "status": "active", "name": {"family": "Ito"}, "emails": [{"value": "a@b.example"}],
            "a/b": 1, "~1": 2, "none": null
        });
        let attributes = attributes.as_object().unwrap();
        let at = |path: &str| AttributePath::parse(path).unwrap().of(attributes).cloned();
        assert_eq!(at("status"), Some(json!("active")));
        assert_eq!(at("/name/family"), Some(json!("Ito")));
        assert_eq!(at("/emails/0/value"), Some(json!("a@b.example")));
        assert_eq!(at("/a~1b"), Some(json!(1)));
        assert_eq!(at("/~01"), Some(json!(2)));
        assert_eq!(at("none"), Some(json!(null)));
        for missing in ["other", "/name/given", "/emails/1/value", "/emails/x", "/status/x"] {
            assert_eq!(at(missing), None, "{missing}");
        }
    }

    #[test]
    fn what_is_neither_name_nor_pointer_is_refused_rfc_6901_3() {
        let refused = [
            ("", PathError::Empty),
            ("/", PathError::Empty),
            ("/a~", PathError::Escape),
            ("/a~2", PathError::Escape),
            ("#/a", PathError::NotName),
            ("a/b", PathError::NotName),
            ("a~b", PathError::NotName),
        ];
        for (text, error) in refused {
            assert_eq!(AttributePath::parse(text), Err(error), "{text}");
        }
    }
}
