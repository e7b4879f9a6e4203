//! How fast every list and every page of the console answers at size: a database is filled with made-up
//! calls by `aftercall simulate --into-database`, a server is started on it, and each address is asked
//! again and again, each time about another agent, caller, call or place.
//!
//! SQLite with a tenth of the calls, and under `tests/services` PostgreSQL with all of them.
//! `AFTERCALL_BENCH_CALLS` says how many that are; `AFTERCALL_BENCH_DATABASE_URL` names a database that
//! is filled already.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and prints its figures"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "milliseconds are measured with the machine's own clock"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aftercall::page::Cursor;
use aftercall::time::Timestamp;
use reqwest::{Client, StatusCode, redirect};

/// Calls, unless told otherwise.
const CALLS: u64 = 1_000_000;

/// How often each address is asked.
const LOOKS: u64 = 20;

/// The source that the made-up calls came through: an account whose coverage can be asked for.
const SETTINGS: &str = r#"
[[sources]]
name = "simulated-voice"
platform = "speechify"
webhook.secrets = ["a secret of the bench, and of nothing else"]
api = { base_url = "http://127.0.0.1:9", token = "a token of the bench" }
"#;

const TOKEN: &str = "ac_a_token_of_the_bench_and_of_nothing_else";

/// `simulate` numbers its calls from here, and has one end every thirty seconds.
const FIRST: u64 = 1_000_000_000;
const EVERY_MS: u64 = 30_000;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if let Ok(url) = std::env::var("AFTERCALL_BENCH_DATABASE_URL") {
            return measure(&url, calls(), false).await;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bench.db");
        measure(&format!("sqlite://{}", file.display()), calls() / 10, true).await;
        match std::env::var("AFTERCALL_TEST_DATABASE_URL") {
            Ok(url) => measure(&url, calls(), true).await,
            Err(_) => println!("postgres: not measured; run it under tests/services"),
        }
    });
}

fn calls() -> u64 {
    let told = std::env::var("AFTERCALL_BENCH_CALLS");
    told.map_or(CALLS, |text| text.parse().expect("a number of calls"))
}

fn aftercall(url: &str, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aftercall"));
    command
        .current_dir(folder)
        .env("AFTERCALL_DATABASE_URL", url)
        .env("AFTERCALL_DATA", folder)
        .env("AFTERCALL_ADMIN_TOKEN", TOKEN)
        .env("AFTERCALL_LOG", "error");
    command
}

/// A server that ends with the measurement.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

async fn measure(url: &str, calls: u64, fill: bool) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("aftercall.toml"), SETTINGS).expect("settings");
    if fill {
        let count = calls.to_string();
        let filled = aftercall(url, folder.path())
            .args(["simulate", "--calls", &count, "--into-database"])
            .stdout(Stdio::null())
            .status()
            .expect("a program");
        assert!(filled.success());
        analyze(url).await;
    }
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let serve = aftercall(url, folder.path())
        .args(["serve", "--role", "api"])
        .env("AFTERCALL_SERVER__LISTEN", format!("127.0.0.1:{port}"))
        .spawn();
    let server = Server(serve.expect("a server"));
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .expect("a client");
    let cookie = log_in(&client, &base).await;
    println!(
        "{calls} calls in {}",
        url.split(':').next().unwrap_or_default()
    );
    println!(
        "{:>8} {:>8} {:>8}  address",
        "p50, ms", "p95, ms", "max, ms"
    );
    let mut slow = 0;
    for address in addresses() {
        let mut took = Vec::new();
        for look in 0..LOOKS {
            let path = about(&address, look, calls);
            let begun = Instant::now();
            let answer = client
                .get(format!("{base}{path}"))
                .header("cookie", &cookie)
                .bearer_auth(TOKEN)
                .send()
                .await
                .expect("an answer");
            let status = answer.status();
            answer.bytes().await.expect("a body");
            took.push(begun.elapsed());
            assert_eq!(status, StatusCode::OK, "{path}");
        }
        took.sort_unstable();
        let at = |percent: usize| millis(took[(took.len() * percent).div_ceil(100) - 1]);
        slow += u32::from(at(95) >= 200.0);
        println!(
            "{:>8.1} {:>8.1} {:>8.1}  {address}",
            at(50),
            at(95),
            at(100)
        );
    }
    println!("{slow} took 200 ms or more at p95\n");
    drop(server);
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn analyze(url: &str) {
    if url.starts_with("postgres") {
        let pool = sqlx::PgPool::connect(url).await.expect("a database");
        // Sees to it that what an index knows need not be looked up in its table.
        sqlx::query("VACUUM ANALYZE")
            .execute(&pool)
            .await
            .expect("statistics");
    }
}

