//! A receiver that repeats the secret it was sent: nothing of that is kept.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use url::form_urlencoded;

use crate::secret::Secret;
use crate::stream::AuthorizationHeader;
use crate::subject::is_format;

/// What stands for a text that repeats a secret.
const REDACTED: &str = "[redacted]";
/// Shorter parts of a secret are found everywhere.
const LEAST: usize = 4;

/// The forms in which the value of an `Authorization` header is recognised: the credentials, with
/// and without the scheme; those of `Basic` also decoded, and the password alone; each of them as
/// it is, with white space in between, percent-encoded, or in base64 of either alphabet, in
/// whatever case.
pub(crate) struct Echo {
    forms: Vec<Secret>,
}

impl Echo {
    pub(crate) fn of(header: &AuthorizationHeader) -> Self {
        let header = header.expose();
        let (scheme, credentials) = header.split_once([' ', '\t']).unwrap_or(("", header));
        let mut plain = vec![Secret::new(header), Secret::new(credentials)];
        if scheme.eq_ignore_ascii_case("Basic") {
            let decoded = URL_SAFE_NO_PAD.decode(squeezed_base64(credentials));
            if let Ok(Ok(pair)) = decoded.map(String::from_utf8) {
                plain.extend(pair.split_once(':').map(|(_, password)| Secret::new(password)));
                plain.push(Secret::new(pair));
            }
        }
        let encoded = plain.iter().map(|form| URL_SAFE_NO_PAD.encode(form.expose()));
        let encoded: Vec<_> = encoded.map(Secret::new).collect();
        let forms = plain.iter().chain(&encoded).map(|form| squeezed(form.expose()));
        Self { forms: forms.filter(|form| form.len() >= LEAST).map(Secret::new).collect() }
    }

    /// Whether the text holds the secret in one of the forms.
    fn is_in(&self, text: &str) -> bool {
        let decoded: String = form_urlencoded::parse(text.as_bytes())
            .flat_map(|(name, value)| [name.into_owned(), value.into_owned()])
            .collect();
        [squeezed(text), squeezed(&decoded)]
            .iter()
            .any(|text| self.forms.iter().any(|form| text.contains(form.expose())))
    }

    /// The error body of an answer (RFC 8935 §2.3) without texts that hold the secret. Whatever is
    /// no such body is nothing.
    pub(crate) fn removed(&self, body: &[u8]) -> Vec<u8> {
        // As text the body may hold it escaped: only what is read out of it can be looked at.
        let Ok(Value::Object(mut members)) = serde_json::from_slice(body) else {
            return Vec::new();
        };
        members.retain(|name, _| ["err", "description"].contains(&name.as_str()));
        for value in members.values_mut() {
            if value.as_str().is_some_and(|text| self.is_in(text)) {
                *value = REDACTED.into();
            }
        }
        Value::Object(members).to_string().into_bytes()
    }
}

/// A text in the one form that texts are compared in: lower case, the base64 of URLs, nothing that
/// separates or is not seen.
fn squeezed(text: &str) -> String {
    let seen = |c: &char| !(c.is_whitespace() || c.is_control() || is_format(*c) || *c == '&');
    squeezed_base64(text).chars().filter(seen).flat_map(char::to_lowercase).collect()
}

fn squeezed_base64(text: &str) -> String {
    text.replace('+', "-").replace('/', "_").replace('=', "")
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    fn kept(header: &str, description: &str) -> String {
        let echo = Echo::of(&AuthorizationHeader::parse(header).unwrap());
        let body = json!({"err": "x", "description": description, "more": description});
        let removed = echo.removed(body.to_string().as_bytes());
        let removed: Value = serde_json::from_slice(&removed).unwrap();
        assert_eq!((removed["err"].as_str(), removed.get("more")), (Some("x"), None));
        removed["description"].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_secret_is_recognised_in_its_usual_codes() {
        let header = "Bearer s3cret/of+the=receiver";
        for echoed in [
            "got Bearer s3cret/of+the=receiver",
            "s3cret/of+the=receiver",
            "S3CRET/OF+THE=RECEIVER",
            "s3cret/ of+the\n=receiver",
            "s3cret\u{200b}/of+the\u{202e}=receiver",
            "token=s3cret%2Fof%2Bthe%3Dreceiver&x",
            "%73%33%63%72%65%74/of%2bthe%3dreceiver",
            &STANDARD.encode("s3cret/of+the=receiver"),
            &format!("got {} here", STANDARD.encode(header)),
            &URL_SAFE_NO_PAD.encode(header),
        ] {
            assert_eq!(kept(header, echoed), REDACTED, "{echoed}");
        }
    }

    #[test]
    fn the_decoded_credentials_of_basic_are_a_secret_too() {
        let header = format!("Basic {}", STANDARD.encode("user:pass:w0rd"));
        for echoed in ["user:pass:w0rd", "wrong password pass:w0rd", &header] {
            assert_eq!(kept(&header, echoed), REDACTED, "{echoed}");
        }
        assert_eq!(kept(&header, "no such user"), "no such user");
    }

    #[test]
    fn an_escaped_secret_is_seen_through_its_escapes() {
        let echo = Echo::of(&AuthorizationHeader::parse("Bearer s3cret").unwrap());
        let removed = echo.removed(br#"{"err":"s\u0033cret","description":"\u00733cre\u0074"}"#);
        let both = json!({"err": REDACTED, "description": REDACTED});
        assert_eq!(serde_json::from_slice::<Value>(&removed).unwrap(), both);
    }

    #[test]
    fn other_texts_are_kept_and_what_is_no_error_body_is_not() {
        assert_eq!(kept("Bearer s3cret", "the secret is wrong"), "the secret is wrong");
        assert_eq!(kept("Bearer x", "x marks the spot"), "x marks the spot");
        let echo = Echo::of(&AuthorizationHeader::parse("Bearer s3cret").unwrap());
        for body in [&b"s3cret"[..], b"[\"s3cret\"]", b"\"s3cret\"", b"{\"err\":\"s3cret"] {
            assert_eq!(echo.removed(body), b"");
        }
    }
}
