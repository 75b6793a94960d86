//! Bearer tokens in requests (RFC 6750 §2).

use crate::secret::Secret;

/// What a request brings to prove who sent it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// No bearer token.
    Absent,
    /// A bearer token, legal by its grammar.
    Token(Secret),
    /// More than one `Authorization` header.
    Several,
    /// Something that is no legal bearer token.
    Malformed,
}

/// Reads the values of all `Authorization` headers of a request. Tokens in the query or the body
/// are not looked for: RFC 6750 §2.3 allows to refuse them, and the CAEP interoperability profile
/// demands it.
#[must_use]
pub fn bearer_token<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Credentials {
    let mut headers = headers.into_iter();
    let Some(header) = headers.next() else { return Credentials::Absent };
    // Two headers could mean two receivers.
    if headers.next().is_some() {
        return Credentials::Several;
    }
    let Ok(header) = std::str::from_utf8(header) else { return Credentials::Malformed };
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    // RFC 9110 §11.1: the scheme is compared without regard to case.
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Credentials::Absent;
    }
    let token = token.trim_matches(' ');
    if is_b64token(token) { Credentials::Token(Secret::new(token)) } else { Credentials::Malformed }
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
pub(crate) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(headers: &[&str]) -> String {
        match bearer_token(headers.iter().map(|header| header.as_bytes())) {
            Credentials::Absent => "absent".to_owned(),
            Credentials::Token(token) => format!("token {}", token.expose()),
            Credentials::Several => "several".to_owned(),
            Credentials::Malformed => "malformed".to_owned(),
        }
    }

    #[test]
    fn the_scheme_is_compared_without_regard_to_case_rfc_9110_11_1() {
        for header in ["Bearer abc", "bearer abc", "BEARER  abc"] {
            assert_eq!(read(&[header]), "token abc", "{header}");
        }
    }

    #[test]
    fn the_grammar_of_tokens_is_rfc_6750_2_1() {
        assert_eq!(read(&["Bearer a-._~+/9=="]), "token a-._~+/9==");
        for header in ["Bearer", "Bearer ", "Bearer =", "Bearer a b", "Bearer a\"b", "Bearer é"] {
            assert_eq!(read(&[header]), "malformed", "{header}");
        }
    }

    #[test]
    fn another_scheme_is_no_bearer_token_and_two_headers_are_several() {
        assert_eq!(read(&[]), "absent");
        assert_eq!(read(&["Basic dTpw"]), "absent");
        assert_eq!(read(&["Bearer a", "Bearer b"]), "several");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_a_token_is_visible_ascii(header: Vec<u8>, text in "Bearer .*") {
            for header in [&header[..], text.as_bytes()] {
                if let Credentials::Token(token) = bearer_token([header]) {
                    prop_assert!(token.expose().bytes().all(|b| b.is_ascii_graphic()));
                }
            }
        }
    }
}
