//! What the console asks the store, on each database: sessions, passages, callers, and entries of the
//! audit log.

use std::time::Duration;

use aftercall::conversation::Conversation;
use aftercall::id::{AgentId, ConversationId, ConversationKey, MessageId, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::memory::fold::{Evidence, Fact};
use aftercall::memory::slot::Slot;
use aftercall::page::PageRequest;
use aftercall::store::audit::{self, Entry};
use aftercall::store::callers::remembered::{self, Filter};
use aftercall::store::conversations::{self, Record};
use aftercall::store::memories::{self, Subject};
use aftercall::store::passages::{self, Passage};
use aftercall::store::sessions;
use aftercall::store::timeline::{self, Step};
use aftercall::store::tokens::{self, Scope, Token};
use aftercall::time::Timestamp;
use serde_json::json;

use crate::backends::{self, Backend, START};

/// Runs a body against a connection of the backend, inside a transaction.
macro_rules! write {
    ($backend:expr, $conn:ident => $body:expr) => {
        $backend
            .db
            .write(move |mut $conn| Box::pin(async move { $body }))
            .await
            .unwrap()
    };
}

fn later(secs: u64) -> Timestamp {
    START.plus(Duration::from_secs(secs))
}

fn key(id: &str) -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(id).unwrap(),
    }
}

fn step(name: &str, secs: u64) -> Step {
    Step {
        key: format!("{name}:{secs}"),
        at: later(secs),
        step: name.to_owned(),
        attempt: 1,
        detail: String::new(),
    }
}

async fn keep_call(backend: &Backend, id: &str, agent: &str, steps: Vec<Step>) {
    let call = Conversation {
        ended_at: Some(START),
        ..blank(id, agent)
    };
    keep(backend, call, steps).await;
}

fn blank(id: &str, agent: &str) -> Conversation {
    let (id, agent) = (
        ConversationId::new(id).unwrap(),
        AgentId::new(agent).unwrap(),
    );
    Conversation::blank(id, agent, START)
}

async fn keep(backend: &Backend, call: Conversation, steps: Vec<Step>) {
    let record = Record {
        owner: Owner::platform("speechify"),
        conversation: call,
        caller_key: None,
        updated_at: START,
        revision: 1,
        content_hash: String::new(),
        fetched_at: START,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: aftercall::store::conversations::Own::default(),
    };
    write!(backend, conn => {
        conversations::save(&mut conn, &record).await?;
        for step in &steps {
            timeline::add(&mut conn, &record.key(), step).await?;
            // That an event arrived says nothing of the call's result: who delivers that marks it.
            if step.step == "delivered" {
                passages::mark(&mut conn, &record.key(), Passage::Delivered, step.at).await?;
            }
        }
        Ok(())
    });
}

#[tokio::test]
async fn a_session_lives_as_long_as_its_time_and_the_tokens_text() {
    for backend in backends::all("overview_sessions").await {
        let token = Token {
            id: "token_1".into(),
            name: "a".into(),
            scopes: vec![Scope::Admin],
            agents: Vec::new(),
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            created_at: START,
        };
        let kept = token.clone();
        write!(backend, conn => {
            tokens::add(&mut conn, &kept, "hash of the token").await?;
            sessions::open(&mut conn, "s1", "hash of the token", START, later(60)).await?;
            sessions::open(&mut conn, "s2", "hash of one before", START, later(60)).await?;
            sessions::open(&mut conn, "s3", "hash of the token", START, later(90)).await
        });
        let found = write!(backend, conn => sessions::token(&mut conn, "s1", later(59)).await);
        assert_eq!(found, Some(token));
        for (hash, secs) in [("s1", 60), ("s2", 0), ("none", 0)] {
            let found =
                write!(backend, conn => sessions::token(&mut conn, hash, later(secs)).await);
            assert_eq!(found, None, "{hash}");
        }
        let pruned = write!(backend, conn => sessions::prune(&mut conn, later(61), 10).await);
        assert_eq!(pruned, 2);
        write!(backend, conn => sessions::close(&mut conn, "s3").await);
        let found = write!(backend, conn => sessions::token(&mut conn, "s3", START).await);
        assert_eq!(found, None);
    }
}

#[tokio::test]
async fn the_first_time_that_a_call_passes_counts() {
    for backend in backends::all("overview_passages").await {
        let way = [
            ("received", 1),
            ("settled", 11),
            ("remember_skipped", 12),
            ("delivered", 15),
        ];
        let mut steps: Vec<Step> = way.iter().map(|(name, secs)| step(name, *secs)).collect();
        steps.push(step("settled", 70));
        steps.push(step("received", 0));
        keep_call(&backend, "c1", "desk", steps).await;
        keep_call(
            &backend,
            "c2",
            "other",
            vec![step("received", 61), step("delivered", 65)],
        )
        .await;
        let counts = async |passage: Passage, agents: &[&str]| {
            let agents: Vec<String> = agents.iter().map(|agent| (*agent).to_owned()).collect();
            write!(backend, conn => {
                passages::counts(&mut conn, passage, &agents, START, 60_000, 2).await
            })
        };
        assert_eq!(counts(Passage::Received, &[]).await, [1, 1]);
        assert_eq!(counts(Passage::Finalized, &[]).await, [1, 0]);
        assert_eq!(counts(Passage::Remembered, &[]).await, [1, 0]);
        assert_eq!(
            counts(Passage::Delivered, &["other", "third"]).await,
            [0, 1]
        );
        let latencies = async |agents: &[&str]| {
            let agents: Vec<String> = agents.iter().map(|agent| (*agent).to_owned()).collect();
            write!(backend, conn => passages::latencies(&mut conn, &agents, START, 10).await)
        };
        assert_eq!(latencies(&[]).await, [65_000, 15_000]);
        assert_eq!(latencies(&["desk"]).await, [15_000]);
        // Who does not say when it ended says when it began and how long it took, or at least that it is.
        let began = Conversation {
            started_at: Some(later(1)),
            duration_ms: Some(2_000),
            ..blank("c3", "began")
        };
        for call in [began, blank("c4", "silent")] {
            let steps = vec![step("received", 5), step("delivered", 9)];
            keep(&backend, call, steps).await;
        }
        assert_eq!(latencies(&["began"]).await, [6_000]);
        assert_eq!(latencies(&["silent"]).await, [4_000]);
        let over = async |id: &str| {
            let key = key(id);
            write!(backend, conn => {
                let record = conversations::get(&mut conn, &key).await?.unwrap();
                passages::over_at(&mut conn, &record).await
            })
        };
        assert_eq!(over("c1").await, Some(START));
        assert_eq!(over("c3").await, Some(later(3)));
        assert_eq!(over("c4").await, Some(later(5)));
        write!(backend, conn => timeline::delete(&mut conn, &key("c1")).await);
        let left = counts(Passage::Received, &["desk", "other"]).await;
        assert_eq!(left, [0, 1]);
    }
}

