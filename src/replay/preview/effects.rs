//! The effects of a replay, counted and letter by letter.

use std::collections::BTreeMap;

use crate::store::dead_letters::Kept;
use crate::verdict::Failure;

/// What would become of the letters that were looked at.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Letters that were looked at.
    pub looked_at: u64,
    /// Would run.
    pub would_run: u64,
    /// Have nothing left to do.
    pub already_done: u64,
    /// Would fail again.
    pub would_fail: u64,
    /// Hang on what their platform says, which was not asked about them.
    pub not_asked: u64,
    /// Would change why a call ended.
    pub would_change_end_reason: u64,
    /// Facts that callers' memories would gain.
    pub would_add_facts: u64,
    /// How many calls would go from one reason to another.
    pub end_reasons: BTreeMap<Change, u64>,
    /// Which endpoints would be called, and how often.
    pub calls: BTreeMap<Callee, u64>,
}

/// From one end reason to another; none is a call that has none, or is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// As it is.
    pub from: Option<String>,
    /// As it would be.
    pub to: Option<String>,
}

/// An endpoint that would be called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Callee {
    /// Its id.
    pub id: String,
    /// Where it is; none where whoever asks may not see the endpoint.
    pub url: Option<String>,
}

/// What would become of a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It would run.
    WouldRun,
    /// Nothing is left to do.
    AlreadyDone,
    /// It would fail again.
    WouldFail,
    /// That hangs on what its platform says, which was not asked.
    NotAsked,
}

impl Effect {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WouldRun => "would_run",
            Self::AlreadyDone => "already_done",
            Self::WouldFail => "would_fail",
            Self::NotAsked => "not_asked",
        }
    }
}

/// A letter that was looked at.
#[derive(Clone, Debug)]
pub struct Example {
    /// The letter.
    pub id: String,
    /// Who gave up.
    pub stage: String,
    /// Its call, where that is known.
    pub conversation_id: Option<String>,
    /// What would become of it.
    pub effect: Effect,
    /// Why, or what can't be told before.
    pub note: Option<String>,
    /// The change of its call's end reason.
    pub end_reason: Option<Change>,
    /// Facts that its caller's memory would gain.
    pub facts: u64,
    /// The endpoints that would be called, each once for every event.
    pub calls: Vec<Callee>,
}

impl Example {
    pub(super) fn of(letter: &Kept) -> Self {
        Self {
            id: letter.id.clone(),
            stage: letter.stage.clone(),
            conversation_id: letter.conversation_id.clone(),
            effect: Effect::WouldRun,
            note: None,
            end_reason: None,
            facts: 0,
            calls: Vec::new(),
        }
    }

    pub(super) fn fails(&mut self, why: &Failure) {
        self.effect = Effect::WouldFail;
        self.note = Some(format!("{}: {}", why.code, why.message));
    }
}

impl Effects {
    pub(super) fn add(&mut self, example: &Example) {
        self.looked_at += 1;
        match example.effect {
            Effect::WouldRun => self.would_run += 1,
            Effect::AlreadyDone => self.already_done += 1,
            Effect::WouldFail => self.would_fail += 1,
            Effect::NotAsked => self.not_asked += 1,
        }
        if let Some(change) = &example.end_reason {
            self.would_change_end_reason += 1;
            *self.end_reasons.entry(change.clone()).or_default() += 1;
        }
        self.would_add_facts += example.facts;
        for callee in &example.calls {
            *self.calls.entry(callee.clone()).or_default() += 1;
        }
    }
}
