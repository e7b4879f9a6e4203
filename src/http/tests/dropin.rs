//! The other systems' shapes: fields, filters, pages and failures, as their clients know them.

use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const READ: [Scope; 1] = [Scope::ConversationsRead];
const READ_ALL: [Scope; 2] = [Scope::ConversationsRead, Scope::ConversationsReadSensitive];

const LISTS: [&str; 4] = [
    "/v1/agents/conversations",
    "/core/conversations",
    "/api/v1/conversations",
    "/v1/convai/conversations",
];

/// The rows of a page, whatever stands around them.
fn rows(page: &Value) -> Vec<Value> {
    let rows = page.as_array().or(page["conversations"].as_array());
    rows.unwrap().clone()
}

fn id(row: &Value) -> String {
    let id = row["id"].as_str().or(row["conversation_id"].as_str());
    id.unwrap().to_owned()
}

/// Where the next page begins, as each of the originals says it.
fn next(answer: &Answer) -> Option<String> {
    let page = answer.json();
    let header = answer.headers.get("x-next-cursor");
    header
        .map(|next| next.to_str().unwrap().to_owned())
        .or_else(|| Some(page["next_cursor"].as_str()?.to_owned()))
        .or_else(|| Some(page["cursor"].as_str()?.to_owned()))
}

fn size(path: &str) -> &'static str {
    if path.starts_with("/core") || path.starts_with("/v1/agents") {
        "limit"
    } else {
        "page_size"
    }
}

fn escaped(cursor: &str) -> String {
    cursor
        .replace('+', "%2B")
        .replace('=', "%3D")
        .replace('/', "%2F")
}

impl Bench {
    async fn ids(&self, path: &str, token: &str) -> Vec<String> {
        let answer = self.get(path, token).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        rows(&answer.json()).iter().map(id).collect()
    }
}

#[tokio::test]
async fn pages_are_whole_under_inserts_and_at_equal_times() {
    let bench = Bench::new().await;
    let token = bench.token(&READ, &[]).await;
    // Five of one moment, between two older and two newer ones.
    for (n, at) in [10, 20, 30, 30, 30, 30, 30, 40, 50].into_iter().enumerate() {
        let call = full_call(&format!("conv_{n}"), "front-desk", at);
        bench.save(call, Vec::new()).await;
    }
    for (round, path) in LISTS.into_iter().enumerate() {
        let all = bench
            .ids(&format!("{path}?{}=100", size(path)), &token)
            .await;
        let mut found = Vec::new();
        let mut query = format!("{}=2", size(path));
        for page in 0.. {
            assert!(page < 20, "{path}: no end");
            let answer = bench.get(&format!("{path}?{query}"), &token).await;
            let page_rows = rows(&answer.json());
            assert!(page_rows.len() <= 2, "{path}");
            found.extend(page_rows.iter().map(id));
            // Newer calls come in meanwhile; they belong to nobody's page.
            let newer = full_call(&format!("conv_new_{round}_{page}"), "front-desk", 60);
            bench.save(newer, Vec::new()).await;
            let Some(next) = next(&answer) else { break };
            query = format!("{}=2&cursor={}", size(path), escaped(&next));
        }
        assert_eq!(found, all, "{path}");
    }
}

#[tokio::test]
async fn anyreach_s_plain_cursor_is_the_base64_of_the_last_created_at() {
    let bench = Bench::new().await;
    let token = bench.token(&READ, &[]).await;
    for n in 1..=5 {
        let call = full_call(&format!("conv_{n}"), "front-desk", n);
        bench.save(call, Vec::new()).await;
    }
    let mut found = Vec::new();
    let mut path = "/core/conversations?limit=2".to_owned();
    loop {
        let page = bench.get(&path, &token).await.json();
        found.extend(rows(&page).iter().map(id));
        if rows(&page).len() < 2 {
            break;
        }
        let last = rows(&page)[1]["created_at"].as_str().unwrap().to_owned();
        let cursor = escaped(&STANDARD.encode(last));
        path = format!("/core/conversations?limit=2&cursor={cursor}");
    }
    assert_eq!(found, ["conv_5", "conv_4", "conv_3", "conv_2", "conv_1"]);
}

