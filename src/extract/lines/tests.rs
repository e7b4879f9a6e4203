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

/// Runs over the development set, where it lies beside the project, and leaves what was found in
/// `target/eval/` for `score.py`. Every observation must be carried by its quote.
#[test]
fn the_development_set_is_grounded() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = std::env::var_os("AFTERCALL_SHARED")
        .map_or_else(|| root.join("../shared"), std::path::PathBuf::from);
    let Ok(folder) = std::fs::read_dir(shared.join("eval/dev")) else {
        println!("skipped: there is no development set beside the project");
        return;
    };
    let target = root.join("target/eval");
    std::fs::create_dir_all(&target).unwrap();
    let mut dropped = Vec::new();
    for file in folder {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.starts_with("transcripts-") {
            continue;
        }
        let input = io::BufReader::new(std::fs::File::open(&path).unwrap());
        let output = std::fs::File::create(target.join(&name)).unwrap();
        let summary = run(input, io::BufWriter::new(output), &options()).unwrap();
        dropped.push((name, summary.dropped));
    }
    assert!(
        dropped.iter().all(|(_, dropped)| *dropped == 0),
        "{dropped:?}"
    );
}
