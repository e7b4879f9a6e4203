//! Who asks: the token of a request, what it may do, and whose calls it may see.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Api;
use super::error::ApiError;
use crate::deliver::Reach;
use crate::store::audit;
use crate::store::tokens::{self, Scope, Token};
use crate::time::Timestamp;

/// How exactly `last_used_at` is kept.
const TOUCH_EVERY: Duration = Duration::from_mins(1);

/// The bearer of a valid token. Handlers take it first, so that strangers learn nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(pub(crate) Token);

impl Bearer {
    /// The bearer of the token in these headers.
    pub(crate) async fn of(api: &Arc<Api>, headers: &HeaderMap) -> Result<Self, ApiError> {
        let hash = tokens::hash(given(headers)?);
        let token = api
            .flow
            .db
            .read(move |mut conn| Box::pin(async move { tokens::by_hash(&mut conn, &hash).await }))
            .await?;
        let now = api.flow.host.now();
        let token = valid(token, now)?;
        if token
            .last_used_at
            .is_none_or(|at| now.since(at) >= TOUCH_EVERY)
        {
            touch(api, token.id.clone(), now);
        }
        Ok(Self(token))
    }

    /// 403 unless the token has the scope.
    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.0.allows(scope) {
            Ok(())
        } else {
            Err(lacking(scope))
        }
    }

    /// 403 unless the token has one of the scopes.
    pub(crate) fn require_either(&self, one: Scope, other: Scope) -> Result<(), ApiError> {
        if self.0.allows(one) {
            Ok(())
        } else {
            self.require(other)
        }
    }

    /// How far the token reaches among deliveries: with the scope to all that it may see, without it to
    /// those of its own endpoints. 403 where that is not at all.
    pub(crate) async fn reach(&self, api: &Api, scope: Scope) -> Result<Reach, ApiError> {
        match Reach::of(&api.flow, &self.0, scope).await? {
            Some(reach) => Ok(reach),
            None => Err(lacking(scope)),
        }
    }

    /// 404 unless the token may see this agent: what it may not see does not exist for it.
    pub(crate) fn require_agent(&self, agent_id: &str) -> Result<(), ApiError> {
        if self.0.sees(agent_id) {
            Ok(())
        } else {
            Err(ApiError::not_found("agent"))
        }
    }

    /// 403 for a token that is bound to agents: what it asks for is about all of them. A bound token
    /// that could make tokens would make itself one that is not bound.
    pub(crate) fn require_unbound(&self) -> Result<(), ApiError> {
        if self.0.agents.is_empty() {
            Ok(())
        } else {
            Err(ApiError::forbidden(
                "the token is bound to agents, and this is about all of them",
            ))
        }
    }

    /// Whether it gets to see what is sensitive.
    pub(crate) fn reads_sensitive(&self) -> bool {
        self.0.allows(Scope::ConversationsReadSensitive)
    }

    /// An entry for the audit log, of something that it does now.
    pub(crate) fn did(&self, api: &Api, action: &str, target: &str, detail: &str) -> audit::Entry {
        audit::Entry::now(&api.flow.host, &self.0.id, action, target, detail)
    }
}

impl FromRequestParts<Arc<Api>> for Bearer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        Self::of(api, &parts.headers).await
    }
}

fn lacking(scope: Scope) -> ApiError {
    let scope = scope.as_str();
    ApiError::forbidden(format!("the token lacks the scope {scope}"))
}

/// The token that a request carries, in one of the headers.
fn given(headers: &HeaderMap) -> Result<&str, ApiError> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default();
        return match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
            _ => Err(ApiError::unauthorized(
                "the Authorization header must be `Bearer` and a token",
            )),
        };
    }
    // ElevenLabs' clients, and what they send at the start of a call, know the second name.
    let key = ["x-api-key", "xi-api-key"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok());
    key.map(str::trim).ok_or(ApiError::unauthorized(
        "this needs a token: Authorization: Bearer ac_…, or X-API-Key",
    ))
}

fn valid(token: Option<Token>, now: Timestamp) -> Result<Token, ApiError> {
    match token {
        None => Err(ApiError::unauthorized("the token is not known")),
        Some(token) => match token.why_dead(now) {
            Some(why) => Err(ApiError::unauthorized(why)),
            None => Ok(token),
        },
    }
}

/// Writes down, beside the request, that the token was used.
fn touch(api: &Arc<Api>, id: String, now: Timestamp) {
    let db = api.flow.db.clone();
    let since = now.minus(TOUCH_EVERY);
    api.flow.host.spawn(async move {
        let written = db
            .write(move |mut conn| {
                Box::pin(async move { tokens::touch(&mut conn, &id, now, since).await })
            })
            .await;
        if let Err(error) = written {
            tracing::warn!(error = %error, "A token's last use could not be written down");
        }
    });
}
