//! What came of an attempt, written down: the delivery, its timeline, its letter, its endpoint.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::json;

use crate::deliver::COMPLETED;
use crate::deliver::verdict::{Ended, Meaning};
use crate::endpoint::{ENDPOINT_DISABLED, MEMORY_ERASED};
use crate::event::Message;
use crate::id::{ConversationKey, of_content};
use crate::store::dead_letters;
use crate::store::deliveries::{self, After, Attempt, Delivery};
use crate::store::endpoints::{self, Endpoint, Health, Off, PROOF};
use crate::store::passages::{self, Passage};
use crate::store::results::{self, ResultEvent};
use crate::store::{Conn, Result, audit, conversations};
use crate::time::Timestamp;

/// An endpoint that fails for so long is disabled (product contract §9).
const GIVE_UP: Duration = Duration::from_hours(5 * 24);

/// An answer that takes so long makes an endpoint a slow one, until one takes less than half.
const SLOW: Duration = Duration::from_secs(2);

/// Between two attempts, an endpoint that fails is left alone for this share of the time for which it
/// has: what is dead must not keep the database busy, which the deliveries of others need.
const PAUSE_SHARE: u32 = 10;

/// Shorter pauses are none, so that one that only fails now and then loses no time; and the longest.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(1);

/// An attempt that has been made.
pub(super) struct Settlement {
    pub(super) delivery: Delivery,
    pub(super) endpoint: Endpoint,
    pub(super) ended: Ended,
    pub(super) meaning: Meaning,
    /// Whether a dead letter is replayed: it stays with its one letter.
    pub(super) replayed: bool,
    pub(super) latency: Duration,
    pub(super) now: Timestamp,
    /// The id of an audit entry, should there be something to audit.
    pub(super) audit_id: String,
}

impl Settlement {
    /// Tells the metrics.
    pub(super) fn measure(&self) {
        let outcome = match self.meaning.after {
            After::Delivered => "delivered",
            After::Again(_) => "retry",
            After::Failed => "failed",
            After::Skipped => "skipped",
        };
        metrics::counter!("aftercall_delivery_attempts_total", "outcome" => outcome).increment(1);
        metrics::histogram!("aftercall_delivery_duration_seconds")
            .record(self.latency.as_secs_f64());
    }

    /// Writes everything down, once: an attempt that is written already changes nothing.
    /// Gives the end of a call whose result has arrived with that for the first time.
    pub(super) async fn write(mut self, conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
        if self.replayed && matches!(self.meaning.after, After::Again(_)) {
            self.meaning.after = After::Failed;
        }
        let health = self.health();
        let off = health.and_then(|health| self.off(health));
        if off.is_some() {
            endpoints::hold(conn, &self.endpoint.id).await?;
        }
        let (id, number) = (&self.delivery.id, self.number());
        if !deliveries::settle(conn, id, number, self.meaning.after, self.now).await? {
            return Ok(None);
        }
        deliveries::add_attempt(conn, id, &self.attempt()).await?;
        // Endpoints get it one by one, some anew: a call has arrived with the first of them.
        let arrived = self.arrives(conn).await?;
        let (after, why) = (self.meaning.after, self.meaning.why.as_ref());
        deliveries::tell_timeline(conn, &self.delivery, number, after, why, self.now).await?;
        match self.meaning.after {
            // Before the first attempt there is no letter that could be resolved.
            After::Delivered | After::Skipped if number > 1 => {
                dead_letters::resolve(conn, &Message::resend(id).id, self.now).await?;
            }
            After::Failed if !self.replayed => self.keep_letter(conn).await?,
            After::Delivered | After::Skipped | After::Failed | After::Again(_) => {}
        }
        if let Some(rest) = self.meaning.rest.max(self.pause()) {
            endpoints::rest(conn, &self.endpoint.id, self.now.plus(rest)).await?;
        }
        if let Some(health) = health.filter(|health| self.is_news(*health)) {
            endpoints::tell_health(conn, &self.endpoint.id, health, self.now).await?;
        }
        if let Some(off) = off {
            self.disable(conn, off).await?;
        }
        match arrived {
            Some(key) => over_at(conn, &key).await,
            None => Ok(None),
        }
    }

    /// The call whose result nobody had until now.
    async fn arrives(&self, conn: &mut Conn<'_>) -> Result<Option<ConversationKey>> {
        if self.meaning.after != After::Delivered || self.delivery.kind != COMPLETED {
            return Ok(None);
        }
        let Some(key) = &self.delivery.key else {
            return Ok(None);
        };
        let news = passages::mark(conn, key, Passage::Delivered, self.now).await?;
        Ok(news.then(|| key.clone()))
    }

    fn number(&self) -> u32 {
        self.delivery.attempts.saturating_add(1)
    }

