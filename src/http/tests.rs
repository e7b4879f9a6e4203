//! The router as a client sees it, on a fresh SQLite file.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::*;
use crate::conversation::{Conversation, Message, Presence, Role, Status, Transport};
use crate::flow::Sources;
use crate::host::{Clock, Host};
use crate::id::{AgentId, ConversationId, EventId, MessageId, Owner};
use crate::platform::{Classified, Delivery, Source, Webhooks};
use crate::queue::Queue;
use crate::secret::SealKey;
use crate::signature::Refusal;
use crate::signature::explain::Check;
use crate::store::Db;
use crate::store::conversations::{self as stored, Record};
use crate::store::tokens::{self, Scope, Token};
use crate::time::Timestamp;

mod access;
mod dead_letters;
mod dropin;
mod endpoints;
mod forgeries;
mod initiation;
mod observed;
mod quarantine;
mod records;
mod replays;
mod signatures;
mod webhook;

/// A router with what it stands on.
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
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::System);
        let url = format!("sqlite://{}/t.db", folder.path().display());
        let db = Db::open(&url, &host).await.unwrap();
        Self::on(db, host, folder).await
    }

    async fn on(db: Db, host: Host, folder: TempDir) -> Self {
        Self::with(db, host, folder, vec![source()]).await
    }

    async fn with(db: Db, host: Host, folder: TempDir, sources: Vec<Source>) -> Self {
        let alone = matches!(db, Db::Sqlite(_));
        let queue = Queue::in_database(db.clone(), host.clone(), alone)
            .await
            .unwrap();
        let flow = Arc::new(Flow {
            db,
            queue,
            host,
            sources: Arc::new(Sources::new(sources)),
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
        let db = flow.db.clone();
        let api = Api {
            flow: Arc::clone(&flow),
            receiver: Receiver::new(Arc::clone(&flow)),
            ready: Arc::new(move || {
                let db = db.clone();
                Box::pin(async move { health::Readiness::of_database(&db).await })
            }),
            metrics: Arc::new(String::new),
            guesses: guesses::Guesses::default(),
        };
        let roles = Roles {
            receiver: true,
            api: true,
        };
        let panics = axum::routing::get(|| async { panic!("planted") as () });
        let router = dress(routes(roles).route("/panics", panics), Arc::new(api));
        Self {
            router,
            flow,
            _folder: folder,
        }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    async fn ask(&self, method: &str, path: &str, token: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::empty())
            .unwrap();
        self.send(request).await
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, token).await
    }

    /// A token with these scopes, bound to these agents.
    async fn token(&self, scopes: &[Scope], agents: &[&str]) -> String {
        let host = &self.flow.host;
        let text = tokens::mint(host.dice.bytes());
        let token = Token {
            id: crate::id::fresh("token_", host.now(), host.dice.bytes()),
            name: "test".to_owned(),
            scopes: scopes.to_vec(),
            agents: agents.iter().map(|id| (*id).to_owned()).collect(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            created_at: host.now(),
        };
        let hash = tokens::hash(&text);
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { tokens::add(&mut conn, &token, &hash).await })
            })
            .await
            .unwrap();
        text
    }

    async fn save(&self, record: Record, messages: Vec<Message>) {
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    stored::save(&mut conn, &record).await?;
                    stored::replace_messages(&mut conn, &record.key(), &messages).await
                })
            })
            .await
            .unwrap();
    }
}

