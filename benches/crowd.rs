//! What endpoints that are dead, slow or flaky cost the healthy ones: how long an event takes to a
//! healthy endpoint when there are five of these alone, and when five dead, five slow and five flaky
//! ones are beside them, at the same rate. On SQLite, and under `tests/services` also on PostgreSQL.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and prints its figures"
)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aftercall::config;
use aftercall::endpoint::{Payload, Subscription};
use aftercall::flow::{Flow, News, Sources};
use aftercall::host::{Clock, Host};
use aftercall::id::{ConversationId, ConversationKey, Owner};
use aftercall::outbound::{Outbound, guard};
use aftercall::queue::Queue;
use aftercall::secret::{SealKey, Secret};
use aftercall::signature::standard::Key;
use aftercall::simulate::crm::{Crm, Mood, router};
use aftercall::store::Db;
use aftercall::store::endpoints::{self, Endpoint};
use aftercall::store::results::{self, ResultEvent};
use aftercall::time::Timestamp;
use aftercall::worker;
use serde_json::json;
use sqlx::PgPool;
use tokio::net::TcpListener;

/// Events a second, if `AFTERCALL_CROWD_RATE` does not say.
const RATE: u64 = 20;

/// Endpoints of each kind.
const EACH: usize = 5;

/// The longest that the last deliveries are waited for.
const PATIENCE: Duration = Duration::from_mins(8);

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let number = |name: &str, otherwise: u64| {
        let asked = std::env::var(name).ok();
        asked.map_or(otherwise, |text| text.parse().expect("a number"))
    };
    let pace = Pace {
        events: number("AFTERCALL_CROWD_EVENTS", 10_000),
        rate: number("AFTERCALL_CROWD_RATE", RATE),
    };
    println!(
        "{:>10} {:>8} {:>4} {:>10} {:>10} {:>10} {:>9} {:>7} {:>16} {:>13} {:>13}",
        "database",
        "events",
        "/s",
        "quiet p50",
        "quiet p99",
        "crowd p50",
        "crowd p99",
        "ratio",
        "flaky, attempts",
        "slow, taken",
        "dead, tried"
    );
    runtime.block_on(async {
        compare(None, pace).await;
        match std::env::var("AFTERCALL_TEST_DATABASE_URL") {
            Ok(server) => compare(Some(&server), pace).await,
            Err(_) => println!("  postgres: not measured; run it under tests/services"),
        }
    });
}

/// How many events, and how many of them a second.
#[derive(Clone, Copy)]
struct Pace {
    events: u64,
    rate: u64,
}

/// One line of the table: some quiet events before the crowd and as many after it, so that a
/// machine that grows busier or quieter does not decide.
async fn compare(server: Option<&str>, pace: Pace) {
    let healthy = [Mood::Steady].as_slice();
    let crowd = [Mood::Steady, Mood::Flaky, Mood::Slow, Mood::Dead].as_slice();
    let Pace { events, rate } = pace;
    let quietly = Pace {
        events: events / 8,
        rate,
    };
    let mut quiet = run(server, "before", healthy, quietly).await.latencies;
    let beside = run(server, "beside", crowd, pace).await;
    quiet.extend(run(server, "after", healthy, quietly).await.latencies);
    let database = server.map_or("sqlite", |_| "postgres");
    quiet.sort_unstable();
    let (calm, busy) = (percentile(&quiet, 99), percentile(&beside.latencies, 99));
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a measurement")]
    let ratio = busy as f64 / calm as f64;
    println!(
        "{database:>10} {events:>8} {rate:>4} {:>10} {calm:>10} {:>10} {busy:>9} {ratio:>7.2} {:>16} {:>13} {:>13}",
        percentile(&quiet, 50),
        percentile(&beside.latencies, 50),
        format!("{} ({})", beside.flaky_taken, beside.flaky_tried),
        beside.slow_taken,
        beside.dead_tried,
    );
}

fn percentile(sorted: &[u128], of_100: usize) -> u128 {
    sorted[(sorted.len() - 1) * of_100 / 100]
}

struct Outcome {
    /// Of the healthy endpoints, in milliseconds, the shortest first.
    latencies: Vec<u128>,
    flaky_taken: usize,
    flaky_tried: u32,
    slow_taken: usize,
    dead_tried: u32,
}

