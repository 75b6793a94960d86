//! SCIM 2.0 as a source of identities: user resources (RFC 7643 §4.1) and `PatchOp` messages
//! (RFC 7644 §3.5.2).
//!
//! Attributes are addressed as in the resource: `/active`, `/name/familyName`, `/emails/0/value`,
//! `/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department`. So that this works
//! whatever the client writes, names of the core and the enterprise schema get the spelling of the
//! RFC (names are compared without case, RFC 7643 §2.1), of several values the primary one comes
//! first, and what is `null` or an empty list is left out, for that means unassigned
//! (RFC 7643 §2.5). A password is never taken.

mod filter;

use serde_json::{Map, Value};

use super::report::{Report, ReportError, ReportProblem, millis, text};
use super::snapshot::same;
use crate::id::IdentityId;
use filter::Filter;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Why a `PatchOp` cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("operation {operation}: {problem}")]
#[non_exhaustive]
pub struct PatchError {
    /// The position of the operation, from 0.
    pub operation: usize,
    /// What is wrong with it.
    pub problem: PatchProblem,
}

/// What is wrong with an operation (RFC 7644 §3.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchProblem {
    /// The message is no `PatchOp` with `Operations`.
    #[error("the message is no PatchOp")]
    NotPatchOp,
    /// Not `add`, `remove` or `replace`.
    #[error("`op` must be add, remove or replace")]
    Op,
    /// Not a path, or one with parts this library does not read.
    #[error("`path` cannot be read")]
    Path,
    /// Not a filter, or one with operators this library does not read: it reads `eq`, `ne`, `co`,
    /// `sw`, `ew` and `pr`, joined by `and`.
    #[error("the filter of `path` cannot be read")]
    Filter,
    /// Nothing in the resource is what the path names.
    #[error("`path` names nothing in the resource")]
    NoTarget,
    /// There is no value, or one that cannot stand there.
    #[error("`value` cannot stand there")]
    Value,
}

/// What a user resource says: its `id`, its attributes, and `meta.lastModified` as the version.
///
/// # Errors
/// [`ReportError`] naming the member at fault.
pub fn user(resource: &Map<String, Value>) -> Result<Report, ReportError> {
    let resource = normal(resource);
    let schemas = resource.get("schemas").and_then(Value::as_array);
    let is_user = |schema: &Value| schema.as_str().is_some_and(|it| it.eq_ignore_ascii_case(USER));
    if !schemas.is_some_and(|schemas| schemas.iter().any(is_user)) {
        let problem = ReportProblem::Type("a list with the schema of SCIM users");
        return Err(ReportError::new("schemas", problem));
    }
    let id =
        text(&resource, "id")?.ok_or_else(|| ReportError::new("id", ReportProblem::Missing))?;
    let identity = IdentityId::parse(id).map_err(|error| ReportError::id("id", error))?;
    let modified = resource.get("meta").and_then(|meta| meta.get("lastModified"));
    let version = match modified {
        None => None,
        Some(modified) => {
            let problem = ReportProblem::Type("a time of RFC 3339");
            let at = modified.as_str().and_then(millis);
            Some(at.ok_or_else(|| ReportError::new("meta.lastModified", problem))?)
        }
    };
    let report = Report::new(identity, resource);
    Ok(match version {
        Some(version) => report.with_version(version),
        None => report,
    })
}

/// The resource after a `PatchOp`. The host has the resource; what is kept of an identity is not
/// enough to find `emails[type eq "work"]` in.
///
/// # Errors
/// [`PatchError`] naming the operation at fault; nothing is applied then.
pub fn patch(
    resource: &Map<String, Value>,
    message: &Value,
) -> Result<Map<String, Value>, PatchError> {
    let not_patch_op = PatchError { operation: 0, problem: PatchProblem::NotPatchOp };
    let member = |name: &str| {
        let members = message.as_object()?;
        members.get(&spelled(members, name)).and_then(Value::as_array)
    };
    let is_patch = |schema: &Value| schema.as_str() == Some(PATCH_OP);
    let Some(operations) = member("Operations") else { return Err(not_patch_op) };
    if !member("schemas").is_some_and(|schemas| schemas.iter().any(is_patch)) {
        return Err(not_patch_op);
    }
    let mut patched = normal(resource);
    for (operation, value) in operations.iter().enumerate() {
        apply(&mut patched, value).map_err(|problem| PatchError { operation, problem })?;
    }
    Ok(normal(&patched))
}

