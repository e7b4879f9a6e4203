//! What commands write: text for people, JSON for pipes.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use serde_json::Value;

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Aligned columns
    Table,
    /// JSON, in the API's shapes
    Json,
}

/// The flag of every command that lists.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Choice {
    /// How results are written [default: a table on a terminal, JSON in a pipe]
    #[arg(long, value_enum, value_name = "FORMAT", env = "AFTERCALL_OUTPUT")]
    output: Option<Format>,
}

impl Choice {
    /// What was asked for.
    pub(super) fn asked(self) -> Option<Format> {
        self.output
    }

    /// What was asked for; else a table on a terminal and JSON in a pipe.
    pub(super) fn format(self) -> Format {
        self.output.unwrap_or(if io::stdout().is_terminal() {
            Format::Table
        } else {
            Format::Json
        })
    }
}

/// Writes to standard output. That the reader has gone, as `head` does, is no failure.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes to standard error what went wrong, with its causes.
pub(super) fn complain(error: &anyhow::Error) {
    note(&format!("aftercall: {}", told(error)));
}

/// An error and its causes, but for those that it quotes already.
fn told(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match said.as_str() {
            "" => cause,
            said if said.contains(&cause) => said.to_owned(),
            said => format!("{said}: {cause}"),
        }
    })
}

/// Writes a remark to standard error, beside the results.
pub(super) fn note(text: &str) {
    // Nobody is left to be told that nobody can be told.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes JSON, indented for people who pipe it to a file.
pub(super) fn json(value: &Value) -> anyhow::Result<()> {
    say(&serde_json::to_string_pretty(value)?)?;
    Ok(())
}

/// A field of a JSON object as a table shows it: nothing for null and absent.
pub(super) fn field(object: &Value, name: &str) -> String {
    match &object[name] {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// A number with a comma before every three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 letter`, `2 letters`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    let what = if number == 1 { one } else { many };
    format!("{} {what}", grouped(number))
}

/// A number of bytes, in the unit that keeps it short.
pub(super) fn bytes(number: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    #[expect(clippy::cast_precision_loss, reason = "it is rounded to one digit")]
    let mut number = number as f64;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0);
    format!("{number:.digits$} {}", UNITS[unit])
}

/// Text without what steers a terminal, or turns the words beside it around: callers and platforms wrote it.
pub(super) fn printable(text: &str) -> String {
    let steers =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if steers(c) { ' ' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = io::Error::other("port taken");
        let error = anyhow::Error::new(inner).context("can't listen: port taken; choose another");
        assert_eq!(told(&error), "can't listen: port taken; choose another");
        let error = anyhow::Error::new(io::Error::other("no such file")).context("headers.txt");
        assert_eq!(told(&error), "headers.txt: no such file");
    }

    #[test]
    fn what_callers_said_steers_no_terminal() {
        let text = "a\u{1b}[31mb\u{202e}c\u{2066}d\ne";
        assert_eq!(printable(text), "a [31mb c d e");
    }

    #[test]
    fn long_numbers_are_read_in_groups() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(100), "100");
        let facts = |number| counted(number, "fact", "facts");
        assert_eq!([facts(1), facts(2_000)], ["1 fact", "2,000 facts"]);
        assert_eq!(bytes(1_000), "1000 B");
        assert_eq!(bytes(5 << 20), "5.0 MiB");
    }

    #[test]
    fn fields_are_plain_text() {
        let object = json!({"a": "x\u{1b}[31m\ny", "b": null, "c": 5, "d": true});
        assert_eq!(field(&object, "a"), "x [31m y");
        assert_eq!(field(&object, "b"), "");
        assert_eq!(field(&object, "none"), "");
        assert_eq!(field(&object, "c"), "5");
        assert_eq!(field(&object, "d"), "true");
    }
}
