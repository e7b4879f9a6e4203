//! What an operator does about letters, with the real binary against a real server.

use std::io::{Read as _, Write as _};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Platform, Server, completed_body, conversation_id, finished_call, talk};

fn dead(server: &Server, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_aftercall"))
        .arg("dead")
        .args(args)
        .current_dir(server.folder.path())
        .env("AFTERCALL_URL", &server.url)
        .env("AFTERCALL_TOKEN", server.admin_token())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn json_of(server: &Server, args: &[&str]) -> Value {
    let output = dead(server, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The same of a command that says by its exit code that letters failed again.
fn failing(server: &Server, args: &[&str]) -> Value {
    let output = dead(server, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Waits until as many letters are in the state.
async fn wait_for(server: &Server, state: &str, count: usize) -> Value {
    let started = Instant::now();
    loop {
        let found = json_of(server, &["list", "--state", state]);
        if found["dead_letters"].as_array().unwrap().len() == count {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(15), "{found}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn letters_are_found_understood_and_put_back_to_work() {
    let platform = Platform::start().await;
    let settings = "[finalize]\ngrace = \"0s\"\nmax_wait = \"1s\"";
    let server = Server::start(&platform, settings).await;
    let id = conversation_id(1);
    let mut call = finished_call(&id, "sip_+14155550123", Some("caller_hangup"));
    call["status"] = json!("active");
    platform.add(call.clone(), talk("Hello."));
    server.post_signed(completed_body(&id)).await.unwrap();
    let (status, parked) = server.post_signed(b"{not json".to_vec()).await.unwrap();
    assert_eq!((status, &parked["status"]), (200, &json!("parked")));
    wait_for(&server, "dead", 2).await;

    let groups = json_of(&server, &["groups"]);
    let mut codes: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, ["not_over", "unreadable_body"]);
    let told = dead(&server, &["groups", "--output", "table"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("2 letters, 2 causes\n"), "{told}");

    let parked = parked["dead_letter_id"].as_str().unwrap();
    let shown = json_of(&server, &["show", parked, "--body"]);
    assert_eq!(shown["body"], "{not json");
    assert_eq!(shown["platform"], "speechify");
    let still = failing(&server, &["replay", parked]);
    assert_eq!(
        (&still["status"], &still["failed"]),
        (&json!("completed"), &json!(1))
    );
    assert_eq!(json_of(&server, &["discard", parked])["state"], "discarded");

    let dry = json_of(&server, &["replay", "--code", "not_over", "--dry-run"]);
    assert_eq!(
        (&dry["total"], &dry["effects"]["would_fail"]),
        (&json!(1), &json!(1))
    );
    assert!(
        dry["examples"][0]["note"]
            .as_str()
            .unwrap()
            .starts_with("not_over")
    );
    let unasked = dead(&server, &["replay", "--code", "not_over"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let before = wait_for(&server, "dead", 1).await["dead_letters"][0].take();
    assert_eq!(before["conversation_id"], id.as_str());

    // The platform still says so: the same letter, with one attempt more.
    let replay = ["replay", "--code", "not_over", "--yes"];
    assert_eq!(failing(&server, &replay)["failed"], 1);
    let again = wait_for(&server, "dead", 1).await["dead_letters"][0].take();
    assert_eq!(again["id"], before["id"]);
    let attempts = |letter: &Value| letter["attempts"].as_array().unwrap().len();
    assert_eq!(attempts(&again), attempts(&before) + 1);

    call["status"] = json!("completed");
    platform.add(call, talk("My name is Dana Cruz."));
    let dry = json_of(&server, &["replay", "--code", "not_over", "--dry-run"]);
    assert_eq!(dry["effects"]["would_run"], 1);
    assert_eq!(
        dry["effects"]["end_reason_changes"],
        json!([{"from": null, "to": "caller_hangup", "count": 1}])
    );
    assert_eq!(dry["effects"]["would_add_facts"], 1);
    let (_, none) = server.get("/v1/conversations").await;
    assert_eq!(none["conversations"], json!([]), "looking changes nothing");
    let done = json_of(&server, &replay);
    assert_eq!(
        (&done["status"], &done["succeeded"]),
        (&json!("completed"), &json!(1))
    );
    wait_for(&server, "resolved", 1).await;
    let call = server.wait_for(&id, Duration::from_secs(15)).await;
    assert_eq!(call["end_reason"], "caller_hangup");
    let table = dead(&server, &["list", "--state", "dead", "--output", "table"]);
    assert_eq!(table.stdout, b"No dead letters.\n");
    let none = dead(&server, &["list", "--state", "nonsense"]);
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[tokio::test]
async fn what_the_platform_was_not_asked_about_is_counted_apart() {
    let platform = Platform::start().await;
    let settings = "[finalize]\ngrace = \"0s\"\nmax_wait = \"1s\"";
    let server = Server::start(&platform, settings).await;
    for n in 1..=27 {
        let id = conversation_id(n);
        let mut call = finished_call(&id, "sip_+14155550123", Some("caller_hangup"));
        call["status"] = json!("active");
        platform.add(call, talk("Hello."));
        server.post_signed(completed_body(&id)).await.unwrap();
    }
    wait_for(&server, "dead", 27).await;
    let dry = json_of(&server, &["replay", "--code", "not_over", "--dry-run"]);
    let effects = &dry["effects"];
    let counts = ["looked_at", "would_run", "would_fail", "not_asked"];
    assert_eq!(
        counts.map(|name| effects[name].as_u64().unwrap()),
        [27, 0, 25, 2]
    );
    let last = &dry["examples"][26];
    assert_eq!(last["effect"], "not_asked");
    assert!(last["note"].as_str().unwrap().contains("was not asked"));
}

/// A command at a terminal of its own, where somebody types this.
fn at_a_terminal(server: &Server, command: &str, typed: &str) -> Option<String> {
    let line = format!("{} {command}", env!("CARGO_BIN_EXE_aftercall"));
    let started = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(server.folder.path())
        .env("AFTERCALL_URL", &server.url)
        .env("AFTERCALL_TOKEN", server.admin_token())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut terminal) = started else {
        println!("skipped: no `script` here to make a terminal with");
        return None;
    };
    let mut keys = terminal.stdin.take().unwrap();
    writeln!(keys, "{typed}").unwrap();
    let mut shown = String::new();
    let mut screen = terminal.stdout.take().unwrap();
    screen.read_to_string(&mut shown).unwrap();
    drop(keys);
    terminal.wait().unwrap();
    Some(shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_t_be_taken_back_is_asked_about_at_a_terminal() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, "").await;
    server.post_signed(b"{not json".to_vec()).await.unwrap();
    let letters = wait_for(&server, "dead", 1).await;
    let id = letters["dead_letters"][0]["id"].as_str().unwrap();
    let discard = format!("dead discard {id}");
    let Some(shown) = at_a_terminal(&server, &discard, "n") else {
        return;
    };
    assert!(shown.contains(&format!("Discard {id}? [y/N]")), "{shown}");
    assert!(shown.contains("Nothing was done."), "{shown}");
    wait_for(&server, "dead", 1).await;
    for (command, question) in [
        ("dead discard --fault ours", "No dead letters."),
        ("dead discard --state dead", "Discard 1 letter, 1 cause?"),
        (
            "dead replay --state dead",
            "Replay 1 letter, at 10 a second",
        ),
        (
            "callers erase --caller-identity +14155550123",
            "This takes away 0 calls",
        ),
        ("conversations forget conv_1", "Forget conv_1?"),
        (
            "memories forget --agent-id a --caller-identity +14155550123",
            "Forget +14155550123?",
        ),
        ("tokens revoke token_1", "Revoke token_1?"),
        ("endpoints remove ep_1", "Remove ep_1?"),
    ] {
        let shown = at_a_terminal(&server, command, "").unwrap();
        assert!(shown.contains(question), "{command}: {shown}");
    }
    wait_for(&server, "dead", 1).await;
    let shown = at_a_terminal(&server, &discard, "y").unwrap();
    assert!(shown.contains("is discarded"), "{shown}");
    wait_for(&server, "dead", 0).await;
}
