use super::*;
use crate::host::Clock;
use crate::simulate::load::templates;
use crate::simulate::script;
use crate::simulate::speechify::Largest;
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

async fn play(disorder: Disorder) -> (Tally, usize) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let host = Host::new(Clock::manual(NOW));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}", listener.local_addr().unwrap());
    let answer = axum::Json(serde_json::json!({"status": "accepted"}));
    let router = axum::Router::new().fallback(async move || answer);
    host.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let platform = Platform::new("sk_test", Largest::DOCUMENTED);
    let sender = Sender::new(&target, host.clock.clone()).unwrap();
    let load = Load {
        calls: 100,
        rate: 50.0,
        seed: 5,
        disorder,
    };
    let scripts = templates(script::all().unwrap());
    let tally = run(load, &scripts, &host, &platform, &sender, |_| ()).await;
    let known = platform.book.list(|_| true, None, 1_000).rows.len();
    (tally.unwrap(), known)
}

#[tokio::test]
async fn every_call_is_known_and_every_webhook_answered() {
    let (tally, known) = play(Disorder::default()).await;
    assert_eq!((tally.calls, known), (100, 100));
    assert_eq!(tally.answers.get("accepted"), Some(&tally.webhooks));
    assert_eq!((tally.dropped, tally.duplicated, tally.retried), (0, 0, 0));
    assert!(tally.percentile(50) <= tally.percentile(99));
}

#[tokio::test]
async fn dropped_webhooks_leave_their_calls_known() {
    let disorder = Disorder {
        drop: 0.3,
        duplicate: 0.3,
        ..Disorder::default()
    };
    let (tally, known) = play(disorder).await;
    assert_eq!(known, 100);
    assert!(tally.dropped > 10 && tally.duplicated > 10, "{tally:?}");
    let answered: u64 = tally.answers.values().sum();
    assert_eq!(answered, tally.webhooks - tally.dropped + tally.duplicated);
}

#[test]
fn percentiles_of_few_answers() {
    let ms = Duration::from_millis;
    let tally = Tally {
        latencies: vec![ms(3), ms(1), ms(2), ms(4)],
        ..Tally::default()
    };
    assert_eq!(tally.percentile(50), Some(ms(2)));
    assert_eq!(tally.percentile(99), Some(ms(4)));
    assert_eq!(Tally::default().percentile(50), None);
}
