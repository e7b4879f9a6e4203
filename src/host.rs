//! What the machine gives: time, randomness, and tasks that shutdown waits for. Only `App` makes one.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rand_core::Rng as _;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::time::Timestamp;

/// The time: the machine's, or in tests one that stands where it is put.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that is only moved by hand. Sleeping on it takes no time and moves it.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `at` until somebody sleeps on it.
    pub fn manual(at: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(at.as_millis())))
    }

    /// The time now.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::from_jiff(jiff::Timestamp::now()),
            Self::Manual(millis) => Timestamp::from_millis(millis.load(Ordering::SeqCst)),
        }
    }

    /// Waits so long.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that sleeps"
    )]
    pub async fn sleep(&self, time: Duration) {
        match self {
            Self::System => tokio::time::sleep(time).await,
            Self::Manual(millis) => {
                let by = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
                millis.fetch_add(by, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Randomness for ids, nonces, tokens and jitter.
#[derive(Clone, Copy, Debug)]
pub struct Dice;

impl Dice {
    /// Fresh bytes that nobody can guess.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that rolls the dice"
    )]
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        let mut bytes = [0; N];
        rand::rng().fill_bytes(&mut bytes);
        bytes
    }

    /// A number in `0.0..1.0`, for jitter.
    pub fn fraction(self) -> f64 {
        f64::from(u32::from_le_bytes(self.bytes())) / (f64::from(u32::MAX) + 1.0)
    }
}

/// Time, randomness and tasks, handed to every part that needs them.
#[derive(Clone)]
pub struct Host {
    /// The time.
    pub clock: Clock,
    /// The randomness.
    pub dice: Dice,
    /// Cancelled when the process should stop taking work.
    pub stop: CancellationToken,
    tasks: TaskTracker,
    cores: Arc<Semaphore>,
}

impl Host {
    /// A host on the given clock.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            dice: Dice,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            cores: Arc::new(Semaphore::new(cores())),
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs a task that [`Host::drained`] waits for.
    pub fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Runs work that only computes, and may do so for long, beside the tasks: on their threads it
    /// would hold up everybody else, the receiver's answers among them. No more of it runs at once
    /// than there are cores: more threads are no faster, and each keeps memory of its own, which for
    /// regular expressions is megabytes. A panic goes on here.
    pub async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        // Held by the thread itself: whoever waits for it may give up earlier.
        let core = Arc::clone(&self.cores).acquire_owned().await;
        let working = self.tasks.spawn_blocking(move || {
            let _core = core;
            work()
        });
        match working.await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Cancelled: the runtime is going down, and with it whoever waits.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// The same on a thread of its own with so much stack, for what the caller bounds himself: nobody
    /// waits for it when the process stops. None when it panicked; fails when there is no thread.
    pub async fn compute_apart<T: Send + 'static>(
        &self,
        stack: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Option<T>> {
        let (tell, told) = oneshot::channel();
        std::thread::Builder::new()
            .stack_size(stack)
            .spawn(move || drop(tell.send(work())))?;
        Ok(told.await.ok())
    }

    /// Waits until the time is over (`true`) or the process should stop (`false`).
    pub async fn pause(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.stop.cancelled() => false,
            () = self.clock.sleep(time) => true,
        }
    }

    /// Waits until every spawned task has ended.
    pub async fn drained(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
