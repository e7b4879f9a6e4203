//! How the demo's report looks: a line a call while it runs, a table at the end.

use std::io::IsTerminal;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width,
    presets,
};

use super::crm::Told;
use super::judge::Found;
use super::report::{CallReport, Report, value_text};
use crate::cli::output::printable;
use crate::simulate::script::Answered;
use crate::telemetry;

/// The widest that the table gets, in columns, and how wide it is in a pipe.
const WIDTH: u16 = 100;

/// The narrowest: below, its columns have no room for a word.
const NARROWEST: u16 = 80;

/// The widths of the columns; titles are cut into two lines, as other cells have two.
const WIDTHS: [Option<u16>; 6] = [Some(3), Some(18), Some(12), Some(24), None, Some(11)];

/// What the second line of "Why it ended" means.
const LEGEND: &str = "platform: in its own word · observed: seen in the room · fallback: nobody said, the rule decides";

/// What the reader's device can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// It is a terminal: lines may be drawn.
    terminal: bool,
    /// It is one, and nobody asked for `NO_COLOR`.
    colours: bool,
}

impl Look {
    /// What can be written to `stream`.
    pub(super) fn of(stream: &impl IsTerminal) -> Self {
        let terminal = stream.is_terminal();
        Self {
            terminal,
            colours: terminal && telemetry::no_color().is_none(),
        }
    }
}

/// The line that says that a call has come through.
pub(super) fn progress(call: &CallReport, look: Look) -> String {
    let ok = call.differences.is_empty();
    let outcome = match &call.found {
        Some(found) => format!("{} ({})", reason(found), source(found)),
        None => answers(call),
    };
    let mark = match (ok, look.colours) {
        (true, true) => "\x1b[32m✓\x1b[0m",
        (false, true) => "\x1b[31m✗\x1b[0m",
        (true, false) => "✓",
        (false, false) => "✗",
    };
    let tenths = call.elapsed_ms / 100;
    let (seconds, tenth) = (tenths / 10, tenths % 10);
    format!(
        "  {mark} {:<26} {seconds:>2}.{tenth} s  {outcome}",
        call.title
    )
}

/// The table of all calls.
pub(super) fn render(report: &Report, look: Look) -> String {
    let mut table = Table::new();
    table
        .load_style(if look.terminal {
            presets::UTF8_HORIZONTAL_ONLY
        } else {
            presets::ASCII_HORIZONTAL_ONLY
        })
        .set_content_arrangement(ContentArrangement::Dynamic);
    // Asked before styling is switched off, which also hides the terminal's width.
    let width = table
        .width()
        .map_or(WIDTH, |width| width.clamp(NARROWEST, WIDTH));
    if look.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table.set_width(width);
    table.set_header(
        [
            "",
            "A finished call",
            "Webhooks",
            "Why it ended",
            "What is remembered",
            "The CRM",
        ]
        .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
    );
    for call in &report.calls {
        table.add_row(row(call));
    }
    // What is remembered has what is left. A column's width has a blank on either side.
    for (column, width) in table.column_iter_mut().zip(WIDTHS) {
        if let Some(width) = width {
            column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        }
    }
    format!("{}\n{LEGEND}", table.trim_fmt())
}

fn row(call: &CallReport) -> Vec<Cell> {
    let ok = call.differences.is_empty();
    let mark = if ok {
        Cell::new("✓").fg(Color::Green)
    } else {
        Cell::new("✗").fg(Color::Red)
    };
    let ended = match &call.found {
        Some(found) => ended(found),
        None => "–".to_owned(),
    };
    vec![
        mark.set_alignment(CellAlignment::Center),
        Cell::new(&call.title),
        Cell::new(answers(call)),
        Cell::new(ended),
        Cell::new(remembered(call)),
        Cell::new(crm(call)),
    ]
}

fn answers(call: &CallReport) -> String {
    let all = [
        Answered::Accepted,
        Answered::Ignored,
        Answered::Parked,
        Answered::Refused,
    ];
    let mut lines: Vec<String> = all
        .iter()
        .map(|answer| (call.answered(*answer), answer.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if call.copies > 0 {
        lines.push(format!("{} absorbed", call.copies));
    }
    if call.listed {
        lines.push("none sent".to_owned());
    }
    if lines.is_empty() {
        lines.push("not answered".to_owned());
    }
    lines.join("\n")
}

fn crm(call: &CallReport) -> String {
    let Told {
        delivered,
        attempts,
        verified,
        ..
    } = call.crm;
    if attempts == 0 {
        return "–".to_owned();
    }
    let events = if delivered == 1 { "event" } else { "events" };
    let proved = if verified == attempts {
        "verified".to_owned()
    } else {
        format!("{verified} verified")
    };
    let tries = if attempts == 1 { "try" } else { "tries" };
    format!("{delivered} {events}\n{attempts} {tries},\n{proved}")
}

fn ended(found: &Found) -> String {
    let text = format!("{}\n{}", reason(found), source(found));
    match found.retries {
        0 => text,
        1 => format!("{text}, 1 retry"),
        more => format!("{text}, {more} retries"),
    }
}

fn reason(found: &Found) -> &str {
    found.end_reason.as_deref().unwrap_or("unknown")
}

fn source(found: &Found) -> &str {
    found.end_reason_source.as_deref().unwrap_or("not settled")
}

fn remembered(call: &CallReport) -> String {
    let Some(found) = &call.found else {
        return "–".to_owned();
    };
    let mut lines: Vec<String> = found
        .memories
        .iter()
        .map(|held| {
            let slot = held.slot.split_once('.');
            let name = slot.map_or(held.slot.as_str(), |(_, name)| name);
            let value = printable(&value_text(&held.value));
            // The slot's name says it already.
            let value = value.strip_prefix("call back ").unwrap_or(&value);
            format!("{}: {value}", name.replace('_', " "))
        })
        .collect();
    lines.extend(found.superseded.iter().map(|held| {
        let value = printable(&value_text(&held.value));
        format!("no longer: {value}")
    }));
    match (&found.skipped, lines.is_empty()) {
        (Some(why), true) => format!("nothing: {}", printable(why)),
        (None, true) => "nothing".to_owned(),
        _ => lines.join("\n"),
    }
}

#[cfg(test)]
mod tests;
