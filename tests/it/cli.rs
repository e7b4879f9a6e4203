//! The binary as a user meets it: exit codes, what is said, and where.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

fn aftercall(folder: &std::path::Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .current_dir(folder)
        .args(args)
        .env_clear()
        .output()
        .unwrap()
}

fn said(output: &Output) -> (String, String) {
    (
        String::from_utf8(output.stdout.clone()).unwrap(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for args in [
        &["nonsense"][..],
        &["serve", "--role", "king"],
        &["memories", "show", "--agent-id", "a"],
        &["conversations", "list", "--output", "xml"],
        &[
            "tokens",
            "create",
            "--name",
            "x",
            "--scope",
            "admin",
            "--expires",
            "soon",
        ],
    ] {
        let output = aftercall(folder.path(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
    }
}

#[test]
fn nobody_there_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    for args in [
        &["conversations", "list", "--url", &url][..],
        &["tokens", "list", "--url", &url],
        &[
            "memories",
            "context",
            "--url",
            &url,
            "--agent-id",
            "a",
            "--caller-identity",
            "b",
        ],
    ] {
        let output = aftercall(folder.path(), args);
        assert_eq!(output.status.code(), Some(3), "{args:?}: {output:?}");
        assert!(said(&output).1.contains("aftercall serve"), "{output:?}");
    }
}

#[test]
fn check_tells_everything_wrong_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let output = aftercall(folder.path(), &["check", "--output", "json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(answer["checks"].as_array().unwrap().len() >= 5, "{answer}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let wrong = "[server]\nlisten = \"x\"\nlisen = \"y\"\n";
    std::fs::write(folder.path().join("aftercall.toml"), wrong).unwrap();
    let output = aftercall(folder.path(), &["check", "--output", "table"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let (told, _) = said(&output);
    assert!(told.contains("did you mean server.listen?"), "{told}");
    assert!(told.contains("host and port"), "{told}");
}

#[test]
fn an_unknown_source_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["verify", "--source", "x", "--headers", "h", "--body", "b"];
    let output = aftercall(folder.path(), &args);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).1.contains("no source is configured"));
}

#[test]
fn shells_and_man_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let output = aftercall(folder.path(), &["completion", "bash"]);
    assert!(said(&output).0.contains("complete -F"), "{output:?}");
    let output = aftercall(folder.path(), &["man"]);
    assert!(said(&output).0.contains(".TH aftercall 1"), "{output:?}");
    let to = folder.path().join("pages");
    let output = aftercall(folder.path(), &["man", "--to", to.to_str().unwrap()]);
    assert!(output.status.success(), "{output:?}");
    assert!(to.join("aftercall-conversations-list.1").exists());
}

#[test]
fn a_running_server_is_asked_with_its_own_token() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .current_dir(folder.path())
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    let (_, url) = first.trim().split_once("listens on ").unwrap();
    let ask = |args: &[&str]| {
        let args = [args, &["--url", url]].concat();
        aftercall(folder.path(), &args)
    };

    let output = ask(&["conversations", "list"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["conversations"], serde_json::json!([]));

    let made = ask(&[
        "tokens",
        "create",
        "--name",
        "crm",
        "--scope",
        "memories:read",
        "--output",
        "table",
    ]);
    assert!(said(&made).0.starts_with("ac_"), "{made:?}");
    let listed = ask(&["tokens", "list", "--output", "table"]);
    assert!(said(&listed).0.contains("memories:read"), "{listed:?}");

    let output = ask(&["conversations", "show", "conv_nobody"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).1.contains("not_found"), "{output:?}");

    // A value that only the server can judge is as wrong as one that the flag refuses.
    let output = ask(&["conversations", "list", "--status", "nope"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");

    // Elsewhere there is no token, and that is what is said.
    let elsewhere = tempfile::tempdir().unwrap();
    let output = aftercall(elsewhere.path(), &["tokens", "list", "--url", url]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said(&output).1.contains("no token"), "{output:?}");

    server.kill().unwrap();
    server.wait().unwrap();
}
