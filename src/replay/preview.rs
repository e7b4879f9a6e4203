//! What a replay would do, letter by letter, looked at and not done.
//!
//! Every cause has its share among the letters that are looked at. Where a platform knows the answer
//! it is asked, for a bounded number of letters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::letter::{Course, course_of};
use crate::deliver::{self, Prospect};
use crate::event::{Message, Work};
use crate::finalize::{self, Foreseen, Settlement};
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::remember;
use crate::store::Result;
use crate::store::conversations;
use crate::store::dead_letters::list::{self, Filter};
use crate::store::dead_letters::{self, Kept, State};
use crate::verdict::Failure;

/// Letters that are looked at.
const LOOKED_AT: usize = 100;

/// Letters whose platform is asked.
const ASKED: usize = 25;

/// How long platforms are asked before the answer is given without them.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a replay of a filter would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Letters of the filter.
    pub total: i64,
    /// What was found of those that were looked at.
    pub effects: Effects,
    /// Each of those.
    pub examples: Vec<Example>,
}

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
    /// Would change why a call ended.
    pub would_change_end_reason: u64,
    /// Facts that callers' memories would gain.
    pub would_add_facts: u64,
    /// How many calls would go from one reason to another.
    pub end_reasons: BTreeMap<Change, u64>,
}

/// From one end reason to another; none is a call that has none, or is not known yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// As it is.
    pub from: Option<String>,
    /// As it would be.
    pub to: Option<String>,
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
}

impl Effect {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WouldRun => "would_run",
            Self::AlreadyDone => "already_done",
            Self::WouldFail => "would_fail",
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
}

/// Looks at what a replay would do. Nothing is written.
pub async fn preview(flow: &Flow, mut filter: Filter) -> Result<Preview> {
    filter.state.get_or_insert(State::Dead);
    let (total, letters) = sample(flow, filter).await?;
    let end = flow.host.now().plus(PATIENCE);
    let mut effects = Effects::default();
    let mut examples = Vec::with_capacity(letters.len());
    let mut asked = 0;
    for letter in letters {
        let with_api = asked < ASKED && flow.host.now() < end;
        asked += usize::from(letter.stage == "finalize" || letter.stage == "receive");
        let example = look_at(flow, &letter, with_api).await?;
        effects.add(&example);
        examples.push(example);
    }
    Ok(Preview {
        total,
        effects,
        examples,
    })
}

/// How many letters there are, and some of every cause, those that have waited longest.
async fn sample(flow: &Flow, filter: Filter) -> Result<(i64, Vec<Kept>)> {
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let groups = list::groups(&mut conn, &filter).await?;
                let total = list::count(&mut conn, &filter).await?;
                let share = (LOOKED_AT / groups.len().max(1)).max(1);
                let mut letters = Vec::new();
                for group in groups.iter().take(LOOKED_AT) {
                    let of_cause = Filter {
                        fingerprint: Some(group.fingerprint.clone()),
                        ..filter.clone()
                    };
                    let share = i64::try_from(share).unwrap_or(i64::MAX);
                    for id in list::ids(&mut conn, &of_cause, share).await? {
                        letters.extend(dead_letters::get(&mut conn, &id).await?);
                    }
                }
                Ok((total, letters))
            })
        })
        .await
}

async fn look_at(flow: &Flow, letter: &Kept, with_api: bool) -> Result<Example> {
    let mut example = Example {
        id: letter.id.clone(),
        stage: letter.stage.clone(),
        conversation_id: letter.conversation_id.clone(),
        effect: Effect::WouldRun,
        note: None,
        end_reason: None,
        facts: 0,
    };
    if letter.state == State::Resolved {
        example.effect = Effect::AlreadyDone;
        return Ok(example);
    }
    match course_of(flow, letter) {
        Course::Queue(message, _) => follow(flow, message, with_api, &mut example).await?,
        Course::Accept(message, _) => {
            example.note = Some("its body can be read by now".to_owned());
            follow(flow, message, with_api, &mut example).await?;
        }
        Course::Ignore => {
            example.note = Some("its body can be read by now: no stage needs it".to_owned());
        }
        Course::Fail(why) => example.fails(&why),
    }
    Ok(example)
}

