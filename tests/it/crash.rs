//! `kill -9` at random moments: every accepted event is finalized exactly once in effect.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aftercall::host::Dice;

use crate::support::{Platform, Server, completed_body, conversation_id, finished_call, talk};

const EVENTS: usize = 1_000;
const KILLS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_five_times_every_accepted_event_is_finalized_once() {
    let platform = Platform::start().await;
    let settings = "[finalize]\ngrace = \"100ms\"\nrecheck = []\n";
    let mut server = Server::start(&platform, settings).await;
    for n in 0..EVENTS {
        let caller = format!("+1415555{:04}", n % 50);
        platform.add(
            finished_call(&conversation_id(n), &caller, None),
            talk("My name is Ada Lovelace and I prefer mornings."),
        );
    }
    let mut waiting: Vec<usize> = (0..EVENTS).collect();
    let mut kills = 0;
    while !waiting.is_empty() {
        // At most so many before the next death, so that all five fall into the work.
        let share = if kills < KILLS {
            EVENTS / (KILLS + 1)
        } else {
            waiting.len()
        };
        let batch: Vec<usize> = waiting.iter().copied().take(share).collect();
        let posting = futures::future::join_all(batch.iter().map(|n| {
            let body = completed_body(&conversation_id(*n));
            let server = &server;
            async move { (*n, server.post_signed(body).await) }
        }));
        let answers = if kills < KILLS {
            let moment = Duration::from_millis(400).mul_f64(Dice.fraction());
            // Answers that came before the death count: what they accepted must not be lost.
            tokio::time::timeout(moment, posting)
                .await
                .unwrap_or_default()
        } else {
            posting.await
        };
        for (n, answer) in answers {
            if answer.is_ok_and(|(status, _)| status == 200) {
                waiting.retain(|other| *other != n);
            }
        }
        if kills < KILLS {
            server.kill();
            kills += 1;
            server.restart().await;
        }
    }
    let started = Instant::now();
    while server.queued().await > 0.0 {
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "the queue does not empty"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for event in server.feed().await {
        if event["type"] == "conversation.completed" {
            *told
                .entry(event["data"]["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    assert_eq!(told.len(), EVENTS, "each call was told");
    assert!(told.values().all(|times| *times == 1), "and none twice");
    for n in (0..EVENTS).step_by(97) {
        let (status, call) = server
            .get(&format!("/v1/conversations/{}", conversation_id(n)))
            .await;
        assert_eq!(
            (status, &call["end_reason_source"]),
            (200, &"fallback".into()),
            "{call}"
        );
    }
}

#[tokio::test]
async fn sigterm_finishes_what_is_in_flight() {
    let platform = Platform::start().await;
    let mut server = Server::start(&platform, "[finalize]\ngrace = \"0s\"\nrecheck = []\n").await;
    let id = conversation_id(1);
    platform.add(finished_call(&id, "+14155550123", None), talk("Hello."));
    assert_eq!(
        server.post_signed(completed_body(&id)).await.unwrap().0,
        200
    );
    let status = server.terminate().await;
    assert!(status.success(), "{status}: {}", server.logged());
}
