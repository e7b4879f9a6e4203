//! Lost webhooks are found: the statements of the reconciliation on every backend, and whole
//! processes against a platform that loses, doubles and delays what it sends.

use std::time::{Duration, Instant};

use aftercall::event::{CallEvent, EventKind};
use aftercall::id::{ConversationId, ConversationKey, EventId, Owner};
use aftercall::page::PageRequest;
use aftercall::store::known_calls::{self, Known};
use aftercall::store::reconcile::{self, Listing, Status};
use aftercall::store::{Conn, Result, events};
use serde_json::{Value, json};

use crate::backends::{self, START};
use crate::rabbit::in_peace;
use crate::support::{
    Platform, SECRET, Server, Shared, TOKEN, conversation_id, finished_call, now_ms, rfc3339,
    source_settings, speechify_signature, talk,
};

fn known(n: usize, is_over: bool) -> Known {
    Known {
        account: "voice".to_owned(),
        key: ConversationKey {
            owner: Owner::platform("speechify"),
            id: ConversationId::new(&format!("conv_{n}")).unwrap(),
        },
        is_over,
        processed: false,
        fingerprint: "f".to_owned(),
        created_at: START.plus(Duration::from_secs(n as u64)),
        ended_at: is_over.then_some(START),
        queued_at: None,
        seen_at: START,
    }
}

async fn done(conn: &mut Conn<'_>, known: &Known) -> Result<bool> {
    let event = CallEvent {
        source: "voice".to_owned(),
        event_id: EventId::new(known.key.id.as_str()).unwrap(),
        kind: EventKind::Reconciled,
        occurred_at: None,
        received_at: START,
        conversation_id: Some(known.key.id.clone()),
        room: None,
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    };
    events::mark_done(conn, &event, Some(&known.key), START).await
}

#[tokio::test]
async fn an_account_is_leased_to_one_and_its_listings_are_kept() {
    for backend in backends::all("reconcile_listings").await {
        let lease = Duration::from_secs(90);
        let later = START.plus(lease);
        let written = backend.db.write(move |mut conn| {
            Box::pin(async move {
                let c = &mut conn;
                reconcile::enter(c, "voice", "recon_own", START).await?;
                reconcile::enter(c, "voice", "recon_own", START).await?;
                assert!(reconcile::lease(c, "voice", "one", START, lease).await?);
                assert!(reconcile::lease(c, "voice", "one", START, lease).await?);
                assert!(!reconcile::lease(c, "voice", "two", START, lease).await?);
                reconcile::release(c, "voice", "two").await?;
                assert!(!reconcile::lease(c, "voice", "two", START, lease).await?);
                assert!(reconcile::lease(c, "voice", "two", later, lease).await?);
                reconcile::release(c, "voice", "two").await?;
                assert!(reconcile::lease(c, "voice", "one", later, lease).await?);
                let standing = reconcile::standing(c, "voice").await?;
                assert_eq!(standing.covered_until, None);
                reconcile::cover(c, "voice", START, later).await?;
                let standing = reconcile::standing(c, "voice").await?;
                assert_eq!(standing.covered_until, Some(START));
                assert_eq!(standing.checked_at, Some(later));

                let mut wished = Listing {
                    until: Some(later),
                    ..Listing::new("recon_1".to_owned(), "voice".to_owned(), START, START)
                };
                reconcile::add(c, &wished).await?;
                let other = Listing {
                    account: "rooms".to_owned(),
                    ..wished.clone()
                };
                reconcile::add(c, &other).await?;
                // What somebody asked for goes first.
                assert_eq!(
                    reconcile::due(c, "voice", START).await?.as_ref(),
                    Some(&wished)
                );
                wished = Listing {
                    status: Status::Completed,
                    cursor: Some("c".to_owned()),
                    reached_at: Some(START),
                    listed: 4,
                    unknown: 3,
                    changed: 2,
                    queued: 1,
                    examples: vec!["conv_1".to_owned()],
                    left_out: 5,
                    left_out_why: Some("it has no status".to_owned()),
                    failures: 7,
                    error: Some("status 503".to_owned()),
                    due_at: later,
                    begun_at: Some(START),
                    finished_at: Some(START),
                    ..wished
                };
                reconcile::save(c, &wished).await?;
                let own = reconcile::due(c, "voice", START).await?.unwrap();
                assert!(own.scheduled);
                assert_eq!(reconcile::get(c, "recon_1").await?, [other, wished]);
                let one = PageRequest {
                    size: 1,
                    after: None,
                };
                let page = reconcile::list(c, &one).await?;
                assert_eq!(
                    page.rows[0].len(),
                    1,
                    "the newest by id is the account's own"
                );
                let rest = PageRequest {
                    size: 1,
                    after: page.next,
                };
                let page = reconcile::list(c, &rest).await?;
                assert_eq!((page.rows[0].len(), page.next), (2, None));
                assert_eq!(reconcile::prune(c, later, 10).await?, 1);
                assert_eq!(reconcile::get(c, "recon_1").await?.len(), 1);
                Ok(())
            })
        });
        written.await.unwrap();
    }
}

