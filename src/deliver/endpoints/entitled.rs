//! Who may have an endpoint be as it is: nobody is sent, through one, what they may not read themselves,
//! nor what another gave for another place.

use super::Unfit;
use crate::endpoint::{MEMORY_CHANGED, MEMORY_ERASED, Payload, Subscription};
use crate::outbound::guard::place;
use crate::secret::SealKey;
use crate::store::endpoints::{Endpoint, is_of};
use crate::store::tokens::{Scope, Token};

/// Insists that somebody may make this endpoint, or make it of the one that it was `before`.
pub(super) fn insist(
    who: &Token,
    before: Option<&Endpoint>,
    endpoint: &Endpoint,
    seal: &SealKey,
) -> Result<(), Unfit> {
    if !is_of(endpoint, &who.agents) {
        return Err(Unfit::Agents);
    }
    if before.is_none_or(|before| !sends_the_same(before, endpoint)) {
        let lacking = shows(endpoint)
            .into_iter()
            .find(|scope| !who.allows(*scope));
        if let Some(scope) = lacking {
            return Err(Unfit::Unseen(scope));
        }
    }
    let moved = before.is_some_and(|before| place(&before.url) != place(&endpoint.url));
    let kept = before.is_some_and(|before| before.headers == endpoint.headers);
    if moved && kept && has_headers(endpoint, seal) {
        return Err(Unfit::Headers);
    }
    Ok(())
}

/// What its receiver gets to see. Facts about a caller have quotes beside them.
fn shows(endpoint: &Endpoint) -> Vec<Scope> {
    let whole = endpoint.payload == Payload::Full || endpoint.template.is_some();
    let of_all = Subscription {
        agents: Vec::new(),
        ..endpoint.subscription.clone()
    };
    let facts = whole || of_all.wants(MEMORY_CHANGED, "");
    let mut scopes = vec![Scope::ConversationsRead];
    if facts {
        scopes.push(Scope::ConversationsReadSensitive);
    }
    if facts || of_all.wants(MEMORY_ERASED, "") {
        scopes.push(Scope::MemoriesRead);
    }
    scopes
}

fn sends_the_same(before: &Endpoint, endpoint: &Endpoint) -> bool {
    before.url == endpoint.url
        && before.subscription == endpoint.subscription
        && before.payload == endpoint.payload
        && before.template == endpoint.template
}

/// Headers that can't be opened now are opened again under the key before.
fn has_headers(endpoint: &Endpoint, seal: &SealKey) -> bool {
    seal.open(&endpoint.headers)
        .map_or(true, |opened| opened != b"{}")
}
