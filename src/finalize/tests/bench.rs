//! One aftercall, a platform that it asks, and calls and events to give them.

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
use crate::page::PageRequest;
use crate::platform::{Api, FetchError, Fetched, LeftOut, ListPage, ListQuery, Listed, Source};
use crate::queue::Queue;
use crate::room::{DisconnectReason, Movement, ParticipantKind, RoomFact};
use crate::secret::SealKey;
use crate::store::{Db, conversations, dead_letters, memories, results, timeline};
use crate::time::Timestamp;
use crate::worker;

use super::told;

pub(super) const START: Timestamp = Timestamp::from_secs(1_780_000_000);

/// A platform that knows a few calls, and can be made to fail.
#[derive(Default)]
pub(super) struct Platform {
    pub(super) calls: Mutex<BTreeMap<String, Fetched>>,
    pub(super) failures: Mutex<Vec<FetchError>>,
    pub(super) asked: Mutex<Vec<String>>,
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
pub(super) struct Bench {
    pub(super) flow: Arc<Flow>,
    pub(super) platform: Arc<Platform>,
    _folder: TempDir,
}

impl Bench {
    pub(super) async fn new() -> Self {
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

    pub(super) fn knows(&self, call: Fetched) {
        let id = call.conversation.id.to_string();
        self.platform.calls.lock().unwrap().insert(id, call);
    }

    pub(super) async fn publish(&self, event: CallEvent) {
        let due = event.received_at;
        self.flow
            .queue
            .publish(Work::finalize(event), due)
            .await
            .unwrap();
    }

    pub(super) async fn waiting(&self) -> i64 {
        let mut waiting = 0;
        for stage in Stage::ALL {
            waiting += self.flow.queue.depth(stage).await.unwrap().messages;
        }
        waiting
    }

    /// Works until the queue is empty; up to `at_once` messages race each other.
    pub(super) async fn drain(&self, at_once: usize) {
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

    pub(super) async fn record(&self, id: &str) -> Option<conversations::Record> {
        let key = key(id);
        self.flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { conversations::get(&mut conn, &key).await })
            })
            .await
            .unwrap()
    }

    pub(super) async fn reason(&self, id: &str) -> (Option<String>, Option<&'static str>) {
        let call = self.record(id).await.unwrap().conversation;
        (
            call.end_reason.map(|reason| reason.to_string()),
            call.end_reason_source
                .map(crate::end_reason::EndReasonSource::as_str),
        )
    }

    /// Everything that an API answer shows, without the times of processing.
    pub(super) async fn state(&self, ids: &[&str]) -> Vec<Value> {
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

    pub(super) async fn results(&self, kind: &str) -> usize {
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

    pub(super) async fn letters(&self) -> i64 {
        self.flow
            .db
            .read(|mut conn| Box::pin(async move { dead_letters::count_dead(&mut conn).await }))
            .await
            .unwrap()
    }

    pub(super) async fn steps(&self, id: &str) -> Vec<String> {
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

pub(super) fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

pub(super) fn key_of(source: &str, id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::source(source),
        id: ConversationId::new(id).unwrap(),
    }
}

pub(super) fn said(n: usize, role: &str, content: &str) -> Message {
    serde_json::from_value(json!({ "id": format!("m{n}"), "role": role, "content": content }))
        .unwrap()
}

pub(super) fn call(id: &str, caller: &str, words: &str, reason: Option<&str>) -> Fetched {
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

pub(super) fn event(event_id: &str, id: &str) -> CallEvent {
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

pub(super) fn room_event(event_id: &str, id: &str, kind: EventKind) -> CallEvent {
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

pub(super) fn moved(
    movement: Movement,
    identity: &str,
    kind: ParticipantKind,
    secs: u64,
) -> EventKind {
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

pub(super) fn entry() -> crate::store::audit::Entry {
    crate::store::audit::Entry {
        id: hex::encode(crate::host::Dice.bytes::<8>()),
        at: Timestamp::from_secs(0),
        actor: "system".to_owned(),
        action: "conversation.erase".to_owned(),
        target: String::new(),
        detail: String::new(),
    }
}
