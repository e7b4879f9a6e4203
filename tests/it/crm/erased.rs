//! What endpoints answered goes with whom it may repeat, and results are found by whom they name.

use aftercall::consent::{self, Change};
use aftercall::conversation::Conversation;
use aftercall::erasure::{erase_caller, erase_conversation, forget_memory};
use aftercall::id::{AgentId, ConversationId};
use aftercall::memory::caller::CallerKey;
use aftercall::memory::slot::Slot;
use aftercall::remember::pin::{Said, pin};
use aftercall::store::conversations::{self, Record};
use aftercall::store::memories::Subject;
use aftercall::store::results::ResultEvent;
use aftercall::store::{Conn, audit};
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::bench::{Bench, key};

const NUMBER: &str = "+14155550999";

fn caller() -> CallerKey {
    CallerKey::of("", NUMBER).unwrap()
}

/// A CRM that answers with whatever it was sent.
async fn echo() -> MockServer {
    let crm = MockServer::start().await;
    Mock::given(any())
        .respond_with(|got: &Request| ResponseTemplate::new(200).set_body_bytes(got.body.clone()))
        .mount(&crm)
        .await;
    crm
}

fn entry(bench: &Bench) -> audit::Entry {
    audit::Entry {
        id: format!("audit_{}", hex::encode(bench.flow.host.dice.bytes::<8>())),
        at: bench.now(),
        actor: "test".to_owned(),
        action: "test".to_owned(),
        target: String::new(),
        detail: String::new(),
    }
}

async fn pin_name(bench: &Bench, name: &str) {
    let subject = Subject {
        agent_id: "agent_1".to_owned(),
        caller: caller(),
    };
    let said = Said {
        slot: Slot::from("identity.name"),
        object_key: String::new(),
        value: Value::from(name),
        suppress: false,
    };
    let spelled = format!("sip:{NUMBER}@pbx.example");
    pin(&bench.flow, subject, spelled, said, entry(bench))
        .await
        .unwrap();
}

async fn hold_call(bench: &Bench, id: &str) {
    let mut call = Conversation::blank(
        ConversationId::new(id).unwrap(),
        AgentId::new("agent_1").unwrap(),
        bench.now(),
    );
    call.caller_identity = format!("sip_{NUMBER}");
    let record = Record {
        owner: key(id).owner,
        conversation: call,
        caller_key: Some(caller()),
        updated_at: bench.now(),
        revision: 1,
        content_hash: String::new(),
        fetched_at: bench.now(),
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: conversations::Own::default(),
    };
    bench
        .write(move |conn| Box::pin(async move { conversations::save(conn, &record).await }))
        .await;
}

/// What endpoints answered, all together.
async fn answers(bench: &Bench) -> String {
    let mut answers = String::new();
    for delivery in bench.deliveries().await {
        for attempt in bench.attempts(&delivery.id).await {
            answers.push_str(&attempt.response);
        }
    }
    answers
}

/// A memory's change that rests on a call, without having come from it.
fn citing(bench: &Bench, n: usize, cited: &str) -> ResultEvent {
    ResultEvent {
        id: format!("evt_cites_{n}"),
        kind: "memory.changed".to_owned(),
        agent_id: "agent_1".to_owned(),
        key: Some(key("conv_other")),
        data: json!({
            "caller_identity": "tel:+14155550111", "conversation_id": "conv_other",
            "added": [], "closed": [],
            "changed": [{"value": "Xylo", "evidence": [{"conversation_id": cited}]}],
        }),
        created_at: bench.now(),
    }
}

