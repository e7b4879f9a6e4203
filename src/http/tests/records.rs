//! What is read back: conversations, transcripts, memories, the feed.

use super::*;
use crate::id::ConversationKey;
use crate::memory::fold::{Evidence, Fact};
use crate::memory::observation::Rank;
use crate::store::extractions::{self, Extraction};
use crate::store::memories::{self, Subject};
use crate::store::results::{self, ResultEvent};

const READ: [Scope; 2] = [Scope::ConversationsRead, Scope::MemoriesRead];
const READ_ALL: [Scope; 3] = [
    Scope::ConversationsRead,
    Scope::ConversationsReadSensitive,
    Scope::MemoriesRead,
];

/// What is sensitive on a single read.
const SENSITIVE: [&str; 7] = [
    "agent_snapshot",
    "dynamic_variables",
    "metadata",
    "platform_fields",
    "recording_started_at",
    "recording_url",
    "summary",
];

fn keys(value: &Value) -> Vec<String> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_single_read_has_every_field_of_the_model() {
    let bench = Bench::new().await;
    let record = full_call("conv_1", "front-desk", 10);
    bench.save(record.clone(), Vec::new()).await;
    let token = bench.token(&READ_ALL, &[]).await;
    let call = bench.get("/v1/conversations/conv_1", &token).await.json();
    let mut expected = serde_json::to_value(&record.conversation).unwrap();
    expected["message_count"] = json!(0);
    expected["updated_at"] = json!("1970-01-01T00:00:10.000Z");
    expected["dynamic_variables"] = json!({"tier": "planted"});
    assert_eq!(call, expected);
}

#[tokio::test]
async fn what_is_sensitive_is_absent_without_the_scope() {
    let bench = Bench::new().await;
    let messages = vec![said("m1", Role::User, "planted")];
    bench
        .save(full_call("conv_1", "front-desk", 10), messages)
        .await;
    let (some, all) = (
        bench.token(&READ, &[]).await,
        bench.token(&READ_ALL, &[]).await,
    );
    for path in ["", "/conv_1", "/conv_1/messages"] {
        let path = format!("/v1/conversations{path}");
        let answer = bench.get(&path, &some).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("planted"), "{path}: {}", answer.text);
        assert!(
            bench.get(&path, &all).await.text.contains("planted"),
            "{path}"
        );
    }
    let open = bench.get("/v1/conversations/conv_1", &some).await.json();
    let full = bench.get("/v1/conversations/conv_1", &all).await.json();
    let missing: Vec<_> = keys(&full)
        .into_iter()
        .filter(|key| open.get(key).is_none())
        .collect();
    assert_eq!(missing, SENSITIVE);
    assert_eq!(open["caller_identity"], "sip_+14155550123");
    let message = bench
        .get("/v1/conversations/conv_1/messages", &some)
        .await
        .json();
    assert_eq!(
        keys(&message["messages"][0]),
        ["ended_at", "id", "role", "started_at"]
    );
}

#[tokio::test]
async fn a_row_of_the_list_counts_messages_and_leaves_out_what_is_large() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 10), Vec::new())
        .await;
    let token = bench.token(&READ_ALL, &[]).await;
    let page = bench.get("/v1/conversations", &token).await.json();
    assert_eq!(keys(&page), ["conversations", "has_more", "next_cursor"]);
    let row = &page["conversations"][0];
    assert_eq!(row["message_count"], 2);
    for name in ["agent_snapshot", "dynamic_variables", "summary"] {
        assert!(row.get(name).is_none(), "{name}");
    }
    let page = bench
        .get("/v1/conversations?summary_mode=include", &token)
        .await
        .json();
    assert_eq!(page["conversations"][0]["summary"], "planted");
}

