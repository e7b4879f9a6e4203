//! One listing from its first page to its last, as long as the account is ours.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::finding::Finding;
use super::page::{Noted, note};
use super::{Account, LEASE, LONGEST_ABSENCE, Listing, Result, Status, Timestamp};
use crate::circuit::Circuit;
use crate::finalize::fetch_failed;
use crate::flow::{Admitted, Flow};
use crate::id::Owner;
use crate::platform::{Api, FetchError, ListPage, ListQuery, Listed};
use crate::store::reconcile as listings;
use crate::store::{known_calls, outbox};
use crate::verdict::Verdict;

/// The longest that one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two pages at least: four a second burden no platform.
const PAGE_GAP: Duration = Duration::from_millis(250);

/// For each finding on top, so that what is found comes at the pace at which it can be fetched, and
/// not before the calls of today.
const FINDING_GAP: Duration = Duration::from_millis(20);

/// A platform may forget its cursors: after a longer pause a listing begins anew.
const CURSOR_KEEPS: Duration = Duration::from_mins(1);

/// How long a listing rests whose attempts are spent, unless it is an account's own that comes round
/// sooner.
const SPENT_REST: Duration = Duration::from_mins(30);

/// How long an account's own listing rests after a failure at least.
const SHORTEST_REST: Duration = Duration::from_mins(1);

/// Tries at a place among the source's requests.
const MOST_TRIES: u32 = 100;

/// Calls under way that one listing asks for one by one.
const ASKED_ONE_BY_ONE: i64 = 50;

/// Conversations that are named as examples.
const EXAMPLES: usize = 100;

/// The reading of an account's list, by whoever holds its lease.
pub(super) struct Run<'a> {
    flow: &'a Flow,
    account: &'a Account,
    api: Arc<dyn Api>,
    owner: Owner,
    lease: String,
}

/// Why a page could not be had, and how long to rest.
struct Setback {
    after: Duration,
    why: String,
    /// Whether it counts as an attempt, and whether that was the last.
    spent: Option<bool>,
}

