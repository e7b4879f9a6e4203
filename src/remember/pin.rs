//! A person's word about a caller: kept beside what calls say, and folded with it.

use serde_json::Value;

use super::Refolding;
use crate::flow::Flow;
use crate::id::fresh;
use crate::memory::observation::{Observation, Op};
use crate::memory::slot::Slot;
use crate::store::memories::{self, Stored, Subject};
use crate::store::pins::{self, Pin};
use crate::store::{Result, audit};

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

/// Pins it, with an entry for the audit log. Answers the pin's id, and the fact that memory holds now,
/// unless it was taken back. What the last pin says already is not pinned twice.
pub async fn pin(
    flow: &Flow,
    subject: Subject,
    caller_identity: String,
    said: Said,
    entry: audit::Entry,
) -> Result<(String, Option<Stored>)> {
    let now = flow.host.now();
    let pin = Pin {
        id: fresh("pin_", now, flow.host.dice.bytes()),
        actor: entry.actor.clone(),
        observation: Observation {
            op: if said.suppress {
                Op::Retract
            } else {
                Op::Assert
            },
            slot: said.slot,
            object_key: said.object_key,
            value: said.value,
            message_ids: Vec::new(),
            quote: String::new(),
            confidence: 1.0,
            said_at: now,
            seq: 0,
            due_at: None,
        },
        subject,
        caller_identity,
    };
    let seal = flow.seal.clone();
    let pinned = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                memories::hold_caller(&mut conn, &pin.subject.caller).await?;
                let said = &pin.observation;
                let before = pins::seen(&mut conn, &pin.subject).await?;
                let last = before.iter().rev().find(|seen| {
                    let one = &seen.observation;
                    (&one.slot, &one.object_key) == (&said.slot, &said.object_key)
                });
                let again = last.filter(|seen| {
                    let one = &seen.observation;
                    (&one.value, one.op) == (&said.value, said.op)
                });
                let id = if let Some(seen) = again {
                    seen.origin.id().to_owned()
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
                let mut held = memories::facts(&mut conn, &pin.subject).await?;
                held.retain(|stored| {
                    let fact = &stored.fact;
                    fact.is_current()
                        && fact.slot == said.slot
                        && said.op == Op::Assert
                        && (fact.value == said.value || fact.extractor == pins::EXTRACTOR)
                });
                held.sort_by_key(|stored| stored.fact.value != said.value);
                Ok((id, held.into_iter().next()))
            })
        })
        .await?;
    flow.queue.wake();
    Ok(pinned)
}