/// Waits for the server; gives the cookie of a session.
async fn log_in(client: &Client, base: &str) -> String {
    for _ in 0..600 {
        let form = format!("token={TOKEN}");
        let sent = client
            .post(format!("{base}/console/login"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", base)
            .body(form)
            .send()
            .await;
        let cookie = sent.ok().and_then(|answer| {
            let cookie = answer.headers().get("set-cookie")?.to_str().ok()?;
            Some(cookie.split(';').next()?.to_owned())
        });
        if let Some(cookie) = cookie {
            return cookie;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server does not let us in");
}

/// An address about the `look`th of what it is about.
fn about(address: &str, look: u64, calls: u64) -> String {
    let n = FIRST + (look * 7_919 + 10) * 200 % (calls - calls % 200);
    let (agent, line) = ((n * 31) % 40, 2_000_000 + (n * 7_919) % 40_000);
    let now = jiff::Timestamp::now().as_millisecond();
    let back = (look + 1) * calls / (LOOKS + 1) * EVERY_MS;
    let deep = Timestamp::from_millis(now - i64::try_from(back).unwrap_or(0));
    let cursor = |id: &str| {
        let (at, id) = (deep, id.to_owned());
        Cursor { at, id }.encode()
    };
    address
        .replace("{deep}", &cursor(""))
        .replace("{deep_call}", &cursor("conv_\u{1f}"))
        .replace(
            "{deep_caller}",
            &cursor(&format!("+1415{line}\u{1f}agent_{agent}")),
        )
        .replace("{id}", &format!("{n:026}"))
        .replace("{agent}", &format!("agent_{agent}"))
        .replace("{line}", &line.to_string())
        .replace("{at}", &deep.to_string())
        .replace("{n}", &(look % 7).to_string())
}

/// Every list, with its filters, and every page that shows what grows.
fn addresses() -> Vec<String> {
    let mut all = Vec::new();
    for path in ["/v1/conversations", "/console/conversations"] {
        for query in [
            "",
            "?agent_id={agent}",
            "?status=failed",
            "?status=active",
            "?status=completed",
            "?end_reason=agent_ended",
            "?end_reason=nothing_like_it",
            "?call_successful=failure",
            "?source=simulated-voice",
            "?source=another",
            "?q=%2B1415{line}",
            "?q=%2B1415",
            "?q=conv_{id}",
            "?q=agent_",
            "?q=nobody",
            "?agent_id={agent}&status=failed&call_successful=success",
            "?cursor={deep_call}",
            "?agent_id={agent}&cursor={deep_call}",
        ] {
            all.push(format!("{path}{query}"));
        }
    }
    all.extend(LISTS.iter().map(|(path, query)| format!("{path}{query}")));
    all
}

/// The lists with their filters, and the pages that show what grows.
const LISTS: &[(&str, &str)] = &[
    ("/v1/conversations", "?page_size=100"),
    ("/v1/conversations", "?caller_identity=sip_%2B1415{line}"),
    ("/v1/conversations", "?caller_identity="),
    ("/v1/conversations", "?transport=web"),
    ("/v1/conversations", "?transport=whatsapp"),
    ("/v1/conversations", "?platform=speechify"),
    ("/v1/conversations", "?platform=retell"),
    ("/v1/conversations", "?started_after={at}"),
    ("/v1/conversations", "?started_before={at}"),
    ("/v1/conversations", "?agent_id={agent}&started_before={at}"),
    ("/v1/conversations", "?duration_min_ms=60001"),
    ("/v1/conversations", "?duration_max_ms=59999"),
    ("/v1/conversations", "?duration_min_ms=1000"),
    ("/v1/conversations/conv_{id}", ""),
    ("/v1/conversations/conv_{id}/messages", ""),
    ("/v1/conversations/conv_{id}/timeline", ""),
    ("/v1/conversations/conv_{id}/memories", ""),
    ("/v1/conversations/conv_{id}/deliveries", ""),
    ("/v1/agents/conversations", ""),
    ("/v1/convai/conversations", "?agent_id={agent}"),
    ("/v1/convai/conversations", "?user_id=sip_%2B1415{line}"),
    ("/core/conversations", ""),
    ("/api/v1/conversations", ""),
    (
        "/v1/agents/{agent}/memories",
        "?caller_identity=%2B1415{line}",
    ),
    (
        "/v1/agents/{agent}/context",
        "?caller_identity=%2B1415{line}",
    ),
    ("/v1/consents", "?caller_identity=%2B1415{line}"),
    ("/v1/callers", ""),
    ("/v1/callers", "?q=%2B14152"),
    ("/v1/callers", "?agent_id={agent}"),
    ("/v1/callers", "?cursor={deep_caller}"),
    ("/v1/dead-letters", ""),
    ("/v1/dead-letters", "?stage=finalize"),
    ("/v1/dead-letters", "?stage=remember"),
    ("/v1/dead-letters", "?state=dead&cursor={deep}"),
    ("/v1/dead-letters", "?fingerprint=fp_{n}&agent_id={agent}"),
    ("/v1/dead-letters", "?code=made_up_{n}"),
    ("/v1/dead-letters", "?platform=speechify&fault=platform"),
    ("/v1/dead-letters", "?caller_identity=sip_%2B1415{line}"),
    ("/v1/dead-letters", "?since={at}"),
    ("/v1/dead-letters/dl_{id}", ""),
    ("/v1/dead-letters/groups", ""),
    ("/v1/dead-letters/groups", "?agent_id={agent}"),
    ("/v1/deliveries", ""),
    ("/v1/deliveries", "?status=failed"),
    ("/v1/deliveries", "?status=pending"),
    ("/v1/deliveries", "?conversation_id=conv_{id}"),
    ("/v1/deliveries", "?agent_id={agent}"),
    ("/v1/deliveries", "?type=memory.changed"),
    ("/v1/deliveries", "?since={at}"),
    ("/v1/deliveries", "?cursor={deep}"),
    ("/v1/deliveries/dlv_{id}", ""),
    ("/v1/events", ""),
    ("/v1/events", "?type=conversation.completed"),
    ("/v1/events", "?type=memory.changed"),
    ("/v1/events", "?after=evt_{id}"),
    ("/v1/replays", ""),
    ("/v1/quarantine", ""),
    ("/v1/reconciliations", ""),
    ("/v1/coverage", ""),
    ("/v1/coverage/missing", ""),
    ("/v1/endpoints", ""),
    ("/v1/tokens", ""),
    ("/v1/audit", ""),
    ("/v1/audit", "?action=token.create"),
    ("/v1/stats", "?window=1h"),
    ("/v1/stats", "?window=24h"),
    ("/v1/stats", "?window=7d"),
    ("/v1/stats", "?window=30d"),
    ("/metrics", ""),
    ("/console", ""),
    ("/console", "?window=30d"),
    ("/console/conversations/conv_{id}", ""),
    ("/console/callers", ""),
    ("/console/callers", "?q=%2B14152"),
    ("/console/callers", "?agent_id={agent}"),
    (
        "/console/callers/memory",
        "?agent_id={agent}&caller_identity=%2B1415{line}",
    ),
    ("/console/dead-letters", ""),
    ("/console/dead-letters", "?fingerprint=fp_{n}"),
    ("/console/dead-letters", "?cursor={deep}"),
    ("/console/dead-letters/dl_{id}", ""),
    ("/console/replays", ""),
    ("/console/endpoints", ""),
    ("/console/deliveries", ""),
    ("/console/deliveries", "?status=failed"),
    ("/console/deliveries", "?cursor={deep}"),
    ("/console/deliveries/dlv_{id}", ""),
    ("/console/coverage", ""),
    ("/console/quarantine", ""),
    ("/console/audit", ""),
    ("/console/tokens", ""),
];
