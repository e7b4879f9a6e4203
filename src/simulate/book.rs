//! All calls that the simulated platform knows, with what goes wrong when they are asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::record::{Faults, Record};
use crate::page::{Cursor, Page};
use crate::time::Timestamp;

/// The calls, newest first by creation.
#[derive(Debug, Default)]
pub struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    by_creation: BTreeMap<(Timestamp, String), Entry>,
    creation_of: HashMap<String, Timestamp>,
}

#[derive(Debug)]
struct Entry {
    record: Record,
    faults: Faults,
}

/// What asking for one call brings.
#[derive(Debug, PartialEq)]
pub enum Asked<T> {
    /// The answer.
    Answer(T),
    /// No such call.
    Unknown,
    /// A scripted 503, with `Retry-After` in seconds.
    Unavailable(Option<u64>),
    /// A scripted 429, with `Retry-After` in seconds.
    Throttled(Option<u64>),
}

impl Book {
    /// Enters a call, or replaces the one with its id.
    pub fn enter(&self, record: Record, faults: Faults) {
        let mut pages = self.open();
        let id = record.id.as_str().to_owned();
        if let Some(created_at) = pages.creation_of.insert(id.clone(), record.created_at) {
            pages.by_creation.remove(&(created_at, id.clone()));
        }
        let key = (record.created_at, id);
        pages.by_creation.insert(key, Entry { record, faults });
    }

    /// The single read of a call.
    pub fn detail(&self, id: &str) -> Asked<Value> {
        self.ask(id, |entry| {
            let finished = entry.faults.unfinished == 0;
            entry.faults.unfinished = entry.faults.unfinished.saturating_sub(1);
            entry.record.detail(finished)
        })
    }

    /// A page of a call's messages, and where the next one begins.
    pub fn messages(
        &self,
        id: &str,
        from: usize,
        limit: usize,
    ) -> Asked<(Vec<Value>, Option<usize>)> {
        self.ask(id, |entry| {
            let all = &entry.record.messages;
            let rows: Vec<Value> = all.iter().skip(from).take(limit).cloned().collect();
            let end = from.saturating_add(rows.len());
            (rows, (end < all.len()).then_some(end))
        })
    }

    /// A page of the calls that `wanted` picks, newest first.
    pub fn list(
        &self,
        wanted: impl Fn(&Record) -> bool,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Page<Value> {
        let pages = self.open();
        let end = after.map(|cursor| (cursor.at, cursor.id.clone()));
        let rows = pages
            .by_creation
            .iter()
            .rev()
            .filter(|(key, _)| end.as_ref().is_none_or(|end| *key < end))
            .filter(|(_, entry)| wanted(&entry.record))
            .take(limit.saturating_add(1))
            .map(|(key, entry)| (key.clone(), entry.record.row()))
            .collect();
        Page::cut(rows, limit, |((at, id), _)| Cursor {
            at: *at,
            id: id.clone(),
        })
        .map(|(_, row)| row)
    }

    /// The call of this id.
    pub fn record(&self, id: &str) -> Option<Record> {
        let pages = self.open();
        let created_at = *pages.creation_of.get(id)?;
        let entry = pages.by_creation.get(&(created_at, id.to_owned()))?;
        Some(entry.record.clone())
    }

    /// Some calls, newest first.
    pub fn newest(&self, from: usize, limit: usize) -> Vec<Record> {
        let pages = self.open();
        let all = pages.by_creation.values().rev().skip(from).take(limit);
        all.map(|entry| entry.record.clone()).collect()
    }

    fn ask<T>(&self, id: &str, answer: impl FnOnce(&mut Entry) -> T) -> Asked<T> {
        let mut pages = self.open();
        let Some(created_at) = pages.creation_of.get(id).copied() else {
            return Asked::Unknown;
        };
        let Some(entry) = pages.by_creation.get_mut(&(created_at, id.to_owned())) else {
            return Asked::Unknown;
        };
        let faults = &mut entry.faults;
        if faults.unavailable > 0 {
            faults.unavailable -= 1;
            return Asked::Unavailable(faults.retry_after_s);
        }
        if faults.throttled > 0 {
            faults.throttled -= 1;
            return Asked::Throttled(faults.retry_after_s);
        }
        Asked::Answer(answer(entry))
    }

    /// A panic elsewhere leaves the book readable: every change to it is whole.
    fn open(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
