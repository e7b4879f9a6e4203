//! How fast events are received, as ratios taken within one run: against an answer that does no work,
//! and against the same number of durable inserts without HTTP. Absolute numbers of a shared machine
//! say little; `benches/README.md` says how these were taken.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement stops at the first surprise, prints its figures, and reads the real clock"
)]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aftercall::app::{App, Role, Running};
use aftercall::config::{Config, Overrides};
use aftercall::event::Message;
use aftercall::host::{Clock, Host};
use aftercall::id::{ConversationId, ConversationKey, Owner, of_content};
use aftercall::queue::Queue;
use aftercall::secret::Secret;
use aftercall::signature::timestamped_hmac;
use aftercall::store::Db;

const SECRET: &str = "bench_secret_that_guards_nothing";
const ROUND: Duration = Duration::from_secs(3);
const ROUNDS: usize = 3;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(bench());
}

async fn bench() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = folder.path().join("aftercall.toml");
    let text = format!(
        "data_dir = {data:?}\n[server]\nlisten = \"127.0.0.1:0\"\n[[sources]]\nname = \"voice\"\n\
         platform = \"speechify\"\nwebhook.secrets = [{SECRET:?}]\n\
         api.base_url = \"http://127.0.0.1:9\"\napi.token = \"none\"\n",
        data = folder.path().join("data").display().to_string(),
    );
    std::fs::write(&settings, text).expect("settings");
    let overrides = Overrides {
        config: Some(settings),
        ..Overrides::default()
    };
    let config = Config::load(&overrides).expect("good settings");
    let host = Host::new(Clock::System);
    let app = App::build(config, host.clone()).await.expect("an app");
    let running = Running::start(app, &[Role::Receiver])
        .await
        .expect("a listener");
    let base = format!("http://{}", running.address());
    let secret = Secret::new(SECRET).expect("a secret");
    let client = reqwest::Client::builder().build().expect("a client");

    println!(
        "{:>11} {:>14} {:>14} {:>14} {:>9} {:>9}",
        "connections", "no work/s", "accepted/s", "inserts/s", "to none", "to bare"
    );
    for connections in [1, 8, 64] {
        let mut rows = Vec::new();
        for _ in 0..ROUNDS {
            let nothing = rate(connections, |_| {
                let request = client.get(format!("{base}/healthz"));
                async move {
                    request
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status() == 200)
                }
            })
            .await;
            let accepted = rate(connections, |n| {
                let body = body(n);
                let secs = host.now().as_secs();
                let signature = timestamped_hmac::sign(&secret, secs, &body);
                let request = client
                    .post(format!("{base}/webhooks/voice"))
                    .header("Speechify-Signature", signature)
                    .body(body);
                async move {
                    request
                        .send()
                        .await
                        .is_ok_and(|answer| answer.status() == 200)
                }
            })
            .await;
            rows.push((nothing, accepted, bare(connections).await));
        }
        rows.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (nothing, accepted, inserts) = rows[ROUNDS / 2];
        println!(
            "{connections:>11} {nothing:>14.0} {accepted:>14.0} {inserts:>14.0} {:>9.2} {:>9.2}",
            accepted / nothing,
            accepted / inserts
        );
    }
    drop(running.stop().await);
}

/// A body of about 2 KiB with an id of its own.
fn body(n: usize) -> Vec<u8> {
    let id = of_content("conv_", &["bench", &n.to_string()]);
    let filler = "x".repeat(1_800);
    format!(
        r#"{{"event":"conversation.completed","timestamp":1780000000000,"conversation":{{"id":"{id}","agent_id":"agent_bench","status":"completed","metadata":{{"filler":"{filler}"}}}}}}"#
    )
    .into_bytes()
}

/// Successes a second of `connections` loops that each wait for their answer.
async fn rate<F: Future<Output = bool>>(connections: usize, ask: impl Fn(usize) -> F) -> f64 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let started = Instant::now();
    let loops = (0..connections).map(|_| async {
        let mut done = 0_u32;
        while started.elapsed() < ROUND {
            done += u32::from(ask(NEXT.fetch_add(1, Ordering::Relaxed)).await);
        }
        done
    });
    let done: u32 = futures::future::join_all(loops).await.into_iter().sum();
    f64::from(done) / started.elapsed().as_secs_f64()
}

/// The same messages made durable without HTTP, signature or parsing.
async fn bare(writers: usize) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::new(Clock::System);
    let url = format!("sqlite://{}", folder.path().join("bare.db").display());
    let db = Db::open(&url, &host).await.expect("a database");
    let queue = Arc::new(
        Queue::in_database(db, host.clone(), true)
            .await
            .expect("a queue"),
    );
    rate(writers, |n| {
        let key = ConversationKey {
            owner: Owner::platform("bench"),
            id: ConversationId::new(&format!("conv_{n}")).expect("an id"),
        };
        let (queue, now) = (Arc::clone(&queue), host.now());
        async move { queue.publish(Message::remember(key, 1), now).await.is_ok() }
    })
    .await
}
