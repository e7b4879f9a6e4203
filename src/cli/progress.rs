//! A line on standard error that shows how far long work is, where that is a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use super::terminal;

/// Cells that the bar has.
const CELLS: usize = 24;

/// A progress bar; silent where nobody watches.
#[derive(Debug)]
pub(super) struct Bar {
    watched: bool,
    width: usize,
}

impl Bar {
    /// A bar on standard error.
    pub(super) fn new() -> Self {
        Self {
            watched: io::stderr().is_terminal(),
            width: 0,
        }
    }

    /// Draws how far it is, over what was drawn before; `failed` of what is done was of no use.
    pub(super) fn draw(&mut self, done: u64, failed: u64, total: u64, more: &str) {
        if !self.watched {
            return;
        }
        let line = line(done, failed, total, more);
        let line = terminal::in_one_line(&line);
        let width = line.chars().count();
        let gap = self.width.saturating_sub(width);
        self.width = width;
        // A progress line that can't be written is no reason to stop.
        let mut out = io::stderr().lock();
        let _ = write!(out, "\r{line}{:gap$}", "");
        let _ = out.flush();
    }

    /// Ends the line, so that what follows has its own.
    pub(super) fn end(&mut self) {
        if self.watched && self.width > 0 {
            let _ = writeln!(io::stderr().lock());
            self.width = 0;
        }
    }
}

fn line(done: u64, failed: u64, total: u64, more: &str) -> String {
    let (share, percent) = if total == 0 {
        (CELLS as u64, 100)
    } else {
        let done = done.min(total);
        (done * CELLS as u64 / total, done * 100 / total)
    };
    let full = usize::try_from(share).unwrap_or(CELLS);
    // One failure among many is seen, too.
    let lost = (failed.min(done) * share).div_ceil(done.max(1));
    let lost = usize::try_from(lost).unwrap_or(full).min(full);
    let bar = [("#", full - lost), ("!", lost), ("-", CELLS - full)];
    let bar: String = bar.map(|(cell, cells)| cell.repeat(cells)).concat();
    format!("  [{bar}] {percent:>3} %  {more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_full_as_the_work_is_done() {
        let none = format!("  [{}]   0 %  x", "-".repeat(24));
        assert_eq!(line(0, 0, 10, "x"), none);
        let half = format!("  [{}{}]  50 %  x", "#".repeat(12), "-".repeat(12));
        assert_eq!(line(5, 0, 10, "x"), half);
        let full = format!("  [{}] 100 %  x", "#".repeat(24));
        assert_eq!(line(10, 0, 10, "x"), full);
        let over = [line(11, 0, 10, "x"), line(0, 0, 0, "x")];
        assert_eq!(over, [full.clone(), full]);
    }

    #[test]
    fn what_failed_has_cells_of_its_own() {
        let bar = |good: usize, bad: usize| {
            let left = "-".repeat(24 - good - bad);
            format!("  [{}{}{left}]", "#".repeat(good), "!".repeat(bad))
        };
        for (done, failed, good, bad) in [(5, 5, 0, 12), (10, 5, 12, 12), (10, 1, 21, 3)] {
            let line = line(done, failed, 10, "x");
            assert!(line.starts_with(&bar(good, bad)), "{line}");
        }
        let one = line(1_000, 1, 1_000, "x");
        assert!(one.starts_with(&bar(23, 1)), "{one}");
    }
}