#[tokio::test]
async fn missing_is_what_was_listed_and_is_not_done() {
    for backend in backends::all("reconcile_known").await {
        let written = backend.db.write(move |mut conn| {
            Box::pin(async move {
                let c = &mut conn;
                for n in 0..4 {
                    known_calls::put(c, &known(n, n != 3)).await?;
                }
                let counted = known_calls::coverage(c, "voice", None).await?;
                assert_eq!((counted.known, counted.missing), (3, 3));
                assert_eq!(counted.oldest_missing_at, Some(START));
                let since = Some(START.plus(Duration::from_secs(1)));
                let counted = known_calls::coverage(c, "voice", since).await?;
                assert_eq!((counted.known, counted.missing), (2, 2));
                assert!(!known_calls::is_done(c, &known(1, true).key).await?);
                done(c, &known(1, true)).await?;
                assert!(known_calls::is_done(c, &known(1, true).key).await?);
                assert_eq!(known_calls::gap(c, "voice", None).await?, (2, Some(START)));
                let one = PageRequest {
                    size: 1,
                    after: None,
                };
                let accounts = ["voice".to_owned(), "rooms".to_owned()];
                let page = known_calls::missing(c, &accounts, None, &one).await?;
                assert_eq!(page.rows, [known(2, true)]);
                let rest = PageRequest {
                    size: 1,
                    after: page.next,
                };
                let page = known_calls::missing(c, &accounts, None, &rest).await?;
                assert_eq!((page.rows, page.next), (vec![known(0, true)], None));
                let none = known_calls::missing(c, &[], None, &one).await?;
                assert!(none.rows.is_empty());
                // Marked, it stays processed, whatever becomes of what it left.
                assert_eq!(known_calls::mark_processed(c, "voice").await?, 1);
                known_calls::put(c, &known(1, true)).await?;
                assert!(
                    known_calls::get(c, "voice", &known(1, true).key.id)
                        .await?
                        .unwrap()
                        .processed
                );

                let later = START.plus(Duration::from_secs(1));
                let open = known_calls::unfinished(c, "voice", later, 9).await?;
                assert_eq!(open, [known(3, false)]);
                assert_eq!(known_calls::unfinished(c, "voice", START, 9).await?, []);
                assert_eq!(known_calls::forget_unseen(c, "voice", later).await?, 1);
                assert_eq!(
                    known_calls::prune(c, later.plus(Duration::from_secs(9)), 9).await?,
                    1
                );
                known_calls::forget(c, "voice", &known(0, true).key.id).await?;
                let counted = known_calls::coverage(c, "voice", None).await?;
                assert_eq!((counted.known, counted.missing), (1, 1));
                Ok(())
            })
        });
        written.await.unwrap();
    }
}

/// Calls of the last hours; five at a time were created in the same millisecond.
fn script(platform: &Platform, calls: usize) {
    let newest = now_ms() - 3 * 60_000;
    for n in 0..calls {
        let ended = newest - i64::try_from(n / 5).unwrap() * 5_000;
        let caller = format!("+1415555{:04}", n % 400);
        let mut call = finished_call(&conversation_id(n), &caller, Some("agent_ended"));
        call["created_at"] = json!(rfc3339(ended - 61_000));
        call["started_at"] = json!(rfc3339(ended - 60_000));
        call["ended_at"] = json!(rfc3339(ended));
        platform.add(call, talk("Thanks, nothing else."));
    }
}

fn body(n: usize) -> Vec<u8> {
    json!({
        "event": "conversation.completed", "timestamp": 1_780_000_000_000_i64,
        "conversation": {"id": conversation_id(n), "status": "completed",
                         "agent_id": "agent_01k6z9c2d4e6g8j0m2p4r6t8v0"},
    })
    .to_string()
    .into_bytes()
}

/// One or more processes that share their records and their work.
struct Run {
    servers: Vec<Server>,
}