async fn remember(backend: &Backend, agent: &str, caller: &str, current: bool) {
    let subject = Subject {
        agent_id: agent.to_owned(),
        caller: CallerKey::of("", caller).unwrap(),
    };
    let fact = Fact {
        id: "memory_1".into(),
        slot: Slot::from("identity.name"),
        object_key: String::new(),
        value: json!("x"),
        fact: "x".into(),
        confidence: 0.9,
        valid_from: START,
        valid_to: (!current).then(|| later(1)),
        due_at: None,
        source_conversation_id: ConversationId::new("c1").ok(),
        evidence: vec![Evidence {
            conversation_id: ConversationId::new("c1").unwrap(),
            message_id: MessageId::new("m1").unwrap(),
            quote: "x".into(),
        }],
        extractor: "rules/1".into(),
    };
    let caller = caller.to_owned();
    write!(backend, conn => {
        memories::replace_facts(&mut conn, &subject, &caller, &[], &[fact], &[], START)
            .await
    });
}

#[tokio::test]
async fn callers_are_found_by_their_beginning_and_paged() {
    for backend in backends::all("overview_callers").await {
        remember(&backend, "desk", "sip_+14155550123", true).await;
        remember(&backend, "desk", "sip_+14155550199", false).await;
        remember(&backend, "other", "+14155550123", true).await;
        remember(&backend, "desk", "Zoë_50%", true).await;
        let list = async |filter: Filter, page: PageRequest| write!(backend, conn => remembered::list(&mut conn, &filter, &page).await);
        let all = list(Filter::default(), PageRequest::default()).await.rows;
        assert_eq!(all.len(), 4);
        let facts: i64 = all.iter().map(|caller| caller.facts).sum();
        assert_eq!(
            facts, 3,
            "the fact that does not hold any more is not counted"
        );
        let mut paged = Vec::new();
        let mut page = PageRequest {
            size: 1,
            after: None,
        };
        loop {
            let part = list(Filter::default(), page.clone()).await;
            paged.extend(part.rows);
            let Some(next) = part.next else { break };
            page.after = Some(next);
        }
        assert_eq!(paged, all);
        for (prefix, found) in [
            ("+1415", 3),
            ("zo", 1),
            ("zoë_5", 1),
            ("zo_", 0),
            ("%", 0),
            ("5", 0),
        ] {
            let filter = Filter {
                prefix: Some(prefix.to_owned()),
                ..Filter::default()
            };
            let rows = list(filter, PageRequest::default()).await.rows;
            assert_eq!(rows.len(), found, "{prefix}");
        }
        let bound = Filter {
            agents: vec!["other".into(), "third".into()],
            agent_id: Some("other".into()),
            ..Filter::default()
        };
        assert_eq!(list(bound, PageRequest::default()).await.rows.len(), 1);
    }
}

#[tokio::test]
async fn entries_are_found_by_what_was_done_by_whom_and_to_what() {
    for backend in backends::all("overview_audit").await {
        for (n, action, target) in [(1, "token.create", "t1"), (2, "token.revoke", "t1")] {
            let entry = Entry {
                id: format!("audit_{n}"),
                at: later(n),
                actor: "token_a".into(),
                action: action.into(),
                target: target.into(),
                detail: String::new(),
            };
            write!(backend, conn => audit::add(&mut conn, &entry).await);
        }
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        for (action, actor, target, found) in [
            ("", "", "", 2),
            ("token.create", "", "", 1),
            ("", "token_a", "t1", 2),
            ("", "token_b", "", 0),
        ] {
            let filter = audit::Filter {
                action: text(action),
                actor: text(actor),
                target: text(target),
                ..audit::Filter::default()
            };
            let page = PageRequest::default();
            let entries = write!(backend, conn => audit::list(&mut conn, &filter, &page).await);
            assert_eq!(entries.rows.len(), found, "{action} {actor} {target}");
        }
        let between = audit::Filter {
            since: Some(later(1)),
            until: Some(later(2)),
            ..audit::Filter::default()
        };
        let page = PageRequest::default();
        let entries = write!(backend, conn => audit::list(&mut conn, &between, &page).await);
        let ids: Vec<_> = entries.rows.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids, ["audit_1"], "from the first moment, up to the second");
    }
}