#[tokio::test]
async fn an_id_is_read_in_any_case_and_told_apart_by_source() {
    let bench = Bench::new().await;
    let token = bench.token(&READ, &[]).await;
    let ours = format!("conv_{}", "0123456789abcdefghjkmnpqrs");
    bench
        .save(full_call(&ours, "front-desk", 10), Vec::new())
        .await;
    let path = format!(
        "/v1/conversations/{}",
        ours.to_uppercase().replace("CONV_", "Conv_")
    );
    assert_eq!(bench.get(&path, &token).await.json()["id"], ours.as_str());
    let mut other = full_call("call-1", "front-desk", 10);
    bench.save(other.clone(), Vec::new()).await;
    other.owner = Owner::source("crm");
    other.conversation.source = "crm".to_owned();
    bench.save(other, Vec::new()).await;
    let answer = bench.get("/v1/conversations/call-1", &token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "ambiguous_id")
    );
    let answer = bench
        .get("/v1/conversations/call-1/messages?source=crm", &token)
        .await;
    assert_eq!(answer.status, 200);
    let answer = bench
        .get("/v1/conversations/call-1?source=crm", &token)
        .await;
    assert_eq!(answer.json()["source"], "crm");
    for nowhere in ["call-2", "call-1?source=nobody", "%FF", &"x".repeat(300)] {
        let path = format!("/v1/conversations/{nowhere}");
        assert_eq!(bench.get(&path, &token).await.status, 404, "{nowhere}");
    }
}

#[tokio::test]
async fn a_token_bound_to_agents_sees_no_others() {
    let bench = Bench::new().await;
    bench
        .save(full_call("c-1", "front-desk", 10), Vec::new())
        .await;
    bench.save(full_call("c-2", "sales", 11), Vec::new()).await;
    bench.add_results(&["front-desk", "sales"]).await;
    let token = bench.token(&READ, &["sales"]).await;
    let page = bench.get("/v1/conversations", &token).await.json();
    assert_eq!(page["conversations"].as_array().unwrap().len(), 1);
    assert_eq!(page["conversations"][0]["id"], "c-2");
    let page = bench
        .get("/v1/conversations?agent_id=front-desk", &token)
        .await
        .json();
    assert_eq!(page["conversations"], json!([]));
    for path in ["", "/messages", "/memories", "/timeline"] {
        let path = format!("/v1/conversations/c-1{path}");
        assert_eq!(bench.get(&path, &token).await.status, 404, "{path}");
    }
    for part in ["memories", "context"] {
        let path = format!("/v1/agents/front-desk/{part}?caller_identity=%2B14155550123");
        assert_eq!(bench.get(&path, &token).await.status, 404, "{path}");
    }
    let feed = bench.get("/v1/events", &token).await.json();
    assert_eq!(feed["events"].as_array().unwrap().len(), 1);
    let feed = bench
        .get("/v1/events?agent_id=front-desk", &token)
        .await
        .json();
    assert_eq!(feed["events"], json!([]));
}

#[tokio::test]
async fn an_erased_call_is_gone_and_kept_away() {
    let bench = Bench::new().await;
    let record = full_call("c-1", "front-desk", 10);
    bench
        .save(record, vec![said("m1", Role::User, "hello")])
        .await;
    let admin = bench.token(&[Scope::Admin], &[]).await;
    let answer = bench.ask("DELETE", "/v1/conversations/c-1", &admin).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["erased"], true);
    for path in ["c-1", "c-1/messages"] {
        let answer = bench
            .get(&format!("/v1/conversations/{path}"), &admin)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (404, "erased")
        );
    }
    let audit = bench.get("/v1/audit", &admin).await.json();
    assert_eq!(audit["audit"][0]["action"], "conversation.erase");
}

