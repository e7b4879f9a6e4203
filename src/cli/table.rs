//! Tables that fit the terminal: before an id, a time or a word would be broken, times get short, text is
//! wrapped, and the columns that matter least are left out. In a pipe nothing of that happens.

use std::io;

use comfy_table::{CellAlignment, ContentArrangement, presets};
use serde_json::Value;

use self::fit::{GAP, Wish, widths};
use super::output::{self, field};
use super::terminal::{self, UNBROKEN};
use crate::host::Clock;
use crate::time::Timestamp;

mod fit;

/// Text gets at least so many columns, or is not so long.
const LEGIBLE: usize = 20;

/// What a column holds, which says how it gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// An id or another word: whole, or left out.
    Word,
    /// A number, at the right.
    Number,
    /// A moment: exact where there is room, else how long ago it was.
    Time,
    /// Text, which can be wrapped.
    Text,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    title: &'static str,
    kind: Kind,
    spare: u8,
}

impl Column {
    /// A column of ids or other words.
    pub(super) const fn word(title: &'static str) -> Self {
        Self::new(title, Kind::Word)
    }

    /// A column of numbers.
    pub(super) const fn number(title: &'static str) -> Self {
        Self::new(title, Kind::Number)
    }

    /// A column of moments in RFC 3339.
    pub(super) const fn time(title: &'static str) -> Self {
        Self::new(title, Kind::Time)
    }

    /// A column of text.
    pub(super) const fn text(title: &'static str) -> Self {
        Self::new(title, Kind::Text)
    }

    const fn new(title: &'static str, kind: Kind) -> Self {
        Self {
            title,
            kind,
            spare: 0,
        }
    }

    /// One that is left out where there is no room: the higher, the earlier. Others never are.
    pub(super) const fn spare(self, spare: u8) -> Self {
        Self { spare, ..self }
    }
}

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// A table as it is written.
#[derive(Debug)]
struct Drawn {
    text: String,
    left_out: Vec<&'static str>,
}

impl Table {
    /// A table with these columns, the most telling first.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Self {
        Self {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// The fields of an object below each other: those named first, then whatever else it has; not those
    /// that are null or empty.
    pub(super) fn of_fields(object: &Value, first: &[&str]) -> Self {
        let mut table = Self::new([Column::word("field"), Column::text("value")]);
        let all = object.as_object().into_iter().flatten();
        let others = all
            .map(|(name, _)| name.as_str())
            .filter(|name| !first.contains(name));
        for name in first.iter().copied().chain(others) {
            let nothing = match &object[name] {
                Value::Null => true,
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(fields) => fields.is_empty(),
                Value::Bool(_) | Value::Number(_) => false,
            };
            if !nothing {
                table.row([name.to_owned(), field(object, name)]);
            }
        }
        table
    }

    /// Adds a row: a cell for each column.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Adds the fields of an object that these are.
    pub(super) fn row_of(&mut self, object: &Value, fields: &[&str]) {
        self.row(fields.iter().map(|name| field(object, name)));
    }

    /// Writes it to standard output; `nothing` when it has no rows.
    pub(super) fn say(&self, nothing: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return output::say(nothing);
        }
        let drawn = self.drawn(terminal::room(), Clock::System.now());
        output::say(&drawn.text)?;
        if !drawn.left_out.is_empty() {
            output::note(&format!(
                "Left out: {}. Widen the terminal, or use --output json.",
                drawn.left_out.join(", ")
            ));
        }
        Ok(())
    }

    fn drawn(&self, room: Option<usize>, now: Timestamp) -> Drawn {
        let wishes = self.wishes(&self.rows);
        let all: Vec<_> = wishes.iter().map(|wish| Some(wish.most)).collect();
        let whole = wishes.iter().map(|wish| wish.most + GAP).sum::<usize>() - GAP;
        match room.filter(|room| *room < whole) {
            None => self.laid_out(&self.rows, &all),
            Some(room) => {
                let rows = self.shortened(now);
                let widths = widths(&self.wishes(&rows), room);
                self.laid_out(&rows, &widths)
            }
        }
    }

    /// The rows, with moments as how long ago they were.
    fn shortened(&self, now: Timestamp) -> Vec<Vec<String>> {
        let short = |(cell, column): (&String, &Column)| {
            let moment = cell.parse::<Timestamp>().ok();
            match moment.filter(|_| column.kind == Kind::Time) {
                Some(moment) => moment.seen_from(now),
                None => cell.clone(),
            }
        };
        let of_row = |row: &Vec<String>| row.iter().zip(&self.columns).map(short).collect();
        self.rows.iter().map(of_row).collect()
    }

    fn wishes(&self, rows: &[Vec<String>]) -> Vec<Wish> {
        let wish = |(at, column): (usize, &Column)| {
            let cells = || rows.iter().filter_map(|row| row.get(at));
            let lines = cells().flat_map(|cell| cell.split('\n'));
            let title = terminal::width(column.title);
            let most = lines.map(terminal::width).max().unwrap_or(0).max(title);
            let least = match column.kind {
                Kind::Word | Kind::Number | Kind::Time => most,
                Kind::Text => {
                    let words = cells().flat_map(|cell| cell.split([' ', '\n']));
                    let longest = words.map(terminal::width).max().unwrap_or(0);
                    most.min(longest.clamp(LEGIBLE, UNBROKEN)).max(title)
                }
            };
            Wish {
                most,
                least,
                // What says nothing goes first.
                spare: match column.spare {
                    0 => 0,
                    _ if self.is_empty(at) => u8::MAX,
                    spare => spare,
                },
            }
        };
        self.columns.iter().enumerate().map(wish).collect()
    }

    fn is_empty(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.all(String::is_empty)
    }

    fn laid_out(&self, rows: &[Vec<String>], widths: &[Option<usize>]) -> Drawn {
        let shown: Vec<(usize, usize)> = (0..)
            .zip(widths)
            .filter_map(|(at, width)| Some((at, (*width)?)))
            .collect();
        let columns = || shown.iter().map(|(at, _)| self.columns[*at]);
        let mut table = comfy_table::Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns().map(|column| column.title.to_uppercase()));
        for row in rows {
            let cell = |(at, width): &(usize, usize)| {
                let text = row.get(*at).map_or("", String::as_str);
                terminal::wrap(text, *width).join("\n")
            };
            table.add_row(shown.iter().map(cell));
        }
        for (column, drawn) in columns().zip(table.column_iter_mut()) {
            drawn.set_padding((0, 2));
            if column.kind == Kind::Number {
                drawn.set_cell_alignment(CellAlignment::Right);
            }
        }
        let lines: Vec<_> = table
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect();
        let left_out = (0..).zip(widths).filter(|(_, width)| width.is_none());
        Drawn {
            text: lines.join("\n"),
            left_out: left_out
                .filter(|(at, _)| !self.is_empty(*at))
                .map(|(at, _)| self.columns[at].title)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
