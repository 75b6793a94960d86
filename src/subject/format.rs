//! The texts inside subject identifiers: each a type of its own, checked once, when it is made.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::SubjectProblem;
use crate::id::StreamId;

/// The text is kept as it came and compared byte by byte: SSF 1.0 §8.1.3.1 matches subjects that are
/// "identical".
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $problem:ident, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// Checks the text and keeps it.
            ///
            /// # Errors
            /// [`SubjectProblem`] when the text breaks a rule listed at the type.
            pub fn parse(text: impl AsRef<str>) -> Result<Self, SubjectProblem> {
                let text = text.as_ref();
                let check: fn(&str) -> bool = $check;
                if text.is_empty() {
                    return Err(SubjectProblem::Empty);
                }
                if check(text) { Ok(Self(text.into())) } else { Err(SubjectProblem::$problem) }
            }

            /// The text as it came.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text! {
    /// Any text that is not empty (RFC 9493 §3).
    NonEmptyText, Empty, |_| true
}

text! {
    /// The issuer or the subject of a token: any text that is not empty, and a URI when there is a
    /// colon in it (RFC 7519 §2 `StringOrURI`).
    StringOrUri, NotStringOrUri, |text| !text.contains(':') || is_uri(text)
}

text! {
    /// The name of a subject identifier format (RFC 9493 §3).
    ///
    /// * not empty;
    /// * no white space, no control characters, none that is not seen.
    FormatName, NotFormatName, |text| text.chars().all(is_visible)
}

text! {
    /// An `acct` URI (RFC 7565 §7), such as `acct:user@example.com`.
    AcctUri, NotAcctUri, is_acct_uri
}

text! {
    /// An email address (`addr-spec`, RFC 5322 §3.4.1): no display name, no angle brackets, no
    /// comments, no folded lines.
    ///
    /// * the local part is a `dot-atom` or a quoted string without control characters (RFC 5321
    ///   §4.1.2), at most 64 bytes;
    /// * the domain is a host name or an address literal (RFC 5321 §4.1.2, §4.1.3), at most 255
    ///   bytes;
    /// * characters beyond ASCII are taken in both (RFC 6532 §3.2), but for those that are not seen:
    ///   two addresses that look the same would not be.
    EmailAddress, NotEmail, is_email
}

text! {
    /// A telephone number with its country code, in the form of E.164: `+` and 2 to 15 digits,
    /// the first not 0; no spaces, no punctuation.
    PhoneNumber, NotPhoneNumber, is_phone_number
}

text! {
    /// A DID URL or a bare DID (W3C DID Core §3.1, §3.2).
    DidUrl, NotDidUrl, is_did_url
}

text! {
    /// A URI (RFC 3986 §3): a scheme, a colon and what follows it, in the characters of a URI.
    /// Nothing is assumed about its scheme or what it leads to (RFC 9493 §3.2.7).
    Uri, NotUri, is_uri
}

text! {
    /// The path of a resource relative to a SCIM service, such as
    /// `/Users/2b2f880af6674ac284bae9381673d462` (RFC 9967 §2.1).
    ///
    /// * no scheme, no host, no query, no fragment;
    /// * an endpoint and an identifier: two segments or more, none of them empty, `.` or `..`.
    RelativePath, NotRelativePath, is_relative_path
}

impl From<&StreamId> for NonEmptyText {
    /// A stream identifier is never empty.
    fn from(stream: &StreamId) -> Self {
        Self(stream.as_str().into())
    }
}

fn is_visible(c: char) -> bool {
    // RFC 5892 §2.6: host names of several scripts need the joiners.
    let joins = matches!(c, '\u{200c}' | '\u{200d}');
    !c.is_whitespace() && !c.is_control() && (joins || !is_format(c))
}

/// Characters that are not seen and change how others are: they join and part, turn the direction
/// of the text, break lines, or carry hidden text (the general categories Cf, Zl and Zp of Unicode,
/// and the selectors of variants).
pub(crate) const fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
        | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// RFC 7565 §7: `"acct" ":" userpart "@" host`.
fn is_acct_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let Some((user, host)) = rest.split_once('@') else { return false };
    // RFC 7565 §7: only what follows the first character of `userpart` may be percent-encoded.
    let user_ok = !user.is_empty() && !user.starts_with('%') && is_encoded(user, is_name_byte);
    scheme.eq_ignore_ascii_case("acct") && user_ok && is_uri_host(host)
}

