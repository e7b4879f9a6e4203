//! An endpoint's life: judged, made, changed, given a new secret, enabled, disabled and removed. Each
//! step is one transaction with its entry in the audit log; what changes one that is there holds its lock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::trial::try_template;
use crate::endpoint::{Payload, Subscription, Template};
use crate::flow::Flow;
use crate::outbound::guard::Refused;
use crate::outbound::template::BadTemplate;
use crate::signature::standard::Key;
use crate::store::audit::{self, Entry};
use crate::store::endpoints::{self, Endpoint, Off};
use crate::store::tokens::{Scope, Token};
use crate::store::{Conn, Result, deliveries, results};
use crate::time::Timestamp;

mod entitled;
mod told;

/// Failed deliveries that one request sends again.
const MOST: i64 = 100_000;

/// What somebody wants an endpoint to be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it is.
    pub url: String,
    /// What it is for.
    pub description: String,
    /// Which events it gets.
    pub subscription: Subscription,
    /// In which shape; the setting's without.
    pub payload: Option<Payload>,
    /// What is sent in place of that.
    pub template: Option<Template>,
    /// Its own headers.
    pub headers: BTreeMap<String, String>,
    /// Deliveries a second at the most.
    pub rate: Option<u32>,
    /// Deliveries at once.
    pub concurrency: u32,
    /// Whether it is sent anything yet.
    pub enabled: bool,
}

/// Why an endpoint can't be kept as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It would be sent what whoever asks may not see.
    #[error("would be sent what only the scope {} shows, which the token lacks", .0.as_str())]
    Unseen(Scope),
    /// It would get events of agents that whoever asks may not see.
    #[error("must name agents that the token is bound to, and no others")]
    Agents,
    /// Its headers were given for another place, where somebody else may be.
    #[error("were given for another scheme, host or port: give them anew, or null for none")]
    Headers,
    /// It leads where nothing may go.
    #[error(transparent)]
    Url(#[from] Refused),
    /// Its template makes no body.
    #[error(transparent)]
    Template(#[from] BadTemplate),
}

impl Unfit {
    /// The field that it is about.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Unseen(_) => "payload",
            Self::Agents => "agents",
            Self::Headers => "headers",
            Self::Url(_) => "url",
            Self::Template(_) => "template",
        }
    }
}

/// Judges an endpoint that somebody makes, or makes of the one that it was `before`; says whether its
/// host's name can be looked up now. Nothing is written: looking a name up must not hold a transaction
/// open.
pub async fn judge(
    flow: &Flow,
    who: &Token,
    before: Option<&Endpoint>,
    endpoint: &Endpoint,
) -> Result<std::result::Result<bool, Unfit>> {
    if let Err(unfit) = entitled::insist(who, before, endpoint, &flow.seal) {
        return Ok(Err(unfit));
    }
    let guard = flow.outbound.guard();
    let target = match guard.read(&endpoint.url) {
        Ok(target) => target,
        Err(refused) => return Ok(Err(refused.into())),
    };
    let resolved = match guard.resolve(&target).await {
        Ok(resolved) => resolved,
        Err(refused) => return Ok(Err(refused.into())),
    };
    if let Some(template) = endpoint.template.clone() {
        let agents = endpoint.subscription.agents.clone();
        if let Err(bad) = try_template(flow, template, agents).await? {
            return Ok(Err(bad.into()));
        }
    }
    Ok(Ok(resolved))
}

/// A new endpoint, not kept yet, and the key that its deliveries are signed with.
pub fn make(flow: &Flow, wanted: Wanted) -> (Endpoint, Key) {
    let now = flow.host.now();
    let key = Key::of_random(flow.host.dice.bytes());
    let endpoint = Endpoint {
        id: crate::id::fresh("ep_", now, flow.host.dice.bytes()),
        headers: sealed_headers(flow, &wanted.headers),
        secret: sealed(flow, &key.to_text()),
        url: wanted.url,
        description: wanted.description,
        subscription: wanted.subscription,
        payload: wanted.payload.unwrap_or(flow.payload),
        template: wanted.template,
        previous: None,
        rate: wanted.rate,
        concurrency: wanted.concurrency,
        enabled: wanted.enabled,
        disabled: (!wanted.enabled).then_some((now, Off::ByHand)),
        failing_since: None,
        unproved: 0,
        slow: false,
        ready_at: Timestamp::from_millis(0),
        created_at: now,
        updated_at: now,
    };
    (endpoint, key)
}

/// Keeps a new endpoint.
pub async fn keep(flow: &Flow, endpoint: &Endpoint, mut entry: Entry) -> Result<()> {
    let kept = endpoint.clone();
    entry.detail = told::whole(endpoint);
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::save(&mut conn, &kept).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await
}

/// The endpoint of an id, for somebody who is bound to these agents: who is bound sees those of their
/// agents alone.
pub async fn find(flow: &Flow, bound: &[String], id: &str) -> Result<Option<Endpoint>> {
    let id = id.to_owned();
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { endpoints::get(&mut conn, &id).await }))
        .await?;
    Ok(found.filter(|endpoint| endpoints::is_of(endpoint, bound)))
}