#[tokio::test]
async fn what_an_original_does_not_know_is_answered_as_it_would() {
    let bench = Bench::new().await;
    let token = bench.token(&READ, &[]).await;
    for path in LISTS {
        for query in ["nonsense=1", "cursor=%21", "agent_id=", "cursor="] {
            let answer = bench.get(&format!("{path}?{query}"), &token).await;
            let status = if path.starts_with("/v1/agents") {
                400
            } else {
                422
            };
            assert_eq!(answer.status.as_u16(), status, "{path}?{query}");
        }
    }
    let speechify = bench.get("/v1/agents/conversations?x=1", &token).await;
    assert_eq!(speechify.code(), "validation_failed");
    assert!(speechify.json()["error"]["fields"]["x"].is_string());
    // Filters of the original that can't be honoured are no filters that pass everything.
    for path in [
        "/v1/convai/conversations?has_feedback_comment=true",
        "/v1/convai/conversations?search=refund",
        "/api/v1/conversations?call_duration_min_secs=1",
    ] {
        let detail = bench.get(path, &token).await.json()["detail"].clone();
        assert_eq!(detail[0]["type"], "extra_forbidden", "{path}");
        assert_eq!(detail[0]["loc"][0], "query", "{path}");
    }
    let anyreach = bench
        .get("/core/conversations?custom_metadata=%7B%7D", &token)
        .await;
    assert!(
        anyreach.json()["detail"]
            .as_str()
            .unwrap()
            .contains("custom_metadata")
    );
}

#[tokio::test]
async fn failures_are_worded_as_the_originals_word_them() {
    let bench = Bench::new().await;
    let (none, read) = (
        bench.token(&[Scope::MemoriesRead], &[]).await,
        bench.token(&READ, &[]).await,
    );
    for (path, missing) in [
        (LISTS[0], json!("conversation_not_found")),
        (LISTS[1], json!("Conversation not found")),
        (LISTS[2], json!("Conversation not found")),
        (LISTS[3], json!("conversation_not_found")),
    ] {
        let told = |answer: &Answer| {
            let body = answer.json();
            let (error, detail) = (body["error"]["code"].clone(), body["detail"].clone());
            match (error, detail) {
                (Value::String(code), _) => json!(code),
                (_, Value::Object(detail)) => detail["status"].clone(),
                (_, detail) => detail,
            }
        };
        let one = format!("{path}/conv_x");
        let unknown = bench.get(&one, &read).await;
        assert_eq!(
            (unknown.status.as_u16(), told(&unknown)),
            (404, missing),
            "{path}"
        );
        let stranger = bench.get(&one, "ac_wrong").await;
        assert_eq!(stranger.status, 401, "{path}");
        assert_eq!(bench.get(path, "").await.status, 401);
        assert_eq!(bench.get(path, &none).await.status, 403, "{path}");
        if path == LISTS[3] {
            assert_eq!(told(&stranger), json!("invalid_api_key"));
        }
    }
}

#[tokio::test]
async fn keys_are_taken_where_the_originals_clients_put_them() {
    let bench = Bench::new().await;
    let token = bench.token(&READ, &[]).await;
    for (path, header) in [(LISTS[2], "X-API-Key"), (LISTS[3], "xi-api-key")] {
        let request = Request::get(path).header(header, &token);
        let answer = bench.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_bound_token_sees_its_agents_alone() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 1), Vec::new())
        .await;
    bench
        .save(full_call("conv_2", "billing", 2), Vec::new())
        .await;
    let bound = bench.token(&READ_ALL, &["billing"]).await;
    for path in LISTS {
        assert_eq!(bench.ids(path, &bound).await, ["conv_2"], "{path}");
        assert_eq!(
            bench.get(&format!("{path}/conv_1"), &bound).await.status,
            404
        );
        assert_eq!(
            bench.get(&format!("{path}/conv_2"), &bound).await.status,
            200
        );
    }
    let messages = bench
        .get("/v1/agents/conversations/conv_1/messages", &bound)
        .await;
    assert_eq!(messages.status, 404);
}

#[tokio::test]
async fn what_is_sensitive_is_in_no_shape_without_the_scope() {
    let bench = Bench::new().await;
    let messages = vec![said("m1", Role::User, "planted")];
    bench
        .save(full_call("conv_1", "front-desk", 1), messages)
        .await;
    let (some, all) = (
        bench.token(&READ, &[]).await,
        bench.token(&READ_ALL, &[]).await,
    );
    let mut paths: Vec<String> = LISTS.iter().map(|path| format!("{path}/conv_1")).collect();
    paths.extend(LISTS.map(str::to_owned));
    paths.push("/v1/agents/conversations/conv_1/messages".to_owned());
    paths.push("/v1/convai/conversations?summary_mode=include".to_owned());
    for path in paths {
        let answer = bench.get(&path, &some).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.text.contains("planted"), "{path}: {}", answer.text);
        let full = bench.get(&path, &all).await;
        // ElevenLabs' list shows no summary unless it is asked for.
        let plain = path == LISTS[3];
        assert_eq!(
            full.text.contains("planted"),
            !plain,
            "{path}: {}",
            full.text
        );
        assert!(!full.text.contains("system__"), "{path}");
    }
}

