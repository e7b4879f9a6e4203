//! A person's word about a caller: kept beside what calls say, and folded with it.

use serde_json::Value;

use super::Refolding;
use crate::flow::Flow;
use crate::id::fresh;
use crate::memory::form;
use crate::memory::observation::{Observation, Op};
use crate::memory::redact::redact_text;
use crate::memory::slot::{Cardinality, Slot};
use crate::store::memories::{self, Stored, Subject};
use crate::store::pins::{self, Pin};
use crate::store::{self, Conn, audit};
use crate::time::Timestamp;

/// Characters of a pinned value at the most.
const MAX_VALUE: usize = 500;

/// What a person says.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Where it belongs.
    pub slot: Slot,
    /// Sets several facts of one slot apart.
    pub object_key: String,
    /// The value; null only when it is suppressed: whatever stands there.
    pub value: Value,
    /// Whether it is taken back instead.
    pub suppress: bool,
}

impl Said {
    /// What can't be kept of it, by the name of the field. Says nothing of the values themselves.
    pub fn refusals(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if let Slot::Other(text) = &self.slot {
            let known = Slot::KNOWN.join(", ");
            wrong.push(("slot", format!("{text:?} is none; must be one of {known}")));
        } else if self.slot.is_consent() {
            let why = "consents are said by POST /v1/consents";
            wrong.push(("slot", why.to_owned()));
        }
        let is_vague =
            self.slot.cardinality() == Cardinality::Many && self.object_key.trim().is_empty();
        let why = match (&self.value, self.suppress) {
            (Value::Null, false) => Err("is required, unless suppress is true"),
            (Value::Null, true) if is_vague => Err("say which: there can be several of this slot"),
            (Value::Null, true) => Ok(()),
            (value, false) => form::check(&self.slot, value).and_then(|()| check(value)),
            // Whatever memory holds can be taken back.
            (value, true) => check(value),
        };
        if let Err(why) = why {
            wrong.push(("value", why.to_owned()));
        }
        if !self.object_key.is_empty()
            && let Err(why) = check_text(&self.object_key)
        {
            wrong.push(("object", why.to_owned()));
        }
        wrong
    }

    /// The same in the form that extraction gives it, numbers in `region`.
    #[must_use]
    pub fn normal(mut self, region: &str) -> Self {
        self.object_key = self.object_key.trim().to_owned();
        // What is taken back is named as memory has it.
        if !self.suppress {
            self.value = form::normal(&self.slot, self.value, region);
        }
        self
    }

    /// The same as an observation without messages, made now.
    fn observation(self, now: Timestamp) -> Observation {
        Observation {
            op: if self.suppress {
                Op::Retract
            } else {
                Op::Assert
            },
            slot: self.slot,
            object_key: self.object_key,
            value: self.value,
            message_ids: Vec::new(),
            quote: String::new(),
            confidence: 1.0,
            said_at: now,
            seq: 0,
            due_at: None,
        }
    }
}

/// Whether the texts of a value can be kept, or why not.
fn check(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::String(text) => check_text(text),
        Value::Object(parts) => parts
            .values()
            .filter_map(Value::as_str)
            .try_for_each(check_text),
        _ => Err("must be text"),
    }
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() || text.chars().count() > MAX_VALUE {
        return Err("must be 1 to 500 characters");
    }
    if text.chars().any(char::is_control) {
        return Err("must be one line");
    }
    if redact_text(text) != text {
        return Err("holds what must never be kept: a card number, a password or the like");
    }
    Ok(())
}

/// Pins it, with an entry for the audit log. Answers the pin's id, and the fact that memory holds now,
/// unless it was taken back. What the last pin says already is not pinned twice.
pub async fn pin(
    flow: &Flow,
    subject: Subject,
    caller_identity: String,
    said: Said,
    entry: audit::Entry,
) -> store::Result<(String, Option<Stored>)> {
    let now = flow.host.now();
    let pin = Pin {
        id: fresh("pin_", now, flow.host.dice.bytes()),
        actor: entry.actor.clone(),
        observation: said.observation(now),
        subject,
        caller_identity,
    };
    let seal = flow.seal.clone();
    let pinned = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                memories::hold_caller(&mut conn, &pin.subject.caller).await?;
                let id = if let Some(id) = said_already(&mut conn, &pin).await? {
                    id
                } else {
                    pins::add(&mut conn, &pin).await?;
                    audit::add(&mut conn, &entry).await?;
                    let refolding = Refolding {
                        seal: &seal,
                        subject: &pin.subject,
                        call: None,
                        caller_identity: &pin.caller_identity,
                        now,
                    };
                    refolding.run(&mut conn).await?;
                    pin.id.clone()
                };
                Ok((id, held(&mut conn, &pin).await?))
            })
        })
        .await?;
    flow.queue.wake();
    Ok(pinned)
}

/// The id of the last pin of the same place, where it says just this.
async fn said_already(conn: &mut Conn<'_>, pin: &Pin) -> store::Result<Option<String>> {
    let said = &pin.observation;
    let before = pins::seen(conn, &pin.subject).await?;
    let last = before.iter().rev().find(|seen| {
        let one = &seen.observation;
        (&one.slot, &one.object_key) == (&said.slot, &said.object_key)
    });
    let same = last.filter(|seen| {
        let one = &seen.observation;
        (&one.value, one.op) == (&said.value, said.op)
    });
    Ok(same.map(|seen| seen.origin.id().to_owned()))
}

/// The fact that memory holds now of what was pinned, the pinned value before any other.
async fn held(conn: &mut Conn<'_>, pin: &Pin) -> store::Result<Option<Stored>> {
    let said = &pin.observation;
    let mut held = memories::facts(conn, &pin.subject).await?;
    held.retain(|stored| {
        let fact = &stored.fact;
        fact.is_current()
            && fact.slot == said.slot
            && said.op == Op::Assert
            && (fact.value == said.value || fact.extractor == pins::EXTRACTOR)
    });
    held.sort_by_key(|stored| stored.fact.value != said.value);
    Ok(held.into_iter().next())
}
