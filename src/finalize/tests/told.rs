//! Calls that no API knows: made of what their events said, in whatever order they come.

use super::*;
use crate::end_reason::{EndReasonSource, Hint};
use crate::event::Carried;
use crate::platform::{Classified, Delivery, Untold, Webhooks};
use crate::replay;
use crate::signature::Refusal;
use crate::signature::explain::Check;
use crate::store::audit;

/// A platform whose payloads are `key=value` lines.
pub(super) struct Teller;

impl Webhooks for Teller {
    fn platform(&self) -> &'static str {
        "retell"
    }

    fn is_signed(&self, _: &http::HeaderMap) -> bool {
        true
    }

    fn verify(&self, _: Delivery<'_>, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn explain(&self, _: Delivery<'_>, _: Timestamp) -> Vec<Check> {
        Vec::new()
    }

    fn classify(&self, _: Delivery<'_>, _: Timestamp) -> Classified {
        Classified::Ignored("never asked".to_owned())
    }

    fn told(&self, payload: &[u8], received_at: Timestamp) -> Result<Fetched, Untold> {
        let text = str::from_utf8(payload).map_err(|_| Untold("not text"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value[1..].to_owned())
        };
        let id = field("id").ok_or(Untold("no id"))?;
        let agent = field("agent").unwrap_or_else(|| "told".to_owned());
        let mut call = Conversation::blank(
            ConversationId::new(&id).unwrap(),
            AgentId::new(&agent).unwrap(),
            received_at,
        );
        call.status = Status::from(field("status").as_deref().unwrap_or("completed"));
        call.transport = Transport::SipOutbound;
        call.caller_identity = field("caller").unwrap_or_default();
        call.summary = field("summary");
        call.source = "told".to_owned();
        Ok(Fetched {
            conversation: call,
            messages: field("said")
                .map(|words| said(1, "user", &words))
                .into_iter()
                .collect(),
            reason: field("reason").map(|raw| PlatformReason {
                reason: Some(EndReason::from(&*raw)),
                raw,
            }),
            seen: field("seen").map(|word| EndReason::from(&*word)),
        })
    }
}

fn told_key(id: &str) -> ConversationKey {
    key_of("told", id)
}

/// An event that carries this payload.
fn carrying(bench: &Bench, event_id: &str, kind: EventKind, payload: &str) -> CallEvent {
    let sealed = bench.flow.seal.seal(payload.as_bytes(), [3; 12]);
    CallEvent {
        source: "told".to_owned(),
        kind,
        body: Some(Carried::Sealed(sealed)),
        ..event(event_id, "call")
    }
}

async fn stored(bench: &Bench) -> Option<(Conversation, Vec<Message>)> {
    let key = told_key("call");
    bench
        .flow
        .db
        .read(move |mut conn| {
            Box::pin(async move {
                let record = conversations::get(&mut conn, &key).await?;
                let messages = conversations::all_messages(&mut conn, &key).await?;
                Ok(record.map(|record| (record.conversation, messages)))
            })
        })
        .await
        .unwrap()
}

const END: &str = "id=call\nagent=desk\ncaller=+14155550123\nsaid=I only have time in the mornings.\n\
                   reason=agent_ended";
const ANALYSIS: &str = "id=call\nsummary=Wants mornings.";

#[tokio::test]
async fn two_events_of_a_call_come_to_the_same_in_either_order() {
    let mut ends = Vec::new();
    for order in [[0, 1, 0], [1, 0, 1]] {
        let bench = Bench::new().await;
        let events = [
            carrying(&bench, "end", EventKind::Finished, END),
            carrying(&bench, "analysis", EventKind::Analyzed, ANALYSIS),
        ];
        for n in order {
            bench.publish(events[n].clone()).await;
            bench.drain(1).await;
        }
        let (call, messages) = stored(&bench).await.unwrap();
        assert_eq!(call.summary.as_deref(), Some("Wants mornings."));
        assert_eq!(call.agent_id.as_str(), "desk");
        assert_eq!(call.caller_identity, "+14155550123");
        assert_eq!(call.end_reason, Some(EndReason::AgentEnded));
        assert_eq!(call.end_reason_source, Some(EndReasonSource::Platform));
        assert_eq!(messages.len(), 1);
        assert_eq!(bench.results("conversation.completed").await, 1);
        assert_eq!(bench.letters().await, 0);
        ends.push((call, messages));
    }
    assert_eq!(ends[0], ends[1]);
}

#[tokio::test]
async fn what_a_carrier_saw_is_observed_and_its_word_is_the_platforms() {
    for (payload, hint, reason, source) in [
        (
            "id=call\nstatus=failed\nseen=dial_busy",
            None,
            "dial_busy",
            "observed",
        ),
        (
            "id=call\nstatus=failed\nreason=dial_rejected\nseen=dial_busy",
            None,
            "dial_rejected",
            "platform",
        ),
        ("id=call\nstatus=failed", None, "dial_failed", "fallback"),
        (
            "id=call\nstatus=failed",
            Some(Hint {
                said: None,
                seen: Some(EndReason::DialNoAnswer),
            }),
            "dial_no_answer",
            "observed",
        ),
    ] {
        let bench = Bench::new().await;
        let event = CallEvent {
            hint,
            ..carrying(&bench, "end", EventKind::Finished, payload)
        };
        bench.publish(event).await;
        bench.drain(1).await;
        let (call, _) = stored(&bench).await.unwrap();
        assert_eq!(call.end_reason.unwrap().as_str(), reason, "{payload}");
        assert_eq!(
            call.end_reason_source.unwrap().as_str(),
            source,
            "{payload}"
        );
    }
}

#[tokio::test]
async fn a_call_can_be_settled_anew_as_long_as_its_events_are_kept() {
    let bench = Bench::new().await;
    bench
        .publish(carrying(&bench, "end", EventKind::Finished, END))
        .await;
    bench.drain(1).await;
    let key = told_key("call");
    let wanted = key.clone();
    let record = bench
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { conversations::get(&mut conn, &wanted).await }))
        .await
        .unwrap()
        .unwrap();
    let entry = || audit::Entry {
        id: format!("audit_{}", hex::encode(bench.flow.host.dice.bytes::<8>())),
        at: START,
        actor: "system".to_owned(),
        action: "conversation.reprocess".to_owned(),
        target: "call".to_owned(),
        detail: String::new(),
    };
    replay::reprocess(&bench.flow, &record, entry())
        .await
        .unwrap()
        .unwrap();
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 0);
    assert_eq!(stored(&bench).await.unwrap().1.len(), 1);

    crate::erasure::erase_conversation(&bench.flow, key, super::entry())
        .await
        .unwrap();
    assert_eq!(stored(&bench).await, None);
    let refused = replay::reprocess(&bench.flow, &record, entry())
        .await
        .unwrap();
    assert!(refused.unwrap_err().to_string().contains("expired"));
}

#[tokio::test]
async fn a_payload_that_tells_nothing_is_a_letter_at_once() {
    let bench = Bench::new().await;
    for (event_id, payload) in [("e1", "nothing"), ("e2", "id=another")] {
        bench
            .publish(carrying(&bench, event_id, EventKind::Finished, payload))
            .await;
    }
    let gone = CallEvent {
        body: Some(Carried::Kept("body_gone".to_owned())),
        ..carrying(&bench, "e3", EventKind::Finished, END)
    };
    bench.publish(gone).await;
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 3);
    assert_eq!(stored(&bench).await, None);
}