#[tokio::test]
async fn speechify_s_single_read_is_the_first_source_document() {
    let bench = Bench::new().await;
    let record = full_call("conv_1", "front-desk", 10);
    bench
        .save(record.clone(), vec![said("m1", Role::User, "Hello")])
        .await;
    let token = bench.token(&READ_ALL, &[]).await;
    let path = "/v1/agents/conversations";
    let call = bench.get(&format!("{path}/conv_1"), &token).await.json();
    let mut expected = json!(record.conversation);
    for beyond in [
        "agent_name",
        "end_reason_source",
        "end_reason_raw",
        "summary",
        "call_successful",
        "user_turn_count",
        "platform",
        "source",
        "platform_fields",
    ] {
        expected.as_object_mut().unwrap().remove(beyond);
    }
    expected["message_count"] = json!(0);
    expected["dynamic_variables"] = json!({"tier": "planted"});
    assert_eq!(call, expected);
    let row = bench.get(path, &token).await.json()["conversations"][0].clone();
    assert_eq!(row["message_count"], 2);
    assert!(row.get("agent_snapshot").is_none());
    let messages = bench
        .get(&format!("{path}/conv_1/messages?limit=1"), &token)
        .await;
    let message = messages.json()["messages"][0].clone();
    assert_eq!(message["conversation_id"], "conv_1");
    assert_eq!(
        (&message["role"], &message["content"]),
        (&json!("user"), &json!("Hello"))
    );
}

#[tokio::test]
async fn elevenlabs_rows_and_reads_have_what_its_clients_require() {
    let bench = Bench::new().await;
    let mut open = full_call("conv_1", "front-desk", 10);
    open.conversation.status = Status::Active;
    open.conversation.started_at = None;
    open.conversation.duration_ms = None;
    open.conversation.call_successful = None;
    bench.save(open, Vec::new()).await;
    let mut tool = said("m2", Role::Tool, "");
    tool.tool_name = Some("book".to_owned());
    tool.tool_args = Some(json!({"day": "monday"}));
    tool.tool_result = Some(json!({"ok": true}));
    tool.started_at = Some(Timestamp::from_secs(27));
    let messages = vec![
        said("m0", Role::System, "Be kind"),
        said("m1", Role::User, "Hi"),
        tool,
    ];
    bench
        .save(full_call("conv_2", "front-desk", 20), messages)
        .await;
    let token = bench.token(&READ_ALL, &[]).await;
    let page = bench.get("/v1/convai/conversations", &token).await.json();
    let [done, open] = &rows(&page)[..] else {
        panic!("{page}")
    };
    assert_eq!(
        (&open["status"], &done["status"]),
        (&json!("in-progress"), &json!("done"))
    );
    assert_eq!(open["start_time_unix_secs"], 10);
    assert_eq!(open["call_duration_secs"], 0);
    assert_eq!(open["call_successful"], "unknown");
    assert_eq!(done["call_duration_secs"], 60);
    assert_eq!(done["direction"], "inbound");
    assert_eq!(done["transcript_summary"], Value::Null);
    let one = bench
        .get("/v1/convai/conversations/conv_2", &token)
        .await
        .json();
    assert_eq!(one["transcript"][0]["role"], "user");
    let called = &one["transcript"][1];
    assert_eq!(called["time_in_call_secs"], 7);
    assert_eq!(
        called["tool_calls"][0]["params_as_json"],
        r#"{"day":"monday"}"#
    );
    assert_eq!(called["tool_results"][0]["result_value"], r#"{"ok":true}"#);
    assert_eq!(
        one["metadata"]["phone_call"]["external_number"],
        "+14155550123"
    );
    assert_eq!(one["analysis"]["transcript_summary"], "planted");
    for (query, expected) in [
        ("exclude_statuses=done", vec!["conv_1"]),
        ("exclude_statuses=done&exclude_statuses=in-progress", vec![]),
        (
            "call_duration_min_secs=60&call_duration_max_secs=60",
            vec!["conv_2"],
        ),
        ("call_successful=unknown", vec!["conv_1"]),
        ("call_start_after_unix=11", vec!["conv_2"]),
        ("user_id=sip_%2B14155550123", vec!["conv_2", "conv_1"]),
    ] {
        let path = format!("/v1/convai/conversations?{query}");
        assert_eq!(bench.ids(&path, &token).await, expected, "{query}");
    }
}

#[tokio::test]
async fn voiceable_includes_summaries_and_names_its_cursor() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 10), Vec::new())
        .await;
    let token = bench.token(&READ_ALL, &[]).await;
    let page = bench.get("/api/v1/conversations", &token).await.json();
    let mut names: Vec<_> = page.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["conversations", "cursor", "has_more"]);
    let row = &page["conversations"][0];
    assert_eq!(row["transcript_summary"], "planted");
    assert_eq!(row["created_at"], "1970-01-01T00:00:10.000Z");
    let page = bench
        .get("/api/v1/conversations?summary_mode=exclude", &token)
        .await
        .json();
    assert_eq!(page["conversations"][0]["transcript_summary"], Value::Null);
    let one = bench
        .get("/api/v1/conversations/conv_1", &token)
        .await
        .json();
    assert_eq!(
        (&one["created_at"], &one["call_successful"]),
        (&row["created_at"], &json!("success"))
    );
}