async fn follow(
    flow: &Flow,
    message: Message,
    with_api: bool,
    example: &mut Example,
) -> Result<()> {
    match message.work {
        Work::Finalize(event) => match finalize::foresee(flow, &event, with_api).await {
            Foreseen::AlreadyDone => example.effect = Effect::AlreadyDone,
            Foreseen::Fails(why) => example.fails(&why),
            Foreseen::Runs(note) => example.note = Some(note.to_owned()),
            Foreseen::Settles(settlement) => settles(flow, &settlement, example).await,
        },
        Work::Remember(key) => remembers(flow, key, example).await?,
        Work::Deliver(key) => {
            let found = flow
                .db
                .read(move |mut conn| {
                    Box::pin(async move {
                        let record = conversations::get(&mut conn, &key).await?;
                        let messages = conversations::all_messages(&mut conn, &key).await?;
                        Ok(record.map(|record| crate::deliver::has_news(&record, &messages)))
                    })
                })
                .await?;
            if !found.unwrap_or_default() {
                example.effect = Effect::AlreadyDone;
            }
        }
        Work::Send(sending) => match deliver::foresee(flow, &sending).await? {
            Prospect::Runs => {}
            Prospect::AlreadyDone => example.effect = Effect::AlreadyDone,
            Prospect::Fails(why) => example.fails(&why),
        },
    }
    Ok(())
}

async fn settles(flow: &Flow, settlement: &Settlement, example: &mut Example) {
    let Settlement {
        before,
        after,
        messages,
    } = settlement;
    example.conversation_id = Some(after.conversation.id.to_string());
    let reason = |record: &conversations::Record| {
        let reason = record.conversation.end_reason.as_ref();
        reason.map(ToString::to_string)
    };
    let (from, to) = (before.as_ref().and_then(reason), reason(after));
    if from != to {
        example.end_reason = Some(Change { from, to });
    }
    match remember::foresee(flow, after, messages).await {
        Ok(facts) => example.facts = facts.map_or(0, |facts| facts as u64),
        Err(why) => example.note = Some(why.message),
    }
}

async fn remembers(flow: &Flow, key: ConversationKey, example: &mut Example) -> Result<()> {
    let found = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let Some(record) = conversations::get(&mut conn, &key).await? else {
                    return Ok(None);
                };
                let messages = conversations::all_messages(&mut conn, &key).await?;
                Ok(Some((record, messages)))
            })
        })
        .await?;
    let Some((record, messages)) = found else {
        example.effect = Effect::AlreadyDone;
        return Ok(());
    };
    match remember::foresee(flow, &record, &messages).await {
        Ok(Some(facts)) => example.facts = facts as u64,
        Ok(None) if record.memory_status.is_some() => example.effect = Effect::AlreadyDone,
        Ok(None) => {}
        Err(why) => example.fails(&why),
    }
    Ok(())
}

impl Example {
    fn fails(&mut self, why: &Failure) {
        self.effect = Effect::WouldFail;
        self.note = Some(format!("{}: {}", why.code, why.message));
    }
}

impl Effects {
    fn add(&mut self, example: &Example) {
        self.looked_at += 1;
        match example.effect {
            Effect::WouldRun => self.would_run += 1,
            Effect::AlreadyDone => self.already_done += 1,
            Effect::WouldFail => self.would_fail += 1,
        }
        if let Some(change) = &example.end_reason {
            self.would_change_end_reason += 1;
            *self.end_reasons.entry(change.clone()).or_default() += 1;
        }
        self.would_add_facts += example.facts;
    }
}
