use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use wiremock::matchers::{header, method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config::PlatformName;
use crate::conversation::{CallSuccess, Presence, Role, Status, Transport};
use crate::end_reason::EndReason;
use crate::event::{CallEvent, EventKind};
use crate::id::ConversationId;
use crate::platform::tests::{client, shared_fixture, source};
use crate::platform::{Api, Classified, Delivery, FetchError, Fetched, ListQuery, Webhooks};
use crate::secret::Secret;
use crate::signature::{Refusal, prefixed_hmac, timestamped_hmac};
use crate::time::Timestamp;

const ID: &str = "conv_01k7h3v5e8f9x2m4q6s8t0w1y3";
const NOW: Timestamp = Timestamp::from_secs(1_776_447_131);

fn sender() -> Sender {
    Sender::of(&source(PlatformName::Speechify, None))
}

fn classify(body: &[u8]) -> Classified {
    sender().classify(body, NOW)
}

#[track_caller]
fn event(body: &Value) -> CallEvent {
    match classify(body.to_string().as_bytes()) {
        Classified::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

mod webhooks {
    use super::*;

    #[test]
    fn both_signatures_are_taken() {
        let body = br#"{"event":"conversation.completed"}"#;
        let secret = Secret::new("s3cret").unwrap();
        let delivery = |pairs: &[(&'static str, String)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_str(value).unwrap());
            }
            headers
        };
        let (signature, time) = prefixed_hmac::sign(&secret, NOW.as_millis(), body);
        let legacy = delivery(&[
            ("x-speechify-signature", signature.clone()),
            ("x-speechify-timestamp", time),
        ]);
        let value = timestamped_hmac::sign(&secret, NOW.as_secs(), body);
        let present = delivery(&[("speechify-signature", value)]);
        for headers in [&present, &legacy] {
            let delivery = Delivery { headers, body };
            assert!(sender().is_signed(headers));
            assert_eq!(sender().verify(delivery, NOW), Ok(()));
            assert!(sender().explain(delivery, NOW).iter().all(|check| check.ok));
        }
        let unsigned = HeaderMap::new();
        let delivery_of = |headers| Delivery {
            headers,
            body: &body[..],
        };
        assert!(!sender().is_signed(&unsigned));
        assert_eq!(
            sender().verify(delivery_of(&unsigned), NOW),
            Err(Refusal::Missing(timestamped_hmac::SPEECHIFY))
        );
        // Where both are there, the present form decides.
        let mut both = legacy;
        both.insert("speechify-signature", HeaderValue::from_static("t=1,v0=00"));
        assert!(sender().verify(delivery_of(&both), NOW).is_err());
    }

    #[test]
    fn the_present_form_is_read() {
        let body = json!({
            "event": "conversation.completed", "timestamp": 1_776_447_130_000_i64,
            "conversation": {"id": ID.to_uppercase().replace("CONV_", "conv_"), "agent_id": "agent_1",
                "status": "completed", "ended_at": "2026-04-17T17:32:08Z"},
            "messages": [{"content": "never kept"}],
        });
        let event = event(&body);
        assert_eq!(event.kind, EventKind::Finished);
        assert_eq!(event.source, "acme");
        assert_eq!(
            event.conversation_id,
            Some(ConversationId::new(ID).unwrap())
        );
        assert_eq!(event.agent_id.as_ref().unwrap().as_str(), "agent_1");
        assert_eq!(event.occurred_at, "2026-04-17T17:32:08Z".parse().ok());
        assert_eq!(event.received_at, NOW);
        let hash = crate::secret::sha256_hex(body.to_string().as_bytes());
        assert_eq!(event.event_id.as_str(), hash);
    }

    #[test]
    fn every_form_that_it_has_had_is_read() {
        for (body, occurred_at, event_id) in [
            (
                json!({"type": "conversation.ended", "id": "evt_9", "created_at": "2025-10-14T13:02:20Z",
                    "data": {"conversation_id": ID}}),
                Some(1_760_446_940),
                Some("evt_9"),
            ),
            (
                json!({"type": "conversation.completed", "id": "evt_8", "data": {"object": {"id": ID}}}),
                None,
                Some("evt_8"),
            ),
            (
                json!({"event": "conversation.completed", "timestamp": "1760446940000",
                    "data": {"object": "conversation", "conversation_id": ID}}),
                Some(1_760_446_940),
                None,
            ),
            (
                json!({"event": "conversation.completed", "timestamp": 1_760_446_940,
                    "conversation_id": ID, "id": ID}),
                Some(1_760_446_940),
                None,
            ),
        ] {
            let event = event(&body);
            assert_eq!(
                event.conversation_id,
                Some(ConversationId::new(ID).unwrap())
            );
            assert_eq!(
                event.occurred_at,
                occurred_at.map(Timestamp::from_secs),
                "{body}"
            );
            match event_id {
                Some(id) => assert_eq!(event.event_id.as_str(), id),
                None => assert_eq!(event.event_id.as_str().len(), 64, "{body}"),
            }
        }
    }

    #[test]
    fn other_kinds_are_named_and_ignored() {
        for (body, reason) in [
            (
                r#"{"event":"conversation.started","conversation":{}}"#,
                "event conversation.started",
            ),
            (r#"{"type":"agent\n\u001b[31m"}"#, "event agent___31m"),
        ] {
            let ignored = Classified::Ignored(reason.to_owned());
            assert_eq!(classify(body.as_bytes()), ignored);
        }
    }

    #[test]
    fn what_can_not_be_read_is_unreadable_and_never_quoted() {
        let deep = format!("{{\"event\":{}", "[".repeat(100_000));
        let long = format!(
            r#"{{"event":"conversation.completed","conversation":{{"id":"{}"}}}}"#,
            "planted".repeat(100)
        );
        let bodies: [&[u8]; 12] = [
            b"",
            b"null",
            b"[]",
            b"{}",
            b"planted",
            br#"{"event":"conversation.completed""#,
            br#"{"event":"conversation.completed"}"#,
            br#"{"event":"conversation.completed","conversation":{"id":null}}"#,
            br#"{"event":"conversation.completed","conversation":{"id":"a\nplanted"}}"#,
            b"{\"event\":\"conversation.completed\",\"x\":\"\xff\"}",
            deep.as_bytes(),
            long.as_bytes(),
        ];
        for body in bodies {
            match classify(body) {
                Classified::Unreadable(why) => assert!(!why.contains("planted"), "{why}"),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn depth_and_doubled_keys_beside_the_wanted_are_no_hindrance() {
        let body = format!(
            r#"{{"event":"x","event":"conversation.completed","deep":{}{},"conversation":{{"id":"{ID}"}}}}"#,
            "[".repeat(10_000),
            "]".repeat(10_000)
        );
        assert!(matches!(classify(body.as_bytes()), Classified::Event(_)));
    }

    #[test]
    fn the_official_sample_is_read() {
        if let Some(body) = shared_fixture("speechify_conversation_completed.official.json") {
            let Classified::Event(event) = classify(&body) else {
                panic!("the official sample is an event");
            };
            assert_eq!(event.conversation_id.unwrap().as_str(), "conv_01HS...");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>) {
            classify(&body);
        }

        #[test]
        fn no_cut_makes_it_panic(at in 0usize..120) {
            let body = json!({"event": "conversation.completed", "timestamp": 1,
                "conversation": {"id": ID, "agent_id": "a"}}).to_string();
            classify(&body.as_bytes()[..at.min(body.len())]);
        }
    }
}

mod api {
    use super::*;

    async fn api(server: &MockServer) -> Client {
        let config = source(PlatformName::Speechify, Some(&server.uri()));
        let api = config.api.clone().unwrap();
        Client::new(&config, &api, client()).unwrap()
    }

    fn id() -> ConversationId {
        ConversationId::new(ID).unwrap()
    }

    fn call() -> Value {
        json!({"id": ID, "agent_id": "agent_1", "status": "completed", "transport": "sip_inbound",
            "created_at": "2025-10-14T13:00:00Z", "metadata": {}, "message_count": 0})
    }

    async fn answer(server: &MockServer, route: &str, answer: ResponseTemplate) {
        Mock::given(method("GET"))
            .and(path(route))
            .respond_with(answer)
            .mount(server)
            .await;
    }

    async fn json_at(server: &MockServer, route: &str, body: Value) {
        answer(
            server,
            route,
            ResponseTemplate::new(200).set_body_json(body),
        )
        .await;
    }

    fn route(behind: &str) -> String {
        format!("/v1/agents/conversations/{ID}{behind}")
    }

    /// What fetching gives when the conversation itself is answered so.
    async fn fetched(template: ResponseTemplate) -> Result<Fetched, FetchError> {
        let server = MockServer::start().await;
        answer(&server, &route(""), template).await;
        json_at(
            &server,
            &route("/messages"),
            json!({"messages": [], "has_more": false}),
        )
        .await;
        api(&server).await.fetch(&id()).await
    }

    #[tokio::test]
    async fn all_pages_of_messages_come_in_order() {
        let server = MockServer::start().await;
        Mock::given(path(route("")))
            .and(header("authorization", "Bearer sk_planted"))
            .respond_with(ResponseTemplate::new(200).set_body_json(call()))
            .expect(1)
            .mount(&server)
            .await;
        let page = |ids: &[&str], next: Value, more: bool| {
            let rows: Vec<Value> = ids
                .iter()
                .map(|id| json!({"id": id, "role": "user", "content": id}))
                .collect();
            ResponseTemplate::new(200)
                .set_body_json(json!({"messages": rows, "next_cursor": next, "has_more": more}))
        };
        Mock::given(path(route("/messages")))
            .and(query_param("limit", "200"))
            .and(query_param_is_missing("cursor"))
            .respond_with(page(&["msg_1", "msg_2"], json!("a b/&"), true))
            .mount(&server)
            .await;
        // The transcript grew between the pages: msg_2 is there again.
        Mock::given(path(route("/messages")))
            .and(query_param("cursor", "a b/&"))
            .respond_with(page(&["msg_2", "msg_3"], json!("c"), true))
            .mount(&server)
            .await;
        Mock::given(path(route("/messages")))
            .and(query_param("cursor", "c"))
            .respond_with(page(&["msg_4"], Value::Null, false))
            .mount(&server)
            .await;
        let fetched = api(&server).await.fetch(&id()).await.unwrap();
        let ids: Vec<&str> = fetched.messages.iter().map(|m| m.id.as_str()).collect();
        assert_eq!(ids, ["msg_1", "msg_2", "msg_3", "msg_4"]);
    }

    #[tokio::test]
    async fn pages_in_a_circle_and_half_pages_are_malformed() {
        for page in [
            json!({"messages": [], "next_cursor": "again", "has_more": true}),
            json!({"messages": [], "next_cursor": null, "has_more": true}),
            json!({"messages": null}),
            json!({"messages": ["text"]}),
            json!({}),
            json!([]),
        ] {
            let server = MockServer::start().await;
            json_at(&server, &route(""), call()).await;
            json_at(&server, &route("/messages"), page.clone()).await;
            let failed = api(&server).await.fetch(&id()).await.unwrap_err();
            assert_eq!(failed.code(), "platform_malformed", "{page}");
        }
    }

    #[tokio::test]
    async fn every_status_means_what_the_worker_does_next() {
        let status = ResponseTemplate::new;
        let slow = |code, secs: u64| FetchError::SlowDown {
            status: code,
            after: Some(Duration::from_secs(secs)),
        };
        for (template, expected) in [
            (status(404), FetchError::NotFound),
            (status(401), FetchError::Refused { status: 401 }),
            (status(403), FetchError::Refused { status: 403 }),
            (
                status(429),
                FetchError::SlowDown {
                    status: 429,
                    after: None,
                },
            ),
            (status(429).insert_header("retry-after", "7"), slow(429, 7)),
            (
                status(429).insert_header("retry-after", "86400"),
                slow(429, 900),
            ),
            (
                status(429)
                    .insert_header("date", "Tue, 14 Oct 2025 13:00:00 GMT")
                    .insert_header("retry-after", "Tue, 14 Oct 2025 13:01:30 GMT"),
                slow(429, 90),
            ),
            (
                status(503)
                    .insert_header("date", "Tue, 14 Oct 2025 13:00:00 GMT")
                    .insert_header("retry-after", "Tue, 14 Oct 2025 12:00:00 GMT"),
                slow(503, 0),
            ),
            (status(503).insert_header("retry-after", "3"), slow(503, 3)),
            (
                status(503),
                FetchError::Unavailable("status 503".to_owned()),
            ),
            (
                status(500),
                FetchError::Unavailable("status 500".to_owned()),
            ),
            (status(422), FetchError::Malformed("status 422".to_owned())),
            (
                status(302).insert_header("location", "https://example.com/"),
                FetchError::Malformed("status 302".to_owned()),
            ),
        ] {
            assert_eq!(fetched(template).await, Err(expected));
        }
    }

    #[tokio::test]
    async fn garbage_half_answers_and_another_call_are_malformed() {
        let text = |body: &str| ResponseTemplate::new(200).set_body_string(body);
        let without = |key: &str| {
            let mut call = call();
            call.as_object_mut().unwrap().remove(key);
            ResponseTemplate::new(200).set_body_json(call)
        };
        let mut other = call();
        other["id"] = json!("conv_another");
        for template in [
            text("planted"),
            text(""),
            text("null"),
            text(&call().to_string()[..60]),
            text(&"[".repeat(100_000)),
            without("id"),
            without("status"),
            without("created_at"),
            ResponseTemplate::new(200).set_body_json(other),
            ResponseTemplate::new(200).set_body_bytes(vec![0xff; 9]),
        ] {
            let failed = fetched(template).await.unwrap_err();
            assert_eq!(failed.code(), "platform_malformed");
            assert!(!failed.to_string().contains("planted"), "{failed}");
        }
    }

    #[tokio::test]
    async fn a_huge_answer_is_not_swallowed() {
        let huge = ResponseTemplate::new(200).set_body_bytes(vec![b' '; (32 << 20) + 1]);
        let failed = fetched(huge).await.unwrap_err();
        assert!(failed.to_string().contains("32 MiB"), "{failed}");
    }

    #[tokio::test]
    async fn a_dead_server_is_unavailable_and_not_named() {
        let server = MockServer::start().await;
        let uri = server.uri();
        drop(server);
        let config = source(PlatformName::Speechify, Some(&format!("{uri}/planted")));
        let api = Client::new(&config, config.api.as_ref().unwrap(), client()).unwrap();
        let failed = api.fetch(&id()).await.unwrap_err();
        assert_eq!(failed, FetchError::Unavailable("no connection".to_owned()));
        assert!(!format!("{api:?}").contains("sk_planted"));
    }

    #[tokio::test]
    async fn an_id_can_not_leave_its_place_in_the_path() {
        let server = MockServer::start().await;
        let at = "/base/v1/agents/conversations/a%2F..%2Fb%3Fc%23d%25";
        let body = json!({"id": "a/../b?c#d%", "agent_id": "x", "status": "active",
            "created_at": "2025-10-14T13:00:00Z"});
        json_at(&server, at, body).await;
        json_at(&server, &format!("{at}/messages"), json!({"messages": []})).await;
        let config = source(
            PlatformName::Speechify,
            Some(&format!("{}/base/", server.uri())),
        );
        let api = Client::new(&config, config.api.as_ref().unwrap(), client()).unwrap();
        let odd = ConversationId::new("a/../b?c#d%").unwrap();
        assert_eq!(api.fetch(&odd).await.unwrap().conversation.id, odd);
        for dots in [".", ".."] {
            let dots = ConversationId::new(dots).unwrap();
            assert_eq!(api.fetch(&dots).await, Err(FetchError::NotFound));
        }
    }

    #[tokio::test]
    async fn the_list_asks_for_one_caller_from_one_place() {
        let server = MockServer::start().await;
        let mut row = call();
        row["message_count"] = json!(12);
        row["end_reason"] = json!("agent_ended");
        Mock::given(path("/v1/agents/conversations"))
            .and(query_param("caller_identity", "sip_+14155550123"))
            .and(query_param("cursor", "here"))
            .respond_with(ResponseTemplate::new(200).set_body_json(
                json!({"conversations": [row], "next_cursor": "there", "has_more": true}),
            ))
            .mount(&server)
            .await;
        let query = ListQuery {
            caller_identity: Some("sip_+14155550123".to_owned()),
            cursor: Some("here".to_owned()),
        };
        let page = api(&server).await.list(&query).await.unwrap();
        assert_eq!(page.next.as_deref(), Some("there"));
        assert_eq!(page.rows[0].conversation.message_count, 12);
        let reason = page.rows[0].reason.clone().unwrap();
        assert_eq!(reason.reason, Some(EndReason::AgentEnded));
    }

    #[tokio::test]
    async fn conversation_ids_have_one_form() {
        let api = api(&MockServer::start().await).await;
        assert!(api.is_conversation_id(ID));
        assert!(api.is_conversation_id(&ID.to_uppercase()));
        for other in [
            "",
            "conv_",
            "conv_01HS...",
            &ID[..30],
            "sip_+14155550123_7f3Kq9ZxP2",
            "conv_01k7h3v5e8f9x2m4q6s8t0w1yu",
            "agent_01k7h3v5e8f9x2m4q6s8t0w1y",
        ] {
            assert!(!api.is_conversation_id(other), "{other}");
        }
    }
}

mod mapping {
    use super::*;
    use crate::platform::speechify::map::{self, Naming};

    fn naming(agent: Option<&str>) -> Naming {
        Naming {
            source: "acme".to_owned(),
            agent: agent.map(str::to_owned),
        }
    }

    fn fetched(body: &Value) -> Fetched {
        let Value::Object(body) = body.clone() else {
            panic!("an object")
        };
        let (conversation, reason) = map::conversation(body, &naming(None)).unwrap();
        Fetched {
            conversation,
            messages: Vec::new(),
            reason,
        }
    }

    fn full() -> Value {
        json!({
            "id": ID, "agent_id": "agent_1", "room_name": "sip_+14155550123_7f3Kq9ZxP2",
            "status": "completed", "transport": "sip_inbound",
            "created_at": "2025-10-14T13:00:00Z", "metadata": {"crm_id": "lead_991"},
            "message_count": 0, "room_sid": "RM_1", "started_at": "2025-10-14T13:00:02.417Z",
            "ended_at": "2025-10-14T13:02:20Z", "duration_ms": "137583", "cost_cents": 21.0,
            "recording_url": "https://storage.example.com/x.ogg",
            "recording_started_at": "2025-10-14T13:00:03.911Z", "end_reason": "agent_ended",
            "caller_identity": "sip_+14155550123", "from_number": "+14155550123",
            "to_number": "+18005550100", "agent_snapshot": {"name": "Front desk"},
            "dynamic_variables": {"plan": "gold", "system__time": "x"}, "ivr_menu_id": "menu_1",
            "ivr_path_taken": [{"dtmf": "1"}], "ivr_surrender_reason": "no_goal",
            "evaluation_score": 0.5, "nothing": null,
        })
    }

    #[test]
    fn every_field_of_the_first_source_document_has_its_place() {
        let Fetched {
            conversation: call,
            reason,
            ..
        } = fetched(&full());
        let reason = reason.unwrap();
        assert_eq!(
            (reason.reason, &*reason.raw),
            (Some(EndReason::AgentEnded), "agent_ended")
        );
        assert_eq!(
            (call.end_reason.as_ref(), call.end_reason_raw.as_ref()),
            (None, None)
        );
        assert_eq!(call.platform, "speechify");
        assert_eq!(call.agent_name.as_deref(), Some("Front desk"));
        assert_eq!(call.duration_ms, Some(137_583));
        assert_eq!(call.cost_cents, Some(21));
        assert_eq!(
            Value::from(call.platform_fields.clone()),
            json!({"evaluation_score": 0.5})
        );
        assert_eq!(
            call.dynamic_variables,
            Presence::Value(serde_json::from_value(json!({"plan": "gold"})).unwrap())
        );
        // The rest reads back as it came.
        let back = serde_json::to_value(&call).unwrap();
        for (key, value) in full().as_object().unwrap() {
            let rewritten = [
                "created_at",
                "started_at",
                "ended_at",
                "duration_ms",
                "cost_cents",
                "end_reason",
                "dynamic_variables",
                "evaluation_score",
                "nothing",
            ];
            if !rewritten.contains(&key.as_str()) {
                assert_eq!(&back[key], value, "{key}");
            }
        }
        assert_eq!(back["started_at"], json!("2025-10-14T13:00:02.417Z"));
    }

    #[test]
    fn absent_null_and_empty_stay_apart() {
        let mut body = full();
        for (value, expected) in [
            (Some(json!([])), Presence::Value(Vec::new())),
            (Some(Value::Null), Presence::Null),
            (None, Presence::Absent),
        ] {
            match value {
                Some(value) => body["ivr_path_taken"] = value,
                None => drop(body.as_object_mut().unwrap().remove("ivr_path_taken")),
            }
            assert_eq!(fetched(&body).conversation.ivr_path_taken, expected);
        }
        body["room_name"] = Value::Null;
        assert_eq!(fetched(&body).conversation.room_name, Presence::Null);
    }

    #[test]
    fn unknown_words_are_kept_and_silence_is_no_reason() {
        let mut body = full();
        body["end_reason"] = json!("abducted");
        body["status"] = json!("on_hold");
        body["transport"] = json!("pigeon");
        let read = fetched(&body);
        let reason = read.reason.unwrap().reason;
        assert_eq!(reason, Some(EndReason::Other("abducted".to_owned())));
        assert_eq!(
            read.conversation.status,
            Status::Other("on_hold".to_owned())
        );
        assert_eq!(
            read.conversation.transport,
            Transport::Other("pigeon".to_owned())
        );
        for silence in [Value::Null, json!("")] {
            body["end_reason"] = silence;
            assert_eq!(fetched(&body).reason, None);
        }
    }

    #[test]
    fn what_can_not_be_read_is_kept_as_it_came() {
        let mut body = full();
        body["started_at"] = json!("soon");
        body["ended_at"] = json!("2025-10-14T13:02:20");
        body["created_at"] = json!(1_760_446_800);
        body["duration_ms"] = json!({"ms": 5});
        body["call_successful"] = json!(true);
        let call = fetched(&body).conversation;
        assert_eq!(call.started_at, None);
        assert_eq!(call.platform_fields["started_at"], json!("soon"));
        assert_eq!(call.platform_fields["duration_ms"], json!({"ms": 5}));
        assert_eq!(call.ended_at, "2025-10-14T13:02:20Z".parse().ok());
        assert_eq!(call.created_at, Timestamp::from_secs(1_760_446_800));
        assert_eq!(call.call_successful, Some(CallSuccess::Success));
    }

    #[test]
    fn the_agent_is_never_empty() {
        for (said, agent, transport, expected) in [
            ("agent_1", Some("desk"), "sip_inbound", "agent_1"),
            ("", Some("desk"), "sip_inbound", "desk"),
            ("", None, "sip_inbound", "+18005550100"),
            ("", None, "sip_outbound", "+14155550123"),
            ("", None, "web", "acme"),
        ] {
            let mut body = full();
            body["agent_id"] = json!(said);
            body["transport"] = json!(transport);
            let Value::Object(body) = body else { panic!() };
            let (call, _) = map::conversation(body, &naming(agent)).unwrap();
            assert_eq!(call.agent_id.as_str(), expected);
        }
    }

    #[test]
    fn messages_take_any_form() {
        let conversation = ConversationId::new(ID).unwrap();
        let rows = || {
            vec![
                json!({"id": "msg_1", "role": "tool", "content": "", "tool_name": "book",
                    "tool_args": {"day": "tuesday"}, "tool_result": null,
                    "started_at": "2025-10-14T13:00:30Z", "ended_at": null}),
                json!({"role": "user", "content": "yes"}),
                json!({"role": "user", "content": "yes"}),
                json!({"content": ["parts"]}),
            ]
        };
        let messages = map::messages(&conversation, rows()).unwrap();
        assert_eq!(messages.len(), 4);
        assert_eq!(messages[0].role, Role::Tool);
        assert_eq!(messages[0].tool_args, Some(json!({"day": "tuesday"})));
        assert_eq!(messages[0].tool_result, None);
        assert_ne!(
            messages[1].id, messages[2].id,
            "two that say the same are two"
        );
        assert_eq!(messages[3].content, r#"["parts"]"#);
        assert_eq!(messages[3].role, Role::Other("unknown".to_owned()));
        assert_eq!(messages, map::messages(&conversation, rows()).unwrap());
    }

    #[test]
    fn the_shared_samples_are_read() {
        if let Some(body) = shared_fixture("speechify_get_conversation_unstamped.synth.json") {
            let read = fetched(&serde_json::from_slice(&body).unwrap());
            assert_eq!(read.reason, None);
            assert!(read.conversation.platform_fields.is_empty());
        }
        if let Some(body) = shared_fixture("speechify_list_messages.synth.json") {
            let body: Value = serde_json::from_slice(&body).unwrap();
            let rows = body["messages"].as_array().unwrap().clone();
            let conversation = ConversationId::new(ID).unwrap();
            assert_eq!(map::messages(&conversation, rows).unwrap().len(), 3);
        }
    }
}
