//! `/v1/tokens`: who may ask, for what. A token is shown once, when it is made.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::auth::Bearer;
use super::error::ApiError;
use super::query::{FromObject, Json, Object, PageParams, Path, Query};
use crate::id::AgentId;
use crate::page::{Cursor, PageRequest};
use crate::store::audit;
use crate::store::tokens::{self, Role, Scope, Token};
use crate::time::Timestamp;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list, create))
        .routes(routes!(revoke))
}

/// A token, without the token.
#[derive(Debug, Serialize, ToSchema)]
struct TokenBody {
    /// Its id.
    id: String,
    /// What it is for.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<String>)]
    scopes: Vec<Scope>,
    /// The role whose scopes these are: `viewer`, `integrator`, `operator` or `admin`.
    #[schema(value_type = Option<String>, required = true)]
    role: Option<Role>,
    /// The only agents it may see; empty is all.
    agents: Vec<String>,
    /// Until when it works.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    revoked_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> Self {
        Self {
            id: token.id,
            name: token.name,
            role: Role::of(&token.scopes),
            scopes: token.scopes,
            agents: token.agents,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
            revoked_at: token.revoked_at,
            created_at: token.created_at,
        }
    }
}

/// A page of tokens.
#[derive(Debug, Serialize, ToSchema)]
struct TokenList {
    /// Newest first.
    tokens: Vec<TokenBody>,
    /// Where the next page begins; null on the last.
    #[schema(required = true)]
    next_cursor: Option<String>,
    /// Whether there is one.
    has_more: bool,
}

/// List the tokens
#[utoipa::path(
    get, path = "/v1/tokens", operation_id = "list_tokens", tag = "tokens", params(PageParams),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 200, description = "A page of tokens.", body = TokenList), ApiError),
)]
async fn list(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<PageRequest>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    bearer.require_unbound()?;
    let page = query.read()?;
    let page = api
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { tokens::list(&mut conn, &page).await }))
        .await?;
    Ok(axum::Json(TokenList {
        next_cursor: page.next.as_ref().map(Cursor::encode),
        has_more: page.next.is_some(),
        tokens: page.rows.into_iter().map(TokenBody::from).collect(),
    }))
}

/// A token to be made.
#[derive(Debug, ToSchema)]
struct NewToken {
    /// What it is for, 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// What it may do; where no role is given, which names a set of scopes.
    #[schema(schema_with = scopes_wanted, required = false)]
    scopes: Vec<Scope>,
    /// The kind of person or program that it is for. An integrator is bound to agents.
    #[schema(schema_with = role_wanted, required = false)]
    role: Option<Role>,
    /// The only agents it may see; all without.
    #[schema(min_items = 1)]
    agents: Option<Vec<String>>,
    /// Until when it works; for good without.
    #[schema(value_type = Option<String>, format = DateTime, required = false)]
    expires_at: Option<Timestamp>,
}

/// At least one of the scopes that there are.
fn scopes_wanted() -> Array {
    let scope = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Scope::ALL.map(Scope::as_str)));
    ArrayBuilder::new()
        .items(scope)
        .min_items(Some(1))
        .examples([serde_json::json!(["conversations:read"])])
        .build()
}

/// One of the roles that there are.
fn role_wanted() -> utoipa::openapi::schema::Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(Role::ALL.map(Role::as_str)))
        .build()
}

