//! What makes a value an event, and the check that every emission passes.

use serde_json::{Map, Value};

use super::{EventError, EventProblem, caep, risc, scim, ssf};
use crate::id::EventType;
use crate::subject::{Subject, check_numbers};

/// A typed event: something that knows its event type and its members.
///
/// Every event of [`caep`], [`risc`], [`ssf`] and [`scim`] is one, and a host makes its own the
/// same way.
///
/// ```
/// use serde_json::{Map, Value, json};
/// use ssf_transmitter::event::{Event, EventError, EventKind, EventProblem};
/// use ssf_transmitter::id::{EventType, IdError};
/// use ssf_transmitter::subject::{SimpleSubject, Subject};
///
/// /// A workload got new credentials.
/// struct CredentialRotated {
///     event_type: EventType,
///     serial: u32,
/// }
///
/// impl CredentialRotated {
///     fn new(serial: u32) -> Result<Self, IdError> {
///         let event_type = EventType::parse("https://events.example/credential-rotated")?;
///         Ok(Self { event_type, serial })
///     }
/// }
///
/// impl EventKind for CredentialRotated {
///     fn event_type(&self) -> EventType {
///         self.event_type.clone()
///     }
///
///     fn members(&self) -> Map<String, Value> {
///         Map::from_iter([("serial".to_owned(), self.serial.into())])
///     }
///
///     fn check_subject(&self, subject: &Subject) -> Result<(), EventError> {
///         match subject.format() {
///             "uri" => Ok(()),
///             _ => Err(EventError::new("sub_id", EventProblem::SubjectFormat(&["uri"]))),
///         }
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let workload = SimpleSubject::uri("spiffe://example.org/ns/payments")?;
/// let event = Event::of(&CredentialRotated::new(7)?, workload)?;
/// assert_eq!(event.members()["serial"], json!(7));
///
/// let user = SimpleSubject::email("user@example.com")?;
/// assert!(Event::of(&CredentialRotated::new(7)?, user).is_err());
/// # Ok(()) }
/// ```
pub trait EventKind {
    /// The type of the event.
    fn event_type(&self) -> EventType;

    /// The members of the event object, as they are on the wire.
    fn members(&self) -> Map<String, Value>;

    /// Whether the event may be about that subject. Without a rule: about any.
    ///
    /// # Errors
    /// When the type does not allow that subject; the member to name is `sub_id`.
    fn check_subject(&self, subject: &Subject) -> Result<(), EventError> {
        let _ = subject;
        Ok(())
    }
}

/// Checks the members and the subject of an event against the definition of its type. The set of
/// types is open: one without a definition here has to keep only the rules for all.
///
/// # Errors
/// Naming the member at fault, when
///
/// * the type is one of CAEP 1.0, RISC 1.0, SSF 1.0 or RFC 9967 and its definition is broken;
/// * the subject, or one inside it, has the format `phone`: it is registered as `phone_number`
///   (RFC 9493 §3.2.5);
/// * a member holds a number beyond 64 bits, which would not go out as it came (RFC 8259 §6).
#[expect(deprecated, reason = "what is deprecated is checked too")]
pub fn check(
    event_type: &EventType,
    members: &Map<String, Value>,
    subject: &Subject,
) -> Result<(), EventError> {
    if subject.names_a_phone() {
        return Err(EventError::new("sub_id", EventProblem::PhoneFormat));
    }
    check_numbers(members).map_err(|e| EventError::new(e.member, EventProblem::TooLarge))?;
    macro_rules! check_known {
        ($($event:ty),*) => {
            match event_type.as_str() {
                $(<$event>::URI => <$event>::parse(members)?.check_subject(subject),)*
                _ => Ok(()),
            }
        };
    }
    every_event!(check_known)
}

