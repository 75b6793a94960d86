//! The floors of the house: imports only point down.
//!
//! Reads every `crate::` and `super::` path of the library and holds it against the table of
//! floors in `docs/design.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of each floor, from the lowest up. Adapters live beside their port and are leaves.
const FLOORS: [&[&str]; 7] = [
    &["id", "timestamp", "secret"],
    &["subject", "event", "stream"],
    &["set", "protocol", "outbox", "routing", "lifecycle", "egress"],
    &["store", "keys", "deliver", "auth", "clock", "entropy", "hooks", "limit", "secret_box"],
    &["transmitter", "monitor", "error", "diagnostics"],
    &[
        "store::memory",
        "store::postgres",
        "store::sql",
        "store::sqlite",
        "keys::local",
        "limit::quota",
        "deliver::client",
        "deliver::oauth",
        "auth::any",
        "auth::introspection",
        "auth::jwt",
        "auth::tokens",
        "secret_box::aes_gcm",
        "router",
        "worker",
        "https",
    ],
    &["testkit"],
];

/// What adapters that call out share. It knows the vocabulary at most, and nobody but adapters knows
/// it.
const SHARED: &str = "https";

/// What the stores in SQL databases share, and who they are.
const SQL: (&str, [&str; 2]) = ("store::sql", ["store::postgres", "store::sqlite"]);

/// Who sees the service although it is an adapter.
const FRONT: [&str; 3] = ["router", "worker", "testkit"];

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

/// The room that a module path lies in: an adapter, or else the first module.
fn room(path: &[String]) -> String {
    let adapter = path.get(..2).map(|two| two.join("::"));
    match adapter {
        Some(adapter) if floor(&adapter).is_some() => adapter,
        _ => path.first().cloned().unwrap_or_default(),
    }
}

fn sources(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The module path of a source file, `src/store/memory/mod.rs` being `[store, memory]`.
fn module(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
        .unwrap()
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// The code of a file without comments and without its tests, which may look anywhere.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// The targets of all paths that begin with `crate::` or `super::`, as module paths. A group such
/// as `crate::{a::B, c::D}` yields each of its members.
fn targets(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (prefix, start) in ["crate::", "super::"]
        .into_iter()
        .flat_map(|prefix| code.match_indices(prefix).map(move |(at, _)| (prefix, at)))
    {
        if start > 0
            && code[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
        {
            continue;
        }
        let mut rest = &code[start..];
        let mut base: Vec<String> = if prefix == "crate::" { Vec::new() } else { module.to_vec() };
        rest = rest.strip_prefix("crate::").unwrap_or(rest);
        while let Some(up) = rest.strip_prefix("super::") {
            base.pop();
            rest = up;
        }
        for member in members(rest) {
            let mut path = base.clone();
            path.extend(member);
            found.push(path);
        }
    }
    found
}

/// The paths that begin at the head of `text`: one, or those of a group.
fn members(text: &str) -> Vec<Vec<String>> {
    if let Some(group) = text.strip_prefix('{') {
        let end = group.find("};").unwrap_or(group.len());
        return group[..end].split(',').map(|one| segments(one.trim())).collect();
    }
    vec![segments(text)]
}

fn segments(text: &str) -> Vec<String> {
    let end =
        text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// What is wrong with a path from one room to another.
fn fault(from: &str, to: &str) -> Option<&'static str> {
    if from == to {
        return None;
    }
    // A crate-wide macro or an item of the paved path has no floor.
    let (low, high) = (floor(to)?, floor(from)?);
    if low > high {
        return Some("points up");
    }
    if from == SHARED && low > 0 {
        return Some("is for all adapters and knows one");
    }
    if to == SHARED && high == 5 {
        return None;
    }
    if to == SQL.0 && SQL.1.contains(&from) {
        return None;
    }
    if high == 5 && low == 5 {
        return Some("leans on a sibling");
    }
    if high == 5 && low == 4 && !FRONT.contains(&from) {
        return Some("knows the service");
    }
    if high == 5 && low == 3 && !FRONT.contains(&from) {
        let own = from.split("::").next() == Some(to);
        let neutral = ["clock", "entropy"].contains(&to);
        return (!own && !neutral).then_some("knows another port");
    }
    None
}

#[test]
fn every_room_has_a_floor() {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    assert!(files.len() > 30, "the sources were found");
    for file in files {
        let module = module(&file);
        if module != ["lib"] {
            assert!(floor(&room(&module)).is_some(), "{} has no floor", file.display());
        }
    }
}

#[test]
fn imports_only_point_down() {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut files);
    let mut faults = Vec::new();
    let mut arrows = BTreeMap::new();
    for file in files {
        let module = module(&file);
        if module == ["lib"] {
            continue;
        }
        let from = room(&module);
        for target in targets(&code(&fs::read_to_string(&file).unwrap()), &module) {
            let to = room(&target);
            *arrows.entry((from.clone(), to.clone())).or_insert(0) += 1;
            if let Some(fault) = fault(&from, &to) {
                faults.push(format!("{}: {} {fault}", file.display(), target.join("::")));
            }
        }
    }
    assert!(arrows.len() > 30, "the imports were read");
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn the_test_can_fail() {
    let module = ["store".to_owned(), "memory".to_owned(), "worker".to_owned()];
    let code = "use crate::{protocol::Refusal, router::Router};\nuse super::super::keys::KeySet;";
    let rooms: Vec<_> = targets(code, &module).iter().map(|target| room(target)).collect();
    assert_eq!(rooms, ["protocol", "router", "store"]);
    assert_eq!(fault("protocol", "store"), Some("points up"));
    assert_eq!(fault("store::memory", "router"), Some("leans on a sibling"));
    assert_eq!(fault("store::memory", "transmitter"), Some("knows the service"));
    assert_eq!(fault("store::memory", "keys"), Some("knows another port"));
    assert_eq!(fault("store", "store::memory"), Some("points up"));
    assert_eq!(fault("auth", "https"), Some("points up"));
    assert_eq!(fault("auth::introspection", "https"), None);
    assert_eq!(fault("store::sqlite", "store::sql"), None);
    assert_eq!(fault("store::sqlite", "store::postgres"), Some("leans on a sibling"));
    assert_eq!(fault("store::memory", "store::sql"), Some("leans on a sibling"));
    assert_eq!(fault("https", "egress"), Some("is for all adapters and knows one"));
}