impl FromObject for NewToken {
    fn from_object(object: &mut Object) -> Self {
        let new = Self {
            name: object.required("name"),
            scopes: object.optional("scopes").unwrap_or_default(),
            role: object.optional("role"),
            agents: object.list("agents"),
            expires_at: object.optional("expires_at"),
        };
        let length = new.name.trim().chars().count();
        if !object.is_wrong("name")
            && (!(1..=100).contains(&length) || new.name.chars().any(char::is_control))
        {
            object.refuse(
                "name",
                "must be 1 to 100 characters, none of them a control one",
            );
        }
        if !object.is_wrong("scopes") && !object.is_wrong("role") {
            match (new.scopes.is_empty(), new.role) {
                (true, None) => {
                    object.refuse("scopes", "must name at least one scope; or give a role");
                }
                (false, Some(_)) => {
                    object.refuse("role", "stands for its scopes: give either, not both");
                }
                (true, Some(role))
                    if role.is_bound() && new.agents.is_none() && !object.is_wrong("agents") =>
                {
                    object.refuse("agents", "an integrator is bound to agents: name them");
                }
                _ => {}
            }
        }
        // A token bound to no agent must not turn into one bound to none in particular.
        let agents = new.agents.as_deref();
        if agents
            .is_some_and(|ids| ids.is_empty() || ids.iter().any(|id| AgentId::new(id).is_err()))
        {
            object.refuse(
                "agents",
                "must be agent ids, at least one; leave it out for all",
            );
        }
        new
    }
}

/// A new token. This is the only answer that ever holds it.
#[derive(Debug, Serialize, ToSchema)]
struct MadeToken {
    /// The token.
    token: String,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<&'static str>,
    #[serde(flatten)]
    about: TokenBody,
}

/// Make a token
///
/// The answer is the only one that ever shows it.
#[utoipa::path(
    post, path = "/v1/tokens", operation_id = "create_token", tag = "tokens", request_body = NewToken,
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 201, description = "The token.", body = MadeToken), ApiError),
)]
async fn create(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    query: Query<()>,
    body: Json<NewToken>,
) -> Result<impl IntoResponse, ApiError> {
    bearer.require(Scope::Admin)?;
    bearer.require_unbound()?;
    query.read()?;
    let new = body.read()?;
    let host = &api.flow.host;
    let now = host.now();
    if new.expires_at.is_some_and(|end| end <= now) {
        let why = "must lie in the future".to_owned();
        return Err(ApiError::invalid([("expires_at".to_owned(), why)].into()));
    }
    let mut scopes = new.role.map_or(new.scopes, Role::scopes);
    scopes.sort_unstable();
    scopes.dedup();
    let made = Token {
        id: crate::id::fresh("token_", now, host.dice.bytes()),
        name: new.name.trim().to_owned(),
        scopes,
        agents: canonical(&new.agents.unwrap_or_default()),
        expires_at: new.expires_at,
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    };
    let token = tokens::mint(host.dice.bytes());
    let hash = tokens::hash(&token);
    let entry = bearer.did(&api, "token.create", &made.id, &made.told());
    let kept = made.clone();
    api.flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                tokens::add(&mut conn, &kept, &hash).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    let about = TokenBody::from(made);
    let body = MadeToken {
        token,
        warning: about
            .expires_at
            .is_none()
            .then_some("the token never expires; give expires_at to one that should end by itself"),
        about,
    };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Agent ids as conversations carry them.
fn canonical(agents: &[String]) -> Vec<String> {
    let mut agents: Vec<_> = agents.iter().map(|id| crate::id::canonical(id)).collect();
    agents.sort();
    agents.dedup();
    agents
}

/// Revoke a token
///
/// It stops working at once, and stays on the list.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", operation_id = "revoke_token", tag = "tokens",
    params(("id" = String, Path, description = "The token's id.")),
    security(("bearer" = ["admin"]), ("key" = ["admin"])),
    responses((status = 204, description = "It is revoked."), ApiError),
)]
async fn revoke(
    bearer: Bearer,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<()>,
) -> Result<StatusCode, ApiError> {
    bearer.require(Scope::Admin)?;
    bearer.require_unbound()?;
    query.read()?;
    let now = api.flow.host.now();
    let entry = bearer.did(&api, "token.revoke", &id, "");
    let known = api
        .flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let known = tokens::revoke(&mut conn, &id, now).await?;
                if known {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(known)
            })
        })
        .await?;
    if known {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::not_found("token"))
    }
}
