//! Authentic bytes to a durable event: verify, classify, make durable, and only then answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::event::{CallEvent, Carried, EventKind, Message};
use crate::flow::Flow;
use crate::id::{ConversationKey, EventId, of_content};
use crate::platform::{Classified, Delivery, Source, Webhooks};
use crate::secret::sha256_hex;
use crate::signature::Refusal;
use crate::store::bodies::{self, Payload};
use crate::store::dead_letters::{self, Letter};
use crate::store::quarantine::{self, Refused};
use crate::time::Timestamp;
use crate::verdict::Failure;

pub mod release;

/// The longest that anything durable is waited for: every answer is out within 4 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest payload that travels in a message; a longer one is kept in the database (product
/// contract §5).
const CARRIED: usize = 256 << 10;

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

    /// The source that takes webhooks under this name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        let source = self.flow.sources.get(name)?;
        source.webhooks.is_some().then_some(source)
    }

    /// Takes one delivery. Nothing is looked up before answering: a second copy is answered like
    /// the first, and absorbed later.
    pub async fn receive(&self, source: &str, delivery: Delivery<'_>) -> Answer {
        let Some(source) = self.source(source) else {
            return Answer::UnknownSource;
        };
        let Some(webhooks) = &source.webhooks else {
            return Answer::UnknownSource;
        };
        if delivery.body.len() > source.max_body {
            return Answer::TooLarge;
        }
        let now = self.flow.host.now();
        if let Err(refusal) = webhooks.verify(delivery, now) {
            if webhooks.is_signed(delivery.headers) {
                self.quarantine(source, delivery, &refusal, now).await;
            } else if webhooks.signs_on_retry() {
                return Answer::Unavailable;
            }
            return Answer::Refused;
        }
        self.take(source, &**webhooks, delivery, now).await
    }

    /// Takes a delivery that is authentic and came at `at`.
    async fn take(
        &self,
        source: &Source,
        webhooks: &dyn Webhooks,
        delivery: Delivery<'_>,
        at: Timestamp,
    ) -> Answer {
        match webhooks.classify(delivery, at) {
            Classified::Event(event) => self.accept(source, *event, delivery.payload()).await,
            Classified::Ignored(reason) => Answer::Ignored { reason },
            Classified::Unreadable(reason) => {
                self.park(source, delivery.payload(), reason, at).await
            }
        }
    }

    async fn accept(&self, source: &Source, event: CallEvent, payload: &[u8]) -> Answer {
        let (event, long) = carrying(&self.flow, source, event, payload);
        if let Some((key, payload)) = long {
            let kept = self.flow.db.write(move |mut conn| {
                Box::pin(async move { bodies::keep(&mut conn, &key, &payload).await })
            });
            if !matches!(timeout(PATIENCE, kept).await, Ok(Ok(()))) {
                return Answer::Unavailable;
            }
        }
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
            id: crate::id::letter(&message_id),
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
        delivery: Delivery<'_>,
        refusal: &Refusal,
        now: Timestamp,
    ) {
        let Ok(headers) = serde_json::to_vec(&head(delivery)) else {
            return;
        };
        let body = delivery.body;
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

/// The head of a delivery as name and value pairs. Method and target stand first, under the names
/// that HTTP/2 gives them: signatures over the URL need them, too.
fn head(delivery: Delivery<'_>) -> Vec<(&str, String)> {
    let fields = delivery.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str(), value)
    });
    [
        (":method", delivery.method.to_string()),
        (":path", delivery.target.to_string()),
    ]
    .into_iter()
    .chain(fields)
    .collect()
}

/// The event as it travels: with its payload, where no API can be asked. A payload too long for a
/// message is given back, to be kept before the message goes out.
pub(crate) fn carrying(
    flow: &Flow,
    source: &Source,
    mut event: CallEvent,
    payload: &[u8],
) -> (CallEvent, Option<(ConversationKey, Payload)>) {
    event.source.clone_from(&source.name);
    let tells = matches!(event.kind, EventKind::Finished | EventKind::Analyzed);
    let Some(id) = event.conversation_id.clone() else {
        return (event, None);
    };
    if source.api.is_some() || !tells {
        return (event, None);
    }
    let sealed = flow.seal.seal(payload, flow.host.dice.bytes());
    if payload.len() <= CARRIED {
        event.body = Some(Carried::Sealed(sealed));
        return (event, None);
    }
    let payload = Payload::of(&event, sealed);
    event.body = Some(Carried::Kept(payload.id.clone()));
    let owner = source.owner.clone();
    (event, Some((ConversationKey { owner, id }, payload)))
}
