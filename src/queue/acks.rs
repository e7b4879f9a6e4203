//! Messages that are done leave the database together: what is done while it is busy shares a
//! statement, and none waits longer for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::store::{Conn, Db, Result, dead_letters, outbox};
use crate::time::Timestamp;

/// A message that is done, and who waits to hear that it has left.
#[derive(Debug)]
struct Ack {
    id: String,
    claim: String,
    left: oneshot::Sender<()>,
}

/// The messages that are done and have not left yet. Whoever adds the first one takes out all that
/// are there by the time the database gets to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Acks(Arc<Mutex<Vec<Ack>>>);

impl Acks {
    /// Takes a message out, if it is still its claim's, and resolves its letter; says whether that is
    /// committed. Where it is not, it may be tried alone.
    pub(super) async fn ack(&self, db: &Db, id: String, claim: String, now: Timestamp) -> bool {
        let (left, told) = oneshot::channel();
        let is_first = {
            let mut waiting = self.waiting();
            waiting.push(Ack { id, claim, left });
            waiting.len() == 1
        };
        if is_first {
            self.take_out_all(db, now).await;
        }
        told.await.is_ok()
    }

    async fn take_out_all(&self, db: &Db, now: Timestamp) {
        let mut led = Led(Some(self));
        let acks = self.clone();
        let done = db.write(move |mut conn| {
            Box::pin(async move {
                let all = std::mem::take(&mut *acks.waiting());
                let pairs = all.iter().map(|ack| (ack.id.clone(), ack.claim.clone()));
                let pairs: Vec<_> = pairs.collect();
                take_out(&mut conn, &pairs, now).await?;
                Ok(all)
            })
        });
        // They hear of it after the commit; who hears nothing knows that there was none.
        if let Ok(all) = done.await {
            led.0 = None;
            for ack in all {
                _ = ack.left.send(());
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Ack>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody must wait for one who went away, or did not succeed.
struct Led<'a>(Option<&'a Acks>);

impl Drop for Led<'_> {
    fn drop(&mut self) {
        if let Some(acks) = self.0 {
            acks.waiting().clear();
        }
    }
}

/// Takes messages out that are done, each if it is still its claim's, and resolves their letters.
pub(super) async fn take_out(
    conn: &mut Conn<'_>,
    done: &[(String, String)],
    now: Timestamp,
) -> Result<()> {
    if done.is_empty() {
        return Ok(());
    }
    outbox::remove_done(conn, done).await?;
    dead_letters::resolve_all(conn, done.iter().map(|(id, _)| id.as_str()), now).await
}
