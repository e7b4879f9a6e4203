//! What an event says, in the shapes of the product contract §14.
//!
//! A body is made anew for every attempt, out of the records as they are then: no transcript lies
//! about in a second place, and what was erased is not sent.

use serde_json::{Map, Value, json};

use crate::conversation::{Conversation, Message, Presence, Role, Status};
use crate::end_reason::{EndReason, EndReasonSource};
use crate::endpoint::Payload;
use crate::id::{AgentId, ConversationId, MessageId, Owner};
use crate::memory::fold::Fact;
use crate::memory::slot::Slot;
use crate::page::PageRequest;
use crate::remember::memory_object;
use crate::store::conversations::{self, Own, Record};
use crate::store::memories::{self, Stored};
use crate::store::results::ResultEvent;
use crate::store::{Conn, Result};
use crate::time::Timestamp;

/// An event, and the conversation that it came from where that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The event.
    pub event: ResultEvent,
    call: Option<Call>,
}

#[derive(Clone, Debug, PartialEq)]
struct Call {
    record: Record,
    messages: Vec<Message>,
    memories: Vec<Stored>,
}

impl Facts {
    /// The event alone: enough for the thin payload.
    pub fn thin(event: ResultEvent) -> Self {
        Self { event, call: None }
    }

    /// The event with its whole conversation, as far as that is still there.
    pub async fn whole(conn: &mut Conn<'_>, event: ResultEvent) -> Result<Self> {
        let Some(key) = &event.key else {
            return Ok(Self::thin(event));
        };
        let Some(record) = conversations::get(conn, key).await? else {
            return Ok(Self::thin(event));
        };
        let all = PageRequest {
            size: usize::MAX,
            after: None,
        };
        let call = Call {
            messages: conversations::all_messages(conn, key).await?,
            memories: memories::of_conversation(conn, key, &all).await?.rows,
            record,
        };
        Ok(Self {
            event,
            call: Some(call),
        })
    }

    /// An event of the [`sample`], whose caller and agent say a sentence each, and of whom a fact is held.
    pub fn sample(event: ResultEvent, now: Timestamp) -> Self {
        let said = |id: &str, role: Role, content: &str| {
            let id = MessageId::new(id).ok()?;
            let content = content.to_owned();
            Some(Message {
                id,
                role,
                content,
                tool_name: None,
                tool_args: None,
                tool_result: None,
                started_at: Some(now),
                ended_at: Some(now),
            })
        };
        let talk = [
            said("msg_1", Role::Assistant, "Hello, how can I help?"),
            said("msg_2", Role::User, "Please call me back tomorrow."),
        ];
        let call = Call {
            record: sample(now),
            messages: talk.into_iter().flatten().collect(),
            memories: vec![remembered(now)],
        };
        Self {
            event,
            call: Some(call),
        }
    }

    /// The facts that a payload needs of an event: about memory and consent both say the same.
    pub async fn of(conn: &mut Conn<'_>, event: ResultEvent, payload: Payload) -> Result<Self> {
        if payload == Payload::Full && event.kind.starts_with("conversation.") {
            Self::whole(conn, event).await
        } else {
            Ok(Self::thin(event))
        }
    }

    /// `{"type", "timestamp", "data"}`, as CRMs and RabbitMQ get it: full as far as these are.
    pub fn body(&self) -> Value {
        let mut data = self.event.data.clone();
        if let Some(call) = &self.call
            && self.event.kind.starts_with("conversation.")
        {
            let changed = data.get("changed").cloned();
            data = call.full();
            if let Some(changed) = changed {
                data["changed"] = changed;
            }
        }
        json!({
            "type": self.event.kind,
            "timestamp": self.event.created_at,
            "data": data,
        })
    }

    /// What a template sees: the event and, beside it, its conversation.
    pub fn context(&self) -> Value {
        let mut context = self.call.as_ref().map_or_else(|| json!({}), Call::full);
        context["transcript"] = Value::from(self.call.as_ref().map(Call::transcript));
        context["id"] = Value::from(self.event.id.as_str());
        context["type"] = Value::from(self.event.kind.as_str());
        context["timestamp"] = json!(self.event.created_at);
        context["data"] = self.event.data.clone();
        context
    }
}

impl Call {
    fn full(&self) -> Value {
        let memories: Vec<Value> = self
            .memories
            .iter()
            .map(|stored| {
                let (agent, caller) = (&stored.agent_id, &stored.caller_identity);
                memory_object(&stored.fact, agent, caller, stored.created_at)
            })
            .collect();
        json!({
            "conversation": conversation(&self.record),
            "messages": self.messages,
            "memories": memories,
            "memory": {
                "status": self.record.memory_status.as_deref().unwrap_or("off"),
                "reason": self.record.memory_reason,
            },
        })
    }

    /// Who said what, a line a message.
    fn transcript(&self) -> String {
        let lines = self.messages.iter().filter_map(|message| {
            let who = match message.role {
                Role::User => "Caller",
                Role::Assistant => "Agent",
                _ => return None,
            };
            Some(format!("{who}: {}", message.content))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// A conversation as `GET /v1/conversations/{id}` answers it to whoever may see everything.
fn conversation(record: &Record) -> Value {
    let call = Conversation {
        message_count: 0,
        dynamic_variables: match record.conversation.dynamic_variables.clone() {
            Presence::Value(mut variables) => {
                variables.retain(|name, _| !name.starts_with("system__"));
                Presence::Value(variables)
            }
            absent_or_null => absent_or_null,
        },
        ..record.conversation.clone()
    };
    let mut fields = match serde_json::to_value(call) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    fields.insert("updated_at".to_owned(), json!(record.updated_at));
    Value::Object(fields)
}

/// What a made-up call leaves in memory.
fn remembered(now: Timestamp) -> Stored {
    let fact = Fact {
        id: "memory_sample".to_owned(),
        slot: Slot::Fact,
        object_key: String::new(),
        value: Value::from("a call back tomorrow"),
        fact: "The caller wants to be called back tomorrow.".to_owned(),
        confidence: 1.0,
        valid_from: now,
        valid_to: None,
        due_at: None,
        source_conversation_id: ConversationId::new("conv_sample").ok(),
        evidence: Vec::new(),
        extractor: "sample".to_owned(),
    };
    Stored {
        agent_id: "agent_sample".to_owned(),
        caller_identity: "sip_+15550100".to_owned(),
        fact,
        created_at: now,
        recorded_at: now,
    }
}

/// A made-up call, to try templates on where none is stored yet.
pub fn sample(now: Timestamp) -> Record {
    #[expect(clippy::expect_used, reason = "both are ids")]
    let (id, agent_id) = (
        ConversationId::new("conv_sample").expect("an id"),
        AgentId::new("agent_sample").expect("an id"),
    );
    let conversation = Conversation {
        status: Status::Completed,
        started_at: Some(now),
        ended_at: Some(now),
        duration_ms: Some(0),
        end_reason: Some(EndReason::CallerHangup),
        end_reason_source: Some(EndReasonSource::Fallback),
        caller_identity: "sip_+15550100".to_owned(),
        from_number: Some("+15550100".to_owned()),
        to_number: Some("+15550199".to_owned()),
        ..Conversation::blank(id, agent_id, now)
    };
    Record {
        owner: Owner::source("sample"),
        conversation,
        caller_key: None,
        updated_at: now,
        revision: 1,
        content_hash: String::new(),
        fetched_at: now,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: Own::default(),
    }
}