/// RFC 3986 §3.2.2 `host`, not empty.
fn is_uri_host(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(literal) => is_ip_literal(literal),
        None => !host.is_empty() && is_encoded(host, is_name_byte),
    }
}

/// RFC 3986 §3.2.2: what stands in the brackets of an `IP-literal`.
fn is_ip_literal(literal: &str) -> bool {
    let future = |rest: &str| {
        rest.split_once('.').is_some_and(|(version, address)| {
            let hexadecimal = version.bytes().all(|c| c.is_ascii_hexdigit());
            let known = |c: u8| is_name_byte(c) || c == b':';
            hexadecimal && !version.is_empty() && !address.is_empty() && address.bytes().all(known)
        })
    };
    literal.parse::<Ipv6Addr>().is_ok() || literal.strip_prefix(['v', 'V']).is_some_and(future)
}

/// RFC 5322 §3.4.1 `addr-spec`, with the parts of RFC 5321: mail can be delivered to it.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let local_ok = local.len() <= 64 && (is_dot_atom(local) || is_quoted(local));
    local_ok && domain.len() <= 255 && is_mail_domain(domain)
}

/// RFC 5322 §3.2.3 `dot-atom`, without what may surround it.
fn is_dot_atom(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

/// RFC 5321 §4.1.2 `Quoted-string`; RFC 6531 §3.3 adds everything beyond ASCII.
fn is_quoted(local: &str) -> bool {
    let inner = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(mut characters) = inner.map(str::chars) else { return false };
    while let Some(c) = characters.next() {
        let ok = match c {
            '"' => false,
            '\\' => characters.next().is_some_and(|quoted| matches!(quoted, ' '..='~')),
            c => c == ' ' || is_visible(c),
        };
        if !ok {
            return false;
        }
    }
    true
}

/// RFC 5322 §3.2.3 `atext`; RFC 6532 §3.2 adds everything beyond ASCII.
fn is_atext(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c)
    } else {
        is_visible(c)
    }
}

fn is_mail_domain(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        // RFC 5234 §2.3: case does not count in the tag.
        return match literal.split_once(':') {
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => {
                address.parse::<Ipv6Addr>().is_ok()
            }
            _ => literal.parse::<Ipv4Addr>().is_ok(),
        };
    }
    domain.split('.').all(is_domain_label)
}

/// RFC 5321 §4.1.2 `sub-domain`; RFC 6531 §3.3 adds everything beyond ASCII.
fn is_domain_label(label: &str) -> bool {
    let character = |c: char| {
        if c.is_ascii() { c.is_ascii_alphanumeric() || c == '-' } else { is_visible(c) }
    };
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(character)
}

/// `^\+[1-9][0-9]{1,14}$`
fn is_phone_number(text: &str) -> bool {
    let Some(digits) = text.strip_prefix('+') else { return false };
    (2..=15).contains(&digits.len())
        && !digits.starts_with('0')
        && digits.bytes().all(|c| c.is_ascii_digit())
}

/// W3C DID Core §3.1 and §3.2: `"did:" method ":" id path-abempty [ "?" query ] [ "#" fragment ]`.
fn is_did_url(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("did:") else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (did, tail) = rest.split_at(end);
    let Some((method, id)) = did.split_once(':') else { return false };
    let method_ok =
        !method.is_empty() && method.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let id_ok = !id.is_empty()
        && !id.ends_with(':')
        && is_encoded(id, |c| c.is_ascii_alphanumeric() || b".-_:".contains(&c));
    let tail_ok = tail.matches('#').count() <= 1
        && is_encoded(tail, |c| is_path_byte(c) || b"?#".contains(&c));
    method_ok && id_ok && tail_ok
}

/// RFC 3986 §3: `scheme ":" hier-part [ "?" query ] [ "#" fragment ]`.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(place) => place.split_at(place.find('/').unwrap_or(place.len())),
        None => ("", hierarchy),
    };
    scheme_ok
        && is_authority(authority)
        && is_encoded(path, is_path_byte)
        && is_encoded(query, |c| is_path_byte(c) || c == b'?')
        && is_encoded(fragment, |c| is_path_byte(c) || c == b'?')
}

