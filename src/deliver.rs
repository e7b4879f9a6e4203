//! Result to every subscriber. What has been told is kept beside the conversation, so that a
//! message more or less changes nothing: `conversation.completed` once, and then only differences.
//!
//! The transaction that adds a result to the feed makes a delivery for every endpoint that
//! subscribed. `dispatch` puts deliveries into the queue when they are due, `send` makes one attempt,
//! `verdict` says what an answer means, `endpoints` makes and changes who gets it, `reach` says whose
//! deliveries somebody may follow, and `announce` publishes the feed to RabbitMQ.

use serde_json::{Map, Value, json};

use crate::conversation::{Conversation, Message};
use crate::erasure::bars::{self, Bar};
use crate::erasure::ended_at;
use crate::flow::{Flow, store_failed};
use crate::id::{ConversationKey, of_content};
use crate::queue::Delivery;
use crate::secret::{SealKey, sha256_hex};
use crate::store::conversations::{self, Record};
use crate::store::results::{self, ResultEvent};
use crate::store::timeline::{self, Step};
use crate::store::{Conn, Result};
use crate::time::Timestamp;
use crate::verdict::Verdict;

mod announce;
pub mod body;
mod dispatch;
pub mod endpoints;
mod missed;
mod reach;
mod send;
mod trial;
mod verdict;

pub use announce::{announce, keep_announcing};
pub use dispatch::{dispatch, keep_dispatching};
pub use missed::{Missed, send_missed};
pub use reach::Reach;
pub use send::{Prospect, foresee, send};
pub use trial::{Tested, test};

/// The event that tells a call's result first.
const COMPLETED: &str = "conversation.completed";

/// The event that tells what has changed of it since.
const UPDATED: &str = "conversation.updated";

/// Fields that no CRM is told of: how a reason is known is recorded, not sent (product contract
/// §6), counts are of the store, and which source was first is ours to know.
const UNTOLD: [&str; 5] = [
    "end_reason_source",
    "end_reason_raw",
    "message_count",
    "source",
    "platform_fields",
];

/// The field of the messages, among those of the conversation.
const TRANSCRIPT: &str = "messages";

/// Tells the result of a conversation, or what has changed of it since it was told.
pub async fn deliver(flow: &Flow, key: &ConversationKey, delivery: &Delivery) -> Verdict {
    let (key, now, attempt) = (key.clone(), flow.host.now(), delivery.attempt);
    let seal = flow.seal.clone();
    let told = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move { tell(&mut conn, &seal, &key, now, attempt).await })
        })
        .await;
    match told {
        Ok(()) => {
            flow.news.tell();
            Verdict::Done
        }
        Err(error) => store_failed(&error),
    }
}

/// Whether the caller was erased after this call: it is about to go, and nobody is told of it.
async fn is_erased(conn: &mut Conn<'_>, seal: &SealKey, record: &Record) -> Result<bool> {
    let Some(subject) = record.subject() else {
        return Ok(false);
    };
    let bar = bars::on_call(conn, seal, &subject, ended_at(&record.conversation)).await?;
    Ok(bar == Some(Bar::Call))
}

/// What delivering a conversation now would tell: the event's type; none when there is no news.
pub(crate) fn would_tell(record: &Record, messages: &[Message]) -> Option<&'static str> {
    let values = told_values(&record.conversation, messages);
    news(record.announced.as_ref(), &values).map(|(kind, _)| kind)
}

/// What is to be told of these values: the event's type, and the fields that changed.
fn news(
    told: Option<&Map<String, Value>>,
    values: &Map<String, Value>,
) -> Option<(&'static str, Vec<String>)> {
    let Some(before) = told else {
        return Some((COMPLETED, Vec::new()));
    };
    let changed = differences(before, values);
    (!changed.is_empty()).then_some((UPDATED, changed))
}

async fn tell(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    key: &ConversationKey,
    now: Timestamp,
    attempt: u32,
) -> Result<()> {
    conversations::hold(conn, key).await?;
    let Some(mut record) = conversations::get(conn, key).await? else {
        return Ok(());
    };
    if is_erased(conn, seal, &record).await? {
        return Ok(());
    }
    let messages = conversations::all_messages(conn, key).await?;
    let values = told_values(&record.conversation, &messages);
    let Some((kind, changed)) = news(record.announced.as_ref(), &values) else {
        return Ok(());
    };
    let event = result(&record, kind, &changed, now);
    let added = results::add(conn, &event).await?;
    timeline::add(conn, key, &told_step(&event, added.deliveries, attempt)).await?;
    record.announced = Some(values);
    conversations::save(conn, &record).await
}

/// The step that a result in the feed is. Where nobody subscribed, the feed is where its way ends: a
/// delivery without an attempt.
fn told_step(event: &ResultEvent, deliveries: u64, attempt: u32) -> Step {
    let kind = &event.kind;
    let (step, attempt, detail) = match deliveries {
        0 => (
            "delivered",
            0,
            format!("{kind}, to the feed alone: no endpoint subscribed"),
        ),
        some => {
            let to = timeline::counted(some, "endpoint");
            ("announced", attempt, format!("{kind}, to {to}"))
        }
    };
    Step {
        key: format!("delivered:{}", event.id),
        at: event.created_at,
        step: step.to_owned(),
        attempt: i64::from(attempt),
        detail,
    }
}

fn result(record: &Record, kind: &str, changed: &[String], now: Timestamp) -> ResultEvent {
    let call = &record.conversation;
    let path = format!("/v1/conversations/{}", call.id);
    let mut data = json!({
        "id": call.id,
        "agent_id": call.agent_id,
        "caller_identity": call.caller_identity,
        "status": call.status,
        "end_reason": call.end_reason,
        "end_reason_source": call.end_reason_source,
        "links": {
            "conversation": path,
            "messages": format!("{path}/messages"),
            "memories": format!("{path}/memories"),
        },
    });
    let revision = record.revision.to_string();
    let owner = record.owner.as_str();
    let id = if kind == COMPLETED {
        of_content("evt_", &[kind, owner, call.id.as_str()])
    } else {
        data["changed"] = json!(changed);
        of_content("evt_", &[kind, owner, call.id.as_str(), &revision])
    };
    ResultEvent {
        id,
        kind: kind.to_owned(),
        agent_id: call.agent_id.to_string(),
        key: Some(record.key()),
        data,
        created_at: now,
    }
}

/// A hash of each value that CRMs see, by field; the transcript is one of them.
fn told_values(call: &Conversation, messages: &[Message]) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(call) else {
        return Map::new();
    };
    fields.insert(TRANSCRIPT.to_owned(), json!(messages));
    fields
        .into_iter()
        .filter(|(name, _)| !UNTOLD.contains(&name.as_str()))
        .map(|(name, value)| {
            let hash = sha256_hex(value.to_string().as_bytes());
            (name, Value::from(&hash[..16]))
        })
        .collect()
}

fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let mut names: Vec<String> = before
        .keys()
        .chain(after.keys())
        .filter(|name| before.get(*name) != after.get(*name))
        // An earlier version told without keeping what the transcript was.
        .filter(|name| *name != TRANSCRIPT || before.contains_key(TRANSCRIPT))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}
