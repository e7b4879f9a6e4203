//! Results on their way to CRMs, on every database: told once, in order, retried, given up, sent again.

use std::time::Duration;

use aftercall::deliver::{dispatch, send_missed};
use aftercall::endpoint::{Payload, Subscription};
use aftercall::event::Message;
use aftercall::page::PageRequest;
use aftercall::store::deliveries::list::{self, Filter};
use aftercall::store::deliveries::{self, Attempt, Status};
use aftercall::store::endpoints::{self, Off};
use aftercall::store::results;
use serde_json::json;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use self::bench::{Bench, key};
use crate::backends::START;

mod announced;
mod api;
pub(crate) mod bench;
mod clients;
mod commands;
mod crashed;
mod crowd;
mod distributed;
mod erased;
mod hostile;
mod measured;
mod once;
mod order;
mod process;

/// A page that is longer than any list here.
fn all() -> PageRequest {
    PageRequest {
        size: 1000,
        after: None,
    }
}

async fn answers(server: &MockServer, status: u16) {
    Mock::given(any())
        .respond_with(ResponseTemplate::new(status).set_body_string("noted"))
        .mount(server)
        .await;
}

#[tokio::test]
async fn an_event_is_told_to_every_subscriber_once() {
    for bench in Bench::all("crm_told").await {
        let crm = MockServer::start().await;
        answers(&crm, 200).await;
        let everything = bench.endpoint("all", &crm.uri(), |_| {}).await;
        bench
            .endpoint("other agent", &crm.uri(), |endpoint| {
                endpoint.subscription.agents = vec!["agent_2".to_owned()];
            })
            .await;
        bench
            .endpoint("memory only", &crm.uri(), |endpoint| {
                endpoint.subscription.events = vec!["memory.changed".to_owned()];
            })
            .await;
        bench
            .endpoint("off", &crm.uri(), |endpoint| endpoint.enabled = false)
            .await;
        let event = bench.event(1, "conversation.completed", "conv_1");
        for round in 0..3 {
            let added = bench.add(&event).await;
            let told = (added.new, added.deliveries);
            assert_eq!(
                told,
                (round == 0, u64::from(round == 0)),
                "a replay makes none twice"
            );
        }
        bench.work(10).await;
        let got = crm.received_requests().await.unwrap();
        assert_eq!(got.len(), 1);
        let body: serde_json::Value = serde_json::from_slice(&got[0].body).unwrap();
        assert_eq!(
            body,
            json!({"type": event.kind, "timestamp": event.created_at, "data": event.data})
        );
        assert_eq!(got[0].headers["webhook-id"], event.id.as_str());
        let delivery = bench.deliveries().await.pop().unwrap();
        assert_eq!(
            (delivery.endpoint_id, delivery.status),
            (everything.id, Status::Delivered)
        );
        assert_eq!(bench.attempts(&delivery.id).await[0].response, "noted");
        assert_eq!(bench.arrived().await, 1);
        let steps = bench.steps("conv_1").await;
        assert!(
            steps
                .iter()
                .any(|step| step.step == "delivered" && step.attempt == 1),
            "{steps:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_is_tried_ten_times_and_ends_as_a_letter() {
    for bench in Bench::all("crm_schedule").await {
        let crm = MockServer::start().await;
        answers(&crm, 500).await;
        bench.endpoint("failing", &crm.uri(), |_| {}).await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        let mut waits = Vec::new();
        for _ in 0..9 {
            bench.work(1).await;
            let delivery = bench.deliveries().await.pop().unwrap();
            assert_eq!(delivery.status, Status::Pending);
            let wait = delivery.due_at.unwrap().since(bench.now());
            waits.push(wait.as_secs_f64());
            bench.pass(wait);
        }
        bench.work(1).await;
        let schedule = [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400];
        for (wait, step) in waits.iter().zip(schedule.map(f64::from)) {
            assert!(
                (step * 0.8 - 0.01..=step * 1.2 + 0.01).contains(wait),
                "{waits:?}"
            );
        }
        let delivery = bench.deliveries().await.pop().unwrap();
        assert_eq!((delivery.status, delivery.attempts), (Status::Failed, 10));
        let letter = bench.letter().await.unwrap();
        assert_eq!(letter.stage, "deliver");
        assert_eq!(letter.fault.as_str(), "endpoint");
        assert_eq!(letter.code, "endpoint_status_500");
        assert_eq!(letter.conversation_id.as_deref(), Some("conv_1"));
        assert_eq!(letter.attempts.len(), 10);
        let ids: Vec<_> = crm.received_requests().await.unwrap();
        assert!(
            ids.iter()
                .all(|request| request.headers["webhook-id"] == "evt_1")
        );

        // A replay makes one attempt more: first it fails, and then it succeeds.
        bench.replay(&letter.id).await;
        bench.work(1).await;
        let again = bench.letter().await.unwrap();
        assert_eq!(
            (again.id.as_str(), again.attempts.len()),
            (letter.id.as_str(), 11)
        );
        assert_eq!(again.state.as_str(), "dead");
        crm.reset().await;
        answers(&crm, 204).await;
        bench.replay(&letter.id).await;
        bench.work(1).await;
        assert_eq!(bench.letter().await.unwrap().state.as_str(), "resolved");
        let delivery = bench.deliveries().await.pop().unwrap();
        assert_eq!(
            (delivery.status, delivery.attempts),
            (Status::Delivered, 12)
        );
        bench.replay(&letter.id).await;
        bench.work(1).await;
        assert_eq!(
            crm.received_requests().await.unwrap().len(),
            1,
            "it has it already"
        );
    }
}

#[tokio::test]
async fn five_days_of_failing_disable_an_endpoint_and_one_success_does_not() {
    for bench in Bench::all("crm_disable").await {
        let crm = MockServer::start().await;
        answers(&crm, 503).await;
        let dead = bench.endpoint("dead", &crm.uri(), |_| {}).await;
        let told = bench
            .endpoint("operator", "http://127.0.0.1:9/", |endpoint| {
                endpoint.subscription.events = vec!["endpoint.disabled".to_owned()];
            })
            .await;
        for day in 0..5 {
            bench
                .add(&bench.event(day, "conversation.completed", &format!("conv_{day}")))
                .await;
            bench.work(1).await;
            let endpoint = bench.endpoint_of(&dead.id).await;
            assert!(endpoint.enabled, "day {day}");
            let since = endpoint.failing_since.unwrap().since(START);
            assert!(since < Duration::from_secs(1), "since the first failure");
            bench.pass(Duration::from_hours(24));
        }
        bench
            .add(&bench.event(9, "conversation.completed", "conv_9"))
            .await;
        bench.work(1).await;
        let endpoint = bench.endpoint_of(&dead.id).await;
        assert!(!endpoint.enabled);
        assert_eq!(endpoint.disabled.unwrap().1, Off::Failing);
        let events = bench.results("endpoint.disabled").await;
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].data["endpoint_id"], dead.id.as_str());
        let mine: Vec<_> = bench.deliveries().await;
        assert!(
            mine.iter()
                .any(|one| one.endpoint_id == told.id && one.kind == "endpoint.disabled")
        );
        let entries = bench.audit().await;
        assert!(
            entries
                .iter()
                .any(|entry| entry.actor == "system" && entry.target == dead.id)
        );

        // Nothing is sent to it, and what waited is sent once it is back.
        let asked = crm.received_requests().await.unwrap().len();
        bench.pass(Duration::from_hours(48));
        bench.work(5).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), asked);
        crm.reset().await;
        answers(&crm, 200).await;
        bench.enable(&dead.id).await;
        bench.work(20).await;
        assert_eq!(bench.endpoint_of(&dead.id).await.failing_since, None);
        let waiting = bench.deliveries().await;
        let its: Vec<_> = waiting
            .iter()
            .filter(|one| one.endpoint_id == dead.id)
            .collect();
        assert!(
            its.iter().all(|one| one.status == Status::Delivered),
            "{its:?}"
        );
    }
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_asked_once() {
    for bench in Bench::all("crm_gone").await {
        let crm = MockServer::start().await;
        answers(&crm, 410).await;
        let gone = bench.endpoint("gone", &crm.uri(), |_| {}).await;
        for n in 0..3 {
            bench
                .add(&bench.event(n, "conversation.completed", "conv_1"))
                .await;
        }
        bench.work(5).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 1);
        let endpoint = bench.endpoint_of(&gone.id).await;
        assert_eq!(endpoint.disabled.unwrap().1, Off::Gone);
        assert_eq!(bench.letter().await.unwrap().code, "endpoint_gone");
    }
}

