//! Questions to the broker about its queues, on a channel that nothing else waits for.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::link::{self, Error, Result, within};

/// How long a confirm may take before an alarm is to blame.
const ALARM_PATIENCE: Duration = Duration::from_secs(3);

/// Asks the broker about queues.
#[derive(Clone, Default)]
pub(super) struct Control(Arc<Mutex<Option<Asking>>>);

struct Asking {
    connection: Arc<Connection>,
    channel: Option<Channel>,
}

impl Control {
    pub(super) async fn connected(&self, connection: &Arc<Connection>) {
        *self.0.lock().await = Some(Asking {
            connection: Arc::clone(connection),
            channel: None,
        });
    }

    pub(super) async fn lost(&self) {
        *self.0.lock().await = None;
    }

    /// Messages that wait in a queue, without those that somebody holds, and how many take from it.
    pub(super) async fn count(&self, queue: &str) -> Result<(i64, u32)> {
        let mut asking = self.0.lock().await;
        let asking = asking.as_mut().ok_or(Error::Lost)?;
        let channel = match asking.channel.take() {
            Some(channel) => channel,
            None => link::channel(&asking.connection).await?,
        };
        // A failure closes the channel: the next question opens another.
        let counted = count(&channel, queue).await?;
        asking.channel = Some(channel);
        Ok(counted)
    }
}

/// Messages that wait in a queue, and consumers of it.
pub(super) async fn count(channel: &Channel, queue: &str) -> Result<(i64, u32)> {
    let options = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let found = within(channel.queue_declare(queue.into(), options, FieldTable::default())).await?;
    Ok((found.message_count().into(), found.consumer_count()))
}

/// Whether an alarm keeps the broker from taking messages: it says so, or is silent, when somebody
/// publishes. What is published goes nowhere.
pub(super) async fn is_blocked(connection: &Connection) -> Result<bool> {
    let channel = link::channel(connection).await?;
    within(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    let nowhere = "aftercall.check.nowhere";
    let published = channel.basic_publish(
        "".into(),
        nowhere.into(),
        BasicPublishOptions::default(),
        b"",
        BasicProperties::default(),
    );
    let confirmed = async { published.await?.await };
    let confirmed = timeout(ALARM_PATIENCE, confirmed).await;
    match confirmed {
        Ok(confirmed) => {
            confirmed?;
            Ok(connection.status().blocked())
        }
        Err(_) => Ok(true),
    }
}
