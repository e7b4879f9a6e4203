//! Stopping in time: the first signal asks, the second one insists.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The signals that ask this process to stop.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; without it, a signal ends the process at once.
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one, and answers its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }

    /// Waits for the first signal, or until somebody else asks to stop, and passes it on.
    pub async fn first(&mut self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            name = self.next() => {
                tracing::info!(signal = name, "stopping; a second signal stops at once");
                stop.cancel();
            }
        }
    }
}
