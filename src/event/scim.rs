//! The events of the SCIM profile, RFC 9967: resources that join or leave a feed, changes of
//! resources, asynchronous requests.
//!
//! Their subject is the resource, in the format `scim`, never inside the event object (§2.1). A
//! change comes in two forms: a notice names the attributes that changed, a full event carries the
//! data; neither carries what the other does (§2.4), and no other event carries either.
//!
//! ```
//! use ssf_transmitter::event::Event;
//! use ssf_transmitter::event::scim::PatchNotice;
//! use ssf_transmitter::subject::SimpleSubject;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let notice = PatchNotice::new(["name.familyName".to_owned()]).with_version("W/\"3\"");
//! let resource = SimpleSubject::scim("/Users/44f6", serde_json::Map::new())?;
//! let event = Event::of(&notice, resource)?;
//! assert_eq!(event.members()["attributes"][0], "name.familyName");
//! # Ok(()) }
//! ```

use serde_json::{Map, Value};

use super::define::event;
use super::member::{self, Member};
use super::{EventError, EventKind, EventProblem, types};
use crate::id::EventType;
use crate::subject::{NonEmptyText, Subject};

/// An event that says all by its type.
macro_rules! bare_event {
    ($(#[$doc:meta])* $name:ident = $uri:ident;) => {
        event! {
            $(#[$doc])*
            #[derive(Default)]
            $name = $uri;
            /// The event, which has no members.
            fn new;
            subject ["scim"];
            excluded ["attributes", "data", "sub_id", "subject"];
            required {}
            optional {}
        }
    };
}

/// A change that names the attributes.
macro_rules! notice_event {
    ($(#[$doc:meta])* $name:ident = $uri:ident;) => {
        event! {
            $(#[$doc])*
            $name = $uri;
            /// The event with its required members.
            fn new;
            subject ["scim"];
            excluded ["data", "sub_id", "subject"];
            required {
                /// The attributes, which should be in the form of SCIM paths.
                attributes: Vec<String> = "attributes";
            }
            optional {
                /// The entity tag of the resource after the event.
                version, with_version: String = "version";
            }
        }
    };
}

/// A change with its data.
macro_rules! full_event {
    ($(#[$doc:meta])* $name:ident = $uri:ident;) => {
        event! {
            $(#[$doc])*
            $name = $uri;
            /// The event with its required members.
            fn new;
            subject ["scim"];
            excluded ["attributes", "sub_id", "subject"];
            required {
                /// The data.
                data: Map<String, Value> = "data";
            }
            optional {
                /// The entity tag of the resource after the event.
                version, with_version: String = "version";
            }
        }
    };
}

bare_event! {
    /// The resource joined the feed; it need not be new (RFC 9967 §2.3.1).
    FeedAdd = FEED_ADD;
}

bare_event! {
    /// The resource left the feed; it need not be gone (RFC 9967 §2.3.2).
    FeedRemove = FEED_REMOVE;
}

notice_event! {
    /// The resource was created with these attributes (RFC 9967 §2.4.1).
    CreateNotice = CREATE_NOTICE;
}

full_event! {
    /// The resource was created; the data is its final representation (RFC 9967 §2.4.1).
    CreateFull = CREATE_FULL;
}

notice_event! {
    /// These attributes of the resource were changed by a PATCH (RFC 9967 §2.4.2).
    PatchNotice = PATCH_NOTICE;
}

full_event! {
    /// The resource was changed by a PATCH, of which the data is the body (RFC 9967 §2.4.2).
    PatchFull = PATCH_FULL;
}

notice_event! {
    /// The resource was replaced by a PUT with these attributes (RFC 9967 §2.4.3).
    PutNotice = PUT_NOTICE;
}

full_event! {
    /// The resource was replaced by a PUT, of which the data is the body (RFC 9967 §2.4.3).
    PutFull = PUT_FULL;
}

bare_event! {
    /// The resource was deleted, and so left the feed too (RFC 9967 §2.4.4).
    Delete = DELETE;
}

bare_event! {
    /// The resource is ready for use (RFC 9967 §2.4.5).
    Activate = ACTIVATE;
}

bare_event! {
    /// The resource is not to be used for now (RFC 9967 §2.4.6).
    Deactivate = DEACTIVATE;
}

/// An asynchronous SCIM request is complete (RFC 9967 §2.5).
///
/// Written out, since one member depends on another: an error has a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsyncResponse {
    method: NonEmptyText,
    status: HttpStatus,
    response: Option<Map<String, Value>>,
    version: Option<String>,
    bulk_id: Option<String>,
    extra: Map<String, Value>,
}

impl AsyncResponse {
    pub(super) const URI: &'static str = types::ASYNC_RESPONSE;
    pub(super) const DEFINED: &'static [&'static str] =
        &["method", "status", "response", "version", "bulkId"];
    const EXCLUDED: &'static [&'static str] = &["attributes", "data", "sub_id", "subject"];

    /// The outcome of a request of that method. `response` is the error in the form of RFC 7644
    /// §3.12, required where the status is 400 or more.
    ///
    /// # Errors
    /// When an error has no response.
    pub fn new(
        method: NonEmptyText,
        status: HttpStatus,
        response: Option<Map<String, Value>>,
    ) -> Result<Self, EventError> {
        if status.is_error() && response.is_none() {
            return Err(EventError::new("response", EventProblem::Missing));
        }
        let extra = Map::new();
        Ok(Self { method, status, response, version: None, bulk_id: None, extra })
    }

    /// Sets the member `version`: the entity tag of the resource after the request.
    #[must_use]
    pub fn with_version(mut self, value: impl Into<String>) -> Self {
        self.version = Some(value.into());
        self
    }

    /// Sets the member `bulkId`: the identifier the client gave the operation (RFC 7644 §3.7).
    #[must_use]
    pub fn with_bulk_id(mut self, value: impl Into<String>) -> Self {
        self.bulk_id = Some(value.into());
        self
    }

    /// Adds a member that the type does not define (SSF 1.0 §4.2.3).
    ///
    /// # Errors
    /// When the type defines or excludes a member of that name.
    pub fn with_extra(
        mut self,
        name: impl Into<String>,
        value: impl Into<Value>,
    ) -> Result<Self, EventError> {
        let name = name.into();
        member::check_extra(&name, Self::DEFINED, Self::EXCLUDED)?;
        self.extra.insert(name, value.into());
        Ok(self)
    }

    /// The HTTP method of the request.
    #[must_use]
    pub const fn method(&self) -> &NonEmptyText {
        &self.method
    }

    /// The HTTP status of the outcome.
    #[must_use]
    pub const fn status(&self) -> HttpStatus {
        self.status
    }

    /// The error, in the form of RFC 7644 §3.12.
    #[must_use]
    pub const fn response(&self) -> Option<&Map<String, Value>> {
        self.response.as_ref()
    }

    /// The entity tag of the resource after the request.
    #[must_use]
    pub const fn version(&self) -> Option<&String> {
        self.version.as_ref()
    }

    /// The identifier the client gave the operation.
    #[must_use]
    pub const fn bulk_id(&self) -> Option<&String> {
        self.bulk_id.as_ref()
    }

    /// The members that the type does not define.
    #[must_use]
    pub const fn extra(&self) -> &Map<String, Value> {
        &self.extra
    }

    /// Reads the event from the members of its event object.
    ///
    /// # Errors
    /// When they break the definition, naming the member at fault.
    pub fn parse(members: &Map<String, Value>) -> Result<Self, EventError> {
        let outcome = Self::new(
            member::required(members, "method")?,
            member::required(members, "status")?,
            member::optional(members, "response")?,
        )?;
        Ok(Self {
            version: member::optional(members, "version")?,
            bulk_id: member::optional(members, "bulkId")?,
            extra: member::extra(members, Self::DEFINED, Self::EXCLUDED)?,
            ..outcome
        })
    }
}

impl EventKind for AsyncResponse {
    fn event_type(&self) -> EventType {
        types::async_response()
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        member::insert(&mut members, "method", Some(&self.method));
        member::insert(&mut members, "status", Some(&self.status));
        member::insert(&mut members, "response", self.response.as_ref());
        member::insert(&mut members, "version", self.version.as_ref());
        member::insert(&mut members, "bulkId", self.bulk_id.as_ref());
        members.extend(self.extra.clone());
        members
    }

    fn check_subject(&self, subject: &Subject) -> Result<(), EventError> {
        member::check_subject(subject, &["scim"], &self.extra)
    }
}

/// An HTTP status code, on the wire a text of three digits (RFC 7644 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpStatus(u16);

impl HttpStatus {
    /// Checks that the code is one of 100 to 599 (RFC 9110 §15).
    ///
    /// # Errors
    /// [`EventProblem::NotHttpStatus`].
    pub const fn new(code: u16) -> Result<Self, EventProblem> {
        if code < 100 || code > 599 {
            return Err(EventProblem::NotHttpStatus);
        }
        Ok(Self(code))
    }

    /// The code.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    const fn is_error(self) -> bool {
        self.0 >= 400
    }
}

impl Member for HttpStatus {
    fn read(value: &Value) -> Result<Self, EventError> {
        let text = member::text(value)?;
        let digits = text.len() == 3 && text.bytes().all(|c| c.is_ascii_digit());
        let code = text.parse().ok().filter(|_| digits).ok_or(EventProblem::NotHttpStatus)?;
        Ok(Self::new(code)?)
    }

    fn write(&self) -> Value {
        self.0.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_error_of_an_asynchronous_request_has_a_response_rfc_9967_2_5() {
        let outcome = |status, response| {
            let method = NonEmptyText::parse("POST").unwrap();
            AsyncResponse::new(method, HttpStatus::new(status).unwrap(), response)
        };
        let missing = EventError::new("response", EventProblem::Missing);
        assert_eq!(outcome(400, None), Err(missing));
        let error = members(&json!({"status": "409", "scimType": "uniqueness"}));
        let failed = outcome(409, Some(error)).unwrap().with_bulk_id("qwerty");
        let wire = json!({
            "method": "POST",
            "status": "409",
            "response": {"status": "409", "scimType": "uniqueness"},
            "bulkId": "qwerty"
        });
        assert_eq!(Value::Object(failed.members()), wire);
        let created = outcome(201, None).unwrap().with_version("W/\"1\"");
        let wire = json!({"method": "POST", "status": "201", "version": "W/\"1\""});
        assert_eq!(Value::Object(created.members()), wire);
    }

    #[test]
    fn a_status_is_a_text_of_three_digits_rfc_7644_3_12() {
        assert_eq!(HttpStatus::read(&json!("204")), Ok(HttpStatus(204)));
        assert_eq!(HttpStatus::read(&json!(204)), Err(EventProblem::Type("a string").into()));
        for bad in ["", "99", "600", "+20", "2 0", "0204", "ok"] {
            let error = Err(EventProblem::NotHttpStatus.into());
            assert_eq!(HttpStatus::read(&json!(bad)), error, "{bad}");
        }
    }

    #[test]
    fn a_full_event_has_data_and_a_notice_attributes_never_both_rfc_9967_2_4() {
        let both = members(&json!({"data": {}, "attributes": []}));
        let excluded = |name: &str| EventError::new(name, EventProblem::Excluded);
        assert_eq!(CreateFull::parse(&both), Err(excluded("attributes")));
        assert_eq!(CreateNotice::parse(&both), Err(excluded("data")));
        let with = PutFull::new(Map::new()).with_extra("attributes", json!([]));
        assert_eq!(with, Err(excluded("attributes")));
    }
}
