//! Lists that can't be read, or not all of them.

use super::*;

#[tokio::test]
async fn a_listing_goes_on_from_the_page_that_failed() {
    let bench = Bench::new().await;
    for n in 0..7 {
        bench
            .platform
            .knows(call(n, MINUTE * u32::try_from(n).unwrap() + 2 * MINUTE));
    }
    let own = bench.own().await;
    turn(&bench.flow, &bench.account).await.unwrap();
    assert_eq!(bench.own().await.listed, 7);
    let whole = bench.platform.pages();
    bench.flow.host.pause(bench.account.every).await;
    // The second page fails once.
    let failure = FetchError::Unavailable("status 503".to_owned());
    bench.platform.failures.lock().unwrap().push(failure);
    turn(&bench.flow, &bench.account).await.unwrap();
    let stuck = bench.own().await;
    assert_eq!(stuck.status, Status::Running);
    assert!(stuck.error.unwrap().contains("503"));
    assert!(stuck.due_at > bench.flow.host.now());
    bench.flow.host.pause(MINUTE).await;
    bench.turn().await;
    let done = bench.own().await;
    assert_eq!((done.status, done.error), (Status::Completed, None));
    assert_eq!((done.id, done.listed), (own.id, 7));
    assert_eq!(bench.platform.pages(), 2 * whole + 1);
}

#[tokio::test]
async fn a_refused_token_is_probed_and_never_given_up() {
    let bench = Bench::new().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    let refused = FetchError::Refused { status: 401 };
    *bench.platform.failures.lock().unwrap() = vec![refused; 20];
    for _ in 0..40 {
        bench.turn().await;
        bench.flow.host.pause(Duration::from_secs(10)).await;
    }
    // Five refusals open the circuit; then it is one probe a minute.
    assert!(bench.platform.pages() <= 12, "{}", bench.platform.pages());
    assert_eq!(bench.own().await.status, Status::Running);
    bench.platform.failures.lock().unwrap().clear();
    bench.flow.host.pause(2 * MINUTE).await;
    bench.turn().await;
    assert_eq!(bench.own().await.status, Status::Completed);
    assert_eq!(bench.coverage().await, (1, 1));
}

#[tokio::test]
async fn an_account_s_own_listing_comes_round_as_often_as_ever_after_failures() {
    let bench = Bench::new().await;
    bench.turn().await;
    bench.flow.host.pause(bench.account.every).await;
    let rested = async |failures: usize| {
        let failure = FetchError::Unavailable("status 503".to_owned());
        *bench.platform.failures.lock().unwrap() = vec![failure; failures];
        let mut longest = Duration::ZERO;
        for _ in 0..failures {
            turn(&bench.flow, &bench.account).await.unwrap();
            let rest = bench.own().await.due_at.since(bench.flow.host.now());
            longest = longest.max(rest);
            bench.flow.host.pause(rest).await;
        }
        longest
    };
    assert!(rested(12).await <= bench.account.every);
    let told = coverage(&bench.flow, vec!["voice".to_owned()], None)
        .await
        .unwrap();
    assert!(told[0].error.as_ref().unwrap().contains("503"));
    bench.turn().await;
    let own = bench.own().await;
    assert_eq!((own.status, own.error), (Status::Completed, None));
}

#[tokio::test]
async fn a_row_that_can_t_be_read_is_named_and_in_nobody_s_way() {
    let bench = Bench::new().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    *bench.platform.left_out.lock().unwrap() = LeftOut {
        rows: 1,
        why: Some(FetchError::Malformed("it has no status".to_owned())),
    };
    bench.turn().await;
    let own = bench.own().await;
    assert_eq!((own.status, own.unknown), (Status::Completed, 1));
    let told = coverage(&bench.flow, vec!["voice".to_owned()], None)
        .await
        .unwrap();
    let error = told[0].error.as_ref().unwrap();
    assert!(
        error.contains("left out: 1") && error.contains("it has no status"),
        "{error}"
    );
    bench.drain().await;
    assert_eq!(bench.coverage().await, (1, 0));
    // Once it can be read, nothing is left of it.
    *bench.platform.left_out.lock().unwrap() = LeftOut::default();
    bench.again().await;
    assert_eq!(bench.own().await.error, None);
}

#[tokio::test]
async fn what_was_left_out_before_a_restart_is_still_named() {
    let bench = Bench::new().await;
    for n in 0..7 {
        let ago = MINUTE * u32::try_from(n).unwrap() + 2 * MINUTE;
        bench.platform.knows(call(n, ago));
    }
    // A process ended after its first page.
    let mut begun = bench.own().await;
    begun.status = Status::Running;
    begun.begun_at = Some(START);
    begun.since = START.minus(60 * MINUTE);
    begun.cursor = Some(START.minus(5 * MINUTE).as_millis().to_string());
    begun.left_out = 1;
    begun.left_out_why = Some("it has no status".to_owned());
    let saved = bench
        .flow
        .db
        .write(move |mut conn| Box::pin(async move { listings::save(&mut conn, &begun).await }));
    saved.await.unwrap();
    bench.turn().await;
    let own = bench.own().await;
    assert_eq!((own.status, own.left_out), (Status::Completed, 1));
    let error = own.error.unwrap();
    assert!(error.contains("left out: 1; it has no status"), "{error}");
}