/// What to do at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Add,
    Remove,
    Replace,
}

/// A path (RFC 7644 §3.5.2): `schema:attribute[filter].sub`.
#[derive(Debug)]
struct Target<'a> {
    /// The extension it lies in; none for the core schema.
    schema: Option<&'a str>,
    attribute: &'a str,
    filter: Option<Filter<'a>>,
    sub: Option<&'a str>,
}

fn apply(resource: &mut Map<String, Value>, operation: &Value) -> Result<(), PatchProblem> {
    let op = operation.get("op").and_then(Value::as_str).unwrap_or_default();
    let op = match op.to_ascii_lowercase().as_str() {
        "add" => Op::Add,
        "remove" => Op::Remove,
        "replace" => Op::Replace,
        _ => return Err(PatchProblem::Op),
    };
    let value = operation.get("value");
    match operation.get("path") {
        Some(path) => {
            let path = path.as_str().ok_or(PatchProblem::Path)?;
            apply_at(resource, op, &Target::parse(path)?, value)
        }
        None if op == Op::Remove => Err(PatchProblem::NoTarget),
        None => {
            // Without a path, the value holds the attributes to set.
            for (name, value) in value.and_then(Value::as_object).ok_or(PatchProblem::Value)? {
                let name = spelled(resource, name);
                set(resource, &name, op, value)?;
            }
            Ok(())
        }
    }
}

fn apply_at(
    resource: &mut Map<String, Value>,
    op: Op,
    target: &Target<'_>,
    value: Option<&Value>,
) -> Result<(), PatchProblem> {
    let container = match target.schema {
        None => resource,
        Some(schema) => {
            let name = spelled(resource, schema);
            let extension = resource.entry(name).or_insert_with(|| Map::new().into());
            extension.as_object_mut().ok_or(PatchProblem::NoTarget)?
        }
    };
    let name = spelled(container, target.attribute);
    let Some(filter) = &target.filter else {
        let Some(sub) = target.sub else { return change(container, &name, op, value) };
        return match container.entry(name).or_insert_with(|| Map::new().into()) {
            Value::Object(complex) => {
                let sub = spelled(complex, sub);
                change(complex, &sub, op, value)
            }
            Value::Array(items) => change_items(items.iter_mut(), sub, op, value),
            _ => Err(PatchProblem::NoTarget),
        };
    };
    let Some(Value::Array(items)) = container.get_mut(&name) else {
        return if op == Op::Remove { Ok(()) } else { Err(PatchProblem::NoTarget) };
    };
    if op == Op::Remove && target.sub.is_none() {
        items.retain(|item| !filter.selects(item));
        return Ok(());
    }
    let mut selected = items.iter_mut().filter(|item| filter.selects(item)).peekable();
    if selected.peek().is_none() {
        return if op == Op::Remove { Ok(()) } else { Err(PatchProblem::NoTarget) };
    }
    if let Some(sub) = target.sub {
        return change_items(selected, sub, op, value);
    }
    let value = value.ok_or(PatchProblem::Value)?;
    for item in selected {
        match (item, value) {
            (Value::Object(item), Value::Object(value)) => {
                for (name, value) in value {
                    let name = spelled(item, name);
                    item.insert(name, value.clone());
                }
            }
            (item, value) => *item = value.clone(),
        }
    }
    Ok(())
}

fn change_items<'a>(
    items: impl Iterator<Item = &'a mut Value>,
    sub: &str,
    op: Op,
    value: Option<&Value>,
) -> Result<(), PatchProblem> {
    for item in items {
        let item = item.as_object_mut().ok_or(PatchProblem::NoTarget)?;
        let sub = spelled(item, sub);
        change(item, &sub, op, value)?;
    }
    Ok(())
}

fn change(
    container: &mut Map<String, Value>,
    name: &str,
    op: Op,
    value: Option<&Value>,
) -> Result<(), PatchProblem> {
    if op == Op::Remove {
        container.remove(name);
        return Ok(());
    }
    set(container, name, op, value.ok_or(PatchProblem::Value)?)
}

