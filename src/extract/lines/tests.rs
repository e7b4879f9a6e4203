use super::*;

fn options() -> Options {
    Options {
        zone: TimeZone::UTC,
        region: "US".to_owned(),
    }
}

/// The lines written, what was done, and what was wrong.
fn extract(input: &[u8]) -> (Vec<Value>, Summary, Vec<String>) {
    let (mut output, mut bad) = (Vec::new(), Vec::new());
    let summary = run(input, &mut output, &options(), |line| {
        bad.push(line.to_string());
    })
    .unwrap();
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
