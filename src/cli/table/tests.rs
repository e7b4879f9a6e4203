use std::time::Duration;

use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);
const LETTER: &str = "dl_6yp8frrbyz1pdr5y26p5jeh1w5";
const CALL: &str = "conv_01jxd5y165f62a0v7gtr6bkg56";

/// What `aftercall dead list` shows.
fn letters() -> Table {
    let mut table = Table::new([
        Column::word("id"),
        Column::time("last at").spare(1),
        Column::word("state").spare(4),
        Column::word("source").spare(5),
        Column::word("conversation").spare(3),
        Column::word("code"),
        Column::number("attempts").spare(6),
    ]);
    let last_at = NOW.minus(Duration::from_secs(200)).to_string();
    for attempts in ["1", "10"] {
        let cells = [
            LETTER,
            &last_at,
            "dead",
            "acme-voice",
            CALL,
            "platform_unavailable",
            attempts,
        ];
        table.row(cells.map(str::to_owned));
    }
    table
}

#[test]
fn no_id_time_or_word_is_broken_at_any_width() {
    let expected: [(usize, &[&str]); 5] = [
        (60, &["last at", "source", "conversation", "attempts"]),
        (80, &["source", "conversation"]),
        (100, &["state", "source", "attempts"]),
        (120, &["attempts"]),
        (160, &[]),
    ];
    for (room, left_out) in expected {
        let drawn = letters().drawn(Some(room), NOW);
        let lines: Vec<_> = drawn.text.lines().collect();
        assert_eq!(lines.len(), 3, "one line a row at {room}:\n{}", drawn.text);
        for line in &lines {
            assert!(terminal::width(line) <= room, "{room}:\n{}", drawn.text);
        }
        for row in &lines[1..] {
            let words: Vec<_> = row.split_whitespace().collect();
            assert!(
                row.starts_with(LETTER) && words.contains(&"platform_unavailable"),
                "{row}"
            );
            let at = ["3 min ago", "2026-05-28T20:23:20.000Z"];
            let is_told = at.iter().any(|at| row.contains(at));
            assert_eq!(is_told, room > 60, "{row}");
        }
        assert_eq!(drawn.left_out, left_out, "{room}:\n{}", drawn.text);
    }
}

#[test]
fn in_a_pipe_everything_is_whole() {
    let drawn = letters().drawn(None, NOW);
    assert!(drawn.left_out.is_empty());
    let first = drawn.text.lines().nth(1).unwrap();
    for cell in [LETTER, CALL, "2026-05-28T20:23:20.000Z", "acme-voice"] {
        assert!(first.contains(cell), "{first}");
    }
    let mut long = Table::new([Column::text("message")]);
    long.row(["word ".repeat(100)]);
    assert_eq!(long.drawn(None, NOW).text.lines().count(), 2);
}

#[test]
fn text_is_wrapped_beside_what_is_not() {
    let said =
        "I can only do mornings, as I take the children to school at eight on every other day.";
    for room in [40, 60, 80] {
        let mut table = Table::new([Column::word("role"), Column::text("content")]);
        table.row(["user".to_owned(), said.to_owned()]);
        let drawn = table.drawn(Some(room), NOW).text;
        assert!(
            drawn.lines().all(|line| terminal::width(line) <= room),
            "{drawn}"
        );
        assert!(
            drawn.lines().nth(2).unwrap().starts_with("      "),
            "{drawn}"
        );
        let words: Vec<_> = drawn
            .lines()
            .skip(1)
            .flat_map(str::split_whitespace)
            .collect();
        assert_eq!(words.join(" "), format!("user {said}"));
    }
}

#[test]
fn what_says_nothing_goes_first_and_is_not_missed() {
    let mut table = Table::new([
        Column::word("id"),
        Column::time("next attempt").spare(1),
        Column::word("conversation").spare(2),
    ]);
    table.row([LETTER, "", CALL].map(str::to_owned));
    let drawn = table.drawn(Some(70), NOW);
    assert!(drawn.text.contains(CALL), "{}", drawn.text);
    assert!(drawn.left_out.is_empty(), "{drawn:?}");
}

#[test]
fn numbers_stand_at_the_right() {
    let drawn = letters().drawn(None, NOW).text;
    let ends: Vec<_> = drawn
        .lines()
        .map(|line| line.rsplit("  ").next().unwrap())
        .collect();
    assert_eq!(ends, ["ATTEMPTS", "1", "10"]);
    let widths: Vec<_> = drawn.lines().map(terminal::width).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{drawn}");
}

#[test]
fn fields_come_in_the_order_that_is_asked_for() {
    let object =
        json!({"attempts": [], "code": "x", "id": LETTER, "newer": 1, "none": null, "empty": ""});
    let table = Table::of_fields(&object, &["id", "state", "code"]);
    let names: Vec<_> = table.rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, ["id", "code", "newer"]);
    let drawn = table.drawn(Some(40), NOW).text;
    assert!(drawn.contains(LETTER), "{drawn}");
}
