//! Whether something that can't be taken back is meant: whoever sits at a terminal is told and asked.

use std::io::{self, IsTerminal as _, Write as _};

use super::output;

/// The flag of every command that takes something away.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Yes {
    /// Don't ask whether that is meant
    #[arg(long)]
    yes: bool,
}

impl Yes {
    /// Whether whoever gave the command is to be asked: it does not say so itself, and somebody is there.
    pub(super) fn is_to_be_asked(self) -> bool {
        !self.yes && somebody_is_there()
    }

    /// Whether the command says itself that it is meant.
    pub(super) fn is_said(self) -> bool {
        self.yes
    }

    /// Asks, at a terminal. Elsewhere nobody could answer, and the command is meant as it stands.
    pub(super) fn or_ask(self, question: &str) -> io::Result<bool> {
        if self.is_to_be_asked() {
            ask(question)
        } else {
            Ok(true)
        }
    }
}

fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question that says what will happen; anything but a yes is a no.
pub(super) fn ask(question: &str) -> io::Result<bool> {
    let mut error = io::stderr().lock();
    write!(error, "{question} [y/N] ")?;
    error.flush()?;
    drop(error);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    let meant = matches!(answer.trim(), "y" | "Y" | "yes");
    if !meant {
        output::note("Nothing was done.");
    }
    Ok(meant)
}