/// A call with something in every field.
fn full_call(id: &str, agent: &str, created_secs: i64) -> Record {
    let at = Timestamp::from_secs(created_secs);
    let object = |name: &str| json!({ name: "planted" }).as_object().unwrap().clone();
    let call = Conversation {
        agent_name: Some("Front Desk".to_owned()),
        room_name: Presence::Value("room".to_owned()),
        room_sid: Presence::Null,
        status: Status::Completed,
        transport: Transport::SipInbound,
        metadata: object("crm"),
        message_count: 2,
        started_at: Some(at),
        ended_at: Some(at.plus(std::time::Duration::from_mins(1))),
        duration_ms: Some(60_000),
        cost_cents: Some(5),
        recording_url: Some("https://planted".to_owned()),
        recording_started_at: Some(at),
        end_reason: Some("agent_ended".into()),
        end_reason_source: Some(crate::end_reason::EndReasonSource::Platform),
        end_reason_raw: Some("hangup".to_owned()),
        caller_identity: "sip_+14155550123".to_owned(),
        from_number: Some("+14155550123".to_owned()),
        to_number: Some("+14155550100".to_owned()),
        agent_snapshot: Presence::Value(json!({"prompt": "planted"})),
        dynamic_variables: Presence::Value(
            json!({"tier": "planted", "system__time": "x"})
                .as_object()
                .unwrap()
                .clone(),
        ),
        ivr_menu_id: Presence::Value("menu".to_owned()),
        ivr_path_taken: Presence::Value(Vec::new()),
        ivr_surrender_reason: Presence::Value("no_goal".into()),
        summary: Some("planted".to_owned()),
        call_successful: Some("success".into()),
        user_turn_count: Some(1),
        platform: "speechify".to_owned(),
        source: "voice".to_owned(),
        platform_fields: object("beyond"),
        ..Conversation::blank(
            ConversationId::new(id).unwrap(),
            AgentId::new(agent).unwrap(),
            at,
        )
    };
    Record {
        owner: Owner::platform("speechify"),
        caller_key: crate::memory::caller::CallerKey::of("speechify", &call.caller_identity),
        conversation: call,
        updated_at: at,
        revision: 1,
        content_hash: String::new(),
        fetched_at: at,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: crate::store::conversations::Own::default(),
    }
}

fn said(id: &str, role: Role, content: &str) -> Message {
    Message {
        id: MessageId::new(id).unwrap(),
        role,
        content: content.to_owned(),
        tool_name: None,
        tool_args: None,
        tool_result: None,
        started_at: None,
        ended_at: None,
    }
}

/// A platform whose signature is a header that says `good`.
struct Signed;

impl Webhooks for Signed {
    fn platform(&self) -> &'static str {
        "speechify"
    }

    fn is_signed(&self, headers: &HeaderMap) -> bool {
        headers.contains_key("signature")
    }

    fn verify(&self, delivery: Delivery<'_>, _: Timestamp) -> Result<(), Refusal> {
        match delivery.headers.get("signature") {
            Some(value) if value == "good" => Ok(()),
            Some(_) => Err(Refusal::Mismatch { tried: 1 }),
            None => Err(Refusal::Missing("signature".to_owned())),
        }
    }

    fn explain(&self, _: Delivery<'_>, _: Timestamp) -> Vec<Check> {
        Vec::new()
    }

    fn classify(&self, delivery: Delivery<'_>, received_at: Timestamp) -> Classified {
        match delivery.payload() {
            b"ping" => Classified::Ignored("ping".to_owned()),
            b"junk" => Classified::Unreadable("no JSON".to_owned()),
            body => Classified::Event(Box::new(crate::event::CallEvent {
                source: String::new(),
                event_id: EventId::new(&crate::secret::sha256_hex(body)).unwrap(),
                kind: crate::event::EventKind::Finished,
                occurred_at: None,
                received_at,
                conversation_id: None,
                room: None,
                agent_id: None,
                caller_identity: None,
                hint: None,
                body: None,
            })),
        }
    }
}

fn source() -> Source {
    Source {
        name: "voice".to_owned(),
        webhooks: Some(Arc::new(Signed)),
        api: None,
        owner: Owner::platform("speechify"),
        max_body: 1000,
        reconcile: crate::config::Reconcile::default(),
        agent: None,
        zone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
    }
}