/// RFC 3986 §3.2: `[ userinfo "@" ] host [ ":" port ]`; the host may be empty. Brackets stand
/// around an IP literal and nowhere else.
fn is_authority(text: &str) -> bool {
    let (user, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (host_ok, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((literal, port)) => (is_ip_literal(literal), port),
        None => {
            let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
            (is_encoded(host, is_name_byte), port)
        }
    };
    let port_ok = match port.strip_prefix(':') {
        Some(digits) => digits.bytes().all(|c| c.is_ascii_digit()),
        None => port.is_empty(),
    };
    host_ok && port_ok && is_encoded(user, |c| is_name_byte(c) || c == b':')
}

/// RFC 3986 §3.3 `path-absolute` or `path-noscheme`, of the endpoint and the identifier that SCIM
/// puts behind it.
fn is_relative_path(text: &str) -> bool {
    let first = text.split('/').next().unwrap_or_default();
    let path = text.strip_prefix('/').unwrap_or(text);
    path.contains('/')
        && path.split('/').all(|segment| !segment.is_empty() && !is_dots(segment))
        && !first.contains(':')
        && is_encoded(text, is_path_byte)
}

/// RFC 3986 §3.3 and §6.2.2.2: a `dot-segment`, encoded or not.
fn is_dots(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Whether every byte is allowed or part of a percent-encoded one (RFC 3986 §2.1).
fn is_encoded(text: &str, allowed: fn(u8) -> bool) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let ok = if byte == b'%' {
            let mut hex = || bytes.next().is_some_and(|c| c.is_ascii_hexdigit());
            hex() && hex()
        } else {
            allowed(byte)
        };
        if !ok {
            return false;
        }
    }
    true
}

/// RFC 3986 §2.2 and §2.3: `unreserved` or one of `sub-delims`.
fn is_name_byte(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&c)
}

