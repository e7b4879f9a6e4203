//! Plays generated calls at a steady rate, with everything that befalls webhooks on their way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::{Disorder, Lot, cast};
use crate::host::Host;
use crate::id::NotAnId;
use crate::simulate::play::{answered, webhook};
use crate::simulate::record::Faults;
use crate::simulate::script::{Script, Take};
use crate::simulate::sender::Sender;
use crate::simulate::speechify::Platform;

/// So many webhooks may be on their way at once; beyond, calls wait for their turn.
const ON_THEIR_WAY: usize = 512;

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// How many calls.
    pub calls: u64,
    /// How many of them a second.
    pub rate: f64,
    /// What ids, callers and mishaps follow from.
    pub seed: u64,
    /// What befalls the webhooks.
    pub disorder: Disorder,
}

/// What became of the load.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls that were played.
    pub calls: u64,
    /// Webhooks that the platform made, dropped ones included.
    pub webhooks: u64,
    /// Those that were never sent.
    pub dropped: u64,
    /// Copies beyond the first.
    pub duplicated: u64,
    /// Attempts beyond the first.
    pub retried: u64,
    /// How often each answer came, in the words of the contract or as an HTTP status.
    pub answers: BTreeMap<String, u64>,
    /// How long each answer took, its retries included.
    pub latencies: Vec<Duration>,
}

impl Tally {
    /// The time within which this share of the answers came, from 0 to 100; none without answers.
    pub fn percentile(&self, share: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let place = sorted.len().checked_mul(share)?.div_ceil(100);
        sorted.get(place.saturating_sub(1)).copied()
    }
}

struct Sent {
    answer: String,
    attempts: u32,
    took: Duration,
}

/// Plays the load until it is over or the host stops; `begun` hears of every call that begins.
pub async fn run(
    load: Load,
    templates: &[Script],
    host: &Host,
    platform: &Platform,
    sender: &Sender,
    mut begun: impl FnMut(u64),
) -> Result<Tally, NotAnId> {
    let lot = Lot::new(load.seed);
    let start = host.now();
    let room = Arc::new(Semaphore::new(ON_THEIR_WAY));
    let sent: Arc<Mutex<Vec<Sent>>> = Arc::default();
    let mut tally = Tally::default();
    let mut tasks = Vec::new();
    for number in 0..load.calls {
        let due = start.plus(offset(number, load.rate));
        if !host.pause(due.since(host.now())).await {
            break;
        }
        let Some(script) = cast(templates, lot, number) else {
            break;
        };
        let take = script.take(&format!("load {}", load.seed), host.now())?;
        platform.book.enter(take.record.clone(), Faults::default());
        tally.calls += 1;
        for nth in 0..take.script.sends.len() {
            tally.webhooks += 1;
            let id = number * 16 + u64::try_from(nth).unwrap_or_default();
            let copies = load.disorder.copies(lot, id);
            tally.dropped += u64::from(copies.is_empty());
            tally.duplicated += u64::from(copies.len() > 1);
            for wait in copies {
                let Ok(place) = Arc::clone(&room).acquire_owned().await else {
                    break;
                };
                let (take, sender, host) = (take.clone(), sender.clone(), host.clone());
                let noted = Arc::clone(&sent);
                tasks.push(host.clone().spawn(async move {
                    let one = send(&take, nth, wait, &sender, &host).await;
                    noted
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(one);
                    drop(place);
                }));
            }
        }
        begun(number + 1);
    }
    for task in tasks {
        // A task that panicked has noted nothing; the tally then lacks its answer.
        let _ = task.await;
    }
    let sent = std::mem::take(&mut *sent.lock().unwrap_or_else(PoisonError::into_inner));
    for one in sent {
        tally.retried += u64::from(one.attempts.saturating_sub(1));
        *tally.answers.entry(one.answer).or_default() += 1;
        tally.latencies.push(one.took);
    }
    Ok(tally)
}

async fn send(
    take: &Take,
    nth: usize,
    wait: Duration,
    sender: &Sender,
    host: &Host,
) -> Option<Sent> {
    let sending = take.script.sends.get(nth)?;
    // Made before it is held up: a late webhook carries its old time, as a platform's would.
    let made = host.now();
    if !host.pause(wait).await {
        return None;
    }
    let begun = host.now();
    let reply = sender.send(&webhook(take, sending, made)).await;
    Some(Sent {
        answer: match (answered(&reply), reply.status) {
            (Some(answer), _) => answer.as_str().to_owned(),
            (None, Some(status)) => status.to_string(),
            (None, None) => "no connection".to_owned(),
        },
        attempts: reply.attempts,
        took: host.now().since(begun),
    })
}

/// When the `number`th call begins.
fn offset(number: u64, rate: f64) -> Duration {
    let number = u32::try_from(number).map_or(f64::from(u32::MAX), f64::from);
    Duration::try_from_secs_f64(number / rate).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