#[tokio::test]
async fn a_retry_after_holds_the_whole_endpoint_back() {
    for bench in Bench::all("crm_rest").await {
        let crm = MockServer::start().await;
        let busy = ResponseTemplate::new(429).insert_header("retry-after", "600");
        Mock::given(any())
            .respond_with(busy)
            .up_to_n_times(1)
            .mount(&crm)
            .await;
        answers(&crm, 200).await;
        bench.endpoint("busy", &crm.uri(), |_| {}).await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        bench.work(3).await;
        bench
            .add(&bench.event(2, "conversation.completed", "conv_2"))
            .await;
        bench.pass(Duration::from_secs(590));
        bench.work(3).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 1);
        bench.pass(Duration::from_secs(11));
        bench.work(3).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_message_that_is_taken_twice_is_one_attempt() {
    for bench in Bench::all("crm_twice").await {
        let crm = MockServer::start().await;
        answers(&crm, 200).await;
        bench.endpoint("crm", &crm.uri(), |_| {}).await;
        bench
            .add(&bench.event(1, "conversation.completed", "conv_1"))
            .await;
        bench.work(3).await;
        let delivery = bench.deliveries().await.pop().unwrap();
        for stale in [
            Message::send(&delivery.id, 1),
            Message::send(&delivery.id, 7),
            Message::send("dlv_no", 1),
        ] {
            bench.put(stale).await;
        }
        bench.work(3).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 1);
        assert_eq!(bench.attempts(&delivery.id).await.len(), 1);
    }
}

