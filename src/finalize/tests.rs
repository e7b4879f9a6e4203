//! The way of a call through the three stages, on a clock that tests move: permuted, duplicated and
//! racing deliveries end in the same state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::config;
use crate::conversation::{Conversation, Message, Presence, Status, Transport};
use crate::end_reason::{EndReason, PlatformReason};
use crate::event::{CallEvent, EventKind, Message as Work, RoomRef, Stage};
use crate::extract::rules::Rules;
use crate::flow::{Flow, Sources};
use crate::host::{Clock, Host};
use crate::id::{AgentId, ConversationId, ConversationKey, EventId, Owner};
use crate::memory::caller::CallerKey;
use crate::page::PageRequest;
use crate::platform::{Api, FetchError, Fetched, LeftOut, ListPage, ListQuery, Listed, Source};
use crate::queue::Queue;
use crate::room::{DisconnectReason, Movement, ParticipantKind, RoomFact};
use crate::secret::SealKey;
use crate::store::{Db, conversations, dead_letters, events, memories, results, timeline};
use crate::time::Timestamp;
use crate::worker;

mod orders;
mod rooms;
mod told;
mod waits;

const START: Timestamp = Timestamp::from_secs(1_780_000_000);

/// A platform that knows a few calls, and can be made to fail.
#[derive(Default)]
struct Platform {
    calls: Mutex<BTreeMap<String, Fetched>>,
    failures: Mutex<Vec<FetchError>>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Api for Platform {
    fn platform(&self) -> &'static str {
        "speechify"
    }

    async fn fetch(&self, id: &ConversationId) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(id.to_string());
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        self.calls
            .lock()
            .unwrap()
            .get(id.as_str())
            .cloned()
            .ok_or(FetchError::NotFound)
    }

    async fn list(&self, query: &ListQuery) -> Result<ListPage, FetchError> {
        let calls = self.calls.lock().unwrap();
        let rows = calls
            .values()
            .filter(|call| {
                query
                    .caller_identity
                    .as_ref()
                    .is_none_or(|caller| call.conversation.caller_identity == *caller)
            })
            .map(|call| Listed {
                conversation: call.conversation.clone(),
                reason: call.reason.clone(),
            })
            .collect();
        Ok(ListPage {
            rows,
            left_out: LeftOut::default(),
            next: None,
        })
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        text.starts_with("conv_")
    }
}

/// One aftercall on a fresh database, whose clock only moves when somebody waits.
struct Bench {
    flow: Arc<Flow>,
    platform: Arc<Platform>,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::manual(START));
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let db = Db::open(&url, &host).await.unwrap();
        let queue = Queue::in_database(db.clone(), host.clone(), true)
            .await
            .unwrap();
        let platform = Arc::new(Platform::default());
        let source = |name: &str| Source {
            name: name.to_owned(),
            webhooks: None,
            api: Some(platform.clone() as Arc<dyn Api>),
            owner: Owner::platform("speechify"),
            agent: None,
            max_body: 1 << 20,
            reconcile: crate::config::Reconcile::default(),
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
        };
        let alone = Source {
            api: None,
            owner: Owner::source("alone"),
            ..source("alone")
        };
        let telling = Source {
            api: None,
            webhooks: Some(Arc::new(told::Teller)),
            owner: Owner::source("told"),
            ..source("told")
        };
        let flow = Flow {
            db,
            queue,
            host,
            sources: Arc::new(Sources::new(vec![
                source("voice"),
                source("rooms"),
                alone,
                telling,
            ])),
            seal: SealKey::new([7; 32], None),
            finalize: config::Finalize {
                grace: Duration::from_secs(10),
                fallback_since: Timestamp::from_secs(1_767_225_600),
                max_wait: Duration::from_mins(10),
                recheck: vec![Duration::from_mins(1), Duration::from_mins(15)],
            },
            extractor: Some(Arc::new(Rules)),
            model: None,
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
            outbound: crate::outbound::for_tests(),
            payload: crate::endpoint::Payload::Thin,
            news: crate::flow::News::default(),
        };
        Self {
            flow: Arc::new(flow),
            platform,
            _folder: folder,
        }
    }

    fn knows(&self, call: Fetched) {
        let id = call.conversation.id.to_string();
        self.platform.calls.lock().unwrap().insert(id, call);
    }

    async fn publish(&self, event: CallEvent) {
        let due = event.received_at;
        self.flow
            .queue
            .publish(Work::finalize(event), due)
            .await
            .unwrap();
    }

    async fn waiting(&self) -> i64 {
        let mut waiting = 0;
        for stage in Stage::ALL {
            waiting += self.flow.queue.depth(stage).await.unwrap().messages;
        }
        waiting
    }

    /// Works until the queue is empty; up to `at_once` messages race each other.
    async fn drain(&self, at_once: usize) {
        while self.waiting().await > 0 {
            for stage in Stage::ALL {
                if self.flow.queue.depth(stage).await.unwrap().messages > 0 {
                    let taken = self.flow.queue.take(stage, at_once).await.unwrap();
                    futures::future::join_all(
                        taken
                            .into_iter()
                            .map(|delivery| worker::run(&self.flow, delivery)),
                    )
                    .await;
                }
            }
        }
    }

    async fn record(&self, id: &str) -> Option<conversations::Record> {
        let key = key(id);
        self.flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { conversations::get(&mut conn, &key).await })
            })
            .await
            .unwrap()
    }

    async fn reason(&self, id: &str) -> (Option<String>, Option<&'static str>) {
        let call = self.record(id).await.unwrap().conversation;
        (
            call.end_reason.map(|reason| reason.to_string()),
            call.end_reason_source
                .map(crate::end_reason::EndReasonSource::as_str),
        )
    }

    /// Everything that an API answer shows, without the times of processing.
    async fn state(&self, ids: &[&str]) -> Vec<Value> {
        let keys: Vec<_> = ids.iter().map(|id| key(id)).collect();
        self.flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    let mut state = Vec::new();
                    for key in keys {
                        let Some(record) = conversations::get(&mut conn, &key).await? else {
                            state.push(Value::Null);
                            continue;
                        };
                        let messages = conversations::all_messages(&mut conn, &key).await?;
                        let page = PageRequest {
                            size: 100,
                            after: None,
                        };
                        let facts = memories::of_conversation(&mut conn, &key, &page).await?;
                        let facts: Vec<_> = facts
                            .rows
                            .into_iter()
                            .map(|stored| json!(stored.fact))
                            .collect();
                        state.push(json!([
                            record.conversation,
                            record.memory_status,
                            messages,
                            facts
                        ]));
                    }
                    Ok(state)
                })
            })
            .await
            .unwrap()
    }

    async fn results(&self, kind: &str) -> usize {
        let filter = results::Filter {
            kind: Some(kind.to_owned()),
            agents: vec![],
        };
        let page = PageRequest {
            size: 100,
            after: None,
        };
        self.flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { results::list(&mut conn, &filter, &page).await })
            })
            .await
            .unwrap()
            .rows
            .len()
    }

    async fn letters(&self) -> i64 {
        self.flow
            .db
            .read(|mut conn| Box::pin(async move { dead_letters::count_dead(&mut conn).await }))
            .await
            .unwrap()
    }

    async fn steps(&self, id: &str) -> Vec<String> {
        let key = key(id);
        let page = PageRequest {
            size: 100,
            after: None,
        };
        let steps = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { timeline::list(&mut conn, &key, &page).await })
            })
            .await
            .unwrap();
        steps.rows.into_iter().map(|step| step.step).collect()
    }
}

fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

fn key_of(source: &str, id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::source(source),
        id: ConversationId::new(id).unwrap(),
    }
}

fn said(n: usize, role: &str, content: &str) -> Message {
    serde_json::from_value(json!({ "id": format!("m{n}"), "role": role, "content": content }))
        .unwrap()
}

fn call(id: &str, caller: &str, words: &str, reason: Option<&str>) -> Fetched {
    let blank = Conversation::blank(
        ConversationId::new(id).unwrap(),
        AgentId::new("agent_1").unwrap(),
        START.minus(Duration::from_mins(1)),
    );
    Fetched {
        conversation: Conversation {
            status: Status::Completed,
            transport: Transport::SipInbound,
            started_at: Some(START.minus(Duration::from_secs(58))),
            ended_at: Some(START),
            duration_ms: Some(58_000),
            caller_identity: caller.to_owned(),
            room_name: Presence::Value(format!("room-{id}")),
            platform: "speechify".to_owned(),
            ..blank
        },
        messages: vec![
            said(0, "assistant", "Front desk, how can I help you?"),
            said(1, "user", words),
        ],
        reason: reason.map(|raw| PlatformReason {
            reason: Some(EndReason::from(raw)),
            raw: raw.to_owned(),
        }),
        seen: None,
    }
}

fn event(event_id: &str, id: &str) -> CallEvent {
    CallEvent {
        source: "voice".to_owned(),
        event_id: EventId::new(event_id).unwrap(),
        kind: EventKind::Finished,
        occurred_at: Some(START),
        received_at: START,
        conversation_id: Some(ConversationId::new(id).unwrap()),
        room: None,
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    }
}

fn room_event(event_id: &str, id: &str, kind: EventKind) -> CallEvent {
    let room = RoomRef {
        sid: Some(format!("RM_{id}")),
        name: format!("room-{id}"),
        created_at: Some(START.minus(Duration::from_mins(1))),
        conversation_id: Some(ConversationId::new(id).unwrap()),
    };
    CallEvent {
        source: "rooms".to_owned(),
        kind,
        conversation_id: None,
        room: Some(room),
        ..event(event_id, id)
    }
}

fn moved(movement: Movement, identity: &str, kind: ParticipantKind, secs: u64) -> EventKind {
    EventKind::Recorded(RoomFact::Participant {
        movement,
        sid: Some(format!("PA_{identity}")),
        identity: identity.to_owned(),
        kind,
        joined_at: (movement == Movement::Joined).then(|| START.minus(Duration::from_secs(secs))),
        reason: (movement == Movement::Left).then_some(DisconnectReason::ClientInitiated),
        sip_code: None,
        external_number: None,
        trunk_number: None,
        agent: None,
    })
}

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

fn entry() -> crate::store::audit::Entry {
    crate::store::audit::Entry {
        id: hex::encode(crate::host::Dice.bytes::<8>()),
        at: Timestamp::from_secs(0),
        actor: "system".to_owned(),
        action: "conversation.erase".to_owned(),
        target: String::new(),
        detail: String::new(),
    }
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