#[tokio::test]
async fn a_transcript_is_paged_in_order() {
    let bench = Bench::new().await;
    let messages = (0..5)
        .map(|n| said(&format!("m{n}"), Role::User, "hello"))
        .collect();
    bench
        .save(full_call("c-1", "front-desk", 10), messages)
        .await;
    let token = bench.token(&READ_ALL, &[]).await;
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/conversations/c-1/messages?page_size=2{cursor}");
        let page = bench.get(&path, &token).await.json();
        let rows = page["messages"].as_array().unwrap();
        ids.extend(
            rows.iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        assert_eq!(page["has_more"], page["next_cursor"].is_string());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test]
async fn memory_is_never_asked_for_without_a_caller() {
    let bench = Bench::new().await;
    let token = bench.token(&READ_ALL, &[]).await;
    bench.remember("front-desk").await;
    for part in ["memories", "context"] {
        for query in ["", "?caller_identity=", "?caller_identity=%20"] {
            let answer = bench
                .get(&format!("/v1/agents/front-desk/{part}{query}"), &token)
                .await;
            assert_eq!(answer.status, 422, "{part}{query}");
            assert!(answer.json()["error"]["fields"]["caller_identity"].is_string());
        }
        // Nobody has no memory, and a stranger's is empty.
        for caller in ["anonymous", "%2B14155550199"] {
            let path = format!("/v1/agents/front-desk/{part}?caller_identity={caller}");
            let answer = bench.get(&path, &token).await;
            assert_eq!(answer.status, 200);
            assert!(!answer.text.contains("Ann"), "{}", answer.text);
        }
    }
    let path = "/v1/agents/front-desk/context?max_facts=51&caller_identity=x";
    assert_eq!(bench.get(path, &token).await.status, 422);
}

#[tokio::test]
async fn memory_is_read_as_facts_and_as_text() {
    let bench = Bench::new().await;
    bench.remember("front-desk").await;
    let (some, all) = (
        bench.token(&READ, &[]).await,
        bench.token(&READ_ALL, &[]).await,
    );
    for caller in ["sip_%2B14155550123", "%2B14155550123", "tel:%2B14155550123"] {
        let path = format!("/v1/agents/front-desk/memories?caller_identity={caller}");
        let page = bench.get(&path, &all).await.json();
        assert_eq!(
            page["memories"].as_array().unwrap().len(),
            1,
            "{caller}: {page}"
        );
        let memory = &page["memories"][0];
        assert_eq!(memory["value"], "Ann");
        assert_eq!(memory["evidence"][0]["quote"], "I'm Ann");
        let page = bench.get(&path, &some).await.json();
        let evidence = &page["memories"][0]["evidence"][0];
        assert_eq!(keys(evidence), ["conversation_id", "message_id"]);
    }
    let path = "/v1/agents/front-desk/context?caller_identity=%2B14155550123&max_facts=5";
    let context = bench.get(path, &some).await.json();
    assert_eq!(
        context,
        json!({"context": "1. The caller's name is Ann.", "facts": 1,
               "note": crate::memory::context::MARK})
    );
    let page = bench
        .get("/v1/conversations/c-1/memories", &all)
        .await
        .json();
    assert_eq!(page["memories"][0]["slot"], "identity.name");
}

#[tokio::test]
async fn a_pin_has_the_form_that_extraction_gives_its_slot() {
    let bench = Bench::new().await;
    let token = bench.token(&[Scope::MemoriesWrite], &[]).await;
    let path = "/v1/agents/front-desk/memories";
    let pin = async |slot: &str, value: Value| {
        let body = json!({"caller_identity": "+14155550123", "slot": slot, "value": value});
        bench.post(path, &token, &body).await
    };
    for (slot, said, kept) in [
        ("contact.phone", "415 555 2671", "+14155552671"),
        ("contact.email", " Ana@Example.com", "ana@example.com"),
    ] {
        let answer = pin(slot, json!(said)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["value"]),
            (201, &json!(kept))
        );
    }
    let day = json!({"date": "2026-03-04", "time": "9:30"});
    let answer = pin("appointment", day).await.json();
    let whole = json!({"date": "2026-03-04", "time": "09:30", "title": null});
    assert_eq!(answer["value"], whole);
    for (slot, value) in [
        ("contact.phone", "ask her"),
        ("contact.email", "not an email"),
    ] {
        let answer = pin(slot, json!(value)).await;
        assert_eq!(answer.status, 422);
        let why = answer.json()["error"].to_string();
        assert!(why.contains("must be") && !why.contains(value), "{why}");
    }
}

