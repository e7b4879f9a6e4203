//! `aftercall demo` as its first user meets it: everything comes out as scripted, in time, and the
//! exit code says so.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

/// Promised is under a minute; machines that build at the same time are slower.
const PROMISED: Duration = Duration::from_mins(1);

#[test]
fn the_demo_comes_out_as_scripted() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    let output = Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .current_dir(folder.path())
        .args(["demo", "--output", "json", "--data-dir"])
        .arg(&data)
        .env_clear()
        // A variable of the shell must not reach the demo's settings.
        .env("AFTERCALL_DATABASE_URL", "postgres://nobody@127.0.0.1:9/x")
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(output.status.code(), Some(0), "{told}\n{report:#}");
    assert!(told.contains("shortened from 10 s to 1 s"), "{told}");
    assert_eq!(report["ok"], true);
    let elapsed = Duration::from_millis(report["elapsed_ms"].as_u64().unwrap());
    assert!(elapsed < PROMISED, "{elapsed:?}");
    let summary = &report["summary"];
    assert_eq!(summary["calls"], 17);
    assert_eq!(summary["finalized"], 15);
    assert_eq!(summary["found_by_asking"], 1);
    assert_eq!(summary["duplicates_absorbed"], 2);
    assert_eq!(summary["forgeries_refused"], 1);
    assert_eq!(summary["unreadable_parked"], 1);
    assert!(summary["retries"].as_u64() >= Some(3), "{summary}");
    // Each result at least; the CRM fails three of four at first, and proves who sent each.
    assert!(
        summary["events_delivered"].as_u64() >= Some(14),
        "{summary}"
    );
    assert!(
        summary["deliveries_failed"].as_u64() >= Some(9),
        "{summary}"
    );
    for call in report["calls"].as_array().unwrap() {
        let crm = &call["crm"];
        assert_eq!(crm["verified"], crm["attempts"], "{call:#}");
        assert_eq!(crm["repeated"], 0, "{call:#}");
    }
    for left in [
        "aftercall.toml",
        "aftercall-data/aftercall.db",
        "aftercall-data/admin-token",
    ] {
        assert!(data.join(left).exists(), "{left} is missing");
    }
}
