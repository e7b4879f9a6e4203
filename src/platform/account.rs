//! Accounts: sources that ask the same API with the same token, and so know the same calls.

use std::time::Duration;

use crate::config::{ApiConfig, SignedBy, SourceConfig};

/// What one token knows at one API: listed, reconciled and counted once, however many sources share
/// it (product contract §1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name of its first source.
    pub name: String,
    /// The names of all its sources.
    pub sources: Vec<String>,
    /// How often it is listed.
    pub every: Duration,
    /// How far back.
    pub look_back: Duration,
    /// How long a call is over before it counts.
    pub settle: Duration,
    /// Whether none of its sources sends webhooks, so that listing is how calls arrive.
    pub polled: bool,
}

/// The accounts of the configured sources, in the order of their first sources.
pub fn accounts(sources: &[SourceConfig]) -> Vec<Account> {
    let mut found: Vec<(Account, &ApiConfig)> = Vec::new();
    for source in sources {
        let Some(api) = &source.api else { continue };
        let same = found.iter_mut().find(|(_, known)| {
            known.platform == api.platform
                && known.base_url.trim_end_matches('/') == api.base_url.trim_end_matches('/')
                && known.token.expose() == api.token.expose()
                && known.account == api.account
        });
        if let Some((account, _)) = same {
            account.sources.push(source.name.clone());
            account.polled &= is_polled(source);
            continue;
        }
        let account = Account {
            name: source.name.clone(),
            sources: vec![source.name.clone()],
            every: source.reconcile.every,
            look_back: source.reconcile.look_back,
            settle: source.reconcile.settle,
            polled: is_polled(source),
        };
        found.push((account, api));
    }
    found.into_iter().map(|(account, _)| account).collect()
}

/// Whether it sends no webhook, so that its calls arrive through the list.
fn is_polled(source: &SourceConfig) -> bool {
    source.platform.signed_by() == SignedBy::Polled
}