    fn attempt(&self) -> Attempt {
        let (status, response) = match &self.ended {
            // What answers to an erasure may repeat whom it names, and would outlive them here.
            Ended::Answered(answer) if self.delivery.kind == MEMORY_ERASED => {
                (Some(answer.status), String::new())
            }
            Ended::Answered(answer) => (Some(answer.status), answer.body.clone()),
            Ended::Unanswered(_) | Ended::Unmade(_) | Ended::Nothing => (None, String::new()),
        };
        let why = self.meaning.why.as_ref();
        Attempt {
            number: self.number(),
            at: self.now,
            status,
            latency_ms: i64::try_from(self.latency.as_millis()).unwrap_or(i64::MAX),
            code: why.map_or(String::new(), |why| why.code.clone()),
            message: why.map_or(String::new(), |why| why.message.clone()),
            response,
        }
    }

    async fn keep_letter(&self, conn: &mut Conn<'_>) -> Result<()> {
        let Some(cause) = self.meaning.why.clone() else {
            return Ok(());
        };
        metrics::counter!("aftercall_dead_letters_total", "stage" => "deliver").increment(1);
        deliveries::keep_letter(conn, &self.delivery, cause, self.now).await
    }

    /// How long the endpoint is left alone because it has failed for a while.
    fn pause(&self) -> Option<Duration> {
        self.meaning.why.as_ref()?;
        let pause = self.now.since(self.endpoint.failing_since?) / PAUSE_SHARE;
        (pause >= *PAUSES.start()).then(|| pause.min(*PAUSES.end()))
    }

    /// How the attempt found the endpoint; none where nobody was asked.
    fn health(&self) -> Option<Health> {
        if self.meaning.after == After::Skipped || matches!(self.ended, Ended::Unmade(_)) {
            return None;
        }
        Some(Health {
            succeeded: self.meaning.after == After::Delivered,
            slow: if self.endpoint.slow {
                self.latency * 2 >= SLOW
            } else {
                self.latency >= SLOW
            },
        })
    }

    /// Whether that is not known of the endpoint yet.
    fn is_news(&self, health: Health) -> bool {
        let Endpoint {
            slow,
            unproved,
            failing_since,
            ..
        } = self.endpoint;
        let otherwise = if health.succeeded {
            unproved > 0 || failing_since.is_some()
        } else {
            unproved < PROOF || failing_since.is_none()
        };
        otherwise || slow != health.slow
    }

    /// Why the endpoint is disabled from now on, if it is.
    fn off(&self, health: Health) -> Option<Off> {
        let failed_for = |since| self.now.since(since);
        let too_long = self.endpoint.failing_since.map(failed_for) >= Some(GIVE_UP);
        if self.meaning.gone {
            Some(Off::Gone)
        } else {
            (!health.succeeded && too_long).then_some(Off::Failing)
        }
    }

    async fn disable(&self, conn: &mut Conn<'_>, off: Off) -> Result<()> {
        // It may have been changed while it was asked; what its maker says stays.
        let found = endpoints::get(conn, &self.endpoint.id).await?;
        let Some(mut endpoint) = found.filter(|endpoint| endpoint.enabled) else {
            return Ok(());
        };
        let reason = off.as_str();
        endpoint.enabled = false;
        endpoint.disabled = Some((self.now, reason.to_owned()));
        endpoints::save(conn, &endpoint).await?;
        tracing::warn!(endpoint = endpoint.id, reason, "An endpoint was disabled");
        metrics::counter!("aftercall_endpoints_disabled_total", "reason" => reason).increment(1);
        let entry = audit::Entry {
            id: self.audit_id.clone(),
            at: self.now,
            actor: "system".to_owned(),
            action: "endpoint.disable".to_owned(),
            target: endpoint.id.clone(),
            detail: reason.to_owned(),
        };
        audit::add(conn, &entry).await?;
        results::add(conn, &self.disabled_event(&endpoint, reason)).await?;
        Ok(())
    }

    fn disabled_event(&self, endpoint: &Endpoint, reason: &str) -> ResultEvent {
        let at = self.now.to_string();
        ResultEvent {
            id: of_content("evt_", &[ENDPOINT_DISABLED, &endpoint.id, &at]),
            kind: ENDPOINT_DISABLED.to_owned(),
            agent_id: String::new(),
            key: None,
            data: json!({
                "endpoint_id": endpoint.id,
                "reason": reason,
                "failing_since": endpoint.failing_since,
                "disabled_at": self.now,
                "links": {"endpoint": format!("/v1/endpoints/{}", endpoint.id)},
            }),
            created_at: self.now,
        }
    }
}

async fn over_at(conn: &mut Conn<'_>, key: &ConversationKey) -> Result<Option<Timestamp>> {
    match conversations::get(conn, key).await? {
        Some(record) => passages::over_at(conn, &record).await,
        None => Ok(None),
    }
}