/// Adding to a list appends what is not in it; a complex attribute keeps the sub-attributes that
/// the value does not name (RFC 7644 §3.5.2.1, §3.5.2.3).
fn set(
    container: &mut Map<String, Value>,
    name: &str,
    op: Op,
    value: &Value,
) -> Result<(), PatchProblem> {
    match (container.get_mut(name), value) {
        (Some(Value::Array(items)), value) if op == Op::Add => {
            let new = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            for value in new {
                if !items.iter().any(|item| same(item, value)) {
                    items.push(value.clone());
                }
            }
        }
        (Some(Value::Array(_)), Value::Object(_) | Value::Array(_) | Value::Null) | (None, _) => {
            container.insert(name.to_owned(), value.clone());
        }
        (Some(Value::Object(complex)), Value::Object(value)) => {
            for (name, value) in value {
                let name = spelled(complex, name);
                complex.insert(name, value.clone());
            }
        }
        (Some(Value::Object(_)), Value::Null) => {
            container.remove(name);
        }
        (Some(Value::Object(_) | Value::Array(_)), _) => return Err(PatchProblem::Value),
        (Some(simple), _) => *simple = value.clone(),
    }
    Ok(())
}

impl<'a> Target<'a> {
    fn parse(path: &'a str) -> Result<Self, PatchProblem> {
        let before_filter = path.find('[').unwrap_or(path.len());
        let (schema, rest) = match path[..before_filter].rfind(':') {
            Some(colon) => (Some(&path[..colon]), &path[colon + 1..]),
            None => (None, path),
        };
        let schema = schema.filter(|schema| !schema.eq_ignore_ascii_case(USER));
        let (attribute, filter, rest) = match rest.split_once('[') {
            Some((attribute, rest)) => {
                let (filter, rest) = rest.rsplit_once(']').ok_or(PatchProblem::Filter)?;
                (attribute, Some(Filter::parse(filter).ok_or(PatchProblem::Filter)?), rest)
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (&rest[..end], None, &rest[end..])
            }
        };
        let sub = match rest {
            "" => None,
            rest => {
                Some(rest.strip_prefix('.').filter(|sub| is_name(sub)).ok_or(PatchProblem::Path)?)
            }
        };
        if is_name(attribute) {
            Ok(Self { schema, attribute, filter, sub })
        } else {
            Err(PatchProblem::Path)
        }
    }
}

/// RFC 7643 §2.1 `ATTRNAME`, and `$ref`.
fn is_name(text: &str) -> bool {
    let character = |c: char| c.is_ascii_alphanumeric() || "-_$".contains(c);
    !text.is_empty() && text.chars().all(character)
}

/// The name as it is spelled in the object, or else as the RFC spells it, or else as it came.
fn spelled(object: &Map<String, Value>, name: &str) -> String {
    let there = object.keys().find(|key| key.eq_ignore_ascii_case(name));
    there.cloned().unwrap_or_else(|| canonical(name).to_owned())
}

fn canonical(name: &str) -> &str {
    NAMES.iter().find(|known| known.eq_ignore_ascii_case(name)).copied().unwrap_or(name)
}

/// A resource as conditions address it; see the head of this file.
fn normal(object: &Map<String, Value>) -> Map<String, Value> {
    let assigned = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    object
        .iter()
        .map(|(name, value)| (canonical(name), value))
        .filter(|(name, value)| *name != "password" && assigned(value))
        .map(|(name, value)| (name.to_owned(), normal_value(value)))
        .collect()
}

fn normal_value(value: &Value) -> Value {
    match value {
        Value::Object(object) => normal(object).into(),
        Value::Array(items) => {
            let mut items: Vec<_> = items.iter().map(normal_value).collect();
            items.sort_by_key(|item| item.get("primary") != Some(&Value::Bool(true)));
            items.into()
        }
        other => other.clone(),
    }
}

/// The names of RFC 7643 §3.1, §4.1 and §4.3, and those of messages.
const NAMES: &[&str] = &[
    "$ref",
    "Operations",
    "active",
    "addresses",
    "costCenter",
    "country",
    "created",
    "department",
    "display",
    "displayName",
    "division",
    "emails",
    "employeeNumber",
    "entitlements",
    "externalId",
    "familyName",
    "formatted",
    "givenName",
    "groups",
    "honorificPrefix",
    "honorificSuffix",
    "id",
    "ims",
    "lastModified",
    "locale",
    "locality",
    "location",
    "manager",
    "meta",
    "middleName",
    "name",
    "nickName",
    "op",
    "organization",
    "password",
    "path",
    "phoneNumbers",
    "photos",
    "postalCode",
    "preferredLanguage",
    "primary",
    "profileUrl",
    "region",
    "resourceType",
    "roles",
    "schemas",
    "streetAddress",
    "timezone",
    "title",
    "type",
    "userName",
    "userType",
    "value",
    "version",
    "x509Certificates",
];
