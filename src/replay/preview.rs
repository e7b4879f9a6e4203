//! What a replay would do, letter by letter, looked at and not done.
//!
//! Every cause has its share among the letters that are looked at. Where a platform knows the answer
//! it is asked, for a bounded number of letters.

use std::time::Duration;

use super::letter::{Course, course_of};
use crate::deliver::{self, Prospect};
use crate::endpoint::MEMORY_CHANGED;
use crate::event::{Message, Work};
use crate::finalize::{self, Foreseen, Settlement};
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::memory::changes::Changes;
use crate::remember;
use crate::store::conversations::{self, Record};
use crate::store::dead_letters::list::{self, Filter};
use crate::store::dead_letters::{self, Kept, State};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{Conn, Result};

mod effects;

pub use effects::{Callee, Change, Effect, Effects, Example};

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

/// Looks at what a replay would do. Nothing is written.
pub async fn preview(flow: &Flow, mut filter: Filter) -> Result<Preview> {
    filter.state.get_or_insert(State::Dead);
    let agents = filter.agents.clone();
    let (total, letters, endpoints) = flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let (total, letters) = sample(&mut conn, &filter).await?;
                Ok((total, letters, endpoints::enabled(&mut conn).await?))
            })
        })
        .await?;
    let eye = Eye {
        flow,
        agents,
        endpoints,
    };
    let end = flow.host.now().plus(PATIENCE);
    let mut effects = Effects::default();
    let mut examples = Vec::with_capacity(letters.len());
    let mut asked = 0;
    for letter in letters {
        let with_api = asked < ASKED && flow.host.now() < end;
        asked += usize::from(letter.stage == "finalize" || letter.stage == "receive");
        let example = eye.look_at(&letter, with_api).await?;
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
async fn sample(conn: &mut Conn<'_>, filter: &Filter) -> Result<(i64, Vec<Kept>)> {
    let groups = list::groups(conn, filter).await?;
    let total = list::count(conn, filter).await?;
    let share = (LOOKED_AT / groups.len().max(1)).max(1);
    let mut letters = Vec::new();
    for group in groups.iter().take(LOOKED_AT) {
        let of_cause = Filter {
            fingerprint: Some(group.fingerprint.clone()),
            ..filter.clone()
        };
        let share = i64::try_from(share).unwrap_or(i64::MAX);
        for id in list::ids(conn, &of_cause, share).await? {
            letters.extend(dead_letters::get(conn, &id).await?);
        }
    }
    Ok((total, letters))
}

/// Looks at letters, on behalf of whoever may see some agents.
struct Eye<'a> {
    flow: &'a Flow,
    /// Empty is all.
    agents: Vec<String>,
    /// Those that are sent something.
    endpoints: Vec<Endpoint>,
}