#[tokio::test]
async fn anyreach_s_states_are_filtered_as_they_are_shown() {
    let bench = Bench::new().await;
    let mut n = 0;
    for status in ["pending", "active", "completed", "failed", "on_hold"] {
        for reason in [
            None,
            Some("transferred"),
            Some("dial_no_answer"),
            Some("agent_ended"),
        ] {
            for transport in ["web", "sip_inbound", "sip_outbound"] {
                for own in [None, Some("cancelled")] {
                    let mut record = full_call(&format!("conv_{n}"), "front-desk", n);
                    let call = &mut record.conversation;
                    call.status = status.into();
                    call.end_reason = reason.map(Into::into);
                    call.transport = transport.into();
                    call.end_reason_raw = own.map(str::to_owned);
                    if own.is_some() {
                        call.platform = "anyreach".to_owned();
                    }
                    bench.save(record, Vec::new()).await;
                    n += 1;
                }
            }
        }
    }
    let token = bench.token(&READ, &[]).await;
    let mut all = Vec::new();
    let mut path = "/core/conversations?limit=100".to_owned();
    loop {
        let answer = bench.get(&path, &token).await;
        all.extend(rows(&answer.json()));
        let Some(next) = next(&answer) else { break };
        path = format!("/core/conversations?limit=100&cursor={}", escaped(&next));
    }
    assert_eq!(i64::try_from(all.len()).unwrap(), n);
    for (name, values) in [
        (
            "status",
            &[
                "token_created",
                "triggered",
                "ringing",
                "in_progress",
                "completed",
                "failed",
                "cancelled",
                "transferred",
                "unanswered",
            ][..],
        ),
        ("direction", &["inbound", "outbound"][..]),
        ("channel", &["telephone", "webrtc", "email", "text"][..]),
    ] {
        for value in values {
            let path = format!("/core/conversations?limit=100&{name}={value}");
            let shown: Vec<_> = all
                .iter()
                .filter(|row| row[name] == *value)
                .map(id)
                .collect();
            assert_eq!(bench.ids(&path, &token).await, shown, "{name}={value}");
        }
    }
    assert!(all.iter().any(|row| row["status"].is_null()));
    for (query, found) in [
        ("user_id=4155550", true),
        ("user_id=999", false),
        ("agent_number=50100", true),
        ("duration_above=60&duration_below=60", true),
        ("duration_above=61", false),
        ("user_turn_count_above=1&user_turn_count_below=1", true),
        ("user_turn_count_above=2", false),
    ] {
        let path = format!("/core/conversations?limit=1&{query}");
        assert_eq!(!bench.ids(&path, &token).await.is_empty(), found, "{query}");
    }
}

#[tokio::test]
async fn an_agent_s_own_routes_stay_its_own() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::MemoriesRead], &[]).await;
    for path in ["memories", "context"] {
        let path = format!("/v1/agents/front-desk/{path}?caller_identity=%2B14155550123");
        assert_eq!(bench.get(&path, &token).await.status, 200, "{path}");
    }
}
