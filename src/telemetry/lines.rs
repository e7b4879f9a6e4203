//! The log's lines go out by a thread of their own: nobody who has something to say waits for whoever
//! reads it, be it a terminal, a full pipe or a slow disk. Lines that are not taken in time are lost,
//! and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait. Each has a few hundred bytes.
const WAITING: usize = 4_096;

/// Where lines wait until they are out.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    lost: u64,
    /// Whether lines were taken that are not yet out.
    writing: bool,
}

impl State {
    fn is_out(&self) -> bool {
        self.waiting.is_empty() && self.lost == 0 && !self.writing
    }
}

impl Lines {
    /// Lines that go to `out`.
    pub(super) fn to(out: impl Write + Send + 'static) -> Self {
        let lines = Self::default();
        let written = lines.clone();
        std::thread::spawn(move || written.write_out(out));
        lines
    }

    /// Waits until everything is out that was said so far, but no longer than that.
    pub(super) fn flush(&self, patience: Duration) {
        let state = self.state();
        drop(
            self.shared
                .changed
                .wait_timeout_while(state, patience, |state| !state.is_out()),
        );
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let state = self.shared.state.lock();
        state.unwrap_or_else(PoisonError::into_inner)
    }

    fn write_out(&self, mut out: impl Write) {
        let mut taken = Vec::new();
        loop {
            let state = self.state();
            let waited = self
                .shared
                .changed
                .wait_while(state, |state| state.waiting.is_empty() && state.lost == 0);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            taken.extend(state.waiting.drain(..).flatten());
            let lost = std::mem::take(&mut state.lost);
            state.writing = true;
            drop(state);
            // Nobody is left to be told that this has failed.
            drop(out.write_all(&taken).and_then(|()| out.flush()));
            taken.clear();
            if lost > 0 {
                tracing::warn!(lines = lost, "Lines of the log were lost: nobody took them");
                metrics::counter!("aftercall_log_lines_lost_total").increment(lost);
            }
            self.state().writing = false;
            self.shared.changed.notify_all();
        }
    }
}

impl Write for Lines {
    /// Takes one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.state();
        if state.waiting.len() < WAITING {
            state.waiting.push_back(line.to_vec());
        } else {
            state.lost += 1;
        }
        drop(state);
        self.shared.changed.notify_all();
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Takes nothing until it is told to, and keeps what it took.
    struct Slow {
        may: Receiver<()>,
        taken: Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.may.recv().map_err(io::Error::other)?;
            drop(self.taken.send(bytes.to_vec()));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn whoever_speaks_does_not_wait_and_what_is_too_much_is_lost() {
        let (let_go, may) = channel();
        let (taken, heard) = channel();
        let mut lines = Lines::to(Slow { may, taken });
        let said = WAITING * 3;
        for n in 0..said {
            lines.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        // Nobody reads: a flush comes back all the same.
        lines.flush(Duration::from_millis(10));
        drop((0..said).map(|_| let_go.send(())).collect::<Vec<_>>());
        lines.flush(Duration::from_mins(1));
        let text: Vec<u8> = heard.try_iter().flatten().collect();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("line 0\nline 1\n"), "{text}");
        let out = text.lines().count();
        assert!((WAITING..=2 * WAITING).contains(&out), "{out}");
        assert!(text.lines().all(|line| line.starts_with("line ")));
    }
}