impl Run {
    async fn start(platform: &Platform, environment: &[(&str, &str)], processes: usize) -> Self {
        let more = "[finalize]\ngrace = \"100ms\"\nrecheck = []\n";
        let mut environment = environment.to_vec();
        environment.push(("AFTERCALL_ADMIN_TOKEN", TOKEN));
        let settings = |port: u16| {
            source_settings(platform, port, more)
                .replace("reconcile.every = \"1h\"", "reconcile.every = \"3s\"")
                .replace("reconcile.look_back = \"1s\"\n", "")
        };
        let mut servers = Vec::new();
        for _ in 0..processes {
            servers.push(Server::start_from(&settings, &environment).await);
        }
        Self { servers }
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.servers[0].get_as(path, TOKEN).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    async fn post(&self, n: usize) {
        let body = body(n);
        let signature = speechify_signature(SECRET, now_ms() / 1000, &body);
        let server = &self.servers[n % self.servers.len()];
        let headers = [("Speechify-Signature", signature.as_str())];
        let (status, answer) = server.post("voice", &headers, body).await.unwrap();
        assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    }

    async fn post_all(&self, calls: &[usize]) {
        use futures::StreamExt as _;
        futures::stream::iter(calls)
            .for_each_concurrent(16, |n| self.post(*n))
            .await;
    }

    /// Waits until the coverage says that all of these calls are here; gives what it says.
    async fn covered(&self, calls: usize) -> Value {
        let started = Instant::now();
        loop {
            let coverage = self.get("/v1/coverage").await;
            let account = &coverage["sources"][0];
            if account["known"] == calls && account["missing"] == 0 {
                return coverage;
            }
            assert!(started.elapsed() < Duration::from_mins(8), "{coverage}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// How often each call was told to CRMs.
    async fn told(&self) -> Vec<Value> {
        let mut told: Vec<Value> = Vec::new();
        loop {
            let after = told.last().map_or(String::new(), |event| {
                format!("&after={}", event["id"].as_str().unwrap())
            });
            let page = self.get(&format!("/v1/events?page_size=100{after}")).await;
            let events = page["events"].as_array().unwrap();
            if events.is_empty() {
                return told;
            }
            told.extend(events.iter().cloned());
        }
    }
}

/// A tenth of the webhooks never comes, a twentieth comes twice, a twentieth long after the call was
/// found, and all of them in disorder.
async fn loses_webhooks(platform: Platform, run: Run, calls: usize) {
    script(&platform, calls);
    let (mut at_once, mut late) = (Vec::new(), Vec::new());
    for n in 0..calls {
        // 7 and the like have no divisor in common with the counts: every kind is in every corner.
        let shuffled = n * 7_919 % calls;
        match shuffled % 20 {
            0 | 1 => {}
            2 => at_once.extend([shuffled, shuffled]),
            3 => late.push(shuffled),
            _ => at_once.push(shuffled),
        }
    }
    run.post_all(&at_once).await;
    let coverage = run.covered(calls).await;
    let account = &coverage["sources"][0];
    assert_eq!(account["processed"], calls);
    assert_eq!(account["oldest_missing_at"], Value::Null);
    // Two sources ask the same API with the same token: one account, under the first one's name.
    assert_eq!(coverage["sources"].as_array().unwrap().len(), 1);
    assert_eq!(account["source"], "voice");
    run.post_all(&late).await;
    let started = Instant::now();
    let told = loop {
        let told = run.told().await;
        let completed = told
            .iter()
            .filter(|event| event["type"] == "conversation.completed");
        if completed.count() >= calls {
            break told;
        }
        assert!(
            started.elapsed() < Duration::from_mins(3),
            "{} told",
            told.len()
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    let mut ids: Vec<_> = told
        .iter()
        .filter(|event| event["type"] == "conversation.completed")
        .map(|event| event["data"]["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), calls, "each is told");
    let twice = told.len() - ids.len();
    let updated = told
        .iter()
        .filter(|event| event["type"] == "conversation.updated");
    assert_eq!((twice, updated.count()), (0, 0), "and once");
    let missing = run.get("/v1/coverage/missing").await;
    assert_eq!(missing["missing"], json!([]));
    let found = run.get("/v1/reconciliations").await;
    assert_eq!(
        found["reconciliations"][0]["sources"][0]["error"],
        Value::Null
    );
}

#[tokio::test]
async fn of_two_thousand_calls_none_is_missing() {
    let platform = Platform::start().await;
    let run = Run::start(&platform, &[], 1).await;
    loses_webhooks(platform, run, 2_000).await;
}

#[tokio::test]
async fn nor_where_two_processes_share_database_and_broker() {
    let _peace = in_peace().await;
    let Some(shared) = Shared::fresh("reconcile_run").await else {
        return;
    };
    let platform = Platform::start().await;
    let run = Run::start(&platform, &shared.environment(), 2).await;
    loses_webhooks(platform, run, 400).await;
}

/// Runs a command against a server: its exit code, and what it wrote.
fn run(server: &Server, args: &[&str]) -> (i32, String, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_aftercall"));
    let out = command
        .args(args)
        .current_dir(server.folder.path())
        .env("AFTERCALL_URL", &server.url)
        .env("AFTERCALL_TOKEN", server.admin_token())
        .output()
        .unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let error = String::from_utf8(out.stderr).unwrap();
    (out.status.code().unwrap(), text, error)
}

#[tokio::test]
async fn what_was_never_compared_is_not_called_complete() {
    let platform = Platform::start().await;
    // Nobody listens where the list should be read.
    let settings = |port: u16| {
        source_settings(&platform, port, "").replace(&platform.url, "http://127.0.0.1:1")
    };
    let server = Server::start_from(&settings, &[]).await;
    let started = Instant::now();
    let account = loop {
        let (_, coverage) = server.get("/v1/coverage").await;
        if coverage["sources"][0]["error"].is_string() {
            break coverage["sources"][0].clone();
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{coverage}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(account["comparison"], "never");
    for unknown in ["missing", "checked_at"] {
        assert_eq!(account.get(unknown), Some(&Value::Null), "{account}");
    }
    let (_, missing) = server.get("/v1/coverage/missing").await;
    assert_eq!(missing["not_compared"], json!(["voice"]));
    let (_, stats) = server.get("/v1/stats").await;
    assert_eq!(stats["sources"][0]["error"], account["error"]);
    let (code, text, _) = run(&server, &["coverage", "--output", "table"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("unknown") && text.contains("voice was not compared yet: "),
        "{text}"
    );
    let (code, text, _) = run(&server, &["coverage", "--missing", "--output", "table"]);
    assert_eq!(code, 1);
    assert!(
        text.contains("No call is known to be missing.") && text.contains("voice"),
        "{text}"
    );

    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let browser = browser.build().unwrap();
    let login = browser
        .post(format!("{}/console/login", server.url))
        .body(format!("token={}", server.admin_token()));
    let login = login.send().await.unwrap();
    let cookie = login.headers()["set-cookie"].to_str().unwrap();
    let cookie = cookie.split(';').next().unwrap();
    for (path, told) in [
        ("/console/coverage", "No call is known to be missing"),
        ("/console", "not read whole"),
    ] {
        let page = browser.get(format!("{}{path}", server.url));
        let page = page.header("cookie", cookie).send().await.unwrap();
        let page = page.text().await.unwrap();
        assert!(page.contains(told), "{path}: {page}");
    }
}

#[tokio::test]
async fn the_command_reconciles_and_counts() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, "[finalize]\ngrace = \"100ms\"\nrecheck = []\n").await;
    script(&platform, 12);
    let run = |args: &[&str]| run(&server, args);
    let (code, text, error) = run(&["reconcile", "--since", "24h", "--dry-run"]);
    assert_eq!(code, 0, "{error}");
    let dry: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&dry["unknown"], &dry["queued"]), (&json!(12), &json!(0)));
    let (code, text, error) = run(&[
        "reconcile",
        "--source",
        "rooms",
        "--since",
        "24h",
        "--output",
        "table",
    ]);
    assert_eq!(code, 0, "{error}");
    assert!(
        text.contains("voice") && text.contains("completed"),
        "{text}"
    );
    let started = Instant::now();
    loop {
        let (code, text, error) = run(&["coverage", "--since", "1d"]);
        let coverage: Value = serde_json::from_str(&text).unwrap();
        if coverage["sources"][0]["processed"] == 12 {
            assert_eq!(code, 0, "{error}");
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{coverage}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (code, text, _) = run(&["coverage", "--missing", "--output", "table"]);
    assert_eq!((code, text.trim()), (0, "No call is missing."));
    let (code, _, error) = run(&["reconcile", "--since", "yesterday"]);
    assert_eq!(code, 2, "{error}");
    let (code, _, error) = run(&["reconcile", "--since", "24h", "--source", "nobody"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("no such source"), "{error}");
}