impl<'a> Run<'a> {
    /// Takes the account; none when somebody else has it.
    pub(super) async fn take(
        flow: &'a Flow,
        account: &'a Account,
        lease: String,
    ) -> Result<Option<Self>> {
        let source = flow.sources.get(&account.name);
        let Some((source, api)) = source.and_then(|source| Some((source, source.api.clone()?)))
        else {
            return Ok(None);
        };
        let run = Self {
            owner: source.owner.clone(),
            flow,
            account,
            api,
            lease,
        };
        let (name, lease, now) = (account.name.clone(), run.lease.clone(), flow.host.now());
        let taken = flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { listings::lease(&mut conn, &name, &lease, now, LEASE).await })
            })
            .await?;
        Ok(taken.then_some(run))
    }

    /// Lets the account go.
    pub(super) async fn release(&self) -> Result<()> {
        let (name, lease) = (self.account.name.clone(), self.lease.clone());
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { listings::release(&mut conn, &name, &lease).await })
            })
            .await
    }

    /// Reads the list until its end, a setback, or the end of the process.
    pub(super) async fn go(&self, mut listing: Listing) -> Result<()> {
        self.begin(&mut listing).await?;
        let mut seen = HashSet::new();
        loop {
            let page = match self.page(&listing).await {
                Ok(page) => page,
                Err(setback) => return self.set_back(listing, setback).await,
            };
            if page.next.is_some() && page.next == listing.cursor {
                return self.set_back(listing, Setback::of_circle()).await;
            }
            let last = page.next.is_none() || is_past(&page, listing.since);
            listing.left_out += i64::try_from(page.left_out.rows).unwrap_or(i64::MAX);
            if let Some(why) = page.left_out.why {
                listing.left_out_why = Some(why.to_string());
            }
            listing.error = note_of(&listing);
            let wanted: Vec<Listed> = page
                .rows
                .into_iter()
                .filter(|row| is_wanted(&listing, row.conversation.created_at))
                // A row may stand at the end of one page and at the beginning of the next.
                .filter(|row| seen.insert(row.conversation.id.clone()))
                .collect();
            listing.cursor = page.next;
            let before = listing.queued;
            if !self.take_in(&mut listing, wanted).await? {
                return Ok(());
            }
            if last {
                break;
            }
            let found = u32::try_from(listing.queued - before).unwrap_or(u32::MAX);
            if !self.flow.host.pause(PAGE_GAP + FINDING_GAP * found).await {
                return Ok(());
            }
        }
        if self.account.polled
            && listing.scheduled
            && let Err(setback) = self.ask_one_by_one(&mut listing).await?
        {
            return self.set_back(listing, setback).await;
        }
        self.finish(listing).await
    }

    async fn begin(&self, listing: &mut Listing) -> Result<()> {
        if listing.status == Status::Running {
            return Ok(());
        }
        let now = self.flow.host.now();
        if listing.scheduled {
            let name = self.account.name.clone();
            let standing = self
                .flow
                .db
                .read(move |mut conn| {
                    Box::pin(async move { listings::standing(&mut conn, &name).await })
                })
                .await?;
            let covered = standing.covered_until.map_or(now, |at| at.min(now));
            *listing = Listing {
                scheduled: true,
                created_at: now,
                ..Listing::new(
                    listing.id.clone(),
                    listing.account.clone(),
                    covered
                        .minus(self.account.look_back)
                        .max(now.minus(LONGEST_ABSENCE.max(self.account.look_back))),
                    now,
                )
            };
        }
        listing.status = Status::Running;
        listing.begun_at = Some(now);
        Ok(())
    }

    /// One page, if the source may be asked now.
    async fn page(&self, listing: &Listing) -> std::result::Result<ListPage, Setback> {
        let query = ListQuery {
            caller_identity: None,
            cursor: listing.cursor.clone(),
        };
        self.ask(listing.failures, self.api.list(&query)).await
    }

    /// Asks the platform, and tells the source's circuit how it went.
    async fn ask<T>(
        &self,
        failures: u32,
        question: impl Future<Output = std::result::Result<T, FetchError>>,
    ) -> std::result::Result<T, Setback> {
        let flow = self.flow;
        let admitted = self.place().await.map_err(Setback::of_wait)?;
        let answer = timeout(PATIENCE, question)
            .await
            .unwrap_or_else(|_| Err(FetchError::Unavailable("no answer in time".to_owned())));
        match answer {
            Ok(answer) => {
                admitted.with(Circuit::answered);
                Ok(answer)
            }
            Err(error) => {
                let verdict = fetch_failed(flow, &admitted, &error, failures + 1);
                Err(Setback::of(&verdict, &error))
            }
        }
    }

    /// A place among the source's requests. The calls of today have theirs before us, but not for ever.
    async fn place(&self) -> std::result::Result<Admitted, Verdict> {
        let flow = self.flow;
        let mut tries = 0;
        loop {
            let refused = match flow.sources.admit(&self.account.name, &flow.host) {
                Ok(admitted) => return Ok(admitted),
                Err(refused) => refused,
            };
            tries += 1;
            match &refused {
                Verdict::Defer { after } if tries < MOST_TRIES => {
                    flow.host.pause(*after).await;
                }
                _ => return Err(refused),
            }
        }
    }

    /// Writes down a page: its findings into the queue, what is known of its calls, and how far the
    /// listing is. Says whether the account is still ours; if not, nothing was written.
    async fn take_in(&self, listing: &mut Listing, rows: Vec<Listed>) -> Result<bool> {
        let noted = note(self.flow, self.account, &self.owner, listing, rows).await?;
        self.tally(listing, &noted);
        let grace = self.flow.finalize.grace;
        let (name, lease, now) = (
            self.account.name.clone(),
            self.lease.clone(),
            self.flow.host.now(),
        );
        let saved = listing.clone();
        let ours = self
            .flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    if !listings::lease(&mut conn, &name, &lease, now, LEASE).await? {
                        return Ok(false);
                    }
                    if !saved.dry_run {
                        for one in noted.iter().filter(|one| one.is_news) {
                            known_calls::put(&mut conn, &one.known).await?;
                            if let Some((message, over_at)) = &one.found {
                                outbox::put(&mut conn, message, over_at.plus(grace), now).await?;
                            }
                        }
                    }
                    listings::save(&mut conn, &saved).await?;
                    Ok(true)
                })
            })
            .await?;
        self.flow.queue.wake();
        Ok(ours)
    }

    fn tally(&self, listing: &mut Listing, noted: &[Noted]) {
        listing.failures = 0;
        listing.due_at = self.flow.host.now();
        for one in noted {
            listing.listed += 1;
            listing.reached_at = Some(one.known.created_at);
            let name = match one.finding {
                Finding::Unknown => {
                    listing.unknown += 1;
                    "unknown"
                }
                Finding::Differs => {
                    listing.changed += 1;
                    "changed"
                }
                Finding::Unfinished | Finding::Same | Finding::InHand => continue,
            };
            if listing.examples.len() < EXAMPLES {
                listing.examples.push(one.known.key.id.to_string());
            }
            if !listing.dry_run {
                listing.queued += 1;
                let source = self.account.name.clone();
                metrics::counter!(
                    "aftercall_reconciled_calls_total", "source" => source, "finding" => name,
                )
                .increment(1);
            }
        }
    }

    /// Calls that were under way and that the list does not show any more, too old for its look
    /// back: without a webhook nobody else will tell of their end.
    async fn ask_one_by_one(
        &self,
        listing: &mut Listing,
    ) -> Result<std::result::Result<(), Setback>> {
        let (name, begun_at) = (self.account.name.clone(), listing.begun_at);
        let seen_before = begun_at.unwrap_or_else(|| self.flow.host.now());
        let unfinished = self
            .flow
            .db
            .read(move |mut conn| {
                Box::pin(async move {
                    known_calls::unfinished(&mut conn, &name, seen_before, ASKED_ONE_BY_ONE).await
                })
            })
            .await?;
        for known in unfinished {
            let question = async {
                match self.api.fetch(&known.key.id).await {
                    Err(FetchError::NotFound) => Ok(None),
                    answer => answer.map(Some),
                }
            };
            match self.ask(listing.failures, question).await {
                Ok(Some(fetched)) => {
                    if !self.take_in(listing, vec![fetched.into()]).await? {
                        return Ok(Ok(()));
                    }
                }
                Ok(None) => self.forget(known).await?,
                Err(setback) => return Ok(Err(setback)),
            }
            if !self.flow.host.pause(PAGE_GAP).await {
                break;
            }
        }
        Ok(Ok(()))
    }

    async fn forget(&self, known: known_calls::Known) -> Result<()> {
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    known_calls::forget(&mut conn, &known.account, &known.key.id).await
                })
            })
            .await
    }

    async fn finish(&self, mut listing: Listing) -> Result<()> {
        let now = self.flow.host.now();
        listing.status = Status::Completed;
        listing.cursor = None;
        listing.finished_at = Some(now);
        let begun_at = listing.begun_at.unwrap_or(now);
        let polled = self.account.polled;
        if listing.scheduled {
            listing.due_at = begun_at.plus(self.account.every);
        }
        let (name, lease) = (self.account.name.clone(), self.lease.clone());
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    if !listings::lease(&mut conn, &name, &lease, now, LEASE).await? {
                        return Ok(());
                    }
                    listings::save(&mut conn, &listing).await?;
                    if listing.scheduled {
                        listings::cover(&mut conn, &name, begun_at, now).await?;
                        // Their end will be told by webhooks, or by a list that shows them again.
                        if !polled {
                            known_calls::forget_unseen(&mut conn, &name, begun_at).await?;
                        }
                    }
                    known_calls::mark_processed(&mut conn, &name).await?;
                    Ok(())
                })
            })
            .await
    }

    /// The listing goes on later, from the same page if that is soon.
    async fn set_back(&self, mut listing: Listing, setback: Setback) -> Result<()> {
        let now = self.flow.host.now();
        tracing::warn!(
            source = self.account.name,
            error = setback.why,
            "The list of an account can't be read now"
        );
        let mut after = setback.after;
        if listing.scheduled && setback.spent.is_some() {
            // Nobody else may tell of its calls: it is asked as often as ever.
            after = after.min(self.account.every.max(SHORTEST_REST));
        }
        listing.due_at = now.plus(after);
        listing.error = Some(setback.why);
        if let Some(last) = setback.spent {
            listing.failures = listing.failures.saturating_add(1);
            if last && !listing.scheduled {
                listing.status = Status::Failed;
                listing.finished_at = Some(now);
            }
        }
        if after > CURSOR_KEEPS {
            listing.cursor = None;
            (listing.listed, listing.unknown, listing.changed) = (0, 0, 0);
            (listing.left_out, listing.left_out_why) = (0, None);
            listing.examples.clear();
        }
        let (name, lease) = (self.account.name.clone(), self.lease.clone());
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    if listings::lease(&mut conn, &name, &lease, now, LEASE).await? {
                        listings::save(&mut conn, &listing).await?;
                    }
                    Ok(())
                })
            })
            .await
    }
}

