use std::time::Duration;

use futures::executor::block_on;
use serde_json::json;
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::config;

fn options(readers: Readers) -> Options {
    Options {
        readers,
        zone: TimeZone::UTC,
        region: "US".to_owned(),
    }
}

/// The lines written, what was done, and what was wrong.
fn extract(input: &[u8]) -> (Vec<Value>, Summary, Vec<String>) {
    block_on(extract_by(Readers::Rules, input))
}

async fn extract_by(readers: Readers, input: &[u8]) -> (Vec<Value>, Summary, Vec<String>) {
    let (mut output, mut bad) = (Vec::new(), Vec::new());
    let options = options(readers);
    let told = run(input, &mut output, &options, |trouble| {
        bad.push(trouble.to_string());
    });
    let summary = told.await.unwrap();
    let lines = String::from_utf8(output).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (lines, summary, bad)
}

#[test]
fn a_line_in_is_a_line_out() {
    let (lines, summary, bad) = extract(
        "\u{feff}{\"conversation\":{\"id\":\"c1\"},\"messages\":[]}\n\n{\"conversation\":{\"id\":\"c2\"}}".as_bytes(),
    );
    assert_eq!(bad, [""; 0]);
    assert_eq!(summary.conversations, 2);
    assert_eq!(
        lines[0],
        serde_json::json!({"conversation_id": "c1", "observations": []})
    );
    assert_eq!(lines[1]["conversation_id"], "c2");
}

#[test]
fn a_bad_line_is_named_without_its_content_and_loses_nothing_else() {
    for (bad, error) in [
        (&b"{\"secret words"[..], "line 2: not JSON, at column 14"),
        (b"\xff\xfe", "line 2: not JSON, at column 1"),
        (
            b"[]",
            "line 2: want {\"conversation\":{\"id\":…},\"messages\":[…]}",
        ),
        (
            b"{\"conversation\":{}}",
            "line 2: `conversation.id` is missing or no id",
        ),
        (
            b"{\"conversation\":{\"id\":\"c\",\"started_at\":\"noon\"}}",
            "line 2: `started_at`: not an RFC 3339 time such as 2026-01-31T09:30:00Z",
        ),
        (
            b"{\"conversation\":{\"id\":\"c\"},\"messages\":[{\"id\":\"m\"}]}",
            "line 2: `messages[0].role` is missing",
        ),
    ] {
        let good = b"{\"conversation\":{\"id\":\"c1\"}}\n";
        let (lines, summary, errors) = extract(&[good, bad, b"\n", good].concat());
        assert_eq!(errors, [error]);
        assert_eq!(lines.len(), 2);
        assert_eq!((summary.conversations, summary.failed), (2, 1));
    }
}

