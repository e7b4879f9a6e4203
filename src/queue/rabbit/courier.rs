//! Two homes for every message: the broker first, and the database where the broker does not answer.

use std::time::Duration;

use tokio::time::timeout;

use super::parcel::Parcel;
use super::publisher::{Address, Publisher, Unconfirmed};
use super::topology::{Names, Tier};
use crate::event::Stage;
use crate::host::Host;
use crate::queue::letter::{crashed_worker, keep, letter_of_body, remember};
use crate::queue::{Error, Result};
use crate::store::dead_letters::Letter;
use crate::store::{Db, outbox};
use crate::time::Timestamp;

/// How long the database is waited for: with the broker's time before it, a receiver still answers
/// within 4 s.
const STORE_PATIENCE: Duration = Duration::from_millis(1_800);

/// Makes messages durable, wherever that works.
#[derive(Clone)]
pub(super) struct Courier {
    pub(super) publisher: Publisher,
    pub(super) db: Db,
    pub(super) names: Names,
    pub(super) host: Host,
}

impl Courier {
    /// Makes a message durable, to be worked on from `due_at` on.
    pub(super) async fn send(&self, mut parcel: Parcel, due_at: Timestamp) -> Result<()> {
        let wait = due_at.since(self.host.now());
        let Some(address) = self.address(&parcel.stage, wait) else {
            // Longer than any tier: a row waits as long as it must. Failing that, a tier will do: whoever
            // takes it too early sends it on.
            if self.keep(parcel.clone(), due_at).await.is_ok() {
                return Ok(());
            }
            parcel.due_at = Some(due_at);
            let address = self.through(&parcel.stage, Tier::longest());
            let published = self.publisher.publish(parcel, address).await;
            return published.map_err(|_| Error::Homeless);
        };
        match self.publisher.publish(parcel.clone(), address).await {
            Ok(()) => Ok(()),
            Err(why) => {
                report(why);
                self.keep(parcel, due_at).await
            }
        }
    }

    /// Where a message goes that is to wait so long; none when it is too long for the broker.
    fn address(&self, stage: &str, wait: Duration) -> Option<Address> {
        if wait.is_zero() {
            return Some(Address {
                exchange: self.names.work(),
                key: stage.to_owned(),
            });
        }
        Tier::for_wait(wait).map(|tier| self.through(stage, tier))
    }

    fn through(&self, stage: &str, tier: &Tier) -> Address {
        Address {
            exchange: self.names.tier(tier),
            key: stage.to_owned(),
        }
    }

    /// The second home.
    async fn keep(&self, parcel: Parcel, due_at: Timestamp) -> Result<()> {
        let stage = Stage::parse(&parcel.stage).ok_or(Error::Homeless)?;
        let kept = self.db.write(move |mut conn| {
            Box::pin(async move {
                let waiting = outbox::Waiting {
                    id: parcel.id,
                    stage,
                    body: parcel.body,
                    attempts: parcel.attempts,
                    history: parcel.history,
                    created_at: parcel.enqueued_at,
                };
                outbox::put_again(&mut conn, &waiting, due_at).await
            })
        });
        match timeout(STORE_PATIENCE, kept).await {
            Ok(kept) => Ok(kept?),
            Err(_) => Err(Error::Homeless),
        }
    }

    /// Gives a message up: through the doorway, or straight into the database.
    pub(super) async fn bury(&self, parcel: Parcel) -> Result<()> {
        let address = Address {
            exchange: String::new(),
            key: self.names.dead(),
        };
        if self
            .publisher
            .publish(parcel.clone(), address)
            .await
            .is_ok()
        {
            return Ok(());
        }
        let letter = letter(parcel, self.host.now());
        match timeout(STORE_PATIENCE, self.file(letter)).await {
            Ok(filed) => filed,
            Err(_) => Err(Error::Homeless),
        }
    }

    /// Files a letter.
    pub(super) async fn file(&self, letter: Letter) -> Result<()> {
        let now = self.host.now();
        let stage = letter.stage.clone();
        self.db
            .write(move |mut conn| Box::pin(async move { keep(&mut conn, &letter, now).await }))
            .await?;
        metrics::counter!("aftercall_dead_letters_total", "stage" => stage).increment(1);
        Ok(())
    }
}

/// The letter of a message that was given up. Without a cause of ours, the broker gave it up: it was
/// taken too often.
pub(super) fn letter(parcel: Parcel, now: Timestamp) -> Letter {
    let mut history = parcel.history;
    let why = parcel.cause.unwrap_or_else(|| {
        let why = crashed_worker();
        remember(&mut history, now, &why, true);
        why
    });
    letter_of_body(&parcel.stage, parcel.id, parcel.body, why, history)
}

fn report(why: Unconfirmed) {
    match why {
        // A setting is wrong, or somebody meddles.
        Unconfirmed::Refused | Unconfirmed::Returned => {
            tracing::warn!(
                ?why,
                "The broker did not take a message: the database keeps it"
            );
        }
        // The supervisor tells of a broker that is away or silent; a line a message would bury that.
        _ => tracing::debug!(?why, "No confirm: the database keeps the message"),
    }
}