#[tokio::test]
async fn the_feed_goes_on_where_its_reader_stopped() {
    let bench = Bench::new().await;
    bench.add_results(&["a", "b", "c", "d", "e"]).await;
    let token = bench.token(&READ_ALL, &[]).await;
    let page = bench.get("/v1/events?page_size=2", &token).await.json();
    assert_eq!(
        keys(&page["events"][0]),
        ["data", "id", "timestamp", "type"]
    );
    let ids = |page: &Value| -> Vec<String> {
        let events = page["events"].as_array().unwrap();
        events
            .iter()
            .map(|event| event["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&page), ["evt_0", "evt_1"]);
    let next = page["next_cursor"].as_str().unwrap();
    for after in [
        format!("after={next}"),
        format!("cursor={next}"),
        "after=evt_1".to_owned(),
    ] {
        let page = bench
            .get(&format!("/v1/events?{after}"), &token)
            .await
            .json();
        assert_eq!(ids(&page), ["evt_2", "evt_3", "evt_4"], "{after}");
    }
    let page = bench.get("/v1/events?after=evt_4", &token).await.json();
    assert_eq!(
        page,
        json!({"events": [], "next_cursor": null, "has_more": false})
    );
    let answer = bench.get("/v1/events?after=evt_9", &token).await;
    assert_eq!(answer.status, 422);
    let page = bench
        .get("/v1/events?type=memory.changed", &token)
        .await
        .json();
    assert_eq!(ids(&page), Vec::<String>::new());
    let full = bench.get("/v1/events?page_size=1", &token).await;
    let open = bench
        .get("/v1/events?page_size=1", &bench.token(&READ, &[]).await)
        .await;
    assert!(full.text.contains("planted") && !open.text.contains("planted"));
}

impl Bench {
    /// One result of each agent, in this order.
    async fn add_results(&self, agents: &[&str]) {
        for (n, agent) in agents.iter().enumerate() {
            let event = ResultEvent {
                id: format!("evt_{n}"),
                kind: "conversation.completed".to_owned(),
                agent_id: (*agent).to_owned(),
                key: Some(full_call("c-1", agent, 10).key()),
                data: json!({"id": "c-1", "conversation": {"summary": "planted"}}),
                created_at: Timestamp::from_secs(20),
            };
            self.flow
                .db
                .write(move |mut conn| {
                    Box::pin(async move { results::add(&mut conn, &event).await })
                })
                .await
                .unwrap();
        }
    }

    /// One call, and one fact that memory has from it.
    pub(super) async fn remember(&self, agent: &str) {
        let record = full_call("c-1", agent, 10);
        let key: ConversationKey = record.key();
        let subject = Subject {
            agent_id: agent.to_owned(),
            caller: record.caller_key.clone().unwrap(),
        };
        self.save(record, Vec::new()).await;
        let fact = Fact {
            id: "memory_1".to_owned(),
            slot: "identity.name".into(),
            object_key: String::new(),
            value: json!("Ann"),
            fact: "The caller's name is Ann.".to_owned(),
            confidence: 0.9,
            valid_from: Timestamp::from_secs(10),
            valid_to: None,
            due_at: None,
            source_conversation_id: Some(key.id.clone()),
            evidence: vec![Evidence {
                conversation_id: key.id.clone(),
                message_id: MessageId::new("m1").unwrap(),
                quote: "I'm Ann".to_owned(),
            }],
            extractor: "rules/1".to_owned(),
        };
        let extraction = Extraction {
            subject: subject.clone(),
            extractor: "rules/1".to_owned(),
            rank: Rank::Rules,
            input_hash: String::new(),
            alone: false,
        };
        let now = Timestamp::from_secs(20);
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    extractions::replace(&mut conn, &key, &extraction, &[], now).await?;
                    let caller = "sip_+14155550123";
                    memories::replace_facts(&mut conn, &subject, caller, &[], &[fact], &[], now)
                        .await
                })
            })
            .await
            .unwrap();
    }
}
