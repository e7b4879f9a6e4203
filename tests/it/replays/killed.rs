//! A server that is killed in the middle of a replay, and started again.

use std::time::{Duration, Instant};

use aftercall::host::{Clock, Host};
use aftercall::store::Db;
use aftercall::store::dead_letters;
use serde_json::{Value, json};

use crate::dead_letters::bench::letter;
use crate::support::{Platform, Server};

/// Letters whose calls are gone: their messages have nothing to do, and succeed.
async fn plant(server: &Server, count: usize) {
    let host = Host::new(Clock::System);
    // Letters of long ago would go by age.
    let now = host.now();
    let file = server.folder.path().join("data/aftercall.db");
    let db = Db::open(&format!("sqlite://{}", file.display()), &host)
        .await
        .unwrap();
    db.write(move |mut conn| {
        Box::pin(async move {
            for n in 1..=count {
                dead_letters::keep(&mut conn, &letter(n), now).await?;
            }
            Ok(())
        })
    })
    .await
    .unwrap();
    drop(db);
    host.drained().await;
}

async fn wait_until(server: &Server, path: &str, done: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let (_, job) = server.get(path).await;
        if done(&job) {
            return job;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_replay_goes_on_after_its_server_was_killed() {
    let platform = Platform::start().await;
    let mut server = Server::start(&platform, "").await;
    assert!(server.terminate().await.success());
    plant(&server, 200).await;
    server.kill_and_start_again().await;
    let body = json!({"filter": {"stage": "remember"}, "rate": 50, "canary": 5});
    let made = server
        .client
        .post(format!("{}/v1/replays", server.url))
        .bearer_auth(server.admin_token())
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 202);
    let made: Value = made.json().await.unwrap();
    let path = format!("/v1/replays/{}", made["id"].as_str().unwrap());
    wait_until(&server, &path, |job| job["done"].as_u64() > Some(40)).await;
    server.kill_and_start_again().await;
    let (_, middle) = server.get(&path).await;
    assert_eq!(middle["status"], "running", "{middle}");
    let job = wait_until(&server, &path, |job| job["status"] != "running").await;
    let told = ["status", "total", "done", "succeeded", "failed"].map(|name| &job[name]);
    let expected = [
        &json!("completed"),
        &json!(200),
        &json!(200),
        &json!(200),
        &json!(0),
    ];
    assert_eq!(told, expected);
    let (_, left) = server.get("/v1/dead-letters?state=dead").await;
    assert_eq!(left["dead_letters"], json!([]));
}