/// Tells events to endpoints of these moods.
async fn run(server: Option<&str>, name: &str, moods: &[Mood], pace: Pace) -> Outcome {
    let folder = tempfile::tempdir().expect("a folder");
    let host = Host::new(Clock::System);
    let url = match server {
        Some(server) => fresh(server, name).await,
        None => format!("sqlite://{}", folder.path().join("aftercall.db").display()),
    };
    let db = Db::open(&url, &host).await.expect("a database");
    db.migrate().await.expect("a schema");
    let flow = Arc::new(flow(db, &host).await);
    let crms = open(&flow, moods).await;
    worker::start(&flow, kept(), Duration::ZERO);
    let mut told = Vec::new();
    let begun = host.now();
    for n in 0..pace.events {
        let due = begun.plus(Duration::from_millis(n * 1000 / pace.rate));
        host.clock.sleep(due.since(host.now())).await;
        let event = event(&host, n);
        told.push((event.id.clone(), host.now()));
        // What is told does not wait for what was told before: the platforms do not, either.
        let (flow, adding) = (Arc::clone(&flow), event);
        host.spawn(async move { add(&flow, adding).await });
    }
    let want = told.len();
    let of = |mood: Mood| crms.iter().filter(move |(its, _)| *its == mood);
    let until = host.now().plus(PATIENCE);
    while of(Mood::Steady)
        .chain(of(Mood::Flaky))
        .any(|(_, crm)| crm.sums().delivered < want)
    {
        assert!(
            host.now() < until,
            "every healthy and every flaky endpoint gets every event"
        );
        host.clock.sleep(Duration::from_millis(200)).await;
    }
    host.stop.cancel();
    // SQLite's writer goes on for as long as somebody could still ask it.
    drop(flow);
    host.drained().await;
    let mut latencies = Vec::new();
    for (_, crm) in of(Mood::Steady) {
        let sums = crm.sums();
        assert_eq!(
            (sums.repeated, sums.verified),
            (0, sums.attempts),
            "once, and proved"
        );
        let got = crm.got();
        let got: HashMap<&str, Timestamp> = got
            .iter()
            .filter_map(|got| Some((got.id.as_str(), got.taken_at?)))
            .collect();
        for (id, begun) in &told {
            let at = got.get(id.as_str()).expect("every event");
            latencies.push(at.since(*begun).as_millis());
        }
    }
    latencies.sort_unstable();
    let sum = |mood: Mood| of(mood).map(|(_, crm)| crm.sums());
    Outcome {
        latencies,
        flaky_taken: sum(Mood::Flaky).map(|sums| sums.delivered).sum(),
        flaky_tried: sum(Mood::Flaky).map(|sums| sums.attempts).sum(),
        slow_taken: sum(Mood::Slow).map(|sums| sums.delivered).sum(),
        dead_tried: sum(Mood::Dead).map(|sums| sums.attempts).sum(),
    }
}

/// A database of its own on a PostgreSQL.
async fn fresh(server: &str, name: &str) -> String {
    let name = format!("aftercall_crowd_{name}_{}", std::process::id());
    let pool = PgPool::connect(server).await.expect("a server");
    let text = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(text))
        .execute(&pool)
        .await
        .expect("a database");
    let (base, _) = server.rsplit_once('/').expect("a server's URL");
    format!("{base}/{name}")
}

/// An endpoint of each mood, five times, each with a CRM of its own.
async fn open(flow: &Flow, moods: &[Mood]) -> Vec<(Mood, Arc<Crm>)> {
    let mut crms = Vec::new();
    for mood in moods {
        for n in 0..EACH {
            let (crm, key) = (
                Arc::new(Crm::default()),
                Key::of_random(flow.host.dice.bytes()),
            );
            let secret = Secret::new(key.to_text()).expect("a secret");
            crm.trust(&secret).expect("a key");
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("an address");
            let (app, stop) = (
                router(&flow.host, &crm),
                flow.host.stop.clone().cancelled_owned(),
            );
            flow.host.spawn(async move {
                let serving = axum::serve(listener, app).with_graceful_shutdown(stop);
                serving.await.expect("a server");
            });
            let id = format!("ep_{}_{n}", mood.as_str());
            let url = format!("http://{address}/crm/{}", mood.as_str());
            let endpoint = endpoint(flow, id, url, &key);
            flow.db
                .write(move |mut conn| {
                    Box::pin(async move { endpoints::save(&mut conn, &endpoint).await })
                })
                .await
                .expect("an endpoint");
            crms.push((*mood, crm));
        }
    }
    crms
}

fn endpoint(flow: &Flow, id: String, url: String, key: &Key) -> Endpoint {
    let seal = |text: &str| flow.seal.seal(text.as_bytes(), flow.host.dice.bytes());
    Endpoint {
        id,
        url,
        description: String::new(),
        subscription: Subscription {
            events: vec!["*".to_owned()],
            agents: Vec::new(),
        },
        payload: Payload::Thin,
        template: None,
        headers: seal("{}"),
        secret: seal(&key.to_text()),
        previous: None,
        rate: None,
        concurrency: 10,
        enabled: true,
        disabled: None,
        failing_since: None,
        unproved: 0,
        slow: false,
        ready_at: Timestamp::from_millis(0),
        created_at: flow.host.now(),
        updated_at: flow.host.now(),
    }
}

fn event(host: &Host, n: u64) -> ResultEvent {
    let call = format!("conv_{n}");
    ResultEvent {
        id: aftercall::id::fresh("evt_", host.now(), host.dice.bytes()),
        kind: "conversation.completed".to_owned(),
        agent_id: "agent_1".to_owned(),
        key: Some(ConversationKey {
            owner: Owner::platform("speechify"),
            id: ConversationId::new(&call).expect("an id"),
        }),
        data: json!({"id": call, "status": "completed"}),
        created_at: host.now(),
    }
}

async fn add(flow: &Flow, event: ResultEvent) {
    flow.db
        .write(move |mut conn| Box::pin(async move { results::add(&mut conn, &event).await }))
        .await
        .expect("a place in the feed");
    flow.news.tell();
}

async fn flow(db: Db, host: &Host) -> Flow {
    let queue = Queue::in_database(db.clone(), host.clone(), true);
    let here = ["127.0.0.0/8".parse().expect("a range")];
    Flow {
        queue: queue.await.expect("a queue"),
        db,
        host: host.clone(),
        sources: Arc::new(Sources::default()),
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
        outbound: Outbound::new(&here, guard::machine()).expect("a client"),
        payload: Payload::Thin,
        news: News::default(),
    }
}

/// Nothing grows old while it is measured.
fn kept() -> config::Retention {
    let kept = Duration::ZERO;
    config::Retention {
        conversations: kept,
        messages: kept,
        events: kept,
        dead_letters: kept,
        deliveries: kept,
        quarantine: kept,
        audit: kept,
    }
}
