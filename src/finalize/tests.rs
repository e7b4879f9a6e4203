//! The way of a call through the three stages, on a clock that tests move: permuted, duplicated and
//! racing deliveries end in the same state.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config;
use crate::conversation::{Conversation, Message, Presence, Status, Transport};
use crate::end_reason::{EndReason, PlatformReason};
use crate::event::{CallEvent, EventKind, RoomRef, Stage};
use crate::id::{AgentId, ConversationId, ConversationKey, Owner};
use crate::memory::caller::CallerKey;
use crate::page::PageRequest;
use crate::platform::{FetchError, Fetched};
use crate::room::{DisconnectReason, Movement, ParticipantKind, RoomFact};
use crate::store::passages::{self, Passage};
use crate::store::{conversations, events, memories, results};
use crate::time::Timestamp;
use crate::worker;

use bench::*;

mod bench;
mod orders;
mod redacted;
mod rooms;
mod told;
mod waits;

#[tokio::test]
async fn a_call_without_a_reason_gets_the_fallback_after_the_grace() {
    let bench = Bench::new().await;
    bench.knows(call(
        "conv_a",
        "+14155550123",
        "I only have time in the mornings.",
        None,
    ));
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    assert_eq!(
        bench.reason("conv_a").await,
        (Some("caller_hangup".into()), Some("fallback"))
    );
    let record = bench.record("conv_a").await.unwrap();
    assert!(
        record.fetched_at >= START.plus(Duration::from_secs(10)),
        "the grace was not kept"
    );
    assert_eq!(
        record.recheck_at,
        Some(record.updated_at.plus(Duration::from_mins(1)))
    );
    assert_eq!(bench.results("conversation.completed").await, 1);
    let steps = bench.steps("conv_a").await;
    for step in [
        "received",
        "confirmed",
        "fetched",
        "settled",
        "remembered",
        "delivered",
    ] {
        assert!(
            steps.iter().any(|done| done == step),
            "{step} is missing in {steps:?}"
        );
    }
    let arrived = bench.flow.db.read(|mut conn| {
        Box::pin(async move {
            let year = 365 * 86_400_000;
            passages::counts(&mut conn, Passage::Delivered, &[], START, year, 1).await
        })
    });
    assert_eq!(arrived.await.unwrap(), [0], "nobody subscribed");
}

#[tokio::test]
async fn a_phone_seen_hanging_up_skips_the_grace() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", "sip_+14155550123", "Hello.", None));
    let caller = "sip_+14155550123";
    let left = moved(Movement::Left, caller, ParticipantKind::Sip, 0);
    bench.publish(room_event("e1", "conv_a", left)).await;
    bench.drain(1).await;
    bench
        .publish(room_event("e2", "conv_a", EventKind::RoomFinished))
        .await;
    bench.drain(1).await;
    assert_eq!(
        bench.reason("conv_a").await,
        (Some("caller_hangup".into()), Some("observed"))
    );
    let waited = bench
        .record("conv_a")
        .await
        .unwrap()
        .fetched_at
        .since(START);
    assert!(waited < Duration::from_secs(10), "waited {waited:?}");
}

#[tokio::test]
async fn a_deleted_call_does_not_come_back() {
    let bench = Bench::new().await;
    bench.knows(call(
        "conv_a",
        "+14155550123",
        "My name is Ada Lovelace.",
        None,
    ));
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    let receipt = crate::erasure::erase_conversation(&bench.flow, key("conv_a"), entry())
        .await
        .unwrap();
    assert_eq!(receipt.counts.conversations, 1);
    assert!(receipt.completed_at.is_some());
    bench.publish(event("e2", "conv_a")).await;
    bench.drain(1).await;
    assert!(bench.record("conv_a").await.is_none());
    assert_eq!(bench.letters().await, 0);
}

#[tokio::test]
async fn a_later_word_of_the_platform_replaces_the_fallback_and_is_told() {
    let bench = Bench::new().await;
    bench.knows(call("conv_a", "+14155550123", "Hello.", None));
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    bench.knows(call(
        "conv_a",
        "+14155550123",
        "Hello.",
        Some("agent_ended"),
    ));
    bench.publish(event("e2", "conv_a")).await;
    bench.drain(1).await;
    assert_eq!(
        bench.reason("conv_a").await,
        (Some("agent_ended".into()), Some("platform"))
    );
    assert_eq!(bench.results("conversation.completed").await, 1);
    assert_eq!(bench.results("conversation.updated").await, 1);
}
