//! Dead letters, by cause, one by one, and back to work.

use super::*;
use crate::event::{Message as Work, Stage};
use crate::id::ConversationKey;
use crate::page::PageRequest;
use crate::store::audit;
use crate::store::dead_letters::{self, Letter};
use crate::verdict::Failure;

impl Bench {
    pub(super) async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }

    /// A dead letter of conversation `n`.
    pub(super) async fn letter(&self, n: usize, agent: Option<&str>) {
        let message = Work::remember(
            ConversationKey {
                owner: Owner::platform("speechify"),
                id: ConversationId::new(&format!("conv_{n}")).unwrap(),
            },
            1,
        );
        let letter = Letter {
            id: format!("dl_{n}"),
            stage: "remember".to_owned(),
            source: Some("voice".to_owned()),
            platform: None,
            event_id: None,
            conversation_id: Some(format!("conv_{n}")),
            agent_id: agent.map(str::to_owned),
            caller_identity: None,
            cause: Failure::ours("panicked", "the stage panicked"),
            attempts: Vec::new(),
            body: message.encode(),
            message_id: message.id,
        };
        self.keep(letter).await;
    }

    async fn keep(&self, letter: Letter) {
        let now = self.flow.host.now();
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { dead_letters::keep(&mut conn, &letter, now).await })
            })
            .await
            .unwrap();
    }

    /// The audit log's actions and targets, newest first.
    pub(super) async fn audited(&self) -> Vec<(String, String)> {
        let page = PageRequest::default();
        let log = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(
                    async move { audit::list(&mut conn, &audit::Filter::default(), &page).await },
                )
            })
            .await
            .unwrap();
        log.rows
            .into_iter()
            .map(|entry| (entry.action, entry.target))
            .collect()
    }

    async fn waiting(&self, stage: Stage) -> i64 {
        self.flow.queue.depth(stage).await.unwrap().messages
    }
}

#[tokio::test]
async fn a_letter_has_the_agreed_shape() {
    let bench = Bench::new().await;
    bench.letter(1, Some("front-desk")).await;
    let token = bench.token(&[Scope::OpsRead], &[]).await;
    let page = bench.get("/v1/dead-letters", &token).await.json();
    let fields: Vec<_> = page["dead_letters"][0]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(
        fields,
        [
            "id",
            "state",
            "stage",
            "source",
            "platform",
            "event_id",
            "conversation_id",
            "agent_id",
            "caller_identity",
            "code",
            "message",
            "fingerprint",
            "fault",
            "attempts",
            "first_at",
            "last_at",
        ]
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(page["dead_letters"][0]["platform"], "speechify");
    assert_eq!(
        (&page["has_more"], &page["next_cursor"]),
        (&json!(false), &json!(null))
    );
    let one = bench.get("/v1/dead-letters/dl_1", &token).await.json();
    assert_eq!(one, page["dead_letters"][0]);
    let groups = bench.get("/v1/dead-letters/groups", &token).await.json();
    assert_eq!(groups["groups"][0]["count"], 1);
    assert_eq!(groups["groups"][0]["example_id"], "dl_1");
    let none = bench
        .get("/v1/dead-letters/groups?platform=livekit", &token)
        .await
        .json();
    assert_eq!(none, json!({"groups": []}));
}

#[tokio::test]
async fn a_body_is_shown_to_who_may_write_and_leaves_a_trace() {
    let bench = Bench::new().await;
    bench.letter(1, None).await;
    let sealed = bench.flow.seal.seal(b"\xff", bench.flow.host.dice.bytes());
    bench
        .keep(Letter {
            id: "dl_raw".to_owned(),
            stage: "receive".to_owned(),
            source: Some("voice".to_owned()),
            platform: None,
            event_id: None,
            conversation_id: None,
            agent_id: None,
            caller_identity: None,
            cause: Failure::poison("unreadable_body", "no JSON"),
            attempts: Vec::new(),
            body: sealed,
            message_id: "receive:voice:1".to_owned(),
        })
        .await;
    let reader = bench.token(&[Scope::OpsRead], &[]).await;
    let path = "/v1/dead-letters/dl_1?body=include";
    assert_eq!(bench.get(path, &reader).await.status, 403);
    assert!(bench.audited().await.is_empty());
    let writer = bench.token(&[Scope::OpsRead, Scope::OpsWrite], &[]).await;
    let text = bench.get(path, &writer).await.json();
    assert_eq!(text["body_encoding"], "text");
    assert!(text["body"].as_str().unwrap().contains("conv_1"));
    let raw = bench
        .get("/v1/dead-letters/dl_raw?body=include", &writer)
        .await
        .json();
    assert_eq!(
        (&raw["body"], &raw["body_encoding"]),
        (&json!("/w=="), &json!("base64"))
    );
    let read = |id: &str| ("dead_letter.read_body".to_owned(), id.to_owned());
    assert_eq!(bench.audited().await, [read("dl_raw"), read("dl_1")]);
    assert!(
        bench.get("/v1/dead-letters/dl_1", &writer).await.json()["body"].is_null(),
        "unless asked for"
    );
}

#[tokio::test]
async fn a_replay_queues_the_message_and_is_written_down() {
    let bench = Bench::new().await;
    bench.letter(1, None).await;
    let reader = bench.token(&[Scope::OpsRead], &[]).await;
    let path = "/v1/dead-letters/dl_1/replay";
    assert_eq!(bench.ask("POST", path, &reader).await.status, 403);
    let token = bench.token(&[Scope::OpsWrite], &[]).await;
    let answer = bench.ask("POST", path, &token).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["state"]),
        (202, &json!("replaying"))
    );
    assert_eq!(bench.waiting(Stage::Remember).await, 1);
    let audited = ("dead_letter.replay".to_owned(), "dl_1".to_owned());
    assert_eq!(bench.audited().await, [audited]);
    let discard = "/v1/dead-letters/dl_1/discard";
    assert_eq!(bench.ask("POST", discard, &token).await.code(), "not_dead");
    let deliveries = bench.flow.queue.take(Stage::Remember, 1).await.unwrap();
    for delivery in deliveries {
        crate::worker::run(&bench.flow, delivery).await;
    }
    let answer = bench.ask("POST", path, &token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "already_resolved")
    );
    let nowhere = bench
        .ask("POST", "/v1/dead-letters/dl_9/replay", &token)
        .await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn many_letters_need_a_filter_that_is_understood() {
    let bench = Bench::new().await;
    for n in 1..=3 {
        bench.letter(n, None).await;
    }
    let token = bench.token(&[Scope::OpsRead, Scope::OpsWrite], &[]).await;
    for (body, field) in [
        (json!({}), "filter"),
        (json!({"filter": {"cod": "x"}}), "filter.cod"),
        (json!({"filter": {"ids": []}}), "filter.ids"),
        (json!({"filter": []}), "filter"),
        (json!({"filter": "all"}), "filter"),
        (json!({"filter": null}), "filter"),
        (json!({"filter": {"ids": null}}), "filter.ids"),
        (json!({"filter": {"code": null}}), "filter.code"),
        (json!({"filter": {"stage": "x"}}), "filter.stage"),
        (
            json!({"filter": {"ids": ["dl_1", "dl_\0"]}}),
            "filter.ids[1]",
        ),
        (json!({"filter": {"ids": ["dl_1", null]}}), "filter.ids[1]"),
        (json!({"filter": {"state": "resolved"}}), "filter.state"),
        (json!({"filter": {}, "limit": 0}), "limit"),
        (json!({"filter": {}, "rate": 1}), "rate"),
    ] {
        let answer = bench.post("/v1/dead-letters/discard", &token, &body).await;
        assert_eq!(answer.status, 422, "{body}");
        assert!(
            answer.json()["error"]["fields"][field].is_string(),
            "{body}"
        );
    }
    assert!(bench.audited().await.is_empty());
    let body = json!({"filter": {"state": "replaying"}});
    let answer = bench.post("/v1/dead-letters/discard", &token, &body).await;
    assert_eq!(answer.status, 422);
    let body = json!({"filter": {"code": "panicked"}, "limit": 2});
    let answer = bench.post("/v1/dead-letters/discard", &token, &body).await;
    assert_eq!(answer.json(), json!({"discarded": 2}));
    let actions: Vec<_> = bench
        .audited()
        .await
        .into_iter()
        .map(|(action, _)| action)
        .collect();
    assert_eq!(actions, ["dead_letter.discard"]);
}

