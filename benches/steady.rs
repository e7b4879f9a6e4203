//! How old the oldest call gets that is not yet finalized, at a hundred finished calls a second and
//! the default grace of 10 s: on the embedded default, and under `tests/services` also on PostgreSQL
//! and RabbitMQ. A grace of 10 s and a few hundred milliseconds of work is the best that can be had.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first surprise and prints its figures"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aftercall::app::{App, Role, Running};
use aftercall::config::{Config, Overrides};
use aftercall::host::{Clock, Host};
use aftercall::simulate::load::run::{Load, run};
use aftercall::simulate::load::{Disorder, templates};
use aftercall::simulate::sender::Sender;
use aftercall::simulate::speechify::{Largest, Platform};
use aftercall::simulate::{Account, script, serve, sources_toml};
use sqlx::{PgPool, SqlitePool};
use tokio::net::TcpListener;

const CALLS: u64 = 6_000;
const RATE: f64 = 100.0;

fn main() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .expect("nobody was first");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:>12} {:>8} {:>10} {:>12} {:>12}",
        "mode", "calls", "finalized", "median, s", "oldest, s"
    );
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let database = format!("sqlite://{}", folder.path().join("aftercall.db").display());
        measure("embedded", folder.path(), &database, None).await;
        let names = ["AFTERCALL_TEST_DATABASE_URL", "AFTERCALL_TEST_AMQP_URL"];
        let [Ok(database), Ok(broker)] = names.map(std::env::var) else {
            println!("distributed: not measured; run it under tests/services");
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        measure("distributed", folder.path(), &database, Some(&broker)).await;
    });
}

/// One line of the table.
async fn measure(mode: &str, folder: &Path, database: &str, broker: Option<&str>) {
    let host = Host::new(Clock::System);
    let api_token = Account::simulated().api_token;
    let platform = Arc::new(Platform::new(api_token.expose(), Largest::DOCUMENTED));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = serve(&host, listener, Arc::clone(&platform)).expect("a platform");
    let settings = folder.join("aftercall.toml");
    let queue = broker.map_or_else(String::new, |url| format!("[queue]\nurl = {url:?}\n"));
    let text = format!(
        "data_dir = {data:?}\n[server]\nlisten = \"127.0.0.1:0\"\n[database]\nurl = {database:?}\n{queue}{}",
        sources_toml(address),
        data = folder.display().to_string(),
    );
    std::fs::write(&settings, text).expect("settings");
    let overrides = Overrides {
        config: Some(settings),
        ..Overrides::default()
    };
    let config = Config::load(&overrides).expect("good settings");
    App::migrate(&config, &host).await.expect("a schema");
    let app = App::build(config, host.clone()).await.expect("an app");
    let running = Running::start(app, &Role::ALL).await.expect("a listener");
    let sender = Sender::new(&format!("http://{}", running.address()), host.clock.clone())
        .expect("a client");
    let load = Load {
        calls: CALLS,
        rate: RATE,
        seed: 1,
        disorder: Disorder::default(),
    };
    let templates = templates(script::all().expect("scripts"));
    run(load, &templates, &host, &platform, &sender, |_| {})
        .await
        .expect("ids");
    // The last call's grace, and more than its work takes.
    host.pause(Duration::from_secs(20)).await;
    drop(running.stop().await);
    let ages = ages(database).await;
    let secs = |ms: i64| Duration::from_millis(ms.unsigned_abs()).as_secs_f64();
    println!(
        "{mode:>12} {CALLS:>8} {:>10} {:>12.1} {:>12.1}",
        ages.len(),
        secs(ages[ages.len() / 2]),
        secs(ages[ages.len() - 1])
    );
}

/// From taken to finalized, in milliseconds, the shortest first.
async fn ages(database: &str) -> Vec<i64> {
    const AGES: &str = "SELECT done_at - received_at FROM events \
                        WHERE conversation_id IS NOT NULL ORDER BY 1";
    let ages = if database.starts_with("sqlite://") {
        let pool = SqlitePool::connect(database).await.expect("the records");
        sqlx::query_scalar(AGES).fetch_all(&pool).await
    } else {
        let pool = PgPool::connect(database).await.expect("the records");
        sqlx::query_scalar(AGES).fetch_all(&pool).await
    };
    ages.expect("events")
}
