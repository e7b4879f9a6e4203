//! Authentic bytes to a durable event: verify, classify, make durable, and only then answer.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::timeout;

use crate::event::{CallEvent, EventKind, Message};
use crate::flow::Flow;
use crate::id::{EventId, of_content};
use crate::platform::{Classified, Delivery, Source, Webhooks};
use crate::secret::sha256_hex;
use crate::signature::Refusal;
use crate::store::dead_letters::{self, Letter};
use crate::store::quarantine::{self, Refused};
use crate::time::Timestamp;
use crate::verdict::Failure;

pub mod release;

/// The longest that anything durable is waited for: every answer is out within 4 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a delivery is answered (product contract §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200: durable.
    Accepted {
        /// The event's id.
        event_id: EventId,
    },
    /// 200: authentic, of a kind that no stage needs.
    Ignored {
        /// The kind.
        reason: String,
    },
    /// 200: authentic, unreadable, and kept as a dead letter.
    Parked {
        /// The letter.
        dead_letter_id: String,
    },
    /// 401: the signature is missing, wrong or out of its time.
    Refused,
    /// 404: no such source, or one that sends no webhooks.
    UnknownSource,
    /// 413: larger than the source may send.
    TooLarge,
    /// 503: nobody can take it now.
    Unavailable,
}

/// Takes deliveries.
#[derive(Clone, Debug)]
pub struct Receiver {
    flow: Arc<Flow>,
}

impl Receiver {
    /// A receiver for the flow's sources.
    pub fn new(flow: Arc<Flow>) -> Self {
        Self { flow }
    }

    /// The largest body that a source may send, in bytes; none for unknown sources.
    pub fn max_body(&self, source: &str) -> Option<usize> {
        self.flow
            .sources
            .get(source)
            .filter(|s| s.webhooks.is_some())
            .map(|s| s.max_body)
    }

    /// Takes one delivery. Nothing is looked up before answering: a second copy is answered like
    /// the first, and absorbed later.
    pub async fn receive(&self, source: &str, headers: &HeaderMap, body: &[u8]) -> Answer {
        let Some(source) = self.flow.sources.get(source) else {
            return Answer::UnknownSource;
        };
        let Some(webhooks) = &source.webhooks else {
            return Answer::UnknownSource;
        };
        if body.len() > source.max_body {
            return Answer::TooLarge;
        }
        let now = self.flow.host.now();
        if let Err(refusal) = webhooks.verify(Delivery { headers, body }, now) {
            if webhooks.is_signed(headers) {
                self.quarantine(source, headers, body, &refusal, now).await;
            }
            return Answer::Refused;
        }
        self.take(source, &**webhooks, Delivery { headers, body }, now)
            .await
    }

    /// Takes a delivery that is authentic and came at `at`.
    async fn take(
        &self,
        source: &Source,
        webhooks: &dyn Webhooks,
        delivery: Delivery<'_>,
        at: Timestamp,
    ) -> Answer {
        match webhooks.classify(delivery.body, at) {
            Classified::Event(event) => self.accept(source, *event).await,
            Classified::Ignored(reason) => Answer::Ignored { reason },
            Classified::Unreadable(reason) => self.park(source, delivery.body, reason, at).await,
        }
    }

    async fn accept(&self, source: &Source, mut event: CallEvent) -> Answer {
        event.source.clone_from(&source.name);
        let event_id = event.event_id.clone();
        // A room's end may skip the grace, which only its facts can say: it is looked at at once.
        let due_at = match event.kind {
            EventKind::Finished | EventKind::Analyzed | EventKind::Reconciled => {
                event.happened_at().plus(self.flow.finalize.grace)
            }
            EventKind::RoomFinished | EventKind::Recorded(_) | EventKind::Recheck => {
                event.received_at
            }
        };
        let published = self.flow.queue.publish(Message::finalize(event), due_at);
        match timeout(PATIENCE, published).await {
            Ok(Ok(())) => Answer::Accepted { event_id },
            Ok(Err(error)) => {
                tracing::warn!(source = source.name, error = %error, "An event could not be made durable");
                Answer::Unavailable
            }
            Err(_) => {
                tracing::warn!(
                    source = source.name,
                    "An event was not made durable in time"
                );
                Answer::Unavailable
            }
        }
    }

    /// Keeps an authentic body that can't be read: a 4xx would lose it for good.
    async fn park(&self, source: &Source, body: &[u8], why: String, now: Timestamp) -> Answer {
        let message_id = format!("receive:{}:{}", source.name, sha256_hex(body));
        let letter = Letter {
            id: of_content("dl_", &[&message_id]),
            stage: "receive".to_owned(),
            source: Some(source.name.clone()),
            platform: source.webhooks.as_ref().map(|w| w.platform().to_owned()),
            event_id: Some(sha256_hex(body)),
            conversation_id: None,
            agent_id: None,
            caller_identity: None,
            cause: Failure::poison("unreadable_body", why),
            attempts: Vec::new(),
            body: self.flow.seal.seal(body, self.flow.host.dice.bytes()),
            message_id,
        };
        let dead_letter_id = letter.id.clone();
        let kept = self.flow.db.write(move |mut conn| {
            Box::pin(async move { dead_letters::keep(&mut conn, &letter, now).await })
        });
        match timeout(PATIENCE, kept).await {
            Ok(Ok(())) => {
                metrics::counter!("aftercall_dead_letters_total", "stage" => "receive")
                    .increment(1);
                Answer::Parked { dead_letter_id }
            }
            _ => Answer::Unavailable,
        }
    }

    /// Keeps a refused delivery, so that a wrong secret can be mended and the call released. The
    /// answer is 401 whether that works or not.
    async fn quarantine(
        &self,
        source: &Source,
        headers: &HeaderMap,
        body: &[u8],
        refusal: &Refusal,
        now: Timestamp,
    ) {
        let pairs: Vec<(&str, String)> = headers
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let Ok(headers) = serde_json::to_vec(&pairs) else {
            return;
        };
        let (seal, dice) = (&self.flow.seal, self.flow.host.dice);
        let refused = Refused {
            id: of_content(
                "qr_",
                &[&source.name, &sha256_hex(&headers), &sha256_hex(body)],
            ),
            source: source.name.clone(),
            reason: refusal.code().to_owned(),
            detail: refusal.to_string(),
            size: i64::try_from(body.len() + headers.len()).unwrap_or(i64::MAX),
            headers: seal.seal(&headers, dice.bytes()),
            body: seal.seal(body, dice.bytes()),
        };
        let kept = self.flow.db.write(move |mut conn| {
            Box::pin(async move { quarantine::keep(&mut conn, &refused, now).await })
        });
        if !matches!(timeout(PATIENCE, kept).await, Ok(Ok(_))) {
            tracing::warn!(
                source = source.name,
                "A refused delivery could not be quarantined"
            );
        }
    }
}
