//! The terminal that results are written to: how wide it is, and text that is wrapped to it.

use std::io::{self, IsTerminal as _};

use unicode_width::UnicodeWidthStr as _;

use super::output;

/// In fewer columns nothing is fitted: one word a line helps nobody, and a terminal that says nothing of
/// its width says 0.
const NARROWEST: usize = 40;

/// A word of so many columns is never broken: no id is longer, and an address in the middle of a text is.
pub(super) const UNBROKEN: usize = 40;

/// How many columns there are to fit into; none where nobody reads along, as in a pipe or a file.
/// `COLUMNS` goes before what the terminal says of itself.
pub(super) fn room() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    judged(comfy_table::Table::new().width())
}

/// Text as far as it has room in one line of the terminal that standard error goes to.
pub(super) fn in_one_line(text: &str) -> &str {
    match judged(comfy_table::Table::new().use_stderr().width()) {
        Some(room) => &text[..cut(text, room - 1)],
        None => text,
    }
}

/// The columns that are said, else those of the terminal; none where that is no number to go by.
fn judged(terminal: Option<u16>) -> Option<usize> {
    let said = std::env::var("COLUMNS").ok();
    let said = said.and_then(|columns| columns.trim().parse().ok());
    said.or(terminal.map(usize::from))
        .filter(|columns| *columns >= NARROWEST)
}

/// The columns that a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Text in lines of at most `room` columns, broken between words; only a word of more than [`UNBROKEN`]
/// columns is broken itself. Line ends of its own stay.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    text.split('\n')
        .flat_map(|line| folded(line, room))
        .collect()
}

fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        let is_broken = width(word) > room.max(UNBROKEN);
        while is_broken && width(&line) > room {
            let rest = line.split_off(cut(&line, room));
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// Where to cut a word, so that what is before takes no more than `room` columns.
fn cut(word: &str, room: usize) -> usize {
    let mut taken = 0;
    let fits = |(at, c): (usize, char)| {
        taken += width(c.encode_utf8(&mut [0; 4]));
        (at > 0 && taken > room).then_some(at)
    };
    word.char_indices().find_map(fits).unwrap_or(word.len())
}

/// Writes text to standard output, `indent` columns from the left and wrapped to the terminal.
pub(super) fn say(indent: usize, text: &str) -> io::Result<()> {
    output::say(&paragraph(indent, text, room()))
}

fn paragraph(indent: usize, text: &str, room: Option<usize>) -> String {
    let lines = match room {
        Some(room) => wrap(text, room.saturating_sub(indent)),
        None => vec![text.to_owned()],
    };
    let indented: Vec<_> = lines
        .iter()
        .map(|line| format!("{:indent$}{line}", ""))
        .collect();
    indented.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(
            wrap("I can only do mornings.", 12),
            ["I can only", "do mornings."]
        );
        assert_eq!(wrap("one\ntwo", 40), ["one", "two"]);
        assert_eq!(wrap("", 40), [""]);
        // What takes two columns counts as two.
        assert_eq!(wrap("日本語 日本語", 10), ["日本語", "日本語"]);
    }

    #[test]
    fn an_id_is_never_broken_and_a_long_address_is() {
        let id = "conv_01jxd5y165f62a0v7gtr6bkg56";
        assert_eq!(
            wrap(&format!("see {id}, please"), 20),
            ["see", &format!("{id},"), "please"]
        );
        let address = format!("https://crm.example.com/{}", "a".repeat(60));
        let lines = wrap(&address, 50);
        assert_eq!(lines.concat(), address);
        assert!(lines.iter().all(|line| width(line) <= 50), "{lines:?}");
        assert_eq!(wrap(&"語".repeat(30), 45).concat(), "語".repeat(30));
    }

    #[test]
    fn a_paragraph_stands_in_from_the_left() {
        assert_eq!(paragraph(2, "one two three", Some(9)), "  one two\n  three");
        let long = "word ".repeat(40);
        assert_eq!(paragraph(2, &long, None), format!("  {long}"));
    }
}
