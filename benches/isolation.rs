//! What a sick source costs another one: throughput, half and 99 of 100 latencies of a source that is
//! well, while its neighbour has no calls, is answered 401, and is answered 429. The three take turns
//! within one run, for only their ratios say something on a shared machine.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and prints its figures"
)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aftercall::app::{App, Role, Running};
use aftercall::config::{Config, Overrides};
use aftercall::host::{Clock, Host};
use aftercall::simulate::play::webhook;
use aftercall::simulate::script::{self, Script};
use aftercall::simulate::sender::Sender;
use aftercall::simulate::speechify::{Largest, Platform};
use aftercall::simulate::{Account, VOICE_SOURCE, enter, serve};
use axum::Router;
use axum::http::StatusCode;
use futures::StreamExt as _;
use sqlx::SqlitePool;
use tokio::net::TcpListener;

const SICK_SOURCE: &str = "sick";
const ROUNDS: usize = 5;

/// Calls a second of the steady part, and for how long; the sick source has as many.
const RATE: u32 = 20;
const STEADY: u32 = 200;

/// Calls of the part in which they come as fast as they are taken.
const BURST: u32 = 300;
const AT_ONCE: usize = 32;

/// Calls of the sick source that wait before anything is measured.
const WAITING: u32 = 100;

/// How the neighbour fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Neighbour {
    Quiet,
    Answered(StatusCode),
}

const NEIGHBOURS: [Neighbour; 3] = [
    Neighbour::Quiet,
    Neighbour::Answered(StatusCode::UNAUTHORIZED),
    Neighbour::Answered(StatusCode::TOO_MANY_REQUESTS),
];

/// What was seen of the source that is well, over all rounds.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// From taken to finalized at a steady rate, in milliseconds.
    ages: Vec<i64>,
    /// Calls finalized a second, of each round's burst.
    rates: Vec<f64>,
}

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut seen = vec![Seen::default(); NEIGHBOURS.len()];
    for _ in 0..ROUNDS {
        for (neighbour, seen) in NEIGHBOURS.into_iter().zip(&mut seen) {
            runtime.block_on(measure(neighbour, seen));
        }
    }
    println!(
        "{:>10} {:>10} {:>8} {:>8} {:>11} {:>8} {:>8}",
        "neighbour", "calls/s", "p50, ms", "p99, ms", "throughput", "p50", "p99"
    );
    let quiet = seen[0].figures();
    for (neighbour, seen) in NEIGHBOURS.into_iter().zip(seen) {
        let [rate, half, most] = seen.figures();
        let ratios = [rate / quiet[0], half / quiet[1], most / quiet[2]];
        let name = match neighbour {
            Neighbour::Quiet => "quiet".to_owned(),
            Neighbour::Answered(status) => status.as_u16().to_string(),
        };
        println!(
            "{name:>10} {rate:>10.1} {half:>8.0} {most:>8.0} {:>11.2} {:>8.2} {:>8.2}",
            ratios[0], ratios[1], ratios[2]
        );
    }
}

impl Seen {
    /// The median rate, and within how many milliseconds half and 99 of 100 calls were finalized.
    fn figures(&self) -> [f64; 3] {
        let mut rates = self.rates.clone();
        rates.sort_by(f64::total_cmp);
        let mut ages = self.ages.clone();
        ages.sort_unstable();
        let millis = |ms: i64| Duration::from_millis(ms.unsigned_abs()).as_secs_f64() * 1000.0;
        [
            rates[rates.len() / 2],
            millis(ages[ages.len() / 2]),
            millis(ages[ages.len() * 99 / 100]),
        ]
    }
}

/// One server, and what it does for the source that is well.
async fn measure(neighbour: Neighbour, seen: &mut Seen) {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::set(folder.path(), neighbour).await;
    let is_sick = neighbour != Neighbour::Quiet;
    if is_sick {
        stage.send(SICK_SOURCE, 0..WAITING, None).await;
    }
    let steady = 1_000..1_000 + STEADY;
    if is_sick {
        let more = stage.send(SICK_SOURCE, WAITING..WAITING + STEADY, Some(RATE));
        tokio::join!(stage.send(VOICE_SOURCE, steady, Some(RATE)), more);
    } else {
        stage.send(VOICE_SOURCE, steady, Some(RATE)).await;
    }
    let times = stage.finalized(STEADY).await;
    seen.ages
        .extend(times.iter().map(|(taken, done)| done - taken));
    stage.send(VOICE_SOURCE, 10_000..10_000 + BURST, None).await;
    let times = stage.finalized(STEADY + BURST).await;
    let burst = times.get(times.len() - BURST as usize..).expect("as many");
    let first = burst.iter().map(|(taken, _)| *taken).min();
    let last = burst.iter().map(|(_, done)| *done).max();
    let took = last.zip(first).map_or(1, |(last, first)| last - first);
    let secs = Duration::from_millis(took.unsigned_abs()).as_secs_f64();
    seen.rates.push(f64::from(BURST) / secs);
    drop(stage.running.stop().await);
    stage.host.stop.cancel();
    stage.host.drained().await;
}

