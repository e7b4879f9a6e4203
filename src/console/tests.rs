//! The console as a browser without JavaScript sees it, on a fresh SQLite file.

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;
use crate::conversation::{Conversation, Message, Presence, Role, Status};
use crate::end_reason::{EndReason, EndReasonSource};
use crate::endpoint::{Payload, Subscription};
use crate::flow::Sources;
use crate::host::{Clock, Host};
use crate::id::{AgentId, ConversationId, MessageId, Owner};
use crate::memory::caller::CallerKey;
use crate::memory::fold::{Evidence, Fact};
use crate::memory::slot::Slot;
use crate::page::PageRequest;
use crate::queue::Queue;
use crate::secret::SealKey;
use crate::store::conversations::Record;
use crate::store::dead_letters::{self, Letter};
use crate::store::endpoints::{Endpoint, Off, save as save_endpoint};
use crate::store::extractions::{self, Extraction};
use crate::store::memories::{self, Subject};
use crate::store::timeline::{self, Step};
use crate::store::tokens::{self, Scope, Token};
use crate::store::{Db, audit, conversations, deliveries, quarantine, results};
use crate::time::Timestamp;
use crate::verdict::{Attempt, Failure as Cause};

mod access;
mod callers;
mod endpoints;
mod operator;
mod pages;

const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

/// The console on what it stands on.
struct Bench {
    router: Router,
    flow: Arc<Flow>,
    _folder: TempDir,
}