#[tokio::test]
async fn what_crms_answered_goes_with_the_caller() {
    for bench in Bench::all("crm_erased").await {
        let crm = echo().await;
        bench.endpoint("echo", &crm.uri(), |_| {}).await;
        let refusal = Change {
            do_not_call: Some(true),
            ..Change::default()
        };
        // No call names the caller so.
        let spelled = format!("tel:{NUMBER}");
        consent::set(&bench.flow, caller(), spelled, refusal, entry(&bench))
            .await
            .unwrap();
        pin_name(&bench, "Xylo Grumbleton").await;
        bench.work(5).await;
        let answered = answers(&bench).await;
        assert!(
            answered.contains(NUMBER) && answered.contains("Xylo"),
            "{answered}"
        );
        let receipt = erase_caller(&bench.flow, None, caller(), entry(&bench))
            .await
            .unwrap();
        assert_eq!(receipt.counts.results, 2);
        assert_eq!(answers(&bench).await, "");
        assert_eq!(bench.results("consent.changed").await, []);
        // The CRM is told whom to erase, and its answer to that is not kept either.
        bench.work(5).await;
        let got = crm.received_requests().await.unwrap();
        let last = String::from_utf8_lossy(&got.last().unwrap().body).into_owned();
        assert!(
            last.contains("memory.erased") && last.contains(NUMBER),
            "{last}"
        );
        assert_eq!(answers(&bench).await, "");
    }
}

#[tokio::test]
async fn what_crms_answered_goes_with_the_memory_and_the_call_stays() {
    for bench in Bench::all("crm_forgotten").await {
        let crm = echo().await;
        bench.endpoint("echo", &crm.uri(), |_| {}).await;
        hold_call(&bench, "conv_1").await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        bench
            .add(&bench.event(2, "conversation.completed", "conv_else"))
            .await;
        pin_name(&bench, "Xylo Grumbleton").await;
        bench.work(5).await;
        assert!(answers(&bench).await.contains("Xylo"));
        forget_memory(&bench.flow, "agent_1", caller(), entry(&bench))
            .await
            .unwrap();
        let left = answers(&bench).await;
        assert!(!left.contains("Xylo") && !left.contains("conv_1"), "{left}");
        assert!(left.contains("conv_else"), "{left}");
        assert_eq!(bench.results("conversation.completed").await.len(), 2);
    }
}

#[tokio::test]
async fn results_that_cite_an_erased_call_are_found_also_those_of_an_earlier_version() {
    for bench in Bench::all("crm_cited").await {
        let crm = echo().await;
        bench.endpoint("echo", &crm.uri(), |_| {}).await;
        bench.add(&citing(&bench, 0, "conv_1")).await;
        bench.add(&citing(&bench, 1, "conv_2")).await;
        bench.work(5).await;
        assert!(answers(&bench).await.contains("conv_1"));
        erase_conversation(&bench.flow, key("conv_1"), entry(&bench))
            .await
            .unwrap();
        let told = bench.results("memory.changed").await;
        assert_eq!(told.len(), 1);
        assert!(told[0].data.to_string().contains("conv_2"));
        let left = answers(&bench).await;
        assert!(
            !left.contains("conv_1") && left.contains("conv_2"),
            "{left}"
        );

        // As an earlier version left them, and more than one batch of them.
        for n in 2..600 {
            bench.add(&citing(&bench, n, "conv_3")).await;
        }
        bench.write(|conn| Box::pin(unname(conn))).await;
        let receipt = erase_conversation(&bench.flow, key("conv_3"), entry(&bench))
            .await
            .unwrap();
        assert_eq!(receipt.counts.results, 598);
        let other = CallerKey::of("", "+14155550111").unwrap();
        let receipt = erase_caller(&bench.flow, None, other, entry(&bench))
            .await
            .unwrap();
        assert_eq!(receipt.counts.results, 1);
    }
}

/// Takes out what an earlier version did not write.
async fn unname(conn: &mut Conn<'_>) -> aftercall::store::Result<()> {
    for text in [
        "UPDATE results SET caller_key = NULL",
        "DELETE FROM result_citations",
    ] {
        match conn {
            Conn::Sqlite(c) => {
                sqlx::query(text).execute(&mut **c).await?;
            }
            Conn::Postgres(c) => {
                sqlx::query(text).execute(&mut **c).await?;
            }
        }
    }
    Ok(())
}
