use super::*;

fn options() -> Options {
    Options {
        zone: TimeZone::UTC,
        region: "US".to_owned(),
    }
}

fn extract(input: &str) -> Result<(Vec<Value>, Summary), LinesError> {
    let mut output = Vec::new();
    let summary = run(input.as_bytes(), &mut output, &options())?;
    let lines = String::from_utf8(output).unwrap();
    Ok((
        lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
        summary,
    ))
}

#[test]
fn a_line_in_is_a_line_out() {
    let (lines, summary) = extract(
        "\u{feff}{\"conversation\":{\"id\":\"c1\"},\"messages\":[]}\n\n{\"conversation\":{\"id\":\"c2\"}}\n",
    )
    .unwrap();
    assert_eq!(summary.conversations, 2);
    assert_eq!(
        lines[0],
        serde_json::json!({"conversation_id": "c1", "observations": []})
    );
    assert_eq!(lines[1]["conversation_id"], "c2");
}

#[test]
fn an_error_names_its_line_and_no_content() {
    for (bad, error) in [
        ("{\"secret words", "line 2, column 14: not JSON"),
        (
            "[]",
            "line 2: want {\"conversation\":{\"id\":…},\"messages\":[…]}",
        ),
        (
            "{\"conversation\":{}}",
            "line 2: `conversation.id` is missing or no id",
        ),
        (
            "{\"conversation\":{\"id\":\"c\",\"started_at\":\"noon\"}}",
            "line 2: `started_at`: not an RFC 3339 time such as 2026-01-31T09:30:00Z",
        ),
        (
            "{\"conversation\":{\"id\":\"c\"},\"messages\":[{\"id\":\"m\"}]}",
            "line 2: `messages[0].role` is missing",
        ),
    ] {
        let input = format!("{{\"conversation\":{{\"id\":\"c1\"}}}}\n{bad}\n");
        assert_eq!(extract(&input).unwrap_err().to_string(), error);
    }
}