/// Changes an endpoint as somebody wants it, if it may be so; none when it is gone.
pub async fn change(
    flow: &Flow,
    who: &Token,
    current: &Endpoint,
    wanted: impl Fn(Endpoint) -> Endpoint + Send + 'static,
    mut entry: Entry,
) -> Result<std::result::Result<Option<Endpoint>, Unfit>> {
    let judged = judge(flow, who, Some(current), &wanted(current.clone())).await?;
    if let Err(unfit) = judged {
        return Ok(Err(unfit));
    }
    let (id, who, seal) = (current.id.clone(), who.clone(), flow.seal.clone());
    let now = flow.host.now();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::hold(&mut conn, &id).await?;
                let Some(before) = endpoints::get(&mut conn, &id).await? else {
                    return Ok(Ok(None));
                };
                let mut endpoint = wanted(before.clone());
                // It may have become another one since it was judged.
                if let Err(unfit) = entitled::insist(&who, Some(&before), &endpoint, &seal) {
                    return Ok(Err(unfit));
                }
                endpoint.updated_at = now;
                entry.detail = told::difference(&before, &endpoint);
                endpoints::save(&mut conn, &endpoint).await?;
                audit::add(&mut conn, &entry).await?;
                Ok(Ok(Some(endpoint)))
            })
        })
        .await
}

/// Changes an endpoint as it is then; none when it is gone.
async fn rewrite(
    flow: &Flow,
    id: &str,
    entry: Entry,
    change: impl FnOnce(&mut Endpoint, Timestamp) + Send + 'static,
) -> Result<Option<Endpoint>> {
    let (id, now) = (id.to_owned(), flow.host.now());
    flow.db
        .write(move |mut conn| {
            Box::pin(async move { rewrite_in(&mut conn, &id, &entry, now, change).await })
        })
        .await
}

async fn rewrite_in(
    conn: &mut Conn<'_>,
    id: &str,
    entry: &Entry,
    now: Timestamp,
    change: impl FnOnce(&mut Endpoint, Timestamp),
) -> Result<Option<Endpoint>> {
    endpoints::hold(conn, id).await?;
    let Some(mut endpoint) = endpoints::get(conn, id).await? else {
        return Ok(None);
    };
    change(&mut endpoint, now);
    endpoint.updated_at = now;
    endpoints::save(conn, &endpoint).await?;
    audit::add(conn, entry).await?;
    Ok(Some(endpoint))
}

/// Sends to an endpoint again, beginning with what waited for it, as if it had never failed.
pub async fn enable(flow: &Flow, id: &str, entry: Entry) -> Result<Option<Endpoint>> {
    let (id, now) = (id.to_owned(), flow.host.now());
    let enabled = flow.db.write(move |mut conn| {
        Box::pin(async move {
            let on = |endpoint: &mut Endpoint, _| {
                endpoint.enabled = true;
                endpoint.disabled = None;
            };
            if rewrite_in(&mut conn, &id, &entry, now, on).await?.is_some() {
                endpoints::heal(&mut conn, &id).await?;
            }
            endpoints::get(&mut conn, &id).await
        })
    });
    let enabled = enabled.await?;
    flow.news.tell();
    Ok(enabled)
}

/// Sends an endpoint nothing more. What waits for it goes on waiting.
pub async fn disable(flow: &Flow, id: &str, entry: Entry) -> Result<Option<Endpoint>> {
    rewrite(flow, id, entry, |endpoint, now| {
        if endpoint.enabled {
            endpoint.enabled = false;
            endpoint.disabled = Some((now, Off::ByHand));
        }
    })
    .await
}

/// Gives an endpoint a new key. The old one signs beside it until `overlap` is over.
pub async fn rotate(
    flow: &Flow,
    id: &str,
    overlap: Duration,
    entry: Entry,
) -> Result<Option<(Endpoint, Key)>> {
    let key = Key::of_random(flow.host.dice.bytes());
    let new = sealed(flow, &key.to_text());
    let rotated = rewrite(flow, id, entry, move |endpoint, now| {
        let old = std::mem::replace(&mut endpoint.secret, new);
        endpoint.previous = (!overlap.is_zero()).then(|| (old, now.plus(overlap)));
    });
    Ok(rotated.await?.map(|endpoint| (endpoint, key)))
}

/// Removes an endpoint, and cancels what it was not sent yet.
pub async fn remove(flow: &Flow, id: &str, mut entry: Entry) -> Result<()> {
    let (id, now) = (id.to_owned(), flow.host.now());
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                endpoints::hold(&mut conn, &id).await?;
                if let Some(endpoint) = endpoints::get(&mut conn, &id).await? {
                    // An event that comes meanwhile would wait for an endpoint that is gone.
                    results::hold(&mut conn).await?;
                    // Deliveries before their endpoint: in this order everybody changes them.
                    deliveries::cancel_of_endpoint(&mut conn, &id, now).await?;
                    endpoints::remove(&mut conn, &id).await?;
                    entry.detail = told::whole(&endpoint);
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Has all deliveries to an endpoint that were given up begin anew, of events since a time; says how
/// many.
pub async fn retry_failed(flow: &Flow, id: &str, since: Timestamp, entry: Entry) -> Result<u64> {
    let (id, now) = (id.to_owned(), flow.host.now());
    let retried = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                audit::add(&mut conn, &entry).await?;
                deliveries::retry_failed(&mut conn, &id, since, now, MOST).await
            })
        })
        .await?;
    flow.news.tell();
    Ok(retried)
}

/// Headers as they are kept: their values are secrets.
pub fn sealed_headers(flow: &Flow, headers: &BTreeMap<String, String>) -> String {
    sealed(flow, &serde_json::to_string(headers).unwrap_or_default())
}

/// The names of an endpoint's own headers, which are no secret.
pub fn header_names(flow: &Flow, endpoint: &Endpoint) -> Vec<String> {
    let opened = flow.seal.open(&endpoint.headers).ok();
    let headers: Option<BTreeMap<String, String>> =
        opened.and_then(|text| serde_json::from_slice(&text).ok());
    headers.unwrap_or_default().into_keys().collect()
}

fn sealed(flow: &Flow, text: &str) -> String {
    flow.seal.seal(text.as_bytes(), flow.host.dice.bytes())
}