/// Hands all types of events with a definition to another macro.
macro_rules! every_event {
    ($then:ident) => {
        $then! {
            caep::SessionRevoked,
            caep::TokenClaimsChange,
            caep::CredentialChange,
            caep::AssuranceLevelChange,
            caep::DeviceComplianceChange,
            caep::SessionEstablished,
            caep::SessionPresented,
            caep::RiskLevelChange,
            risc::AccountCredentialChangeRequired,
            risc::AccountPurged,
            risc::AccountDisabled,
            risc::AccountEnabled,
            risc::IdentifierChanged,
            risc::IdentifierRecycled,
            risc::CredentialCompromise,
            risc::OptIn,
            risc::OptOutInitiated,
            risc::OptOutCancelled,
            risc::OptOutEffective,
            risc::RecoveryActivated,
            risc::RecoveryInformationChanged,
            risc::SessionsRevoked,
            ssf::Verification,
            ssf::StreamUpdated,
            scim::FeedAdd,
            scim::FeedRemove,
            scim::CreateNotice,
            scim::CreateFull,
            scim::PatchNotice,
            scim::PatchFull,
            scim::PutNotice,
            scim::PutFull,
            scim::Delete,
            scim::Activate,
            scim::Deactivate,
            scim::AsyncResponse
        }
    };
}
use every_event;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::{TestCaseError, TestRunner};
    use serde_json::json;

    use super::*;
    use crate::event::{Event, types};
    use crate::subject::{SimpleSubject, samples};

    type Members = Map<String, Value>;

    /// One type of event: how it is read, and written again.
    #[derive(Clone, Copy, Debug)]
    struct Type {
        uri: &'static str,
        defined: &'static [&'static str],
        /// Reads and writes; also checks that what was written is read as the same event.
        round_trip: fn(&Members) -> Result<Members, EventError>,
    }

    #[expect(deprecated, reason = "what is deprecated is read too")]
    fn every_type() -> Vec<Type> {
        macro_rules! table {
            ($($event:ty),*) => {
                vec![$(Type {
                    uri: <$event>::URI,
                    defined: <$event>::DEFINED,
                    round_trip: |members| {
                        let event = <$event>::parse(members)?;
                        assert_eq!(event.event_type().as_str(), <$event>::URI);
                        assert_eq!(<$event>::parse(&event.members()).as_ref(), Ok(&event));
                        Ok(event.members())
                    },
                },)*]
            };
        }
        every_event!(table)
    }

    fn text() -> impl Strategy<Value = Value> {
        "[a-zé\"\\\\ ]{1,6}".prop_map(Value::from)
    }

    fn words(words: &'static str) -> impl Strategy<Value = Value> {
        select(words.split(' ').collect::<Vec<_>>()).prop_map(Value::from)
    }

    fn messages() -> impl Strategy<Value = Value> {
        let tag = select(vec!["en", "de", "es-410", "zh-Hant-TW"]).prop_map(str::to_owned);
        prop::collection::btree_map(tag, text(), 1..4)
            .prop_map(|messages| messages.into_iter().collect())
    }

    fn object() -> impl Strategy<Value = Value> {
        prop::collection::btree_map("[a-c]{0,2}", samples::json(), 1..3)
            .prop_map(|members| members.into_iter().collect())
    }

    /// Values that mostly fit a member of that name.
    fn value(name: &str) -> BoxedStrategy<Value> {
        let fitting = match name {
            "event_timestamp" => (0..=9_999_999_999_u64).prop_map(Value::from).boxed(),
            "initiating_entity" => words("admin user policy system").boxed(),
            "reason_admin" | "reason_user" => messages().boxed(),
            "claims" | "data" | "response" => object().boxed(),
            "amr" | "attributes" => {
                prop::collection::vec(text(), 0..3).prop_map(Value::from).boxed()
            }
            "credential_type" => prop_oneof![words("password pin app fido-u2f"), text()].boxed(),
            "change_type" => words("create revoke update delete").boxed(),
            "change_direction" => words("increase decrease").boxed(),
            "previous_status" | "current_status" => words("compliant not-compliant").boxed(),
            "current_level" | "previous_level" => words("LOW MEDIUM HIGH").boxed(),
            "status" => words("enabled paused disabled 201 404 500").boxed(),
            _ => text().boxed(),
        };
        prop_oneof![15 => fitting, 1 => samples::json()].boxed()
    }

    /// A type, and members that mostly fit it.
    fn event_object() -> impl Strategy<Value = (Type, Members)> {
        select(every_type()).prop_flat_map(|kind| (Just(kind), event_object_of(kind)))
    }

    /// Members that mostly fit the type, among others it does not define.
    fn event_object_of(kind: Type) -> impl Strategy<Value = Members> {
        let defined: Vec<_> = kind
            .defined
            .iter()
            .map(|name| {
                let value = value(name).prop_map(|value| Some(((*name).to_owned(), value)));
                prop_oneof![3 => value, 1 => Just(None)].boxed()
            })
            .collect();
        let extra = prop::collection::btree_map("x[a-z]{0,2}|", samples::json(), 0..3);
        (defined, extra)
            .prop_map(|(defined, extra)| defined.into_iter().flatten().chain(extra).collect())
    }

    /// More than 10,000 events in all that were read, not counting what was refused.
    #[test]
    fn what_was_read_is_written_as_it_came() {
        for kind in every_type() {
            let config = ProptestConfig {
                cases: 300,
                max_global_rejects: 10_000,
                ..ProptestConfig::default()
            };
            let name = Some("what_was_read_is_written_as_it_came");
            let mut runner = TestRunner::new(ProptestConfig { test_name: name, ..config });
            let outcome = runner.run(&event_object_of(kind), |members| {
                let written = (kind.round_trip)(&members);
                let written = written.map_err(|_| TestCaseError::reject("not of this type"))?;
                prop_assert_eq!(written, members);
                Ok(())
            });
            outcome.unwrap_or_else(|error| panic!("{}: {error}", kind.uri));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn no_json_makes_reading_panic(value in samples::json(), (kind, mut members) in event_object()) {
            if let Some(name) = kind.defined.first() {
                members.insert((*name).to_owned(), value.clone());
            }
            let subject = SimpleSubject::opaque("1").unwrap().into();
            let event_type = EventType::parse(kind.uri).unwrap();
            let any = check(&event_type, &members, &subject);
            if (kind.round_trip)(&members).is_err() {
                prop_assert!(any.is_err());
            }
        }
    }

    #[test]
    fn a_known_type_is_checked_and_any_other_passes() {
        let subject = SimpleSubject::email("user@example.com").unwrap().into();
        let Value::Object(members) = json!({"reason_admin": {"en": ""}}) else { panic!() };
        let error = EventError::new("reason_admin.en", EventProblem::Empty);
        assert_eq!(check(&types::session_revoked(), &members, &subject), Err(error));
        for other in [
            "https://schemas.openid.net/secevent/caep/event-type/v1.1/session-revoked",
            "https://schemas.openid.net/secevent/caep/event-type/session-revoked/",
            "urn:ietf:params:SCIM:event:feed:add",
            "https://events.example/own",
        ] {
            let other = EventType::parse(other).unwrap();
            assert_eq!(check(&other, &members, &subject), Ok(()), "{other}");
        }
    }

    #[test]
    fn a_subject_inside_the_event_repeats_the_subject_ssf_1_0_3_1_1() {
        let subject: Subject = SimpleSubject::email("user@example.com").unwrap().into();
        let with = |inner: Value| {
            let members = Members::from_iter([("subject".to_owned(), inner)]);
            check(&types::account_purged(), &members, &subject)
        };
        assert_eq!(with(json!({"format": "email", "email": "user@example.com"})), Ok(()));
        let other = EventError::new("subject", EventProblem::OtherSubject);
        assert_eq!(with(json!({"format": "email", "email": "x@example.com"})), Err(other.clone()));
        // The form before RFC 9493 (RISC 1.0 §3.1: new services must not use it).
        let old = json!({"subject_type": "email", "email": "user@example.com"});
        assert_eq!(with(old), Err(other));
    }

    #[test]
    fn a_type_of_the_host_s_own_cannot_break_a_known_definition() {
        struct Own(Members);
        impl EventKind for Own {
            fn event_type(&self) -> EventType {
                types::credential_change()
            }
            fn members(&self) -> Members {
                self.0.clone()
            }
        }
        let subject = SimpleSubject::email("user@example.com").unwrap();
        let error = Event::of(&Own(Members::new()), subject).unwrap_err();
        assert_eq!(error, EventError::new("credential_type", EventProblem::Missing));
    }

    #[test]
    fn an_extra_member_does_not_hide_a_defined_one() {
        let event = caep::SessionRevoked::without_reason();
        for (name, problem) in
            [("reason_admin", Some(EventProblem::Defined)), ("subject", None), ("x", None)]
        {
            let with = event.clone().with_extra(name, "y").map(|event| event.extra().len());
            let expected = problem.map_or(Ok(1), |problem| Err(EventError::new(name, problem)));
            assert_eq!(with, expected);
        }
        let control = ssf::Verification::new().with_extra("subject", "y");
        assert_eq!(control, Err(EventError::new("subject", EventProblem::Excluded)));
    }
}
