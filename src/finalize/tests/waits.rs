//! Calls that are not over, and platforms that do not answer: waited for, retried, given up.

use super::*;

#[tokio::test]
async fn a_call_that_is_not_over_is_waited_for_unspent() {
    let bench = Bench::new().await;
    let mut pending = call("conv_a", "+14155550123", "Hello.", Some("agent_ended"));
    pending.conversation.status = Status::Active;
    bench.knows(pending.clone());
    bench.publish(event("e1", "conv_a")).await;
    for _ in 0..4 {
        let taken = bench.flow.queue.take(Stage::Finalize, 1).await.unwrap();
        for delivery in taken {
            assert_eq!(delivery.attempt, 1);
            worker::run(&bench.flow, delivery).await;
        }
    }
    pending.conversation.status = Status::Completed;
    bench.knows(pending);
    bench.drain(1).await;
    assert_eq!(
        bench.reason("conv_a").await,
        (Some("agent_ended".into()), Some("platform"))
    );
    assert_eq!(bench.letters().await, 0);
}

#[tokio::test]
async fn a_call_that_never_ends_becomes_a_dead_letter() {
    let bench = Bench::new().await;
    let mut active = call("conv_a", "+14155550123", "Hello.", None);
    active.conversation.status = Status::Active;
    bench.knows(active);
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 1);
    assert!(bench.record("conv_a").await.is_none());
    let waited = bench.flow.host.now().since(START);
    assert!(
        waited >= Duration::from_mins(10) && waited < Duration::from_mins(12),
        "{waited:?}"
    );
}

#[tokio::test]
async fn a_later_event_resolves_what_the_platform_did_not_tell() {
    let bench = Bench::new().await;
    let mut call = call("conv_a", "+14155550123", "Hello.", Some("agent_ended"));
    call.conversation.status = Status::Active;
    bench.knows(call.clone());
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 1);

    call.conversation.status = Status::Completed;
    bench.knows(call);
    bench.publish(event("e2", "conv_a")).await;
    bench.drain(1).await;
    assert!(bench.record("conv_a").await.is_some());
    assert_eq!(bench.letters().await, 0);
}

#[tokio::test]
async fn the_platforms_failures_are_retried_and_its_refusals_are_not_counted() {
    let bench = Bench::new().await;
    bench.knows(call(
        "conv_a",
        "+14155550123",
        "Hello.",
        Some("agent_ended"),
    ));
    let unavailable = || FetchError::Unavailable("500".to_owned());
    *bench.platform.failures.lock().unwrap() = vec![
        unavailable(),
        FetchError::Refused { status: 401 },
        FetchError::SlowDown {
            status: 429,
            after: Some(Duration::from_secs(7)),
        },
        FetchError::NotFound,
        unavailable(),
    ];
    bench.publish(event("e1", "conv_a")).await;
    bench.drain(1).await;
    assert_eq!(bench.reason("conv_a").await.1, Some("platform"));
    let steps = bench.steps("conv_a").await;
    let count = |name: &str| steps.iter().filter(|step| *step == name).count();
    assert_eq!(count("attempt_failed"), 3, "{steps:?}");
    assert_eq!(
        count("waited"),
        3,
        "the grace, a refusal and a pause: {steps:?}"
    );
}

#[tokio::test]
async fn a_platform_that_stays_away_makes_a_dead_letter() {
    let bench = Bench::new().await;
    bench.publish(event("e1", "conv_unknown")).await;
    bench.drain(1).await;
    assert_eq!(bench.letters().await, 1);
    assert_eq!(
        bench.platform.asked.lock().unwrap().len(),
        8,
        "seven retries"
    );
}