#[test]
fn a_call_that_does_not_say_when_it_was_gets_no_date_from_us() {
    let line = |times: &str| {
        format!(
            r#"{{"conversation":{{"id":12{times}}},"messages":[
            {{"id":7,"role":"user","content":"My name is Ana Lopez."}},
            {{"id":8,"role":"assistant","content":"You are booked for tomorrow at 2:30 pm."}}]}}"#
        )
        .replace('\n', "")
    };
    let (lines, _, bad) = extract(line("").as_bytes());
    assert_eq!(bad, [""; 0]);
    assert_eq!(lines[0]["conversation_id"], "12");
    assert_eq!(slots(&lines[0]), ["identity.name"]);
    let said = &lines[0]["observations"][0];
    assert_eq!(
        (&said["said_at"], &said["message_ids"]),
        (&Value::Null, &json!(["7"]))
    );
    let (lines, _, _) = extract(line(r#","started_at":"2026-03-02T10:00:00Z""#).as_bytes());
    assert_eq!(slots(&lines[0]), ["identity.name", "appointment"]);
    let said = &lines[0]["observations"];
    assert_eq!(said[0]["said_at"], "2026-03-02T10:00:00.000Z");
    assert_eq!(said[1]["value"]["date"], "2026-03-03");
    // A day that the words name whole is one at any time.
    let whole = line("").replace("tomorrow", "March 4th, 2026");
    let (lines, _, _) = extract(whole.as_bytes());
    assert_eq!(slots(&lines[0]), ["identity.name", "appointment"]);
    assert_eq!(lines[0]["observations"][1]["value"]["date"], "2026-03-04");
}

fn model(url: &str, alone: bool) -> Readers {
    // A second installation is refused, and the first one serves.
    drop(rustls::crypto::ring::default_provider().install_default());
    let settings = config::Llm {
        base_url: format!("{url}/v1"),
        model: "m".to_owned(),
        api_key: None,
        timeout: Duration::from_secs(5),
    };
    Readers::Model(Box::new(Llm::new(&settings, alone).unwrap()))
}

/// Calls in which a caller says who they are, what they eat, and which order they mean.
fn calls(many: usize) -> Vec<u8> {
    let words = "My name is Ann Lee, my order number is 44171, and I am vegetarian.";
    let line = |n| {
        json!({"conversation": {"id": format!("c{n}")},
               "messages": [{"id": "m", "role": "user", "content": words}]})
    };
    let lines: Vec<String> = (0..many).map(|n| line(n).to_string()).collect();
    lines.join("\n").into_bytes()
}

fn slots(line: &Value) -> Vec<&str> {
    let found = line["observations"].as_array().unwrap();
    found
        .iter()
        .map(|one| one["slot"].as_str().unwrap())
        .collect()
}

#[test]
fn nobody_finds_nothing_and_every_line_is_answered() {
    let (lines, summary, _) = block_on(extract_by(Readers::Nobody, &calls(2)));
    assert_eq!((lines.len(), summary.observations), (2, 0));
}

#[tokio::test]
async fn a_model_reads_beside_the_rules_or_instead_of_them() {
    let server = MockServer::start().await;
    let fact = |slot: &str, value: &str, quote: &str| {
        json!({"slot": slot, "topic": "", "value": value, "date": null, "time": null,
               "op": "assert", "messages": [0], "quote": quote})
    };
    let answer = json!({
        "facts": [
            fact("preference.dietary", "vegetarian", "I am vegetarian"),
            fact("contact.city", "Oslo", "I am vegetarian"),
        ],
        "summary": "The caller is vegetarian.",
        "call_successful": "unknown",
    });
    let completion = json!({"choices": [{"message": {"content": answer.to_string()}}]});
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(completion))
        .mount(&server)
        .await;
    // More calls than are read at once, answered in their order.
    let (lines, summary, told) = extract_by(model(&server.uri(), false), &calls(6)).await;
    assert_eq!(told, [""; 0]);
    assert_eq!((summary.conversations, summary.unread), (6, 0));
    // The city that nobody named did not stand.
    assert_eq!(summary.dropped, 6);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(line["conversation_id"], format!("c{n}"));
        let slots = slots(line);
        for slot in ["identity.name", "identifier.order", "preference.dietary"] {
            assert!(slots.contains(&slot), "{line}");
        }
    }
    let (lines, ..) = extract_by(model(&server.uri(), true), &calls(1)).await;
    assert_eq!(slots(&lines[0]), ["identifier.order", "preference.dietary"]);
}

#[tokio::test]
async fn a_dead_model_costs_no_finding_and_is_not_asked_for_ever() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(500))
        .mount(&server)
        .await;
    let (by_rules, ..) = extract_by(Readers::Rules, &calls(20)).await;
    let (lines, summary, told) = extract_by(model(&server.uri(), true), &calls(20)).await;
    assert_eq!(lines, by_rules);
    assert_eq!(summary.unread, 20);
    assert_eq!(told.len(), PATIENCE);
    assert!(
        told.iter().all(|trouble| !trouble.contains("Ann")),
        "{told:?}"
    );
}
