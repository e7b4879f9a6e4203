//! 50,000 dead letters of 7 causes: how long it takes to group them, and how exactly a replay keeps its
//! rate. On SQLite, and under `tests/services` also on PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and prints its figures"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aftercall::config;
use aftercall::event::{Message, Stage};
use aftercall::flow::{Flow, Sources};
use aftercall::host::{Clock, Host};
use aftercall::id::{ConversationId, ConversationKey, Owner, fresh, of_content};
use aftercall::queue::Queue;
use aftercall::replay::{self, NewJob};
use aftercall::secret::SealKey;
use aftercall::store::dead_letters::list::{self, Filter};
use aftercall::store::dead_letters::{Letter, State, keep};
use aftercall::store::replays::{self, Plan, Status};
use aftercall::store::{Db, audit};
use aftercall::time::Timestamp;
use aftercall::verdict::{Failure, Verdict};
use futures::future::join_all;

const LETTERS: usize = 50_000;
const CAUSES: usize = 7;
const LOOKS: usize = 21;
const SENT: u64 = 5_000;
const RATE: f64 = 250.0;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:>10} {:>8} {:>7} {:>16} {:>14} {:>9} {:>9}",
        "database", "letters", "causes", "group, median ms", "group, max ms", "rate", "measured"
    );
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        measure(&sqlite(folder.path())).await;
        match std::env::var("AFTERCALL_TEST_DATABASE_URL") {
            Ok(url) => measure(&url).await,
            Err(_) => println!("postgres: not measured; run it under tests/services"),
        }
    });
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("aftercall.db").display())
}

/// One line of the table.
async fn measure(url: &str) {
    let host = Host::new(Clock::System);
    let db = Db::open(url, &host).await.expect("a database");
    db.migrate().await.expect("a schema");
    fill(&db).await;
    let dead = Filter {
        state: Some(State::Dead),
        ..Filter::default()
    };
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let (begun, dead) = (host.now(), dead.clone());
        let groups = db
            .read(move |mut conn| Box::pin(async move { list::groups(&mut conn, &dead).await }))
            .await
            .expect("groups");
        looks.push(host.now().since(begun).as_millis());
        assert_eq!(groups.len(), CAUSES);
    }
    looks.sort_unstable();
    let measured = rate(&db, &host).await;
    println!(
        "{:>10} {LETTERS:>8} {CAUSES:>7} {:>16} {:>14} {RATE:>9} {measured:>9.1}",
        db.kind(),
        looks[LOOKS / 2],
        looks[LOOKS - 1],
    );
    host.stop.cancel();
}

async fn fill(db: &Db) {
    for batch in 0..LETTERS / 1_000 {
        db.write(move |mut conn| {
            Box::pin(async move {
                for n in batch * 1_000..(batch + 1) * 1_000 {
                    let at = Timestamp::from_secs(1_780_000_000 + i64::try_from(n).unwrap_or(0));
                    keep(&mut conn, &letter(n), at).await?;
                }
                Ok(())
            })
        })
        .await
        .expect("letters");
    }
}

fn letter(n: usize) -> Letter {
    let id = ConversationId::new(&of_content("conv_", &[&n.to_string()])).expect("an id");
    let message = Message::remember(
        ConversationKey {
            owner: Owner::platform("speechify"),
            id: id.clone(),
        },
        1,
    );
    let code = format!("cause_{}", n % CAUSES);
    Letter {
        id: of_content("dl_", &[&message.id]),
        stage: "remember".to_owned(),
        source: Some("voice".to_owned()),
        platform: Some("speechify".to_owned()),
        event_id: None,
        conversation_id: Some(id.to_string()),
        agent_id: Some("front-desk".to_owned()),
        caller_identity: Some(format!("+1415555{:04}", n % 10_000)),
        cause: Failure::platform(&code, "the platform did not answer in time"),
        attempts: Vec::new(),
        body: message.encode(),
        message_id: message.id,
    }
}

/// Replays some of the letters against a worker that has nothing to do, and says how many a second
/// were sent.
async fn rate(db: &Db, host: &Host) -> f64 {
    let queue = Queue::in_database(db.clone(), host.clone(), true)
        .await
        .expect("a queue");
    let flow = Arc::new(Flow {
        db: db.clone(),
        queue,
        host: host.clone(),
        sources: Arc::new(Sources::new(Vec::new())),
        seal: SealKey::new([7; 32], None),
        finalize: config::Finalize {
            grace: Duration::ZERO,
            fallback_since: Timestamp::from_secs(0),
            max_wait: Duration::ZERO,
            recheck: Vec::new(),
        },
        extractor: None,
        model: None,
        zone: jiff::tz::TimeZone::UTC,
        region: "US".to_owned(),
        outbound: aftercall::outbound::Outbound::new(&[], aftercall::outbound::guard::machine())
            .expect("a client"),
        payload: aftercall::endpoint::Payload::Thin,
        news: aftercall::flow::News::default(),
    });
    let worker = Arc::clone(&flow);
    host.spawn(async move {
        while let Ok(taken) = worker.queue.take(Stage::Remember, 64).await {
            if taken.is_empty() {
                // It is over.
                break;
            }
            // Many verdicts share a commit, as those of a worker's places do.
            let settled = taken
                .into_iter()
                .map(|delivery| worker.queue.settle(delivery, Verdict::Done));
            for settled in join_all(settled).await {
                settled.expect("a verdict");
            }
        }
    });
    let now = host.now();
    let entry = |id: &str| audit::Entry {
        id: fresh("audit_", now, host.dice.bytes()),
        at: now,
        actor: "bench".to_owned(),
        action: "replay.create".to_owned(),
        target: id.to_owned(),
        detail: String::new(),
    };
    let new = NewJob {
        filter: Filter::default(),
        told: "{}".to_owned(),
        plan: Plan {
            rate: RATE,
            canary: 0,
            canary_only: false,
            stop_at_failure_rate: 0.1,
            state: State::Dead,
        },
        usual_canary: false,
    };
    let job = replay::create(&flow, new, entry("replay_bench"))
        .await
        .expect("a job");
    assert_eq!(job.status, Status::Running);
    replay::start(&flow);
    let sent = || async {
        let read = db.read(|mut conn| {
            Box::pin(async move { replays::get(&mut conn, "replay_bench").await })
        });
        let job = read.await.expect("a job").expect("the job");
        u64::try_from(job.sent).unwrap_or(0)
    };
    while sent().await == 0 {
        host.clock.sleep(Duration::from_millis(10)).await;
    }
    let (begun, before) = (host.now(), sent().await);
    while sent().await < before + SENT {
        host.clock.sleep(Duration::from_millis(20)).await;
    }
    let took = host.now().since(begun).as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few thousand letters")]
    let rate = (sent().await - before) as f64 / took;
    rate
}
