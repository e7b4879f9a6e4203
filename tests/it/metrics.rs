//! What `/metrics` says before anything has happened, and of a platform whose list can't be read.

use std::time::Duration;

use crate::support::{Platform, Server, source_settings};

/// What a server's `/metrics` says once it says `wanted`.
async fn once(server: &Server, wanted: &str) -> String {
    let mut text = String::new();
    for _ in 0..300 {
        let asked = server.client.get(format!("{}/metrics", server.url)).send();
        text = asked.await.unwrap().text().await.unwrap();
        if text.contains(wanted) {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no {wanted} in {text}");
}

#[tokio::test]
async fn what_alerts_ask_of_is_there_before_it_happens() {
    let platform = Platform::start().await;
    // Nobody listens where the lists should be read.
    let settings = |port: u16| {
        source_settings(&platform, port, "").replace(&platform.url, "http://127.0.0.1:1")
    };
    let server = Server::start_from(&settings, &[]).await;
    let age = "aftercall_coverage_age_seconds{source=\"voice\"}";
    once(&server, age).await;
    let text = once(&server, "aftercall_table_rows{table=\"timeline\"}").await;
    for line in [
        "aftercall_panics_total 0",
        "aftercall_http_panics_total 0",
        "aftercall_webhooks_total{source=\"voice\",answer=\"unavailable\"} 0",
        "aftercall_webhooks_total{source=\"rooms\",answer=\"refused\"} 0",
        "aftercall_dead_letters_total{stage=\"receive\"} 0",
        "aftercall_dead_letters_total{stage=\"deliver\"} 0",
        "aftercall_endpoints_disabled_total{reason=\"gone\"} 0",
        "aftercall_endpoints_off{reason=\"failing\"} 0",
        "aftercall_endpoints_failing 0",
        "aftercall_deliveries_waiting 0",
        "aftercall_database_up 1",
        "aftercall_table_rows{table=\"conversations\"} 0",
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(text.lines().any(|one| one == line), "no {line} in {text}");
    }
    let spent = |line: &str| Some(line.strip_prefix("process_cpu_seconds_total ")?.to_owned());
    let spent = text.lines().find_map(spent).unwrap();
    assert!(
        spent.contains('.') && spent.parse::<f64>().unwrap() > 0.0,
        "{spent}"
    );
    // It grows while the list stays unread.
    let seconds = async || {
        let text = once(&server, age).await;
        let line = text.lines().find(|line| line.starts_with(age)).unwrap();
        let (_, value) = line.rsplit_once(' ').unwrap();
        value.parse::<f64>().unwrap()
    };
    let before = seconds().await;
    for _ in 0..300 {
        if seconds().await > before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the age of an unread list does not grow");
}
