//! How an event is defined: one table per type, from which its code follows.
//!
//! ```text
//! event! {
//!     /// What it means, and the clause it comes from.
//!     IdentifierChanged = IDENTIFIER_CHANGED;      // the type, and its URI in `types`
//!     fn new;                                      // the constructor: takes the required members
//!     subject ["email", "phone_number"];           // the formats of its subject; absent: any
//!     excluded ["data"];                           // members it must not have; absent: none
//!     required { field: Type = "member"; }
//!     optional { field, with_field: Type = "member"; }
//! }
//! ```
//!
//! What follows: the struct, its constructor, `with_*` for the optional members, a getter for each
//! member, `with_extra` and `extra`, `parse`, and [`EventKind`](super::EventKind). The types of
//! members are checked types, so what can be built satisfies the definition.

macro_rules! event {
    (
        $(#[$doc:meta])*
        $name:ident = $uri:ident;
        $(#[$new_doc:meta])*
        fn $new:ident;
        $(subject [$($format:literal),*];)?
        $(excluded [$($excluded:literal),*];)?
        required { $(
            $(#[$required_doc:meta])*
            $required:ident: $required_type:ty = $required_name:literal;
        )* }
        optional { $(
            $(#[$optional_doc:meta])*
            $optional:ident, $with:ident: $optional_type:ty = $optional_name:literal;
        )* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($required: $required_type,)*
            $($optional: Option<$optional_type>,)*
            extra: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            pub(in crate::event) const URI: &'static str = crate::event::types::$uri;
            pub(in crate::event) const DEFINED: &'static [&'static str] = &[$($required_name,)* $($optional_name),*];
            const EXCLUDED: &'static [&'static str] = &[$($($excluded),*)?];
            const SUBJECT: &'static [&'static str] = &[$($($format),*)?];

            $(#[$new_doc])*
            #[must_use]
            pub fn $new($($required: impl Into<$required_type>),*) -> Self {
                Self {
                    $($required: $required.into(),)*
                    $($optional: None,)*
                    extra: serde_json::Map::new(),
                }
            }

            $(
                /// Sets the member
                #[doc = concat!("`", $optional_name, "`:")]
                $(#[$optional_doc])*
                #[must_use]
                pub fn $with(mut self, value: impl Into<$optional_type>) -> Self {
                    self.$optional = Some(value.into());
                    self
                }
            )*

            /// Adds a member that the type does not define (SSF 1.0 §4.2.3).
            ///
            /// # Errors
            /// When the type defines or excludes a member of that name.
            pub fn with_extra(
                mut self,
                name: impl Into<String>,
                value: impl Into<serde_json::Value>,
            ) -> Result<Self, crate::event::EventError> {
                let name = name.into();
                crate::event::member::check_extra(&name, Self::DEFINED, Self::EXCLUDED)?;
                self.extra.insert(name, value.into());
                Ok(self)
            }

            $(
                $(#[$required_doc])*
                #[must_use]
                pub fn $required(&self) -> &$required_type {
                    &self.$required
                }
            )*

            $(
                $(#[$optional_doc])*
                #[must_use]
                pub fn $optional(&self) -> Option<&$optional_type> {
                    self.$optional.as_ref()
                }
            )*

            /// The members that the type does not define.
            #[must_use]
            pub fn extra(&self) -> &serde_json::Map<String, serde_json::Value> {
                &self.extra
            }

            /// Reads the event from the members of its event object.
            ///
            /// # Errors
            /// When they break the definition, naming the member at fault.
            pub fn parse(
                members: &serde_json::Map<String, serde_json::Value>,
            ) -> Result<Self, crate::event::EventError> {
                use crate::event::member;
                Ok(Self {
                    $($required: member::required(members, $required_name)?,)*
                    $($optional: member::optional(members, $optional_name)?,)*
                    extra: member::extra(members, Self::DEFINED, Self::EXCLUDED)?,
                })
            }
        }

        impl crate::event::EventKind for $name {
            fn event_type(&self) -> crate::id::EventType {
                crate::id::EventType::trusted(Self::URI)
            }

            fn members(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut members = serde_json::Map::new();
                $(crate::event::member::insert(
                    &mut members, $required_name, Some(&self.$required)
                );)*
                $(crate::event::member::insert(
                    &mut members, $optional_name, self.$optional.as_ref()
                );)*
                members.extend(self.extra.clone());
                members
            }

            fn check_subject(
                &self,
                subject: &crate::subject::Subject,
            ) -> Result<(), crate::event::EventError> {
                crate::event::member::check_subject(subject, Self::SUBJECT, &self.extra)
            }
        }
    };
}

/// A list of words that the specification closes: any other word is refused.
macro_rules! closed_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $name {
            /// Reads the word on the wire.
            ///
            /// # Errors
            /// When it is not in the list.
            pub fn parse(word: &str) -> Result<Self, crate::event::EventProblem> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(crate::event::EventProblem::NotOneOf(&[$($word),*])),
                }
            }

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(&self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        crate::event::define::word!($name);
    };
}

/// A list of words that the specification leaves open: any other word is kept as it came.
macro_rules! open_list {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$word_doc])* $variant,)*
            /// A word of the parties' own, by agreement; made by [`parse`](Self::parse).
            Other(crate::event::member::OtherWord),
        }

        impl $name {
            /// Reads the word on the wire: one of the list, or one of the parties' own.
            ///
            /// # Errors
            /// When it is empty.
            pub fn parse(word: &str) -> Result<Self, crate::event::EventProblem> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    "" => Err(crate::event::EventProblem::Empty),
                    other => Ok(Self::Other(crate::event::member::OtherWord::new(other))),
                }
            }

            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(other) => other.as_str(),
                }
            }
        }

        crate::event::define::word!($name);
    };
}

/// What both kinds of lists have in common.
macro_rules! word {
    ($name:ident) => {
        impl crate::event::member::Member for $name {
            fn read(value: &serde_json::Value) -> Result<Self, crate::event::EventError> {
                Ok(Self::parse(crate::event::member::text(value)?)?)
            }

            fn write(&self) -> serde_json::Value {
                self.as_str().into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

pub(super) use {closed_list, event, open_list, word};
