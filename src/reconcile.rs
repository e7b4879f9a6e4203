//! What the platforms know and we don't: each account's list is read, and what it has that is over and
//! missing here, or differs, becomes an event like any webhook's (product contract §10).
//!
//! One task an account, so that a sick one is in nobody's way; one process an account, by a lease in
//! the database that every page's transaction renews. A page's findings, what is known of its calls,
//! and where the next page begins are written in one transaction: a process that dies loses nothing,
//! and does nothing twice.

use std::sync::Arc;
use std::time::Duration;

use crate::flow::Flow;
use crate::id::of_content;
use crate::platform::Account;
use crate::store::reconcile::{self as listings, Listing, Status};
use crate::store::{Result, audit, known_calls};
use crate::time::Timestamp;

mod finding;
mod page;
mod run;

use run::Run;

/// How often an account looks for something to do.
const IDLE: Duration = Duration::from_secs(1);

/// How long an account rests after the database failed.
const REST: Duration = Duration::from_secs(2);

/// How long an account is held without news of its holder: longer than a page takes.
const LEASE: Duration = Duration::from_secs(90);

/// After an absence, a listing goes further back than `look_back`, but no further than this.
const LONGEST_ABSENCE: Duration = Duration::from_hours(24 * 30);

/// Starts reading the lists of all accounts, each by a task of its own, until the host stops.
pub fn start(flow: &Arc<Flow>) {
    for account in flow.sources.accounts() {
        flow.host.spawn(keep(Arc::clone(flow), account.clone()));
    }
}

async fn keep(flow: Arc<Flow>, account: Account) {
    let mut entered = false;
    let mut nap = Duration::ZERO;
    while flow.host.pause(nap).await {
        nap = match step(&flow, &account, &mut entered).await {
            Ok(true) => Duration::ZERO,
            Ok(false) => IDLE,
            Err(error) => {
                tracing::warn!(source = account.name, error = %error, "An account can't be reconciled now");
                REST
            }
        };
    }
}

async fn step(flow: &Flow, account: &Account, entered: &mut bool) -> Result<bool> {
    if !*entered {
        enter(flow, account).await?;
        *entered = true;
    }
    turn(flow, account).await
}

/// Enters an account, whose own listing is due at once: nobody knows what happened meanwhile.
pub(crate) async fn enter(flow: &Flow, account: &Account) -> Result<()> {
    let (name, id) = (account.name.clone(), own_id(&account.name));
    let now = flow.host.now();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move { listings::enter(&mut conn, &name, &id, now).await })
        })
        .await
}

/// The id of an account's own listing, which begins anew again and again.
fn own_id(account: &str) -> String {
    of_content("recon_", &["scheduled", account])
}

/// Does what is due for an account, unless somebody else does; says whether anything was.
pub(crate) async fn turn(flow: &Flow, account: &Account) -> Result<bool> {
    if due(flow, account).await?.is_none() {
        return Ok(false);
    }
    let lease = hex::encode(flow.host.dice.bytes::<8>());
    let Some(run) = Run::take(flow, account, lease).await? else {
        return Ok(false);
    };
    // Looked up again: whoever held the account may have done it meanwhile.
    let done = match due(flow, account).await? {
        Some(listing) => run.go(listing).await.map(|()| true),
        None => Ok(false),
    };
    run.release().await?;
    done
}

async fn due(flow: &Flow, account: &Account) -> Result<Option<Listing>> {
    let (name, now) = (account.name.clone(), flow.host.now());
    flow.db
        .read(move |mut conn| Box::pin(async move { listings::due(&mut conn, &name, now).await }))
        .await
}

/// Asks for a listing of some accounts from `since` on, besides their own; gives its parts, one an
/// account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The accounts.
    pub accounts: Vec<String>,
    /// Only calls created then or later.
    pub since: Timestamp,
    /// Only calls created before.
    pub until: Option<Timestamp>,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Wish {
    /// The listings that it asks for, under a fresh id.
    fn listings(self, flow: &Flow) -> Vec<Listing> {
        let now = flow.host.now();
        let id = crate::id::fresh("recon_", now, flow.host.dice.bytes());
        let (since, until, dry_run) = (self.since, self.until, self.dry_run);
        self.accounts
            .into_iter()
            .map(|account| Listing {
                dry_run,
                until,
                ..Listing::new(id.clone(), account, since, now)
            })
            .collect()
    }
}

/// How far an account's list and what is here were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The list was never read to its end: that no call is known to be missing says nothing.
    Never,
    /// It was, but can't be read whole now: newer calls may be missing that are not counted.
    Failing,
    /// It is read whole again and again.
    Current,
}

impl Comparison {
    /// The value on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Failing => "failing",
            Self::Current => "current",
        }
    }
}

/// How much of an account is here, and when that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The account.
    pub account: String,
    /// How much of it.
    pub coverage: known_calls::Coverage,
    /// When its list was read to its end last.
    pub checked_at: Option<Timestamp>,
    /// What keeps it, or rows of it, from being read now.
    pub error: Option<String>,
}

impl Covered {
    /// How far the account was compared.
    pub fn comparison(&self) -> Comparison {
        match (self.checked_at, &self.error) {
            (None, _) => Comparison::Never,
            (Some(_), Some(_)) => Comparison::Failing,
            (Some(_), None) => Comparison::Current,
        }
    }
}

/// Asks for the listings of a wish, with an entry for the audit log; gives them, one an account.
pub async fn begin(flow: &Flow, wish: Wish, mut entry: audit::Entry) -> Result<Vec<Listing>> {
    let dry = if wish.dry_run { ", dry run" } else { "" };
    entry.target = wish.accounts.join(",");
    entry.detail = format!("since {}{dry}", wish.since);
    let listings = wish.listings(flow);
    let added = listings.clone();
    flow.db
        .write(move |mut conn| {
            Box::pin(async move {
                for listing in &added {
                    listings::add(&mut conn, listing).await?;
                }
                audit::add(&mut conn, &entry).await
            })
        })
        .await?;
    Ok(listings)
}

/// How much of the accounts is here, of the calls created at `since` or later.
pub async fn coverage(
    flow: &Flow,
    accounts: Vec<String>,
    since: Option<Timestamp>,
) -> Result<Vec<Covered>> {
    flow.db
        .read(move |mut conn| {
            Box::pin(async move {
                let mut covered = Vec::with_capacity(accounts.len());
                for account in accounts {
                    let standing = listings::standing(&mut conn, &account).await?;
                    covered.push(Covered {
                        coverage: known_calls::coverage(&mut conn, &account, since).await?,
                        checked_at: standing.checked_at,
                        error: standing.error,
                        account,
                    });
                }
                Ok(covered)
            })
        })
        .await
}

#[cfg(test)]
mod tests;
