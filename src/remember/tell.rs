//! Memory folded anew, and what that changed told to whoever subscribed.

use serde_json::{Value, json};

use crate::consent;
use crate::endpoint::MEMORY_CHANGED;
use crate::id::{ConversationKey, of_content};
use crate::memory::changes::{Changes, changes};
use crate::memory::fold::{Fact, Origin, Seen, fold};
use crate::memory::observation::{Observation, Rank};
use crate::secret::SealKey;
use crate::store::conversations::Record;
use crate::store::memories::{self, Subject};
use crate::store::results::{self, ResultEvent};
use crate::store::{Conn, Result, extractions, pins};
use crate::time::Timestamp;

/// Whose memory is folded anew, because of what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Refolding<'a> {
    /// The key for what outlives an erasure.
    pub seal: &'a SealKey,
    /// Whose memory.
    pub subject: &'a Subject,
    /// The call that is the cause; none when a person is.
    pub call: Option<&'a ConversationKey>,
    /// The caller, as the call or the person names them.
    pub caller_identity: &'a str,
    /// When.
    pub now: Timestamp,
}

impl Refolding<'_> {
    /// Folds the memory anew, and tells what changed.
    pub async fn run(&self, conn: &mut Conn<'_>) -> Result<()> {
        let changed = self.fold(conn, &[]).await?;
        let telling = self.telling();
        telling.consents(conn, &changed).await?;
        telling.tell(conn, MEMORY_CHANGED, &changed).await
    }

    /// Folds the memory anew without the call, which was deleted or has grown old. What only that
    /// call said is told to be gone, without its words; a refusal stays in force, and is not told to
    /// be lifted.
    pub async fn run_without(&self, conn: &mut Conn<'_>) -> Result<()> {
        let calls: Vec<_> = self.call.iter().map(|key| key.id.clone()).collect();
        let mut changed = self.fold(conn, &calls).await?;
        memories::log::forget(conn, self.subject, &calls).await?;
        for fact in &mut changed.closed {
            fact.value = Value::Null;
            fact.fact.clear();
            fact.object_key.clear();
            fact.evidence.clear();
        }
        self.telling().tell(conn, MEMORY_CHANGED, &changed).await
    }

    async fn fold(
        &self,
        conn: &mut Conn<'_>,
        forgotten: &[crate::id::ConversationId],
    ) -> Result<Changes> {
        let Self { subject, now, .. } = *self;
        let held = memories::facts(conn, subject).await?;
        let mut seen = extractions::seen(conn, subject).await?;
        seen.extend(pins::seen(conn, subject).await?);
        let facts = fold(&subject.agent_id, subject.caller.as_str(), &seen);
        let before: Vec<_> = held.iter().map(|stored| stored.fact.clone()).collect();
        if before != facts {
            let identity = self.caller_identity;
            memories::replace_facts(conn, subject, identity, &held, &facts, forgotten, now).await?;
            consent::keep(conn, self.seal, subject, &facts).await?;
        }
        Ok(changes(&before, &facts))
    }

    fn telling(&self) -> Telling<'_> {
        Telling {
            agent_id: &self.subject.agent_id,
            caller_identity: self.caller_identity,
            call: self.call,
            now: self.now,
        }
    }
}

/// Folds a caller's memory anew without a call that was deleted.
pub(crate) async fn forget(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    subject: &Subject,
    key: &ConversationKey,
    caller_identity: &str,
    now: Timestamp,
) -> Result<()> {
    let refolding = Refolding {
        seal,
        subject,
        call: Some(key),
        caller_identity,
        now,
    };
    refolding.run_without(conn).await
}

/// Tells what a caller who is nobody said about consent: it concerns that one conversation.
pub(super) async fn consents_of_nobody(
    conn: &mut Conn<'_>,
    record: &Record,
    consents: &[Observation],
    now: Timestamp,
) -> Result<()> {
    let call = &record.conversation;
    let seen: Vec<Seen> = consents
        .iter()
        .map(|observation| Seen {
            origin: Origin::Call(call.id.clone()),
            extractor: String::new(),
            rank: Rank::Rules,
            observation: observation.clone(),
        })
        .collect();
    let said = fold(call.agent_id.as_str(), "", &seen);
    let telling = Telling {
        agent_id: call.agent_id.as_str(),
        caller_identity: "",
        call: Some(&record.key()),
        now,
    };
    telling.consents(conn, &changes(&[], &said)).await
}

/// Whose memory changed, by which conversation, and when.
struct Telling<'a> {
    agent_id: &'a str,
    caller_identity: &'a str,
    call: Option<&'a ConversationKey>,
    now: Timestamp,
}

impl Telling<'_> {
    async fn consents(&self, conn: &mut Conn<'_>, changed: &Changes) -> Result<()> {
        let consents = |facts: &[Fact]| -> Vec<Fact> {
            facts
                .iter()
                .filter(|fact| fact.slot.is_consent())
                .cloned()
                .collect()
        };
        let changed = Changes {
            added: consents(&changed.added),
            changed: consents(&changed.changed),
            closed: consents(&changed.closed),
        };
        self.tell(conn, "consent.changed", &changed).await
    }

    async fn tell(&self, conn: &mut Conn<'_>, kind: &str, changed: &Changes) -> Result<()> {
        if changed.is_empty() {
            return Ok(());
        }
        // What changed is the event's name: the same change told twice is one event.
        let what = json!(changed).to_string();
        let owner = self.call.map_or("", |key| key.owner.as_str());
        let id = self.call.map(|key| &key.id);
        let named = id.map_or(self.caller_identity, |id| id.as_str());
        let event = ResultEvent {
            id: of_content("evt_", &[kind, owner, named, &what]),
            kind: kind.to_owned(),
            agent_id: self.agent_id.to_owned(),
            key: self.call.cloned(),
            data: json!({
                "agent_id": self.agent_id,
                "caller_identity": self.caller_identity,
                "conversation_id": id,
                "added": self.objects(&changed.added),
                "changed": self.objects(&changed.changed),
                "closed": self.objects(&changed.closed),
            }),
            created_at: self.now,
        };
        results::add(conn, &event).await?;
        Ok(())
    }

    fn objects(&self, facts: &[Fact]) -> Vec<Value> {
        facts
            .iter()
            .map(|fact| memory_object(fact, self.agent_id, self.caller_identity, self.now))
            .collect()
    }
}

/// A fact as CRMs are told it: the shape of the API (product contract §14).
pub(crate) fn memory_object(
    fact: &Fact,
    agent_id: &str,
    caller_identity: &str,
    created_at: Timestamp,
) -> Value {
    json!({
        "id": fact.id,
        "agent_id": agent_id,
        "caller_identity": caller_identity,
        "fact": fact.fact,
        "slot": fact.slot,
        "value": fact.value,
        "confidence": fact.confidence,
        "valid_from": fact.valid_from,
        "valid_to": fact.valid_to,
        "due_at": fact.due_at,
        "source_conversation_id": fact.source_conversation_id,
        "evidence": fact.evidence,
        "extractor": fact.extractor,
        "created_at": created_at,
    })
}