struct Stage {
    host: Host,
    platform: Arc<Platform>,
    sender: Sender,
    script: Script,
    database: String,
    running: Running,
}

impl Stage {
    async fn set(folder: &Path, neighbour: Neighbour) -> Self {
        let host = Host::new(Clock::System);
        let token = Account::simulated().api_token;
        let platform = Arc::new(Platform::new(token.expose(), Largest::DOCUMENTED));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let well = serve(&host, listener, Arc::clone(&platform)).expect("a platform");
        let sick = sick_api(&host, neighbour).await;
        let database = format!("sqlite://{}", folder.join("aftercall.db").display());
        let file = folder.join("aftercall.toml");
        std::fs::write(&file, settings(folder, &database, well, sick)).expect("settings");
        let overrides = Overrides {
            config: Some(file),
            ..Overrides::default()
        };
        let config = Config::load(&overrides).expect("good settings");
        App::migrate(&config, &host).await.expect("a schema");
        let app = App::build(config, Host::new(Clock::System))
            .await
            .expect("an app");
        let running = Running::start(app, &Role::ALL).await.expect("a listener");
        let url = format!("http://{}", running.address());
        let scripts = script::all().expect("scripts");
        Self {
            sender: Sender::new(&url, host.clock.clone()).expect("a client"),
            script: scripts.into_iter().next().expect("a script"),
            host,
            platform,
            database,
            running,
        }
    }

    /// Sends the webhook of each of these calls: so many a second, or as fast as they are taken.
    async fn send(&self, source: &'static str, calls: std::ops::Range<u32>, rate: Option<u32>) {
        let (first, began) = (calls.start, self.host.now());
        let one = async |n: u32| {
            if let Some(rate) = rate {
                let due = began.plus(Duration::from_secs(1) * (n - first) / rate);
                self.host.pause(due.since(self.host.now())).await;
            }
            let now = self.host.now();
            let take = self.script.take(&n.to_string(), now).expect("an id");
            if source == VOICE_SOURCE {
                enter(&self.platform, &take);
            }
            let mut webhook = webhook(&take, &take.script.sends[0], now);
            webhook.source = source;
            let reply = self.sender.send(&webhook).await;
            assert_eq!(reply.status, Some(200), "{:?}", reply.body);
        };
        futures::stream::iter(calls)
            .for_each_concurrent(AT_ONCE, one)
            .await;
    }

    /// When each call of the source that is well was taken and finalized, once so many are.
    async fn finalized(&self, wanted: u32) -> Vec<(i64, i64)> {
        const TIMES: &str = "SELECT received_at, done_at FROM events \
                             WHERE source = $1 AND conversation_id IS NOT NULL ORDER BY 1";
        let pool = SqlitePool::connect(&self.database)
            .await
            .expect("the records");
        loop {
            let query = sqlx::query_as(TIMES).bind(VOICE_SOURCE);
            let times: Vec<(i64, i64)> = query.fetch_all(&pool).await.expect("events");
            if times.len() >= wanted as usize {
                return times;
            }
            self.host.pause(Duration::from_millis(50)).await;
        }
    }
}

/// An API that answers everything so.
async fn sick_api(host: &Host, neighbour: Neighbour) -> SocketAddr {
    let status = match neighbour {
        Neighbour::Quiet => StatusCode::NOT_FOUND,
        Neighbour::Answered(status) => status,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let stop = host.stop.clone().cancelled_owned();
    let router = Router::new().fallback(async move || status);
    host.spawn(async move {
        axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
            .expect("requests");
    });
    address
}

fn settings(folder: &Path, database: &str, well: SocketAddr, sick: SocketAddr) -> String {
    let account = Account::simulated();
    let source = |name: &str, api: SocketAddr| {
        format!(
            "[[sources]]\nname = {name:?}\nplatform = \"speechify\"\n\
             webhook.secrets = [{secret:?}]\napi.base_url = \"http://{api}\"\n\
             api.token = {token:?}\nreconcile.look_back = \"1s\"\n",
            secret = account.webhook_secret.expose(),
            token = account.api_token.expose(),
        )
    };
    format!(
        "data_dir = {data:?}\n[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = {database:?}\n\
         [finalize]\ngrace = \"0s\"\nrecheck = []\n{}{}",
        source(VOICE_SOURCE, well),
        source(SICK_SOURCE, sick),
        data = folder.display().to_string(),
    )
}