impl Setback {
    /// Of a failed request, by what would become of an event for the same reason.
    fn of(verdict: &Verdict, error: &FetchError) -> Self {
        let (after, spent) = match verdict {
            Verdict::Wait { after, .. } | Verdict::Defer { after } => (*after, None),
            Verdict::Retry { after, .. } => (*after, Some(false)),
            Verdict::Park { .. } | Verdict::Done => (SPENT_REST, Some(true)),
        };
        Self {
            after,
            spent,
            why: error.to_string(),
        }
    }

    /// Of a source that must not be asked now.
    fn of_wait(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Wait { after, why } | Verdict::Retry { after, why } => Self {
                after,
                why: why.message,
                spent: None,
            },
            Verdict::Park { why } => Self {
                after: SPENT_REST,
                why: why.message,
                spent: Some(true),
            },
            Verdict::Defer { after } => Self {
                after,
                why: "the source's API is asked enough at once".to_owned(),
                spent: None,
            },
            Verdict::Done => Self {
                after: SPENT_REST,
                why: String::new(),
                spent: None,
            },
        }
    }

    fn of_circle() -> Self {
        let error = FetchError::Malformed("its pages run in a circle".to_owned());
        Self {
            after: SPENT_REST,
            why: error.to_string(),
            spent: Some(true),
        }
    }
}

fn is_wanted(listing: &Listing, created_at: Timestamp) -> bool {
    created_at >= listing.since && listing.until.is_none_or(|until| created_at < until)
}

/// Whether all of a page is older than what is wanted. One old row among others is no end: a list may
/// be sorted not quite by creation.
fn is_past(page: &ListPage, since: Timestamp) -> bool {
    let mut rows = page.rows.iter();
    page.left_out.rows == 0 && rows.all(|row| row.conversation.created_at < since)
}

/// What whoever looks at a listing should know of the rows that it passed over.
fn note_of(listing: &Listing) -> Option<String> {
    let (rows, why) = (listing.left_out, listing.left_out_why.as_ref()?);
    Some(format!("rows of the list left out: {rows}; {why}"))
}
