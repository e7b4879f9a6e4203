//! One attempt to send an event to an endpoint, and what came of it, in one transaction.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Instrument as _;

use super::body::Facts;
use super::verdict::{Ended, judge};
use crate::endpoint::Method;
use crate::erasure;
use crate::event::Sending;
use crate::flow::{Flow, passed, store_failed};
use crate::outbound::Request;
use crate::outbound::template::Unrendered;
use crate::secret::Secret;
use crate::signature::standard::Key;
use crate::store::deliveries::{self, Delivery, Status};
use crate::store::endpoints::{self, Endpoint};
use crate::store::passages::Passage;
use crate::store::{Conn, Result, results};
use crate::time::Timestamp;
use crate::verdict::{Failure, Fault, Verdict};

mod settle;

use settle::Settlement;

/// How long a replayed letter waits while its delivery is on its way already.
const IN_FLIGHT_WAIT: Duration = Duration::from_secs(2);

/// How long a delivery waits whose endpoint's secret can't be opened.
const UNSEALABLE_WAIT: Duration = Duration::from_mins(1);

/// How long a delivery waits for a place to render its template in.
const CROWDED_WAIT: Duration = Duration::from_secs(5);

/// What is said of a letter whose endpoint takes nothing.
const DISABLED: &str = "the endpoint is disabled; enable it, and replay";

/// Makes one attempt of a delivery, unless it has been made or has nobody to go to.
pub async fn send(flow: &Flow, sending: &Sending) -> Verdict {
    let job = match prepare(flow, sending).await {
        Ok(Prepared::Ready(job)) => job,
        Ok(Prepared::Over(verdict)) => return verdict,
        Err(error) => return store_failed(&error),
    };
    let began = flow.host.now();
    let span = tracing::info_span!("webhook.deliver", attempt = job.delivery.attempts + 1);
    let ended = match attempt(flow, &job, began).instrument(span).await {
        Ok(ended) => ended,
        Err(verdict) => return verdict,
    };
    let now = flow.host.now();
    let replayed = sending.attempt.is_none();
    let Job {
        delivery, endpoint, ..
    } = *job;
    let meaning = judge(
        &ended,
        delivery.spent.saturating_add(1),
        flow.host.dice.fraction(),
    );
    let settlement = Settlement {
        delivery,
        endpoint,
        ended,
        meaning,
        replayed,
        latency: now.since(began),
        now,
        audit_id: crate::id::fresh("audit_", now, flow.host.dice.bytes()),
    };
    let why = settlement.meaning.why.clone().filter(|_| replayed);
    settlement.measure();
    let settled = flow
        .db
        .write(move |mut conn| Box::pin(async move { settlement.write(&mut conn).await }))
        .await;
    flow.news.tell();
    match (settled, why) {
        (Err(error), _) => store_failed(&error),
        (Ok(_), Some(why)) => Verdict::Park { why },
        (Ok(ended_at), None) => {
            passed(Passage::Delivered, ended_at, now);
            Verdict::Done
        }
    }
}

/// An attempt that can be made.
struct Job {
    delivery: Delivery,
    endpoint: Endpoint,
    facts: Facts,
}

enum Prepared {
    Ready(Box<Job>),
    Over(Verdict),
}

/// What stands in the way of an attempt.
enum Obstacle {
    /// It was made, or its message came twice.
    Stale,
    /// It is on its way by another message.
    InFlight,
    /// Its endpoint is gone, or its event is.
    Nowhere(&'static str, &'static str),
    /// Its endpoint takes nothing now.
    Disabled,
}

type Found = std::result::Result<Box<Job>, Obstacle>;

