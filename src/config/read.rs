//! One table of settings, read key by key. What is wrong is collected, so that all of it is told at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use ::config::{Map, Value, ValueKind};

use super::keys;
use super::load::Problem;
use crate::secret::Secret;

/// A table as the `config` crate gives it.
pub(super) type Table = Map<String, Value>;

/// What reading needs beside the table, and what it leaves behind.
#[derive(Debug)]
pub(super) struct Notes<'e> {
    /// The environment, for secrets written `{ env = "NAME" }`.
    pub env: &'e BTreeMap<String, String>,
    /// Which of its variables were named so.
    pub named: BTreeSet<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// What is odd.
    pub warnings: Vec<String>,
}

/// A table and the path that it stands under.
#[derive(Debug)]
pub(super) struct Reader<'t, 'n, 'e> {
    table: &'t Table,
    path: String,
    notes: &'n mut Notes<'e>,
}

impl<'t, 'n, 'e> Reader<'t, 'n, 'e> {
    /// Reads `table`; `path` is put before each of its keys when something is told of them.
    pub(super) fn new(table: &'t Table, path: String, notes: &'n mut Notes<'e>) -> Self {
        Self { table, path, notes }
    }

    /// Notes that something is wrong with a key. The message must carry no secret.
    pub(super) fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.note(key, message, self.change(key));
    }

    /// Notes that a key is needed, and why.
    pub(super) fn missing(&mut self, key: &str, why: impl Display) {
        self.problem(key, format!("missing; {why}"));
    }

    fn note(&mut self, key: &str, message: impl Into<String>, mend: String) {
        self.notes.problems.push(Problem {
            key: format!("{}{key}", self.path),
            message: message.into(),
            mend,
        });
    }

    /// What mends a value, by where it came from, or where it should come from.
    fn change(&self, key: &str) -> String {
        let plain = key.split('[').next().unwrap_or_default();
        let variables = match self.path.as_str() {
            "" => keys::variables_of(plain),
            _ => Vec::new(),
        };
        let is_set = |name: &&String| self.notes.env.get(*name).is_some_and(|set| !set.is_empty());
        match (variables.iter().find(is_set), variables.first()) {
            (Some(name), _) => format!("change the variable {name}, or unset it"),
            (None, _) if key.is_empty() || self.has(plain) => format!(
                "change {}{key} in the settings' file; aftercall.example.toml says what it takes",
                self.path
            ),
            (None, Some(name)) => {
                format!("set {plain} in the settings' file, or the variable {name}")
            }
            (None, None) => format!("add {plain} to this source in the settings' file"),
        }
    }

    /// Notes that something is odd with a key, but no error.
    pub(super) fn warning(&mut self, key: &str, message: &str) {
        let warning = format!("{}{key}: {message}", self.path);
        self.notes.warnings.push(warning);
    }

    /// Every key that is set must be one of `known`, and every table one that has some of them.
    pub(super) fn only(&mut self, known: &[&str]) {
        let mut set = Vec::new();
        leaves(self.table, "", known, &mut set);
        for Leaf { key, is_table } in set {
            if known.contains(&key.as_str()) {
                continue;
            }
            let below = keys::below(&key, known);
            let (what, nearest) = match (is_table, below.as_slice()) {
                (true, [_, ..]) => continue,
                (false, [_, ..]) => {
                    self.problem(&key, format!("expected a table with {}", below.join(", ")));
                    continue;
                }
                (true, []) => ("table", keys::nearest(&key, keys::tables(known))),
                (false, []) => ("key", keys::nearest(&key, known.iter().copied())),
            };
            let mend = format!("call it {nearest}, or take it out of the settings' file");
            let message = format!("unknown {what}; did you mean {nearest}?");
            self.note(&key, message, mend);
        }
    }

    /// Whether the key, or any key below it, is set.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The value of a dotted key.
    pub(super) fn value(&self, key: &str) -> Option<&'t Value> {
        let mut table = self.table;
        let (tables, last) = match key.rsplit_once('.') {
            Some((tables, last)) => (tables.split('.').collect(), last),
            None => (Vec::new(), key),
        };
        for name in tables {
            match &table.get(name)?.kind {
                ValueKind::Table(inner) => table = inner,
                _ => return None,
            }
        }
        table.get(last)
    }

    /// A value that is text, a number or a yes or no, as text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        let text = scalar(self.value(key)?);
        if text.is_none() {
            self.problem(key, "expected text");
        }
        text
    }

    /// A path: text alone, for a number in its place is a slip.
    pub(super) fn path(&mut self, key: &str) {
        let set = self.value(key).map(|value| &value.kind);
        match set {
            None => {}
            Some(ValueKind::String(path)) if !path.is_empty() => {}
            Some(_) => self.problem(key, "expected a path in quotes, as \"/var/lib/aftercall\""),
        }
    }

    /// A value of the kind that `parse` reads.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(key, error.to_string());
                None
            }
        }
    }

    /// A list. One value counts as a list of one; a variable separates several by commas.
    pub(super) fn list(&self, key: &str) -> Vec<Value> {
        match self.value(key) {
            None => Vec::new(),
            Some(value) => match &value.kind {
                ValueKind::Array(values) => values.clone(),
                ValueKind::String(text) if text.contains(',') => text
                    .split(',')
                    .map(|part| Value::new(None, part.trim()))
                    .collect(),
                _ => vec![value.clone()],
            },
        }
    }

    /// A list of a kind that `parse` reads, or none when the key is not set.
    pub(super) fn parsed_list<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        self.value(key)?;
        let mut parsed = Vec::new();
        for (at, value) in self.list(key).iter().enumerate() {
            let read = scalar(value).ok_or_else(|| "expected text".to_owned());
            match read.and_then(|text| parse(&text)) {
                Ok(value) => parsed.push(value),
                Err(message) => self.problem(&format!("{key}[{at}]"), message),
            }
        }
        Some(parsed)
    }

    /// A secret, when the key is set.
    pub(super) fn secret(&mut self, key: &str) -> Option<Secret> {
        let value = self.value(key)?;
        self.secret_in(key, value)
    }

    /// The secrets of a list.
    pub(super) fn secrets(&mut self, key: &str) -> Vec<Secret> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        // Not `list`: a comma may stand inside a secret.
        let ValueKind::Array(values) = &value.kind else {
            self.problem(key, "expected a list, as [{ env = \"NAME\" }]");
            return Vec::new();
        };
        values
            .iter()
            .enumerate()
            .filter_map(|(at, value)| self.secret_in(&format!("{key}[{at}]"), value))
            .collect()
    }

    /// A secret written inline, as `{ env = "NAME" }` or as `{ file = "path" }`.
    pub(super) fn secret_in(&mut self, key: &str, value: &Value) -> Option<Secret> {
        let found = match &value.kind {
            ValueKind::Table(place) => self.secret_from(key, place),
            _ => scalar(value).ok_or_else(|| {
                let expected = "expected a secret: text, { env = … } or { file = … }";
                (expected.to_owned(), self.change(key))
            }),
        };
        let secret = found.and_then(|text| {
            Secret::new(text).map_err(|error| (error.to_string(), self.change(key)))
        });
        match secret {
            Ok(secret) => Some(secret),
            Err((message, mend)) => {
                self.note(key, message, mend);
                None
            }
        }
    }

    /// A secret from where it is kept; else what is wrong, and what mends it.
    fn secret_from(&mut self, key: &str, place: &Table) -> Result<String, (String, String)> {
        let mut entries = place.iter();
        let (Some((kind, name)), None) = (entries.next(), entries.next()) else {
            let expected = "expected exactly one of env and file".to_owned();
            return Err((expected, self.change(key)));
        };
        let Some(name) = scalar(name) else {
            return Err((format!("expected text in {kind}"), self.change(key)));
        };
        match kind.as_str() {
            "env" => {
                self.notes.named.insert(name.clone());
                let why = match self.notes.env.get(&name) {
                    Some(text) if text.is_empty() => "is empty",
                    Some(text) => return Ok(text.clone()),
                    None => "is not set",
                };
                let mend = format!("set {name} in the environment that aftercall is started in");
                Err((format!("the variable {name} {why}"), mend))
            }
            "file" => std::fs::read_to_string(&name)
                .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
                .map_err(|error| {
                    let mend = format!("put the secret into {name}, and let this user read it");
                    (format!("the file {name} can't be read: {error}"), mend)
                }),
            other => {
                let nearest = keys::nearest(other, ["env", "file"]);
                let message = format!("unknown key {other}; did you mean {nearest}?");
                Err((message, format!("call it {nearest}")))
            }
        }
    }
}

/// Text, numbers and booleans as text; nothing of lists and tables.
fn scalar(value: &Value) -> Option<String> {
    match &value.kind {
        ValueKind::Table(_) | ValueKind::Array(_) | ValueKind::Nil => None,
        _ => value.clone().into_string().ok(),
    }
}

/// A dotted key that holds a value, or a table without any.
struct Leaf {
    key: String,
    is_table: bool,
}

/// What is set, dotted. What is known as one key is not looked into.
fn leaves(table: &Table, path: &str, known: &[&str], into: &mut Vec<Leaf>) {
    let mut names: Vec<_> = table.keys().collect();
    names.sort();
    for name in names {
        let key = format!("{path}{name}");
        let inner = match &table[name].kind {
            ValueKind::Table(inner) if !known.contains(&key.as_str()) => Some(inner),
            _ => None,
        };
        match inner {
            Some(inner) if !inner.is_empty() => leaves(inner, &format!("{key}."), known, into),
            _ => into.push(Leaf {
                key,
                is_table: inner.is_some(),
            }),
        }
    }
}
