//! Whether an event's subject is among the subjects of a stream.

use std::collections::HashSet;
use std::slice;

use crate::stream::DefaultSubjects;
use crate::subject::{ComplexSubject, SimpleSubject, Subject};

/// Whether a stream that added a subject gets the events about another (SSF 1.0 §8.1.3.1).
///
/// * Simple subjects match when they are identical.
/// * `aliases` name one entity: they match by any identifier, on either side.
/// * Complex subjects match when every member that both define is identical and at least one is.
///   The second half is not in SSF 1.0, where two subjects with nothing in common match: an agreed
///   erratum (openid/sharedsignals issue 312).
/// * A complex subject and one that is not never match: SSF 1.0 defines nothing for them.
/// * A subject with the format `phone` anywhere in it is that of no event, so none matches it.
#[must_use]
pub fn includes(added: &Subject, event: &Subject) -> bool {
    match (added, event) {
        _ if event.names_a_phone() => false,
        (Subject::Complex(added), Subject::Complex(event)) => agree(added, event),
        _ => share_an_identifier(added, event),
    }
}

/// Whether a stream that removed a subject gets no more events about another.
///
/// As [`includes`], but a removed complex subject silences only the events that have every one of
/// its members, identical: removing `{tenant, user}` must not silence the whole tenant.
#[must_use]
pub fn excludes(removed: &Subject, event: &Subject) -> bool {
    match (removed, event) {
        _ if event.names_a_phone() => false,
        (Subject::Complex(removed), Subject::Complex(event)) => {
            removed.members().all(|(name, member)| event.member(name) == Some(member))
        }
        _ => share_an_identifier(removed, event),
    }
}

/// Whether an event about a subject is for a stream that began with those subjects and listed
/// others since (SSF 1.0 §7.1 `default_subjects`): what is listed on a stream that began with all
/// is excluded, on one that began with none included.
#[must_use]
pub fn selects<'a>(
    default: DefaultSubjects,
    listed: impl IntoIterator<Item = &'a Subject>,
    event: &Subject,
) -> bool {
    let mut listed = listed.into_iter();
    match default {
        DefaultSubjects::All => !listed.any(|removed| excludes(removed, event)),
        DefaultSubjects::None => listed.any(|added| includes(added, event)),
    }
}

/// The identifiers of a subject that is not complex: each of them names it.
pub(super) fn identifiers(subject: &Subject) -> &[SimpleSubject] {
    match subject {
        Subject::Simple(simple) => slice::from_ref(simple),
        Subject::Aliases(aliases) => aliases.identifiers(),
        Subject::Complex(_) => &[],
    }
}

fn share_an_identifier(one: &Subject, other: &Subject) -> bool {
    let known: HashSet<_> = identifiers(one).iter().map(SimpleSubject::canonical).collect();
    identifiers(other).iter().any(|identifier| known.contains(&identifier.canonical()))
}

