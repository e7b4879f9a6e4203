//! `aftercall endpoints`, `deliveries`, `export` and `simulate` as processes, against a running server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use wiremock::MockServer;

use super::answers;
use super::api::Desk;

/// The binary, run in the server's folder and asking that server.
struct Shell<'a>(&'a Desk);

impl Shell<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aftercall"));
        command
            .current_dir(self.0.server.folder.path())
            .args(args)
            .env_clear()
            .env("AFTERCALL_URL", &self.0.server.url)
            .env("AFTERCALL_TOKEN", &self.0.admin);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a command writes that is done.
    #[track_caller]
    fn text(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, as JSON, which is what a pipe gets.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.text(args)).unwrap()
    }

    /// What a command complains of that ends with this code.
    #[track_caller]
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_managed_from_the_shell() {
    let desk = Desk::open().await;
    let shell = Shell(&desk);
    let crm = MockServer::start().await;
    answers(&crm, 200).await;
    assert_eq!(shell.json(&["endpoints", "list"])["endpoints"], json!([]));
    let empty = shell.text(&["endpoints", "list", "--output", "table"]);
    assert!(empty.contains("No endpoints."), "{empty}");
    let url = crm.uri();
    let made = shell.json(&[
        "endpoints",
        "add",
        &url,
        "--event",
        "conversation.completed",
        "--payload",
        "full",
        "--header",
        "X-Key: planted",
        "--description",
        "ours",
        "--rate",
        "7",
        "--concurrency",
        "2",
    ]);
    let id = made["id"].as_str().unwrap();
    assert!(
        made["secret"].as_str().unwrap().starts_with("whsec_"),
        "{made}"
    );
    let second = shell.text(&["endpoints", "add", &url, "--output", "table"]);
    assert!(
        second.trim().starts_with("whsec_") && second.lines().count() == 1,
        "{second}"
    );
    let listed = shell.json(&["endpoints", "list"]);
    let first = &listed["endpoints"][1];
    assert_eq!(
        (&first["id"], &first["payload"]),
        (&made["id"], &json!("full"))
    );
    assert_eq!(
        (&first["rate_per_second"], &first["max_concurrency"]),
        (&json!(7), &json!(2))
    );
    let table = shell.text(&["endpoints", "list", "--output", "table"]);
    assert!(
        table.contains(id) && table.contains("enabled") && !table.contains("planted"),
        "{table}"
    );

    let tested = shell.json(&["endpoints", "test", id]);
    assert_eq!(tested["delivered"], true);
    let rotated = shell.json(&["endpoints", "rotate-secret", id, "--overlap", "1h"]);
    assert_ne!(rotated["secret"], made["secret"]);
    assert!(rotated["previous_secret_expires_at"].is_string());
    assert_eq!(shell.json(&["endpoints", "disable", id])["enabled"], false);
    let table = shell.text(&["endpoints", "list", "--output", "table"]);
    assert!(table.contains("disabled (by_hand)"), "{table}");
    shell.text(&["endpoints", "enable", id, "--send-missed"]);
    crm.reset().await;
    answers(&crm, 500).await;
    let output = shell.run(&["endpoints", "test", id]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["code"], "endpoint_status_500");
    let removed = shell.text(&["endpoints", "remove", id, "--output", "table"]);
    assert!(removed.contains("is removed"), "{removed}");
    let gone = shell.fails(1, &["endpoints", "remove", id]);
    assert!(gone.contains("not_found"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_endpoints_can_not_be_is_told_by_code_and_in_words() {
    let desk = Desk::open().await;
    let shell = Shell(&desk);
    let refused = shell.fails(2, &["endpoints", "add", "https://169.254.169.254/"]);
    assert!(
        refused.contains("url") && refused.contains("private"),
        "{refused}"
    );
    let url = "https://crm.example.com/";
    shell.fails(2, &["endpoints", "add"]);
    shell.fails(2, &["endpoints", "add", url, "--payload", "fat"]);
    let header = shell.fails(2, &["endpoints", "add", url, "--header", "planted"]);
    assert!(
        header.contains("Name: value") && !header.contains("planted"),
        "{header}"
    );
    shell.fails(2, &["endpoints", "explode"]);
    for (name, value, code) in [
        ("AFTERCALL_TOKEN", "ac_wrong", 1),
        ("AFTERCALL_URL", "http://127.0.0.1:9", 3),
    ] {
        let mut list = shell.command(&["endpoints", "list"]);
        let output = list.env(name, value).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {output:?}");
    }
    assert_eq!(shell.json(&["endpoints", "list"])["endpoints"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_found_and_sent_again_from_the_shell() {
    let desk = Desk::open().await;
    let shell = Shell(&desk);
    let crm = MockServer::start().await;
    answers(&crm, 410).await;
    let made = shell.json(&[
        "endpoints",
        "add",
        &crm.uri(),
        "--event",
        "conversation.completed",
    ]);
    let endpoint = made["id"].as_str().unwrap();
    let call = desk.call(40).await;
    let failed = |rows: &[Value]| rows.len() == 1 && rows[0]["status"] == "failed";
    desk.deliveries(&format!("conversation_id={call}"), failed)
        .await;
    let listed = shell.json(&[
        "deliveries",
        "list",
        "--status",
        "failed",
        "--endpoint-id",
        endpoint,
    ]);
    let delivery = listed["deliveries"][0].clone();
    let id = delivery["id"].as_str().unwrap();
    assert_eq!(delivery["conversation_id"], json!(call));
    assert_eq!(shell.json(&["deliveries", "show", id]), delivery);
    let table = shell.text(&["deliveries", "show", id, "--output", "table"]);
    assert!(
        table.contains("Attempts") && table.contains("endpoint_gone"),
        "{table}"
    );
    for (filter, count) in [
        (["--conversation-id", call.as_str()], 1),
        (["--type", "memory.changed"], 0),
        (["--status", "delivered"], 0),
        (["--since", "2999-01-01T00:00:00Z"], 0),
        (["--since", "1h"], 1),
        (["--until", "1h"], 0),
        (["--until", "2999-01-01T00:00:00Z"], 1),
        (["--event-id", delivery["event_id"].as_str().unwrap()], 1),
    ] {
        let found = shell.json(&[&["deliveries", "list"], &filter[..]].concat());
        assert_eq!(
            found["deliveries"].as_array().unwrap().len(),
            count,
            "{filter:?}"
        );
    }
    assert!(
        shell
            .fails(1, &["deliveries", "retry", id])
            .contains("endpoint_disabled")
    );
    crm.reset().await;
    answers(&crm, 200).await;
    shell.text(&["endpoints", "enable", endpoint]);
    let all = [
        "deliveries",
        "retry",
        "--endpoint-id",
        endpoint,
        "--since",
        "2026-01-01T00:00:00Z",
    ];
    assert_eq!(shell.json(&all)["retried"], 1);
    let delivered = |rows: &[Value]| rows[0]["status"] == "delivered";
    desk.deliveries(&format!("conversation_id={call}"), delivered)
        .await;
    let again = shell.text(&["deliveries", "retry", id, "--output", "table"]);
    assert!(again.contains("is sent again"), "{again}");
    let three = |rows: &[Value]| rows[0]["attempts"].as_array().unwrap().len() == 3;
    desk.deliveries(&format!("conversation_id={call}"), three)
        .await;
    shell.fails(1, &["deliveries", "show", "dlv_none"]);
    shell.fails(2, &["deliveries", "list", "--since", "yesterday"]);
    shell.fails(2, &["deliveries", "retry"]);
    shell.fails(2, &["deliveries", "retry", "--endpoint-id", endpoint]);
    shell.fails(2, &["deliveries", "list", "--limit", "0"]);
}

/// Times are also given by how long ago they were; `csv` is the export of all calls.
fn are_told_by_how_long_ago(shell: &Shell<'_>, csv: &str) {
    let recent = ["export", "--since", "1h", "--format", "csv"];
    assert_eq!(
        shell.text(&recent),
        csv,
        "all of them began within the hour"
    );
    let none = shell.text(&["export", "--since", "1s", "--format", "csv"]);
    assert_eq!(none.lines().count(), 1, "the header alone");
    // Who is refused gets no half file.
    let mut stranger = shell.command(&recent);
    let stranger = stranger
        .env("AFTERCALL_TOKEN", "ac_wrong")
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(1), "{stranger:?}");
    assert!(stranger.stdout.is_empty(), "{stranger:?}");
    for (filter, count) in [(["--since", "1h"], 3), (["--until", "1h"], 0)] {
        let found = shell.json(&[&["conversations", "list"], &filter[..]].concat());
        let found = found["conversations"].as_array().unwrap().len();
        assert_eq!(found, count, "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_exported_as_lines() {
    let desk = Desk::open().await;
    let shell = Shell(&desk);
    let mut ids = Vec::new();
    for n in 50..53 {
        let id = desk.call(n).await;
        desk.server.wait_for(&id, Duration::from_secs(30)).await;
        ids.push(id);
    }
    let since = ["export", "--since", "2026-01-01T00:00:00Z"];
    let text = shell.text(&since);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let mut exported: Vec<&str> = lines
        .iter()
        .map(|call| call["id"].as_str().unwrap())
        .collect();
    exported.reverse();
    assert_eq!(exported, ids, "the newest first");
    let whole = shell.text(&[&since[..], &["--full"]].concat());
    let whole: Value = serde_json::from_str(whole.lines().next().unwrap()).unwrap();
    let path = format!("/v1/conversations/{}", ids[2]);
    assert_eq!(whole["conversation"], desk.get(&path).await.expect(200));
    assert_eq!(whole["messages"].as_array().unwrap().len(), 4);
    assert!(!whole["memories"].as_array().unwrap().is_empty());
    let csv = shell.text(&[&since[..], &["--format", "csv"]].concat());
    let mut rows = csv.lines();
    let header = rows.next().unwrap();
    assert!(
        header.starts_with("id,source,platform,agent_id"),
        "{header}"
    );
    let columns = header.split(',').count();
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 3);
    assert!(
        rows[0].starts_with(&format!("{},voice,speechify,", ids[2])),
        "{}",
        rows[0]
    );
    // A cell may have commas of its own, between quotes.
    let quoted = Regex::new(r#""(?:[^"]|"")*""#).unwrap();
    for row in rows {
        assert_eq!(quoted.replace_all(row, "").split(',').count(), columns);
    }
    are_told_by_how_long_ago(&shell, &csv);
    let one = shell.text(&[&since[..], &["--until", "2026-01-02T00:00:00Z"]].concat());
    assert_eq!(one, "");
    assert!(
        shell
            .fails(2, &["export", "--since", "yesterday"])
            .contains("24h")
    );
    shell.fails(2, &["export"]);
    shell.fails(
        2,
        &[
            "export",
            "--since",
            "2026-01-01T00:00:00Z",
            "--format",
            "xml",
        ],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_crm_makes_its_endpoint_and_takes_what_it_failed_at_first() {
    let desk = Desk::open().await;
    let shell = Shell(&desk);
    let simulate = || {
        let mut command = shell.command(&[
            "simulate",
            "--listen",
            "127.0.0.1:0",
            "--target",
            &desk.server.url,
            "--crm",
            "flaky",
            "--calls",
            "1",
        ]);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut url = None;
        let mut line = String::new();
        while url.is_none() && said.read_line(&mut line).unwrap() > 0 {
            url = line
                .trim()
                .split_once(" CRM at ")
                .map(|(_, url)| url.to_owned());
            line.clear();
        }
        (child, said, url.unwrap())
    };
    let (mut child, mut said, url) = simulate();
    let listed = shell.json(&["endpoints", "list"]);
    assert_eq!(listed["endpoints"][0]["url"], json!(url));
    let call = desk.call(60).await;
    let delivered =
        |rows: &[Value]| !rows.is_empty() && rows.iter().all(|row| row["status"] == "delivered");
    let rows = desk
        .deliveries(&format!("conversation_id={call}"), delivered)
        .await;
    let (ledger, _) = url.split_once("/flaky").unwrap();
    let got: Value = reqwest::get(ledger).await.unwrap().json().await.unwrap();
    let attempts: usize = rows
        .iter()
        .map(|row| row["attempts"].as_array().unwrap().len())
        .sum();
    let summary = &got["summary"];
    assert_eq!(summary["events"], rows.len());
    assert_eq!(
        (&summary["delivered"], &summary["repeated"]),
        (&json!(rows.len()), &json!(0))
    );
    assert_eq!(
        (&summary["attempts"], &summary["verified"]),
        (&json!(attempts), &json!(attempts))
    );
    let pid = child.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    child.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("The CRM got"), "{rest}");
    let wrong = shell.fails(2, &["simulate", "--crm", "moody"]);
    assert!(
        wrong.contains("steady, flaky, slow, silent, dead"),
        "{wrong}"
    );
}
