//! Whose deliveries somebody may follow and send again: all with a scope, and without it those to
//! endpoints of their own.

use crate::flow::Flow;
use crate::page::PageRequest;
use crate::store::Result;
use crate::store::deliveries::list::Filter;
use crate::store::endpoints;
use crate::store::tokens::{Scope, Token};

/// Whose deliveries somebody may follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every endpoint's.
    All,
    /// Those of endpoints with these ids.
    Own(Vec<String>),
}

impl Reach {
    /// How far somebody reaches with this scope, or without it; none is not at all.
    pub async fn of(flow: &Flow, who: &Token, scope: Scope) -> Result<Option<Self>> {
        if who.allows(scope) {
            return Ok(Some(Self::All));
        }
        if !who.follows_its_endpoints() {
            return Ok(None);
        }
        let agents = who.agents.clone();
        let all = PageRequest {
            size: usize::MAX,
            after: None,
        };
        let own = flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { endpoints::list(&mut conn, &agents, &all).await })
            })
            .await?;
        let ids = own.rows.into_iter().map(|endpoint| endpoint.id).collect();
        Ok(Some(Self::Own(ids)))
    }

    /// Whether a delivery to this endpoint is within it.
    pub fn holds(&self, endpoint_id: &str) -> bool {
        match self {
            Self::All => true,
            Self::Own(ids) => ids.iter().any(|id| id == endpoint_id),
        }
    }

    /// Narrows a search to what is within it.
    pub fn narrow(self, filter: &mut Filter) {
        filter.endpoints = match self {
            Self::All => None,
            Self::Own(ids) => Some(ids),
        };
    }
}
