//! Consents: what callers refuse, kept so that it outlives their erasure, and changed by hand.

use serde::Serialize;
use serde_json::Value;

use crate::flow::Flow;
use crate::id::{fresh, of_content};
use crate::memory::caller::CallerKey;
use crate::memory::fold::Fact;
use crate::memory::observation::{Observation, Op};
use crate::memory::slot::Slot;
use crate::remember::Refolding;
use crate::secret::SealKey;
use crate::store::consents::{self, BY_HAND, Stance, refused_since};
use crate::store::memories::{self, Subject};
use crate::store::pins::{self, Pin};
use crate::store::results::{self, ResultEvent};
use crate::store::{Conn, Result, audit, callers};
use crate::time::Timestamp;

/// What a caller refuses, over all agents (product contract §14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Consents {
    /// Whether the caller does not want to be called.
    pub do_not_call: bool,
    /// Since when; none while they may be called.
    pub since: Option<Timestamp>,
    /// Whether the caller does not want text messages.
    pub opt_out_sms: bool,
    /// Whether the caller does not want to be recorded.
    pub recording_refused: bool,
}

/// What is said of consents by hand: true refuses, false grants, none leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Calls.
    pub do_not_call: Option<bool>,
    /// Text messages.
    pub opt_out_sms: Option<bool>,
    /// Recording.
    pub recording_refused: Option<bool>,
}

impl Change {
    /// What is changed, in the words of the audit log.
    pub fn told(self) -> String {
        [
            ("do_not_call", self.do_not_call),
            ("opt_out_sms", self.opt_out_sms),
            ("recording_refused", self.recording_refused),
        ]
        .into_iter()
        .filter_map(|(name, refused)| Some(format!("{name}={}", refused?)))
        .collect::<Vec<_>>()
        .join(" ")
    }

    /// What is changed, and whether that refuses it.
    fn kinds(self) -> impl Iterator<Item = (Slot, bool)> {
        [
            (Slot::DoNotCall, self.do_not_call),
            (Slot::OptOutSms, self.opt_out_sms),
            (Slot::RecordingRefused, self.recording_refused),
        ]
        .into_iter()
        .filter_map(|(kind, refused)| Some((kind, refused?)))
    }
}

fn hashes(seal: &SealKey, caller: &CallerKey) -> Vec<String> {
    seal.keyed_hashes("consent", caller.as_str())
}

/// What facts say of each kind of consent: refused when one began, granted when one ended.
fn stances(seal: &SealKey, subject: &Subject, facts: &[Fact]) -> Vec<Stance> {
    let pair = format!("{}\0{}", subject.agent_id, subject.caller.as_str());
    let said_to = seal.keyed_hash("consent to", &pair);
    [Slot::DoNotCall, Slot::OptOutSms, Slot::RecordingRefused]
        .into_iter()
        .filter_map(|kind| {
            let of_kind = || facts.iter().filter(|fact| fact.slot == kind);
            Some(Stance {
                said_to: said_to.clone(),
                refused_at: Some(of_kind().map(|fact| fact.valid_from).max()?),
                granted_at: of_kind().filter_map(|fact| fact.valid_to).max(),
                kind,
            })
        })
        .collect()
}

/// Keeps what a caller's facts say of consents, beside the facts: these can be forgotten.
pub(crate) async fn keep(
    conn: &mut Conn<'_>,
    seal: &SealKey,
    subject: &Subject,
    facts: &[Fact],
) -> Result<()> {
    let caller = hashes(seal, &subject.caller).swap_remove(0);
    for stance in stances(seal, subject, facts) {
        consents::keep(conn, &caller, &stance).await?;
    }
    Ok(())
}

/// The same of the facts that are held now, before they are erased.
pub(crate) async fn outlive(conn: &mut Conn<'_>, seal: &SealKey, subject: &Subject) -> Result<()> {
    let held = memories::facts(conn, subject).await?;
    let facts: Vec<Fact> = held.into_iter().map(|stored| stored.fact).collect();
    keep(conn, seal, subject, &facts).await
}

