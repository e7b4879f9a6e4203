//! The relay: what lies in the outbox goes to the broker, and leaves the outbox once confirmed there.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::courier::Courier;
use super::parcel::Parcel;
use super::publisher::Address;
use crate::event::Stage;
use crate::queue::Result;
use crate::store::outbox;

/// How often rows are looked for that nobody has published: their process died, or their time came.
const EVERY: Duration = Duration::from_secs(1);

/// How long a relay may hold rows: longer than any confirm takes.
const LEASE: Duration = Duration::from_secs(15);

/// Rows taken at once.
const BATCH: usize = 256;

/// Runs until the process should stop, or `gone`. `news`: this process has committed rows.
pub(super) async fn run(mut courier: Courier, news: Arc<Notify>, gone: CancellationToken) {
    let host = courier.host.clone();
    loop {
        tokio::select! {
            () = host.stop.cancelled() => return,
            () = gone.cancelled() => return,
            () = news.notified() => {}
            () = courier.publisher.changed() => {}
            () = host.clock.sleep(EVERY) => {}
        }
        for stage in Stage::ALL {
            if let Err(error) = drain(&courier, stage).await {
                tracing::debug!(error = %error, "The outbox can't be relayed now");
                host.pause(EVERY).await;
                break;
            }
        }
    }
}

/// Publishes the due rows of a stage, until there are none or the broker has had enough.
async fn drain(courier: &Courier, stage: Stage) -> Result<()> {
    while courier.publisher.ready().is_ok() && !courier.host.stop.is_cancelled() {
        let (taken, confirmed) = relay(courier, stage).await?;
        if taken < BATCH || confirmed < taken {
            break;
        }
    }
    Ok(())
}

async fn relay(courier: &Courier, stage: Stage) -> Result<(usize, usize)> {
    let now = courier.host.now();
    let claim = hex::encode(courier.host.dice.bytes::<8>());
    let mine = claim.clone();
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let rows = courier
        .db
        .write(move |mut conn| {
            Box::pin(async move { outbox::claim(&mut conn, stage, &mine, now, LEASE, limit).await })
        })
        .await?;
    if rows.is_empty() {
        return Ok((0, 0));
    }
    let taken = rows.len();
    let publishing = rows.into_iter().map(|row| async {
        let parcel = Parcel::of_row(row, stage);
        let id = parcel.id.clone();
        let address = Address {
            exchange: courier.names.work(),
            key: stage.as_str().to_owned(),
        };
        let published = courier.publisher.publish(parcel, address).await;
        (id, published.is_ok())
    });
    let (done, undone): (Vec<_>, Vec<_>) = join_all(publishing)
        .await
        .into_iter()
        .partition(|(_, confirmed)| *confirmed);
    let ids = |outcomes: Vec<(String, bool)>| -> Vec<String> {
        outcomes.into_iter().map(|(id, _)| id).collect()
    };
    let (done, undone) = (ids(done), ids(undone));
    let confirmed = done.len();
    courier
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                outbox::remove_all(&mut conn, &done, &claim).await?;
                outbox::free(&mut conn, &undone, &claim).await
            })
        })
        .await?;
    Ok((taken, confirmed))
}