/// RFC 3986 §3.3: `pchar` or the slash between segments.
fn is_path_byte(c: u8) -> bool {
    is_name_byte(c) || b":@/".contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every good text is kept as it came; every bad one is refused with that problem.
    fn check<T: AsRef<str>>(
        parse: fn(&'static str) -> Result<T, SubjectProblem>,
        good: &[&'static str],
        bad: &[&'static str],
        problem: SubjectProblem,
    ) {
        for text in good {
            assert_eq!(parse(text).map(|t| t.as_ref().to_owned()), Ok((*text).to_owned()));
        }
        for text in bad {
            assert_eq!(parse(text).map(|_| ()), Err(problem), "{text}");
        }
        assert_eq!(parse("").map(|_| ()), Err(SubjectProblem::Empty));
    }

    #[test]
    fn an_account_is_an_acct_uri_rfc_7565() {
        check(
            AcctUri::parse,
            &[
                "acct:user@example.com",
                "ACCT:a%40b@h",
                "acct:a!$&'()*+,;=~@[2001:db8::1]",
                "acct:a@[v1.x:y]",
            ],
            &[
                "user@example.com",
                "acct:example.com",
                "acct:@example.com",
                "acct:user@",
                "acct:%40a@h",
                "acct:a@b@h",
                "acct:a b@h",
                "acct:é@h",
                "acct:a%4@h",
                "acct:user@h:443",
                "acct:user@[x]",
                "acct:user@[v1]",
                "mailto:user@example.com",
            ],
            SubjectProblem::NotAcctUri,
        );
    }

    #[test]
    fn an_email_address_is_an_addr_spec_rfc_5322_3_4_1() {
        check(
            EmailAddress::parse,
            &[
                "user@example.com",
                "first.last+tag@mail.example.com",
                "!#$%&'*+-/=?^_`{|}~@x",
                "root@localhost",
                "u@[192.0.2.1]",
                "u@[IPv6:2001:db8::1]",
                "u@[ipv6:2001:db8::1]",
                "u@نامه\u{200c}ای.example",
                "üser@bücher.example",
                "\"user\"@example.com",
                "\"a b@c..d\"@example.com",
                "\"\\\"\\\\\"@[192.0.2.1]",
                "\"\"@example.com",
                "\"ü\"@example.com",
            ],
            &[
                "user",
                "@example.com",
                "user@",
                "User <user@example.com>",
                "<user@example.com>",
                "user@example.com (comment)",
                "user @example.com",
                " user@example.com",
                "user@example.com\n",
                "\"user@example.com",
                "user\"@example.com",
                "\"us\"er\"@example.com",
                "\"user\\\"@example.com",
                "\"us\ter\"@example.com",
                "\"us\\\ter\"@example.com",
                "\"us\r\n er\"@example.com",
                "\"a\".b@example.com",
                "\"@example.com",
                "\"Jane Doe\" <jane@example.com>",
                "a..b@example.com",
                ".a@example.com",
                "a@b@example.com",
                "a,b@example.com",
                "user@example..com",
                "user@-example.com",
                "user@example.com.",
                "user@under_score.example",
                "user@[300.0.2.1]",
                "user\u{a0}x@example.com",
                "us\u{200b}er@example.com",
                "user@example\u{202e}.com",
                "\"us\u{2066}er\"@example.com",
                "u@[IPv7:2001:db8::1]",
            ],
            SubjectProblem::NotEmail,
        );
        let long = format!("{}@example.com", "a".repeat(65));
        assert_eq!(EmailAddress::parse(long), Err(SubjectProblem::NotEmail));
        let quoted =
            |spaces| EmailAddress::parse(format!("\"{}\"@example.com", " ".repeat(spaces)));
        assert_eq!(quoted(62).map(|_| ()), Ok(()));
        assert_eq!(quoted(63), Err(SubjectProblem::NotEmail));
    }

    #[test]
    fn a_phone_number_is_e_164_without_spaces() {
        check(
            PhoneNumber::parse,
            &["+12065550123", "+12", "+123456789012345"],
            &[
                "+1 206 555 0123",
                "12065550123",
                "+02065550123",
                "+1",
                "+",
                "+1234567890123456",
                "+1-206",
                "+1２",
                "+12065550123\n",
            ],
            SubjectProblem::NotPhoneNumber,
        );
    }

    #[test]
    fn a_did_url_may_be_a_bare_did() {
        check(
            DidUrl::parse,
            &["did:example:123456", "did:web:h:u%3A1", "did:example:123456/did/url/path?q=1#key-1"],
            &[
                "example:123",
                "did:example",
                "did:example:",
                "did:example:a:",
                "did:Example:a",
                "did::a",
                "DID:example:a",
                "did:example:a b",
                "did:example:a#b#c",
                "did:example:a~b",
            ],
            SubjectProblem::NotDidUrl,
        );
    }

    #[test]
    fn a_uri_has_a_scheme_rfc_3986() {
        check(
            Uri::parse,
            &[
                "https://user.example.com/",
                "urn:uuid:4e851e98-83c4-4743-a5da-150ecb53042f",
                "spiffe://example.org/ns/x",
                "http://[2001:db8::1]/?q#f",
                "http://u:p@[v7.x:y]:8443",
                "ldap://example.com:389/c=GB?one??two",
                "file:///a/b",
                "a:?#",
                "http:////x",
                "about:",
                "about:blank",
            ],
            &[
                "/relative",
                "example.com",
                "1a:b",
                ":b",
                "a:b c",
                "a:%zz",
                "a:é",
                "a:b#c#d",
                "a:[b]",
                "http://h/[b]",
                "http://h/?[b]",
                "http://h/#[b]",
                "http://[h]/",
                "http://[::1/",
                "http://::1]/",
                "http://[::1]x/",
                "http://a[::1]/",
                "http://[fe80::1%25en1]/",
                "http://[v7]/",
                "http://h:8o/",
                "http://h:1:2/",
                "http://a@b@h/",
            ],
            SubjectProblem::NotUri,
        );
    }

    #[test]
    fn an_issuer_with_a_colon_is_a_uri_rfc_7519_2() {
        check(
            StringOrUri::parse,
            &["https://idp.example.com/", "idp.example.com", "u 4711", "urn:x:1", "f:1:user"],
            &["idp.example.com:8443/ x", ":", "1:2", "https://idp example.com", "user@x:1"],
            SubjectProblem::NotStringOrUri,
        );
    }

    #[test]
    fn a_scim_path_is_relative() {
        check(
            RelativePath::parse,
            &["/Users/44f6142df96bd6ab61e7521d9", "Users/a:b", "/v2/Users/1", "/Users/..."],
            &[
                "https://h/Users/1",
                "//h/Users/1",
                "a:b",
                "a:b/1",
                "/Users/1?x",
                "/Users/1#x",
                "/Users/a b",
                "/",
                "/Users",
                "/Users/",
                "Users//1",
                "/Users/..",
                "/./1",
                "/%2E%2e/1",
            ],
            SubjectProblem::NotRelativePath,
        );
    }

    #[test]
    fn a_format_name_is_visible() {
        check(
            FormatName::parse,
            &["catalog_item", "https://example.com/format", "phone"],
            &["a b", "a\u{0}", "\u{3000}", "a\u{202e}"],
            SubjectProblem::NotFormatName,
        );
    }
}