/// An answer that has been read.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::manual(NOW));
        let url = format!("sqlite://{}/t.db", folder.path().display());
        let db = Db::open(&url, &host).await.unwrap();
        let queue = Queue::in_database(db.clone(), host.clone(), true);
        let flow = Arc::new(Flow {
            queue: queue.await.unwrap(),
            db,
            host,
            sources: Arc::new(Sources::new(Vec::new())),
            seal: SealKey::new([7; 32], None),
            finalize: crate::config::Finalize {
                grace: std::time::Duration::ZERO,
                fallback_since: Timestamp::from_secs(0),
                max_wait: std::time::Duration::ZERO,
                recheck: Vec::new(),
            },
            extractor: None,

            model: None,
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
            outbound: crate::outbound::for_tests(),
            payload: crate::endpoint::Payload::Thin,
            news: crate::flow::News::default(),
        });
        Self {
            router: routes(Arc::clone(&flow)),
            flow,
            _folder: folder,
        }
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.into()).unwrap(),
        }
    }

    /// A page, as the session of a cookie sees it.
    async fn get(&self, path: &str, cookie: &str) -> Answer {
        let request = Request::get(path).header("cookie", cookie);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    /// A token that may do this.
    async fn token(&self, id: &str, scopes: &[Scope], agents: &[&str]) -> String {
        let text = format!("ac_{id}");
        let (hash, token) = (
            tokens::hash(&text),
            Token {
                id: id.to_owned(),
                name: format!("name of {id}"),
                scopes: scopes.to_vec(),
                agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
                expires_at: None,
                last_used_at: None,
                revoked_at: None,
                created_at: NOW,
            },
        );
        let db = &self.flow.db;
        db.write(move |mut conn| {
            Box::pin(async move { tokens::add(&mut conn, &token, &hash).await })
        })
        .await
        .unwrap();
        text
    }

    /// Logs in with a token; gives the cookie.
    async fn log_in(&self, token: &str) -> String {
        let answer = self
            .post("/console/login", "", &format!("token={token}"))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.header("set-cookie");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Somebody logged in who may do this.
    async fn session(&self, id: &str, scopes: &[Scope], agents: &[&str]) -> String {
        let token = self.token(id, scopes, agents).await;
        self.log_in(&token).await
    }

    /// What the forms of a session carry.
    async fn csrf(&self, cookie: &str) -> String {
        let page = self.get("/console/conversations", cookie).await.text;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    /// Keeps what others than callers write: endpoints and their answers, names, refusals, and what the
    /// log says, each with `planted` in every text. Gives the delivery's id.
    async fn keep_around(&self, planted: &str) -> String {
        let endpoint = endpoint(planted);
        let event = results::ResultEvent {
            id: "evt_1".to_owned(),
            kind: planted.to_owned(),
            agent_id: planted.to_owned(),
            key: None,
            data: json!({planted: planted}),
            created_at: NOW,
        };
        let attempt = deliveries::Attempt {
            number: 1,
            at: NOW,
            status: Some(500),
            latency_ms: 5,
            code: planted.to_owned(),
            message: planted.to_owned(),
            response: planted.to_owned(),
        };
        let refused = quarantine::Refused {
            id: "qr_1".to_owned(),
            source: planted.to_owned(),
            reason: planted.to_owned(),
            detail: planted.to_owned(),
            headers: String::new(),
            body: String::new(),
            size: 1,
        };
        let entry = audit::Entry::now(&self.flow.host, planted, planted, planted, planted);
        let token = Token {
            id: "token_planted".to_owned(),
            name: planted.to_owned(),
            scopes: vec![Scope::OpsRead],
            agents: vec![planted.to_owned()],
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            created_at: NOW,
        };
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    save_endpoint(&mut conn, &endpoint).await?;
                    results::add(&mut conn, &event).await?;
                    quarantine::keep(&mut conn, &refused, NOW).await?;
                    audit::add(&mut conn, &entry).await?;
                    tokens::add(&mut conn, &token, "hash").await?;
                    let all = deliveries::list::Filter::default();
                    let page = PageRequest::default();
                    let found = deliveries::list::list(&mut conn, &all, &page).await?;
                    let id = found.rows[0].id.clone();
                    deliveries::add_attempt(&mut conn, &id, &attempt).await?;
                    Ok(id)
                })
            })
            .await
            .unwrap()
    }

    /// Keeps a call with a transcript, a fact and a letter, each with `planted` in every text.
    async fn keep_call(&self, id: &str, agent: &str, planted: &str) {
        let call = call(id, agent, planted);
        let record = record(call, planted);
        let key = record.key();
        let caller = record.caller_key.clone().unwrap();
        let subject = Subject {
            agent_id: agent.to_owned(),
            caller,
        };
        let extraction = Extraction {
            subject: subject.clone(),
            extractor: "rules/1".to_owned(),
            rank: crate::memory::observation::Rank::Rules,
            input_hash: String::new(),
            alone: false,
        };
        let messages = messages(planted);
        let fact = fact(&record.conversation.id, planted);
        let letter = letter(id, agent, planted);
        let planted = planted.to_owned();
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    conversations::save(&mut conn, &record).await?;
                    conversations::replace_messages(&mut conn, &key, &messages).await?;
                    extractions::replace(&mut conn, &key, &extraction, &[], NOW).await?;
                    memories::replace_facts(&mut conn, &subject, &planted, &[], &[fact], &[], NOW)
                        .await?;
                    dead_letters::keep(&mut conn, &letter, NOW).await?;
                    for (n, name) in ["received", "settled", planted.as_str()]
                        .into_iter()
                        .enumerate()
                    {
                        let step = Step {
                            key: n.to_string(),
                            at: NOW,
                            step: name.to_owned(),
                            attempt: 2,
                            detail: planted.clone(),
                        };
                        timeline::add(&mut conn, &key, &step).await?;
                    }
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}

fn endpoint(planted: &str) -> Endpoint {
    Endpoint {
        id: "ep_1".to_owned(),
        url: planted.to_owned(),
        description: planted.to_owned(),
        subscription: Subscription {
            events: vec![planted.to_owned()],
            agents: vec![planted.to_owned()],
        },
        payload: Payload::Thin,
        template: None,
        headers: String::new(),
        secret: String::new(),
        previous: None,
        rate: None,
        concurrency: 1,
        enabled: true,
        disabled: Some((NOW, Off::ByHand)),
        failing_since: None,
        unproved: 0,
        slow: false,
        ready_at: NOW,
        created_at: NOW,
        updated_at: NOW,
    }
}