#[tokio::test]
async fn a_token_of_one_agent_sees_and_replays_that_agent_s_letters_only() {
    let bench = Bench::new().await;
    bench.letter(1, Some("agent_a")).await;
    bench.letter(2, Some("agent_b")).await;
    bench.letter(3, None).await;
    let token = bench
        .token(&[Scope::OpsRead, Scope::OpsWrite], &["agent_a"])
        .await;
    let page = bench.get("/v1/dead-letters", &token).await.json();
    assert_eq!(page["dead_letters"].as_array().unwrap().len(), 1);
    for n in [2, 3] {
        let path = format!("/v1/dead-letters/dl_{n}");
        assert_eq!(bench.get(&path, &token).await.status, 404);
        for deed in ["replay", "discard"] {
            let path = format!("{path}/{deed}");
            assert_eq!(bench.ask("POST", &path, &token).await.status, 404);
        }
    }
}

#[tokio::test]
async fn a_known_call_is_queued_to_be_settled_anew() {
    let bench = Bench::new().await;
    bench
        .save(full_call("conv_1", "front-desk", 10), Vec::new())
        .await;
    let path = "/v1/conversations/conv_1/reprocess";
    let reader = bench.token(&[Scope::ConversationsRead], &[]).await;
    assert_eq!(bench.ask("POST", path, &reader).await.status, 403);
    let token = bench.token(&[Scope::OpsWrite], &[]).await;
    for times in 1..=2 {
        let answer = bench.ask("POST", path, &token).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.json(), json!({"id": "conv_1", "queued": true}));
        assert_eq!(bench.waiting(Stage::Finalize).await, times);
    }
    let audited = ("conversation.reprocess".to_owned(), "conv_1".to_owned());
    assert_eq!(bench.audited().await, [audited.clone(), audited]);
    let mut gone = full_call("conv_2", "front-desk", 10);
    gone.conversation.source = "gone".to_owned();
    bench.save(gone, Vec::new()).await;
    let answer = bench
        .ask("POST", "/v1/conversations/conv_2/reprocess", &token)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (409, "cannot_reprocess")
    );
    let nowhere = bench
        .ask("POST", "/v1/conversations/conv_3/reprocess", &token)
        .await;
    assert_eq!(nowhere.status, 404);
}