/// What a caller refuses, over all agents, also after an erasure.
pub async fn of(conn: &mut Conn<'_>, seal: &SealKey, caller: &CallerKey) -> Result<Consents> {
    let mut all = consents::of_caller(conn, &hashes(seal, caller)).await?;
    // Facts of an earlier version were kept without their stances.
    for agent_id in callers::agents(conn, caller).await? {
        let subject = Subject {
            agent_id,
            caller: caller.clone(),
        };
        let held = memories::facts(conn, &subject).await?;
        let facts: Vec<Fact> = held.into_iter().map(|stored| stored.fact).collect();
        all.extend(stances(seal, &subject, &facts));
    }
    let since = refused_since(&all, &Slot::DoNotCall);
    Ok(Consents {
        do_not_call: since.is_some(),
        since,
        opt_out_sms: refused_since(&all, &Slot::OptOutSms).is_some(),
        recording_refused: refused_since(&all, &Slot::RecordingRefused).is_some(),
    })
}

/// Refuses or grants by hand, over all agents, with an entry for the audit log; says what holds then.
pub async fn set(
    flow: &Flow,
    caller: CallerKey,
    caller_identity: String,
    change: Change,
    entry: audit::Entry,
) -> Result<Consents> {
    let now = flow.host.now();
    let setting = Setting {
        seal: flow.seal.clone(),
        pin_ids: fresh("pin_", now, flow.host.dice.bytes()),
        actor: entry.actor.clone(),
        caller,
        caller_identity,
        now,
    };
    let consents = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                memories::hold_caller(&mut conn, &setting.caller).await?;
                let before = of(&mut conn, &setting.seal, &setting.caller).await?;
                for (kind, refused) in change.kinds() {
                    setting.set(&mut conn, &kind, refused).await?;
                }
                audit::add(&mut conn, &entry).await?;
                let after = of(&mut conn, &setting.seal, &setting.caller).await?;
                if before != after {
                    results::add(&mut conn, &setting.told(after)).await?;
                }
                Ok(after)
            })
        })
        .await?;
    flow.queue.wake();
    Ok(consents)
}

/// A person says what holds of a caller's consents.
struct Setting {
    seal: SealKey,
    /// The ids of the pins that this makes follow from it.
    pin_ids: String,
    actor: String,
    caller: CallerKey,
    caller_identity: String,
    now: Timestamp,
}

impl Setting {
    async fn set(&self, conn: &mut Conn<'_>, kind: &Slot, refused: bool) -> Result<()> {
        let stance = Stance {
            said_to: BY_HAND.to_owned(),
            kind: kind.clone(),
            refused_at: refused.then_some(self.now),
            granted_at: (!refused).then_some(self.now),
        };
        let caller = hashes(&self.seal, &self.caller).swap_remove(0);
        consents::keep(conn, &caller, &stance).await?;
        if refused {
            return Ok(());
        }
        // What agents still hold as refused ends now, by a person's word.
        for agent_id in callers::agents(conn, &self.caller).await? {
            let subject = Subject {
                agent_id,
                caller: self.caller.clone(),
            };
            let held = memories::facts(conn, &subject).await?;
            let refusal = held
                .iter()
                .find(|stored| stored.fact.slot == *kind && stored.fact.is_current());
            if let Some(refusal) = refusal {
                self.end(conn, subject, &refusal.fact).await?;
            }
        }
        Ok(())
    }

    async fn end(&self, conn: &mut Conn<'_>, subject: Subject, fact: &Fact) -> Result<()> {
        let pin = Pin {
            id: of_content("pin_", &[&self.pin_ids, &subject.agent_id, &fact.id]),
            caller_identity: self.caller_identity.clone(),
            actor: self.actor.clone(),
            observation: Observation {
                slot: fact.slot.clone(),
                object_key: fact.object_key.clone(),
                value: fact.value.clone(),
                op: Op::Retract,
                message_ids: Vec::new(),
                quote: String::new(),
                confidence: 1.0,
                said_at: self.now,
                seq: 0,
                due_at: None,
            },
            subject: subject.clone(),
        };
        pins::add(conn, &pin).await?;
        let refolding = Refolding {
            seal: &self.seal,
            subject: &subject,
            call: None,
            caller_identity: &self.caller_identity,
            now: self.now,
        };
        refolding.run(conn).await
    }

    /// What a person changed concerns all agents: the event names none, and carries what holds.
    fn told(&self, consents: Consents) -> ResultEvent {
        ResultEvent {
            id: of_content("evt_", &["consent.changed", &self.pin_ids]),
            kind: "consent.changed".to_owned(),
            agent_id: String::new(),
            key: None,
            data: serde_json::json!({
                "agent_id": Value::Null,
                "caller_identity": self.caller_identity,
                "conversation_id": Value::Null,
                "consents": consents,
                "added": [],
                "changed": [],
                "closed": [],
            }),
            created_at: self.now,
        }
    }
}