fn call(id: &str, agent: &str, planted: &str) -> Conversation {
    let text = || Some(planted.to_owned());
    let object = json!({planted: planted}).as_object().unwrap().clone();
    Conversation {
        agent_name: text(),
        room_name: Presence::Value(planted.to_owned()),
        room_sid: Presence::Value(planted.to_owned()),
        status: Status::from(planted),
        metadata: object.clone(),
        started_at: Some(NOW),
        ended_at: Some(NOW),
        duration_ms: Some(61_000),
        recording_url: text(),
        recording_started_at: Some(NOW),
        end_reason: Some(EndReason::from(planted)),
        end_reason_source: Some(EndReasonSource::Platform),
        end_reason_raw: text(),
        caller_identity: planted.to_owned(),
        from_number: text(),
        to_number: text(),
        agent_snapshot: Presence::Value(json!({"prompt": planted})),
        dynamic_variables: Presence::Value(object.clone()),
        summary: text(),
        platform: planted.to_owned(),
        source: planted.to_owned(),
        platform_fields: object,
        ..Conversation::blank(
            ConversationId::new(id).unwrap(),
            AgentId::new(agent).unwrap(),
            NOW,
        )
    }
}

fn record(call: Conversation, planted: &str) -> Record {
    Record {
        owner: Owner::platform("speechify"),
        caller_key: CallerKey::of("", planted),
        conversation: call,
        updated_at: NOW,
        revision: 1,
        content_hash: String::new(),
        fetched_at: NOW,
        announced: None,
        memory_status: Some(planted.to_owned()),
        memory_reason: Some(planted.to_owned()),
        recheck_at: None,
        rechecks: 0,
        own: crate::store::conversations::Own::default(),
    }
}

fn messages(planted: &str) -> Vec<Message> {
    let message = |id: &str, role: Role| Message {
        id: MessageId::new(id).unwrap(),
        role,
        content: format!("they said {planted} to me"),
        tool_name: Some(planted.to_owned()),
        tool_args: Some(json!({"a": planted})),
        tool_result: Some(json!(planted)),
        started_at: Some(NOW.plus(std::time::Duration::from_millis(12_340))),
        ended_at: None,
    };
    vec![
        message("m1", Role::User),
        message("m2", Role::from(planted)),
    ]
}

fn fact(conversation_id: &ConversationId, planted: &str) -> Fact {
    Fact {
        id: "memory_1".to_owned(),
        slot: Slot::from("identity.name"),
        object_key: planted.to_owned(),
        value: json!(planted),
        fact: format!("The caller is {planted}."),
        confidence: 0.9,
        valid_from: NOW,
        valid_to: None,
        due_at: None,
        source_conversation_id: Some(conversation_id.clone()),
        evidence: vec![Evidence {
            conversation_id: conversation_id.clone(),
            message_id: MessageId::new("m1").unwrap(),
            quote: planted.to_owned(),
        }],
        extractor: planted.to_owned(),
    }
}

fn letter(id: &str, agent: &str, planted: &str) -> Letter {
    Letter {
        id: format!("dl_{id}"),
        stage: "finalize".to_owned(),
        source: Some(planted.to_owned()),
        platform: Some(planted.to_owned()),
        event_id: Some(planted.to_owned()),
        conversation_id: Some(id.to_owned()),
        agent_id: Some(agent.to_owned()),
        caller_identity: Some(planted.to_owned()),
        cause: Cause::platform("planted", planted),
        attempts: vec![Attempt {
            at: NOW,
            code: planted.to_owned(),
            message: planted.to_owned(),
            spent: true,
        }],
        body: json!({"planted": planted}).to_string(),
        message_id: format!("finalize:{id}"),
    }
}