async fn prepare(flow: &Flow, sending: &Sending) -> Result<Prepared> {
    let wanted = sending.clone();
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { look(&mut conn, &wanted).await }))
        .await?;
    let obstacle = match found {
        Ok(mut job) => {
            erasure::reveal(&flow.seal, &mut job.facts.event);
            return Ok(Prepared::Ready(job));
        }
        Err(obstacle) => obstacle,
    };
    let (id, now) = (sending.delivery_id.clone(), flow.host.now());
    let replayed = sending.attempt.is_none();
    let verdict = match obstacle {
        Obstacle::Stale => Verdict::Done,
        Obstacle::InFlight => Verdict::Wait {
            after: IN_FLIGHT_WAIT,
            why: of_endpoint("delivery_in_flight", "the delivery is on its way already"),
        },
        Obstacle::Nowhere(code, message) => {
            flow.db
                .write(move |mut conn| {
                    Box::pin(async move { deliveries::cancel(&mut conn, &id, now).await })
                })
                .await?;
            parked_if(replayed, code, message)
        }
        Obstacle::Disabled => {
            flow.db
                .write(move |mut conn| {
                    Box::pin(async move { deliveries::postpone(&mut conn, &id, now).await })
                })
                .await?;
            parked_if(replayed, "endpoint_disabled", DISABLED)
        }
    };
    Ok(Prepared::Over(verdict))
}

/// What would become of a sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// An attempt would be made: of a delivery to this endpoint.
    Calls(String),
    /// It would wait for the attempt that is on its way already.
    Waits,
    /// Nothing is left to do.
    AlreadyDone,
    /// It has nobody to go to.
    Fails(Failure),
}

/// Looks at what would become of a sending. Nothing is sent, and nothing written.
pub async fn foresee(flow: &Flow, sending: &Sending) -> Result<Prospect> {
    let wanted = sending.clone();
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { look(&mut conn, &wanted).await }))
        .await?;
    Ok(match found {
        Ok(job) => Prospect::Calls(job.delivery.endpoint_id),
        Err(Obstacle::InFlight) => Prospect::Waits,
        Err(Obstacle::Stale) => Prospect::AlreadyDone,
        Err(Obstacle::Nowhere(code, message)) => Prospect::Fails(of_endpoint(code, message)),
        Err(Obstacle::Disabled) => Prospect::Fails(of_endpoint("endpoint_disabled", DISABLED)),
    })
}

/// A letter that can't be delivered stays one; any other message has done its part.
fn parked_if(replayed: bool, code: &str, message: &str) -> Verdict {
    if replayed {
        let why = of_endpoint(code, message);
        Verdict::Park { why }
    } else {
        Verdict::Done
    }
}

fn of_endpoint(code: &str, message: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        message: message.to_owned(),
        fault: Fault::Endpoint,
    }
}

async fn look(conn: &mut Conn<'_>, sending: &Sending) -> Result<Found> {
    const REMOVED: Obstacle = Obstacle::Nowhere("endpoint_removed", "the endpoint was removed");
    const GONE: Obstacle = Obstacle::Nowhere("event_gone", "the event was erased or has grown old");
    let Some(delivery) = deliveries::get(conn, &sending.delivery_id).await? else {
        return Ok(Err(if sending.attempt.is_some() {
            Obstacle::Stale
        } else {
            GONE
        }));
    };
    match (sending.attempt, delivery.status) {
        (Some(number), Status::Queued) if number == delivery.attempts.saturating_add(1) => {}
        (Some(_), _) | (None, Status::Delivered) => return Ok(Err(Obstacle::Stale)),
        (None, Status::Queued) => return Ok(Err(Obstacle::InFlight)),
        (None, Status::Cancelled) => return Ok(Err(GONE)),
        (None, Status::Pending | Status::Failed) => {}
    }
    let Some(endpoint) = endpoints::get(conn, &delivery.endpoint_id).await? else {
        return Ok(Err(REMOVED));
    };
    if !endpoint.enabled {
        return Ok(Err(Obstacle::Disabled));
    }
    let Some(event) = results::get(conn, &delivery.event_id).await? else {
        return Ok(Err(GONE));
    };
    let facts = if endpoint.template.is_some() {
        Facts::whole(conn, event).await?
    } else {
        Facts::of(conn, event, endpoint.payload).await?
    };
    Ok(Ok(Box::new(Job {
        delivery,
        endpoint,
        facts,
    })))
}