#[tokio::test]
async fn failures_are_told_in_the_envelope() {
    let bench = Bench::new().await;
    for (method, path, status, code) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/healthz", 405, "method_not_allowed"),
        ("GET", "/panics", 500, "internal"),
        ("GET", "/v1/conversations", 401, "unauthorized"),
    ] {
        let answer = bench.ask(method, path, "").await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let body = answer.json();
        assert_eq!(body["error"]["code"], code);
        assert!(
            body["error"]["message"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
        assert_eq!(
            body["request_id"],
            answer.headers["x-request-id"].to_str().unwrap()
        );
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let answer = bench.ask("PUT", "/healthz", "").await;
    assert_eq!(answer.headers["allow"], "GET,HEAD");
    let odd = bench.ask("BREW", "/v1/conversations", "").await;
    assert_eq!(
        (odd.status.as_u16(), &*odd.code()),
        (405, "method_not_allowed")
    );
}

#[tokio::test]
async fn a_path_or_method_that_an_original_lacks_is_answered_as_it_would() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::ConversationsRead], &[]).await;
    for path in [
        "/v1/agents/conversations",
        "/core/conversations",
        "/api/v1/conversations",
        "/v1/convai/conversations",
    ] {
        for (method, path, status, phrase) in [
            ("DELETE", path.to_owned(), 405, "Method Not Allowed"),
            ("BREW", format!("{path}/conv_1"), 405, "Method Not Allowed"),
            ("GET", format!("{path}/conv_1/"), 404, "Not Found"),
        ] {
            let answer = bench.ask(method, &path, &token).await;
            assert_eq!(answer.status.as_u16(), status, "{method} {path}");
            if path.starts_with("/v1/agents") {
                assert!(!answer.code().is_empty(), "{}", answer.text);
            } else {
                assert_eq!(answer.json(), json!({"detail": phrase}), "{method} {path}");
            }
            assert_eq!(
                answer.headers.contains_key("allow"),
                status == 405,
                "{path}"
            );
        }
    }
    // A path that only begins alike is ours.
    let ours = bench.get("/corex", &token).await;
    assert_eq!(ours.code(), "not_found");
}

#[tokio::test]
async fn a_sane_request_id_is_kept_and_any_other_replaced() {
    let bench = Bench::new().await;
    let long = "x".repeat(65);
    for (given, kept) in [
        ("abc-1.2_X", true),
        ("a b", false),
        ("a\u{e9}", false),
        (&long, false),
    ] {
        let request = Request::get("/healthz")
            .header("x-request-id", given.as_bytes())
            .body(Body::empty())
            .unwrap();
        let answer = bench.send(request).await;
        let id = answer.headers["x-request-id"].to_str().unwrap();
        assert_eq!(id == given, kept, "{id}");
        assert!(kept || id.starts_with("req_"));
    }
}

#[tokio::test]
async fn health_needs_no_token() {
    let bench = Bench::new().await;
    assert_eq!(bench.get("/healthz", "").await.text, "ok\n");
    let ready = bench.get("/readyz", "").await;
    assert_eq!(
        ready.json(),
        json!({"ready": true, "checks": {"database": "ok"}})
    );
    assert_eq!(bench.get("/metrics", "").await.status, 200);
    bench.flow.host.stop.cancel();
    let ready = bench.get("/readyz", "").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["checks"]["process"], "stopping");
    assert_eq!(bench.get("/healthz", "").await.status, 200);
}

#[tokio::test]
async fn the_page_shows_every_route_and_allows_no_script() {
    let bench = Bench::new().await;
    let page = bench.get("/docs", "").await;
    let document = bench.get("/openapi.json", "").await.json();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(page.text.contains(path.as_str()), "{path}");
    }
    assert!(!page.text.contains("<script"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
}

/// The document is a promise to clients: a change of it must be meant.
#[test]
fn the_document_is_the_one_that_was_agreed() {
    insta::with_settings!({ snapshot_path => "../../tests/it/snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_json_snapshot!("openapi", openapi());
    });
}

#[test]
fn nothing_in_the_document_points_nowhere() {
    let document = serde_json::to_value(openapi()).unwrap();
    let text = document.to_string();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    let mut ids = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let before = ids.insert(id, path);
            assert_eq!(before, None, "{method} {path}");
        }
    }
}
