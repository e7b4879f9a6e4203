//! Two erasures: what an agent remembers of a caller, and the caller. Each has a page that says what
//! will happen before it does, and answers with its receipt.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;

use super::{Asked, about, address, subject};
use crate::console::access::{Posted, Refused, Session};
use crate::console::frame::{Frame, Section};
use crate::console::show::{Moment, counted, page};
use crate::erased::Receipt;
use crate::erasure;
use crate::flow::Flow;
use crate::store::callers::{self, Kept};
use crate::store::memories::Subject;

use crate::store::tokens::Scope;
use crate::time::Timestamp;

pub(super) const FORGET: &str = "/console/callers/forget";
pub(super) const ERASE: &str = "/console/callers/erase";

/// The field of the form that says how far an erasure reaches.
const EVERYWHERE: &str = "everywhere";

pub(super) fn routes() -> Router<Arc<Flow>> {
    Router::new()
        .route(FORGET, get(ask_to_forget).post(forget))
        .route(ERASE, get(ask_to_erase).post(erase))
}

#[derive(Template)]
#[template(path = "callers/gone.html")]
struct Question {
    frame: Frame,
    /// Whether calls go, too.
    is_erasure: bool,
    /// Where the form goes.
    to: &'static str,
    back: String,
    caller: String,
    agent: String,
    facts: String,
    calls: String,
    /// What goes when the caller is erased with all agents; empty where the session may not.
    everywhere: String,
}

/// What is kept of a caller: with one agent, and with all.
async fn kept(flow: &Flow, subject: &Subject) -> Result<(Kept, Kept), crate::store::Error> {
    let Subject { agent_id, caller } = subject.clone();
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let here = callers::kept(&mut conn, &caller, Some(&agent_id)).await?;
                let everywhere = callers::kept(&mut conn, &caller, None).await?;
                Ok((here, everywhere))
            })
        })
        .await
}

async fn ask_to_forget(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.require(Scope::MemoriesWrite)?;
    question(&session, &flow, asked, false).await
}

async fn ask_to_erase(
    session: Session,
    State(flow): State<Arc<Flow>>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refused> {
    session.require(Scope::Admin)?;
    question(&session, &flow, asked, true).await
}

async fn question(
    session: &Session,
    flow: &Flow,
    asked: Asked,
    is_erasure: bool,
) -> Result<Response, Refused> {
    let subject = subject(session, &asked.agent_id, &asked.caller_identity)?;
    let (here, all) = kept(flow, &subject).await?;
    let caller = asked.caller_identity;
    let (facts, calls) = (facts_of(here.facts), calls_of(here.calls));
    let everywhere = if is_erasure && session.token.agents.is_empty() {
        format!(
            "{} and {}, with {}",
            calls_of(all.calls),
            facts_of(all.facts),
            counted(all.agents, "agent", "agents")
        )
    } else {
        String::new()
    };
    let title = if is_erasure {
        "Erase a caller"
    } else {
        "Forget"
    };
    Ok(page(&Question {
        frame: session.frame(title, Section::Callers),
        is_erasure,
        to: if is_erasure { ERASE } else { FORGET },
        back: address(&subject.agent_id, &caller),
        caller,
        agent: subject.agent_id,
        facts,
        calls,
        everywhere,
    })?)
}

fn facts_of(n: i64) -> String {
    counted(n, "fact", "facts")
}

fn calls_of(n: i64) -> String {
    counted(n, "call", "calls")
}

#[derive(Template)]
#[template(path = "callers/receipt.html")]
struct Done {
    frame: Frame,
    id: String,
    /// None while the broker or the database's log may still hold something.
    completed: Option<Moment>,
    complete_after: Moment,
    counts: Vec<(&'static str, u64)>,
    /// Where the caller's later calls will be remembered.
    back: String,
}

impl Done {
    fn new(frame: Frame, receipt: &Receipt, back: String, now: Timestamp) -> Self {
        let counts = receipt.counts;
        Self {
            frame,
            id: receipt.id.clone(),
            completed: receipt.completed_at.map(|at| Moment::of(at, now)),
            complete_after: Moment::of(receipt.complete_after, now),
            counts: vec![
                ("conversations", counts.conversations),
                ("facts", counts.memories),
                ("results", counts.results),
                ("waiting messages", counts.outbox),
                ("dead letters", counts.dead_letters),
                ("in quarantine", counts.quarantine),
            ],
            back,
        }
    }
}

async fn forget(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::MemoriesWrite)?;
    let field = |name| posted.field(name).unwrap_or_default();
    let (agent_id, identity) = (field("agent_id"), field("caller_identity"));
    let Subject { agent_id, caller } = subject(session, agent_id, identity)?;
    // The log must not name whom memory has forgotten.
    let entry = session.did(&flow, "memory.forget", &agent_id, "");
    let receipt = erasure::forget_memory(&flow, &agent_id, caller, entry).await?;
    let frame = session.frame("Forgotten", Section::Callers);
    let back = about(super::MEMORY, &agent_id, identity);
    Ok(page(&Done::new(frame, &receipt, back, flow.host.now()))?)
}

async fn erase(State(flow): State<Arc<Flow>>, posted: Posted) -> Result<Response, Refused> {
    let session = &posted.session;
    session.require(Scope::Admin)?;
    let field = |name| posted.field(name).unwrap_or_default();
    let (agent_id, identity) = (field("agent_id"), field("caller_identity"));
    let Subject { agent_id, caller } = subject(session, agent_id, identity)?;
    let agent_id = Some(agent_id).filter(|_| field("reach") != EVERYWHERE);
    if agent_id.is_none() {
        session.require_unbound()?;
    }
    let target = erasure::named_in_audit(&flow.seal, &caller);
    let detail = agent_id.clone().unwrap_or_default();
    let entry = session.did(&flow, "caller.erase", &target, &detail);
    let receipt = erasure::erase_caller(&flow, agent_id, caller, entry).await?;
    let frame = session.frame("Erased", Section::Callers);
    let back = super::PATH.to_owned();
    Ok(page(&Done::new(frame, &receipt, back, flow.host.now()))?)
}
