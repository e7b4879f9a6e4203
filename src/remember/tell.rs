//! Memory folded anew, and what that changed told to whoever subscribed.

use serde_json::{Value, json};

use crate::id::{ConversationKey, of_content};
use crate::memory::changes::{Changes, changes};
use crate::memory::fold::{Fact, Seen, fold};
use crate::memory::observation::{Observation, Rank};
use crate::store::conversations::Record;
use crate::store::memories::{self, Subject};
use crate::store::results::{self, ResultEvent};
use crate::store::{Conn, Result};
use crate::time::Timestamp;

/// Folds a caller's memory anew, and tells what changed.
pub(super) async fn refold(
    conn: &mut Conn<'_>,
    subject: &Subject,
    key: &ConversationKey,
    caller_identity: &str,
    now: Timestamp,
) -> Result<()> {
    let changed = fold_anew(conn, subject, caller_identity, now).await?;
    let telling = Telling {
        agent_id: &subject.agent_id,
        caller_identity,
        key,
        now,
    };
    telling.consents(conn, &changed).await?;
    telling.tell(conn, "memory.changed", &changed).await
}

/// Folds a caller's memory anew without a call that was deleted. What only that call said is told
/// to be gone, without its words.
pub(crate) async fn forget(
    conn: &mut Conn<'_>,
    subject: &Subject,
    key: &ConversationKey,
    caller_identity: &str,
    now: Timestamp,
) -> Result<()> {
    let mut changed = fold_anew(conn, subject, caller_identity, now).await?;
    for fact in &mut changed.closed {
        fact.value = Value::Null;
        fact.fact.clear();
        fact.object_key.clear();
        fact.evidence.clear();
    }
    let telling = Telling {
        agent_id: &subject.agent_id,
        caller_identity,
        key,
        now,
    };
    telling.consents(conn, &changed).await?;
    telling.tell(conn, "memory.changed", &changed).await
}

async fn fold_anew(
    conn: &mut Conn<'_>,
    subject: &Subject,
    caller_identity: &str,
    now: Timestamp,
) -> Result<Changes> {
    let held = memories::facts(conn, subject).await?;
    let seen = memories::observations(conn, subject).await?;
    let facts = fold(&subject.agent_id, subject.caller.as_str(), &seen);
    let before: Vec<_> = held.iter().map(|stored| stored.fact.clone()).collect();
    if before != facts {
        memories::replace_facts(conn, subject, caller_identity, &held, &facts, now).await?;
    }
    Ok(changes(&before, &facts))
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
            conversation_id: call.id.clone(),
            extractor: String::new(),
            rank: Rank::Rules,
            observation: observation.clone(),
        })
        .collect();
    let said = fold(call.agent_id.as_str(), "", &seen);
    let telling = Telling {
        agent_id: call.agent_id.as_str(),
        caller_identity: "",
        key: &record.key(),
        now,
    };
    telling.consents(conn, &changes(&[], &said)).await
}

/// Whose memory changed, by which conversation, and when.
struct Telling<'a> {
    agent_id: &'a str,
    caller_identity: &'a str,
    key: &'a ConversationKey,
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
        let (owner, id) = (self.key.owner.as_str(), self.key.id.as_str());
        let event = ResultEvent {
            id: of_content("evt_", &[kind, owner, id, &what]),
            kind: kind.to_owned(),
            agent_id: self.agent_id.to_owned(),
            key: Some(self.key.clone()),
            data: json!({
                "agent_id": self.agent_id,
                "caller_identity": self.caller_identity,
                "conversation_id": self.key.id,
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