#[tokio::test]
async fn what_was_missed_failed_or_erased_is_dealt_with() {
    for bench in Bench::all("crm_again").await {
        let crm = MockServer::start().await;
        answers(&crm, 200).await;
        let crm_of_ours = bench
            .endpoint("crm", &crm.uri(), |endpoint| endpoint.enabled = false)
            .await;
        for n in 0..5 {
            bench
                .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
                .await;
        }
        bench.enable(&crm_of_ours.id).await;
        bench.work(3).await;
        assert_eq!(bench.deliveries().await.len(), 0, "it was disabled");
        let until = bench.now().plus(Duration::from_secs(1));
        for expected in [5, 0] {
            let missed = send_missed(&bench.flow, &crm_of_ours.id, START, until)
                .await
                .unwrap();
            let missed = missed.unwrap();
            assert_eq!((missed.deliveries, missed.complete), (expected, true));
        }
        bench.work(20).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 5);
        assert!(
            send_missed(&bench.flow, "ep_no", START, until)
                .await
                .unwrap()
                .is_none()
        );

        // One again, at a client's wish.
        let one = bench.deliveries().await.pop().unwrap();
        let (id, now) = (one.id.clone(), bench.now());
        assert!(
            bench
                .write(move |conn| Box::pin(async move { deliveries::retry(conn, &id, now).await }))
                .await
        );
        bench.work(3).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 6);
        assert_eq!(bench.attempts(&one.id).await.len(), 2);

        // Erased: what was answered is gone, and what was not sent stays unsent.
        bench
            .add(&bench.event(9, "conversation.updated", "conv_0"))
            .await;
        let now = bench.now();
        let key = key("conv_0");
        let erased = bench
            .write(move |conn| Box::pin(async move { deliveries::erase(conn, &key, now).await }));
        assert_eq!(erased.await, 2);
        bench.work(3).await;
        assert_eq!(crm.received_requests().await.unwrap().len(), 6);
        for delivery in bench.deliveries().await {
            if delivery
                .key
                .as_ref()
                .is_some_and(|key| key.id.as_str() == "conv_0")
            {
                let answers = bench.attempts(&delivery.id).await;
                assert!(answers.iter().all(|attempt| attempt.response.is_empty()));
            }
        }
        // Grown old.
        bench.pass(Duration::from_hours(31 * 24));
        let before = bench.now().minus(Duration::from_hours(30 * 24));
        let pruned = bench
            .write(move |conn| Box::pin(async move { deliveries::prune(conn, before, 100).await }));
        assert_eq!(pruned.await, 6);
        assert_eq!(bench.deliveries().await.len(), 0);
    }
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "every statement of the two tables, one after the other"
)]
async fn the_store_keeps_searches_and_counts() {
    for bench in Bench::all("crm_store").await {
        let one = bench
            .endpoint("one", "https://one.example/", |endpoint| {
                endpoint.rate = Some(4);
                endpoint.previous = Some(("v1:00".to_owned(), START));
                endpoint.payload = Payload::Full;
                endpoint.subscription = Subscription {
                    events: vec!["conversation.completed".to_owned()],
                    agents: vec!["agent_1".to_owned()],
                };
            })
            .await;
        let two = bench.endpoint("two", "https://two.example/", |_| {}).await;
        assert_eq!(bench.endpoint_of(&one.id).await, one);
        let seen = |agents: Vec<String>| {
            let first = PageRequest {
                size: 1,
                after: None,
            };
            bench.read(move |conn| {
                Box::pin(async move { endpoints::list(conn, &agents, &first).await })
            })
        };
        let page = seen(Vec::new()).await;
        assert_eq!((page.rows.len(), page.next.is_some()), (1, true));
        let page = seen(vec!["agent_1".to_owned()]).await;
        assert_eq!(
            (page.rows[0].id.as_str(), page.next),
            (one.id.as_str(), None)
        );
        assert_eq!(
            bench
                .read(|conn| Box::pin(async move { endpoints::standing(conn).await }))
                .await,
            endpoints::Standing {
                enabled: 2,
                ..endpoints::Standing::default()
            }
        );

        for n in 0..8 {
            bench
                .add(&bench.event(n, "conversation.completed", &format!("conv_{n}")))
                .await;
        }
        bench.pass(Duration::from_millis(20));
        // A rate of four a second: one at a look, and the next a quarter of a second later.
        assert_eq!(dispatch(&bench.flow).await.unwrap(), 1 + 8);
        assert_eq!(dispatch(&bench.flow).await.unwrap(), 0);
        bench.pass(Duration::from_millis(250));
        assert_eq!(dispatch(&bench.flow).await.unwrap(), 1);
        let backlog = bench
            .read(|conn| Box::pin(async move { deliveries::backlog(conn).await }))
            .await;
        let whole = deliveries::Backlog {
            waiting: 16,
            oldest_at: Some(START),
            held: 0,
        };
        assert_eq!(backlog, whole);
        // What waits for an endpoint that is off waits for a person; that one is seen, too.
        let its = one.clone();
        bench
            .write(move |conn| {
                Box::pin(async move {
                    let off = endpoints::Endpoint {
                        enabled: false,
                        disabled: Some((START, Off::Gone)),
                        ..its
                    };
                    let health = endpoints::Health {
                        succeeded: false,
                        slow: false,
                    };
                    endpoints::tell_health(conn, &off.id, health, START).await?;
                    endpoints::save(conn, &off).await
                })
            })
            .await;
        let off = bench
            .read(|conn| {
                Box::pin(async move {
                    let backlog = deliveries::backlog(conn).await?;
                    Ok((backlog, endpoints::standing(conn).await?))
                })
            })
            .await;
        assert_eq!((off.0.waiting + off.0.held, off.0.held), (16, 8));
        assert_eq!((off.1.enabled, off.1.failing, off.1.off), (1, 0, [0, 1, 0]));
        let back = one.clone();
        bench
            .write(move |conn| {
                Box::pin(async move {
                    endpoints::save(conn, &back).await?;
                    endpoints::heal(conn, &back.id).await
                })
            })
            .await;

        let now = bench.now();
        let later = now.plus(Duration::from_hours(1));
        let stuck = bench.write(move |conn| {
            Box::pin(async move { deliveries::release_stuck(conn, later, now).await })
        });
        assert_eq!(stuck.await, 10);

        let found = |filter: Filter| {
            let now = bench.now();
            bench.read(move |conn| {
                Box::pin(async move { list::with_attempts(conn, &filter, &all(), now).await })
            })
        };
        let count = async |filter: Filter| found(filter).await.rows.len();
        let blank = Filter::default;
        assert_eq!(count(blank()).await, 16);
        assert_eq!(
            count(Filter {
                endpoint_id: Some(two.id.clone()),
                ..blank()
            })
            .await,
            8
        );
        assert_eq!(
            count(Filter {
                event_id: Some("evt_3".to_owned()),
                ..blank()
            })
            .await,
            2
        );
        assert_eq!(
            count(Filter {
                kind: Some("memory.changed".to_owned()),
                ..blank()
            })
            .await,
            0
        );
        assert_eq!(
            count(Filter {
                statuses: vec![Status::Pending, Status::Queued],
                ..blank()
            })
            .await,
            16
        );
        assert_eq!(
            count(Filter {
                statuses: vec![Status::Failed],
                ..blank()
            })
            .await,
            0
        );
        assert_eq!(
            count(Filter {
                conversation_id: Some("conv_2".to_owned()),
                ..blank()
            })
            .await,
            2
        );
        assert_eq!(
            count(Filter {
                key: Some(key("conv_2")),
                ..blank()
            })
            .await,
            2
        );
        assert_eq!(
            count(Filter {
                agents: vec!["agent_2".to_owned()],
                ..blank()
            })
            .await,
            0
        );
        assert_eq!(
            count(Filter {
                agent_id: Some("agent_1".to_owned()),
                ..blank()
            })
            .await,
            16
        );
        assert_eq!(
            count(Filter {
                since: Some(later),
                ..blank()
            })
            .await,
            0
        );
        assert_eq!(
            count(Filter {
                until: Some(START),
                ..blank()
            })
            .await,
            0
        );

        let (id, now) = (two.id.clone(), bench.now());
        let failed = bench.write(move |conn| {
            Box::pin(async move {
                let after = deliveries::After::Failed;
                let place = results::place(conn, "evt_0").await?.unwrap().at;
                let first = deliveries::id_of(&id, "evt_0", place);
                assert!(deliveries::settle(conn, &first, 1, after, now).await?);
                assert!(!deliveries::settle(conn, &first, 1, after, now).await?);
                let attempt = Attempt {
                    number: 1,
                    at: now,
                    status: Some(500),
                    latency_ms: 3,
                    code: "endpoint_status_500".to_owned(),
                    message: "the endpoint answered 500".to_owned(),
                    response: String::new(),
                };
                for _ in 0..2 {
                    deliveries::add_attempt(conn, &first, &attempt).await?;
                }
                let made = deliveries::attempts_of(conn, std::slice::from_ref(&first)).await?;
                assert_eq!(made[&first], [attempt]);
                deliveries::retry_failed(conn, &id, START, now, 10).await
            })
        });
        assert_eq!(failed.await, 1);
        let (id, now) = (two.id.clone(), bench.now());
        let removed = bench.write(move |conn| {
            Box::pin(async move {
                assert!(endpoints::remove(conn, &id).await?);
                assert!(!endpoints::remove(conn, &id).await?);
                deliveries::cancel_of_endpoint(conn, &id, now).await
            })
        });
        assert_eq!(removed.await, 8);
    }
}
