//! Tokens: who may ask for what; made here, and shown once.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::access::{Posted, Refused, Session};
use super::failure::Failure;
use super::frame::{Frame, Section};
use super::show::{Moment, next, page, request};
use crate::flow::Flow;
use crate::id::AgentId;
use crate::store::audit;
use crate::store::tokens::{self, Role, Scope, Token};
use crate::time::Timestamp;

const PATH: &str = "/console/tokens";

/// Rows of a page.
const ROWS: usize = 50;

/// The most days that a token made here lives.
const MAX_DAYS: u64 = 3_650;

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(PATH, get(show).post(create))
        .route("/console/tokens/{id}/revoke", post(revoke))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    cursor: String,
    done: String,
}

struct Row {
    id: String,
    name: String,
    /// A role in a word, or the scopes one by one.
    may: String,
    agents: String,
    made: Moment,
    used: Option<Moment>,
    ends: Option<Moment>,
    /// Empty while it works.
    dead: &'static str,
    /// What is asked before it is revoked.
    question: &'static str,
}

/// What is asked before a token is revoked, and what of the last one that can make others.
const QUESTIONS: [&str; 2] = [
    "Revoke this token? Whoever uses it is out at once.",
    "Revoke the last admin token? Nobody can make tokens then, until aftercall is started again with \
     another one in AFTERCALL_ADMIN_TOKEN.",
];

#[derive(Template)]
#[template(path = "tokens.html")]
struct Page {
    frame: Frame,
    /// The new token, which is never shown again.
    made: String,
    roles: [(&'static str, &'static str); 4],
    scopes: [&'static str; 8],
    is_deep: bool,
    rows: Vec<Row>,
    next: String,
}

async fn show(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.enter(Section::Tokens)?;
    let mut frame = session.frame("Tokens", Section::Tokens);
    if asked.done == "revoke" {
        frame.notice = "The token is revoked, and every session that it opened.";
    }
    listed(&flow, frame, &asked.cursor, String::new()).await
}

async fn listed(
    flow: &Flow,
    frame: Frame,
    cursor: &str,
    made: String,
) -> Result<Response, Refused> {
    let wanted = request(cursor, ROWS);
    let found = flow
        .db
        .read(move |mut conn| Box::pin(async move { tokens::list(&mut conn, &wanted).await }))
        .await?;
    let now = flow.host.now();
    let admins = found.rows.iter().filter(|token| is_admin(token, now));
    let is_one = cursor.is_empty() && found.next.is_none() && admins.count() == 1;
    Ok(page(&Page {
        frame,
        made,
        roles: Role::ALL.map(|role| (role.as_str(), role.told())),
        scopes: Scope::ALL.map(Scope::as_str),
        is_deep: !cursor.is_empty(),
        next: next(PATH, &[], found.next.as_ref()),
        rows: found
            .rows
            .into_iter()
            .map(|token| row(token, is_one, now))
            .collect(),
    })?)
}

/// Whether it can make tokens.
fn is_admin(token: &Token, now: Timestamp) -> bool {
    token.agents.is_empty() && token.allows(Scope::Admin) && token.why_dead(now).is_none()
}

fn row(token: Token, is_one: bool, now: Timestamp) -> Row {
    Row {
        question: QUESTIONS[usize::from(is_one && is_admin(&token, now))],
        dead: match token.why_dead(now) {
            None => "",
            Some(_) if token.revoked_at.is_some() => "revoked",
            Some(_) => "expired",
        },
        may: if let Some(role) = Role::of(&token.scopes) {
            role.as_str().to_owned()
        } else {
            let scopes = token.scopes.iter().map(|scope| scope.as_str());
            scopes.collect::<Vec<_>>().join(", ")
        },
        agents: token.agents.join(", "),
        made: Moment::of(token.created_at, now),
        used: token.last_used_at.map(|at| Moment::of(at, now)),
        ends: token.expires_at.map(|at| Moment::of(at, now)),
        id: token.id,
        name: token.name,
    }
}

/// Makes a token, and shows it in the answer alone.
async fn create(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Tokens)?;
    let now = flow.host.now();
    let token = Token {
        id: crate::id::fresh("token_", now, flow.host.dice.bytes()),
        created_at: now,
        ..wanted(&posted, now)?
    };
    let text = tokens::mint(flow.host.dice.bytes());
    let hash = tokens::hash(&text);
    let entry = session.did(&flow, "token.create", &token.id, &token.told());
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                tokens::add(&mut conn, &token, &hash).await?;
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    listed(&flow, session.frame("Tokens", Section::Tokens), "", text).await
}

fn wanted(posted: &Posted, now: Timestamp) -> Result<Token, Failure> {
    let invalid = |why: &str| Failure::Invalid(why.to_owned());
    let name = posted.field("name").unwrap_or_default();
    if !(1..=100).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(invalid("Give the token a name of 1 to 100 characters."));
    }
    let (scopes, role) = may(posted)?;
    let agents: Vec<String> = posted
        .field("agents")
        .unwrap_or_default()
        .split([',', '\n', ' ', '\r'])
        .filter(|id| !id.is_empty())
        .map(str::to_owned)
        .collect();
    if agents.iter().any(|id| AgentId::new(id).is_err()) {
        return Err(invalid("Agents are ids, set apart by commas."));
    }
    if role.is_some_and(Role::is_bound) && agents.is_empty() {
        return Err(invalid("An integrator is bound to agents: name them."));
    }
    let days = match posted.field("days") {
        None => None,
        Some(text) => match text
            .parse()
            .ok()
            .filter(|days| (1..=MAX_DAYS).contains(days))
        {
            Some(days) => Some(days),
            None => {
                return Err(invalid(
                    "Days are a whole number from 1 to 3650, or nothing.",
                ));
            }
        },
    };
    Ok(Token {
        id: String::new(),
        name: name.to_owned(),
        scopes,
        agents,
        expires_at: days.map(|days| now.plus(Duration::from_hours(24 * days))),
        last_used_at: None,
        revoked_at: None,
        created_at: now,
    })
}

/// What a new token may do: by its role, else scope by scope.
fn may(posted: &Posted) -> Result<(Vec<Scope>, Option<Role>), Failure> {
    let invalid = |why: &str| Failure::Invalid(why.to_owned());
    let scopes: Vec<Scope> = posted.all("scope").filter_map(Scope::parse).collect();
    match (posted.field("role").map(Role::parse), scopes.is_empty()) {
        (None, true) => Err(invalid("Choose a role, or at least one scope.")),
        (None, false) => Ok((scopes, None)),
        (Some(Some(role)), true) => Ok((role.scopes(), Some(role))),
        (Some(Some(_)), false) => Err(invalid(
            "A role stands for its scopes: choose the role or the scopes, not both.",
        )),
        (Some(None), _) => Err(invalid("There is no such role.")),
    }
}

async fn revoke(
    State(flow): State<Arc<Flow>>,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, Refused> {
    let session = &posted.session;
    session.enter(Section::Tokens)?;
    let entry = session.did(&flow, "token.revoke", &id, "");
    let now = flow.host.now();
    let found = flow
        .db
        .write(move |mut conn| {
            Box::pin(async move {
                let found = tokens::revoke(&mut conn, &id, now).await?;
                if found {
                    audit::add(&mut conn, &entry).await?;
                }
                Ok(found)
            })
        })
        .await?;
    if !found {
        return Err(Failure::NotFound("token").into());
    }
    Ok(Redirect::to("/console/tokens?done=revoke").into_response())
}