async fn attempt(flow: &Flow, job: &Job, now: Timestamp) -> std::result::Result<Ended, Verdict> {
    send_facts(flow, &job.endpoint, &job.facts, now)
        .await
        .map_err(|hindrance| match hindrance {
            Hindrance::Unsealable => Verdict::Wait {
                after: UNSEALABLE_WAIT,
                why: Failure::ours(
                    "unsealable",
                    "the endpoint's secret was sealed under another key; set secret_key_previous",
                ),
            },
            Hindrance::Crowded => Verdict::Wait {
                after: CROWDED_WAIT,
                why: Failure::ours(
                    "templates_crowded",
                    "too many templates are being rendered, or this one for too many events",
                ),
            },
        })
}

/// What keeps an attempt from being made, and is no fault of the endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// What is kept of an endpoint was sealed under another key, or is not what we keep.
    Unsealable,
    /// There is no place to render its template in.
    Crowded,
}

/// Makes the body, signs it and posts it.
pub(super) async fn send_facts(
    flow: &Flow,
    endpoint: &Endpoint,
    facts: &Facts,
    now: Timestamp,
) -> std::result::Result<Ended, Hindrance> {
    let keys = keys(flow, endpoint, now)?;
    let headers = headers(flow, endpoint)?;
    let (body, content_type, method) = match &endpoint.template {
        None => (facts.body().to_string(), "application/json", Method::Post),
        Some(wanted) => {
            let (template, context) = (wanted.clone(), facts.context());
            let renderer = flow.outbound.renderer();
            match renderer.render(&flow.host, template, context).await {
                Ok(Some(body)) => (body, wanted.content_type.as_str(), wanted.method),
                Ok(None) => return Ok(Ended::Nothing),
                Err(Unrendered::Bad(error)) => return Ok(Ended::Unmade(error)),
                Err(Unrendered::Crowded) => return Err(Hindrance::Crowded),
            }
        }
    };
    let request = Request {
        url: &endpoint.url,
        method,
        id: &facts.event.id,
        keys: &keys,
        headers,
        content_type,
        body: body.into_bytes(),
    };
    Ok(match flow.outbound.send(request, now).await {
        Ok(answer) => Ended::Answered(answer),
        Err(error) => Ended::Unanswered(error),
    })
}

/// The keys that sign: the current one, and during a rotation the one before it.
fn keys(
    flow: &Flow,
    endpoint: &Endpoint,
    now: Timestamp,
) -> std::result::Result<Vec<Key>, Hindrance> {
    let previous = endpoint.previous.as_ref();
    let previous = previous
        .filter(|(_, until)| *until > now)
        .map(|(sealed, _)| sealed);
    [Some(&endpoint.secret), previous]
        .into_iter()
        .flatten()
        .map(|sealed| {
            let text = opened(flow, sealed)?;
            let secret = Secret::new(text).map_err(|_| Hindrance::Unsealable)?;
            Key::read(&secret).map_err(|_| Hindrance::Unsealable)
        })
        .collect()
}

fn headers(flow: &Flow, endpoint: &Endpoint) -> std::result::Result<HeaderMap, Hindrance> {
    let kept: BTreeMap<String, String> = serde_json::from_str(&opened(flow, &endpoint.headers)?)
        .map_err(|_| Hindrance::Unsealable)?;
    kept.iter()
        .map(|(name, value)| {
            let name = HeaderName::try_from(name).map_err(|_| Hindrance::Unsealable)?;
            let mut value = HeaderValue::try_from(value).map_err(|_| Hindrance::Unsealable)?;
            value.set_sensitive(true);
            Ok((name, value))
        })
        .collect()
}

fn opened(flow: &Flow, sealed: &str) -> std::result::Result<String, Hindrance> {
    let bytes = flow.seal.open(sealed).map_err(|_| Hindrance::Unsealable)?;
    String::from_utf8(bytes).map_err(|_| Hindrance::Unsealable)
}