impl Eye<'_> {
    async fn look_at(&self, letter: &Kept, with_api: bool) -> Result<Example> {
        let mut example = Example::of(letter);
        if letter.state == State::Resolved {
            example.effect = Effect::AlreadyDone;
            return Ok(example);
        }
        match course_of(self.flow, letter) {
            Course::Queue(message, _) => self.follow(message, with_api, &mut example).await?,
            Course::Accept(message, _) => {
                example.note = Some("its body can be read by now".to_owned());
                self.follow(message, with_api, &mut example).await?;
            }
            Course::Ignore => {
                example.note = Some("its body can be read by now: no stage needs it".to_owned());
            }
            Course::Fail(why) => example.fails(&why),
        }
        Ok(example)
    }

    async fn follow(&self, message: Message, with_api: bool, example: &mut Example) -> Result<()> {
        match message.work {
            Work::Finalize(event) => match finalize::foresee(self.flow, &event, with_api).await {
                Foreseen::AlreadyDone => example.effect = Effect::AlreadyDone,
                Foreseen::Fails(why) => example.fails(&why),
                Foreseen::Runs(note) => example.note = Some(note.to_owned()),
                Foreseen::NotAsked(why) => {
                    example.effect = Effect::NotAsked;
                    example.note = Some(why.to_owned());
                }
                Foreseen::Settles(settlement) => self.settles(&settlement, example).await,
            },
            Work::Remember(key) => self.remembers(key, example).await?,
            Work::Deliver(key) => match self.stored(key).await? {
                Some((record, messages)) if deliver::would_tell(&record, &messages).is_some() => {
                    self.tells_result(&record, &messages, example);
                }
                _ => example.effect = Effect::AlreadyDone,
            },
            Work::Send(sending) => match deliver::foresee(self.flow, &sending).await? {
                Prospect::Calls(endpoint_id) => self.calls(example, |one| one.id == endpoint_id),
                Prospect::Waits => {
                    example.note = Some("its delivery is on its way already".to_owned());
                }
                Prospect::AlreadyDone => example.effect = Effect::AlreadyDone,
                Prospect::Fails(why) => example.fails(&why),
            },
        }
        Ok(())
    }

    async fn settles(&self, settlement: &Settlement, example: &mut Example) {
        let Settlement {
            before,
            after,
            messages,
        } = settlement;
        example.conversation_id = Some(after.conversation.id.to_string());
        let reason = |record: &Record| {
            let reason = record.conversation.end_reason.as_ref();
            reason.map(ToString::to_string)
        };
        let (from, to) = (before.as_ref().and_then(reason), reason(after));
        if from != to {
            example.end_reason = Some(Change { from, to });
        }
        match remember::foresee(self.flow, after, messages).await {
            Ok(changes) => self.tells_memory(after, changes.as_ref(), example),
            Err(why) => example.note = Some(why.message),
        }
        self.tells_result(after, messages, example);
    }

    async fn remembers(&self, key: ConversationKey, example: &mut Example) -> Result<()> {
        let Some((record, messages)) = self.stored(key).await? else {
            example.effect = Effect::AlreadyDone;
            return Ok(());
        };
        match remember::foresee(self.flow, &record, &messages).await {
            Ok(None) if record.memory_status.is_some() => {
                example.effect = Effect::AlreadyDone;
                return Ok(());
            }
            Ok(changes) => self.tells_memory(&record, changes.as_ref(), example),
            Err(why) => {
                example.fails(&why);
                return Ok(());
            }
        }
        self.tells_result(&record, &messages, example);
        Ok(())
    }

    async fn stored(
        &self,
        key: ConversationKey,
    ) -> Result<Option<(Record, Vec<crate::conversation::Message>)>> {
        self.flow
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
            .await
    }

    /// Whoever subscribed would hear what becomes of the call.
    fn tells_result(
        &self,
        record: &Record,
        messages: &[crate::conversation::Message],
        example: &mut Example,
    ) {
        if let Some(kind) = deliver::would_tell(record, messages) {
            self.tells(kind, record, example);
        }
    }

    /// Whoever subscribed would hear what its caller's memory gains and loses.
    fn tells_memory(&self, record: &Record, changes: Option<&Changes>, example: &mut Example) {
        let Some(changes) = changes.filter(|changes| !changes.is_empty()) else {
            return;
        };
        example.facts = changes.added.len() as u64;
        self.tells(MEMORY_CHANGED, record, example);
    }

    fn tells(&self, kind: &str, record: &Record, example: &mut Example) {
        let agent_id = record.conversation.agent_id.as_str();
        self.calls(example, |one| one.subscription.wants(kind, agent_id));
    }

    fn calls(&self, example: &mut Example, is_called: impl Fn(&Endpoint) -> bool) {
        let called = self.endpoints.iter().filter(|one| is_called(one));
        example.calls.extend(called.map(|one| Callee {
            id: one.id.clone(),
            url: endpoints::is_of(one, &self.agents).then(|| one.url.clone()),
        }));
    }
}
