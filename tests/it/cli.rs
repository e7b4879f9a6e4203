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
        &["serve", "--listen", "nonsense"],
        &["simulate", "--listen", "x"],
        &["simulate", "--target", "zzz"],
        &["serve", "--config", "/nonexistent.toml"],
        &["check", "--config", "."],
        &["extract", "--input", "."],
        &["endpoints", "add", "--url", "http://127.0.0.1:1"],
        &["conversations", "show", ".."],
        &["dead", "show", "."],
        &["tokens", "revoke", "", "--yes"],
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
fn a_carriers_delivery_is_judged_though_nobody_says_where_it_was_sent() {
    let folder = tempfile::tempdir().unwrap();
    let body = "CallSid=CA1&CallStatus=completed";
    let settings = "[[sources]]\nname = \"tw\"\nplatform = \"twilio\"\n\
                    webhook.secrets = [\"planted\"]\n";
    std::fs::write(folder.path().join("aftercall.toml"), settings).unwrap();
    std::fs::write(folder.path().join("body"), body).unwrap();
    let judge = |signed_url: &str, more: &[&str]| {
        let secret = aftercall::secret::Secret::new("planted").unwrap();
        let signature =
            aftercall::signature::url_hmac::twilio::sign(&secret, signed_url, body.as_bytes());
        let headers = format!(
            "Host: calls.example.com\nX-Forwarded-Proto: https\nX-Twilio-Signature: {signature}\n"
        );
        std::fs::write(folder.path().join("headers"), headers).unwrap();
        let mut args = vec!["verify", "--source", "tw", "--headers", "headers"];
        args.extend(["--body", "body", "--explain", "--output", "json"]);
        args.extend(more);
        let output = aftercall(folder.path(), &args);
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (
            output.status.code(),
            answer["checks"][0].clone(),
            said(&output).1,
        )
    };
    let usual = "https://calls.example.com/webhooks/tw";
    let (code, first, _) = judge(usual, &[]);
    assert_eq!((code, &first["part"]), (Some(0), &serde_json::json!("url")));
    let assumed = format!("taken to be {usual}, for");
    assert!(
        first["detail"].as_str().unwrap().contains(&assumed),
        "{first}"
    );

    let other = "https://calls.example.com/hook?a=1";
    let (code, first, _) = judge(other, &[]);
    assert_eq!(code, Some(1));
    assert!(
        first["detail"].as_str().unwrap().contains("say --url"),
        "{first}"
    );
    // What is said goes before what the headers say.
    let (code, first, _) = judge(other, &["--url", other]);
    assert_eq!(
        (code, &first["part"]),
        (Some(0), &serde_json::json!("header"))
    );
    let (code, _, told) = judge(other, &["--url", "nonsense"]);
    assert_eq!(code, Some(2));
    assert!(
        told.contains("expected the whole URL, as https://"),
        "{told}"
    );
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
