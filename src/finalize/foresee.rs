//! What an event would do if it were worked off now: the same steps, and nothing is written.

use crate::conversation::Message;
use crate::event::{CallEvent, EventKind};
use crate::flow::Flow;
use crate::id::ConversationKey;
use crate::store::conversations::Record;
use crate::verdict::{Failure, Verdict};

use super::{commit, fetch, is_barred, is_done, redact_all, resolve};

/// What would become of an event.
#[derive(Debug)]
pub(crate) enum Foreseen {
    /// Its effects are there already, or its call was deleted.
    AlreadyDone,
    /// It would fail again.
    Fails(Failure),
    /// It would run; what that changes can't be told before.
    Runs(&'static str),
    /// Only the platform knows, and it was not asked.
    NotAsked(&'static str),
    /// It would settle its call.
    Settles(Box<Settlement>),
}

/// A call as it is, as it would be, and what was said in it.
#[derive(Debug)]
pub(crate) struct Settlement {
    /// As it is; none when it is not known yet.
    pub(crate) before: Option<Record>,
    /// As it would be.
    pub(crate) after: Record,
    /// What was said.
    pub(crate) messages: Vec<Message>,
}

/// Looks ahead. The platform is asked only `with_api`.
pub(crate) async fn foresee(flow: &Flow, event: &CallEvent, with_api: bool) -> Foreseen {
    match look(flow, event, with_api).await {
        Ok(foreseen) => foreseen,
        Err(Verdict::Retry { why, .. } | Verdict::Park { why }) => Foreseen::Fails(why),
        Err(Verdict::Wait { .. } | Verdict::Defer { .. }) => {
            Foreseen::NotAsked("its source can't be asked just now")
        }
        Err(Verdict::Done) => Foreseen::AlreadyDone,
    }
}

async fn look(flow: &Flow, event: &CallEvent, with_api: bool) -> Result<Foreseen, Verdict> {
    let Some(source) = flow.sources.get(&event.source) else {
        return Err(crate::flow::unknown_source(&event.source));
    };
    if is_done(flow, event).await? {
        return Ok(Foreseen::AlreadyDone);
    }
    if let EventKind::Recorded(_) = event.kind {
        return Ok(Foreseen::Runs("it writes a fact about a room down"));
    }
    let Some(id) = resolve::known_as(flow, source, event).await? else {
        return Ok(Foreseen::Runs(
            "its room's call is searched for on the platform",
        ));
    };
    let key = ConversationKey {
        owner: source.owner.clone(),
        id,
    };
    if is_barred(flow, &key).await? {
        return Ok(Foreseen::AlreadyDone);
    }
    if source.api.is_some() && !with_api {
        let why = "the platform was not asked about this one";
        return Ok(Foreseen::NotAsked(why));
    }
    let fetched = fetch(flow, source, event, &key.id, 1).await?;
    if !fetched.conversation.status.is_terminal() {
        let why = "the platform does not say that the call is over";
        return Ok(Foreseen::Fails(Failure::platform("not_over", why)));
    }
    let fetched = flow.host.compute(move || redact_all(fetched)).await;
    let (before, after, messages) = commit::outlook(flow, source, event, &key, fetched).await?;
    Ok(Foreseen::Settles(Box::new(Settlement {
        before,
        after,
        messages,
    })))
}