fn agree(one: &ComplexSubject, other: &ComplexSubject) -> bool {
    let mut shared =
        one.members().filter_map(|(name, member)| Some((member, other.member(name)?))).peekable();
    shared.peek().is_some() && shared.all(|(one, other)| one == other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::routing::SubjectIndex;
    use crate::subject::samples;

    fn subject(value: &Value) -> Subject {
        Subject::parse(value).unwrap()
    }

    fn complex(members: &[(&str, &str)]) -> Subject {
        let opaque =
            |(name, id): &(&str, &str)| ((*name).to_owned(), SimpleSubject::opaque(id).unwrap());
        Subject::complex(members.iter().map(opaque)).unwrap()
    }

    fn simple(id: &str) -> Subject {
        SimpleSubject::opaque(id).unwrap().into()
    }

    fn aliases(ids: &[&str]) -> Subject {
        Subject::aliases(ids.iter().map(|id| SimpleSubject::opaque(id).unwrap())).unwrap()
    }

    #[test]
    fn simple_subjects_match_when_identical_ssf_1_0_8_1_3_1() {
        assert!(includes(&simple("1"), &simple("1")));
        assert!(excludes(&simple("1"), &simple("1")));
        assert!(!includes(&simple("1"), &simple("2")));
        assert!(!excludes(&simple("1"), &simple("2")));
        let email = |text| SimpleSubject::email(text).unwrap().into();
        assert!(!includes(&email("user@example.com"), &email("USER@example.com")));
    }

    /// The three examples of SSF 1.0 §8.1.3.1, in values of our own.
    #[test]
    fn the_examples_of_ssf_1_0_8_1_3_1() {
        let tenant = json!({"format": "iss_sub", "iss": "https://idp.example.com/", "sub": "t-1"});
        let user = json!({"format": "email", "email": "user@example.com"});
        let device = json!({"format": "ip-addresses", "ip-addresses": ["10.29.37.75"]});
        let group = |url: &str| json!({"format": "did", "url": url});

        let added = subject(&json!({"format": "complex", "tenant": tenant}));
        let event = subject(&json!({"format": "complex", "tenant": tenant, "user": user}));
        assert!(includes(&added, &event));

        let added = subject(&json!({"format": "complex", "user": user, "device": device}));
        let event = subject(&json!({"format": "complex", "user": user}));
        assert!(includes(&added, &event));

        let (one, two) = (group("did:example:1"), group("did:example:2"));
        let added = subject(&json!({"format": "complex", "user": user, "group": one}));
        let event = subject(&json!({"format": "complex", "user": user, "group": two}));
        assert!(!includes(&added, &event));
    }

    #[test]
    fn complex_subjects_without_a_common_member_do_not_match_issue_312() {
        assert!(!includes(&complex(&[("user", "1")]), &complex(&[("device", "1")])));
        assert!(!excludes(&complex(&[("user", "1")]), &complex(&[("device", "1")])));
    }

    #[test]
    fn a_removed_complex_subject_silences_only_events_with_all_of_its_members() {
        let removed = complex(&[("tenant", "t"), ("user", "u")]);
        assert!(excludes(&removed, &complex(&[("tenant", "t"), ("user", "u")])));
        assert!(excludes(&removed, &complex(&[("tenant", "t"), ("user", "u"), ("device", "d")])));
        assert!(!excludes(&removed, &complex(&[("tenant", "t"), ("user", "v")])));

        let tenant = complex(&[("tenant", "t")]);
        assert!(!excludes(&removed, &tenant));
        assert!(includes(&removed, &tenant));
    }

    #[test]
    fn aliases_match_by_any_identifier_on_either_side() {
        for rule in [includes, excludes] {
            assert!(rule(&aliases(&["1", "2"]), &simple("2")));
            assert!(rule(&simple("2"), &aliases(&["1", "2"])));
            assert!(rule(&aliases(&["1", "2"]), &aliases(&["2", "3"])));
            assert!(!rule(&aliases(&["1", "2"]), &aliases(&["3"])));
            assert!(!rule(&aliases(&["1", "2"]), &simple("3")));
        }
    }

    #[test]
    fn a_complex_subject_matches_none_that_is_not() {
        for rule in [includes, excludes] {
            assert!(!rule(&complex(&[("user", "1")]), &simple("1")));
            assert!(!rule(&simple("1"), &complex(&[("user", "1")])));
            assert!(!rule(&aliases(&["1"]), &complex(&[("user", "1")])));
            assert!(!rule(&complex(&[("user", "1")]), &aliases(&["1"])));
        }
    }

    #[test]
    fn an_unknown_format_matches_itself_only() {
        let item = |id: &str| subject(&json!({"format": "catalog_item", "catalog_id": id}));
        for rule in [includes, excludes] {
            assert!(rule(&item("1"), &item("1")));
            assert!(!rule(&item("1"), &item("2")));
        }
    }

    /// SSF 1.0's own example uses this name that nobody registered.
    #[test]
    fn a_phone_matches_nothing_not_even_itself_rfc_9493_3_2_5() {
        let phone = json!({"format": "phone", "phone_number": "+12065550123"});
        let number = json!({"format": "phone_number", "phone_number": "+12065550123"});
        let aliases = json!({"format": "aliases", "identifiers": [phone, number]});
        let complex = json!({"format": "complex", "user": phone, "tenant": number});
        let mut index = SubjectIndex::new();
        for same in [&phone, &aliases, &complex].map(subject) {
            index.insert(&"s", &same);
            assert!(!includes(&same, &same) && !excludes(&same, &same));
            assert_eq!([index.including(&same), index.excluding(&same)], [[""; 0]; 2]);
        }
        assert!(!includes(&subject(&phone), &subject(&number)));
        // What stands beside it still matches.
        assert!(includes(&subject(&aliases), &subject(&number)));
    }

    #[test]
    fn the_default_decides_what_listed_subjects_mean_ssf_1_0_7_1() {
        let listed = [simple("1"), complex(&[("tenant", "t"), ("user", "u")])];
        let tenant = complex(&[("tenant", "t")]);
        let all = |event: &Subject| selects(DefaultSubjects::All, &listed, event);
        let none = |event: &Subject| selects(DefaultSubjects::None, &listed, event);

        assert_eq!([all(&simple("1")), all(&simple("2")), all(&tenant)], [false, true, true]);
        assert_eq!([none(&simple("1")), none(&simple("2")), none(&tenant)], [true, false, true]);
        assert!(selects(DefaultSubjects::All, [], &tenant));
        assert!(!selects(DefaultSubjects::None, [], &tenant));
    }
    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn what_was_added_may_be_swapped_with_the_event(
            one in samples::subject(),
            other in samples::subject(),
        ) {
            prop_assert_eq!(includes(&one, &other), includes(&other, &one));
            prop_assert!(includes(&one, &one) && excludes(&one, &one));
        }

        #[test]
        fn what_was_removed_may_be_swapped_with_the_event_unless_both_are_complex(
            one in samples::subject(),
            other in samples::subject(),
        ) {
            let complex = |subject: &Subject| matches!(subject, Subject::Complex(_));
            if !complex(&one) || !complex(&other) {
                prop_assert_eq!(excludes(&one, &other), excludes(&other, &one));
            }
            // A removal silences nothing that the addition would not have let through.
            prop_assert!(!excludes(&one, &other) || includes(&one, &other));
        }
    }
}
