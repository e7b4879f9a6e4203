//! Whole listings against a platform in memory, on a clock that only moves when somebody waits.

use std::sync::Mutex;

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::config;
use crate::conversation::{Conversation, Status as CallStatus};
use crate::event::{CallEvent, EventKind, Message as Work, Stage};
use crate::flow::Sources;
use crate::host::{Clock, Host};
use crate::id::{AgentId, ConversationId, ConversationKey, EventId, Owner};
use crate::platform::{Api, FetchError, Fetched, LeftOut, ListPage, ListQuery, Listed, Source};
use crate::queue::Queue;
use crate::secret::SealKey;
use crate::store::{Db, conversations};
use crate::worker;

const START: Timestamp = Timestamp::from_secs(1_780_000_000);
const MINUTE: Duration = Duration::from_mins(1);

/// A platform whose list has pages of three, and cursors that count rows by creation, as Anyreach's
/// do: rows created at the same time stand on both sides of a page's edge.
#[derive(Default)]
struct Platform {
    calls: Mutex<Vec<Conversation>>,
    failures: Mutex<Vec<FetchError>>,
    listed: Mutex<Vec<Option<String>>>,
    fetched: Mutex<Vec<String>>,
    left_out: Mutex<LeftOut>,
}

const PAGE: usize = 3;

impl Platform {
    fn knows(&self, call: Conversation) {
        let mut calls = self.calls.lock().unwrap();
        calls.retain(|other| other.id != call.id);
        calls.push(call);
        calls.sort_by(|a, b| (b.created_at, &b.id).cmp(&(a.created_at, &a.id)));
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Conversation)) {
        let mut calls = self.calls.lock().unwrap();
        change(
            calls
                .iter_mut()
                .find(|call| call.id.as_str() == id)
                .unwrap(),
        );
    }

    fn pages(&self) -> usize {
        self.listed.lock().unwrap().len()
    }
}

#[async_trait]
impl Api for Platform {
    fn platform(&self) -> &'static str {
        "speechify"
    }

    async fn fetch(&self, id: &ConversationId) -> std::result::Result<Fetched, FetchError> {
        self.fetched.lock().unwrap().push(id.to_string());
        let calls = self.calls.lock().unwrap();
        let call = calls.iter().find(|call| call.id == *id);
        Ok(Fetched {
            conversation: call.cloned().ok_or(FetchError::NotFound)?,
            messages: Vec::new(),
            reason: None,
            seen: None,
        })
    }

    async fn list(&self, query: &ListQuery) -> std::result::Result<ListPage, FetchError> {
        self.listed.lock().unwrap().push(query.cursor.clone());
        if let Some(failure) = self.failures.lock().unwrap().pop() {
            return Err(failure);
        }
        let until: i64 = query
            .cursor
            .as_ref()
            .map_or(i64::MAX, |at| at.parse().unwrap());
        let calls = self.calls.lock().unwrap();
        let mut rows: Vec<_> = calls
            .iter()
            .filter(|call| call.created_at.as_millis() <= until)
            .cloned()
            .collect();
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        // Inclusive, as a careful client of such a list asks: the edge is listed twice.
        let edge = rows
            .last()
            .map(|last| last.created_at.as_millis().to_string());
        Ok(ListPage {
            left_out: self.left_out.lock().unwrap().clone(),
            next: edge.filter(|edge| more && query.cursor.as_ref() != Some(edge)),
            rows: rows
                .into_iter()
                .map(|conversation| Listed {
                    conversation,
                    reason: None,
                })
                .collect(),
        })
    }

    fn is_conversation_id(&self, text: &str) -> bool {
        text.starts_with("conv_")
    }
}

struct Bench {
    flow: Flow,
    account: Account,
    platform: Arc<Platform>,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::polled(false).await
    }

    async fn polled(polled: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host = Host::new(Clock::manual(START));
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let db = Db::open(&url, &host).await.unwrap();
        let platform = Arc::new(Platform::default());
        let source = Source {
            name: "voice".to_owned(),
            webhooks: None,
            api: Some(Arc::clone(&platform) as Arc<dyn Api>),
            owner: Owner::platform("speechify"),
            agent: None,
            max_body: 1 << 20,
            reconcile: config::Reconcile {
                every: 5 * MINUTE,
                look_back: Duration::from_hours(24),
                settle: MINUTE,
            },
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
        };
        let account = Account {
            name: "voice".to_owned(),
            sources: vec!["voice".to_owned()],
            every: 5 * MINUTE,
            look_back: Duration::from_hours(24),
            settle: MINUTE,
            polled,
        };
        let queue = Queue::in_database(db.clone(), host.clone(), true).await;
        let flow = Flow {
            queue: queue.unwrap(),
            db,
            host,
            sources: Arc::new(Sources::new(vec![source]).with_accounts(vec![account.clone()])),
            seal: SealKey::new([7; 32], None),
            finalize: config::Finalize {
                grace: Duration::from_secs(10),
                fallback_since: Timestamp::from_secs(0),
                max_wait: 10 * MINUTE,
                recheck: Vec::new(),
            },
            extractor: None,
            model: None,
            zone: jiff::tz::TimeZone::UTC,
            region: "US".to_owned(),
            outbound: crate::outbound::for_tests(),
            payload: crate::endpoint::Payload::Thin,
            news: crate::flow::News::default(),
        };
        enter(&flow, &account).await.unwrap();
        Self {
            flow,
            account,
            platform,
            _folder: folder,
        }
    }

    /// Does everything that is due.
    async fn turn(&self) {
        while turn(&self.flow, &self.account).await.unwrap() {}
    }

    /// Lets time pass until the account's own listing is due again, and does it.
    async fn again(&self) {
        self.flow.host.pause(self.account.every).await;
        self.turn().await;
    }

    async fn waiting(&self) -> i64 {
        let depth = self.flow.queue.depth(Stage::Finalize).await.unwrap();
        depth.messages
    }

    async fn drain(&self) {
        for stage in Stage::ALL {
            while self.flow.queue.depth(stage).await.unwrap().messages > 0 {
                for delivery in self.flow.queue.take(stage, 64).await.unwrap() {
                    worker::run(&self.flow, delivery).await;
                }
            }
        }
    }

    async fn coverage(&self) -> (i64, i64) {
        let names = vec!["voice".to_owned()];
        let covered = coverage(&self.flow, names, None).await.unwrap();
        (covered[0].coverage.known, covered[0].coverage.missing)
    }

    async fn listing(&self, id: &str) -> Listing {
        let id = id.to_owned();
        self.flow
            .db
            .read(move |mut conn| Box::pin(async move { listings::get(&mut conn, &id).await }))
            .await
            .unwrap()
            .remove(0)
    }

    async fn own(&self) -> Listing {
        self.listing(&own_id("voice")).await
    }

    async fn wish(&self, since: Timestamp, dry_run: bool) -> Listing {
        let wish = Wish {
            accounts: vec!["voice".to_owned()],
            since,
            until: None,
            dry_run,
        };
        let listing = wish.listings(&self.flow).remove(0);
        let (id, added) = (listing.id.clone(), listing);
        self.flow
            .db
            .write(move |mut conn| Box::pin(async move { listings::add(&mut conn, &added).await }))
            .await
            .unwrap();
        self.turn().await;
        self.listing(&id).await
    }

    async fn revision(&self, id: &str) -> Option<i64> {
        let key = ConversationKey {
            owner: Owner::platform("speechify"),
            id: ConversationId::new(id).unwrap(),
        };
        self.flow
            .db
            .read(move |mut conn| {
                Box::pin(async move { conversations::get(&mut conn, &key).await })
            })
            .await
            .unwrap()
            .map(|record| record.revision)
    }
}

/// A call that was over so long before the start.
fn call(n: usize, ago: Duration) -> Conversation {
    let id = ConversationId::new(&format!("conv_{n:03}")).unwrap();
    let created_at = START.minus(ago).minus(MINUTE);
    let blank = Conversation::blank(id, AgentId::new("agent_1").unwrap(), created_at);
    Conversation {
        status: CallStatus::Completed,
        started_at: Some(created_at),
        ended_at: Some(created_at.plus(MINUTE)),
        duration_ms: Some(60_000),
        platform: "speechify".to_owned(),
        source: "voice".to_owned(),
        ..blank
    }
}

fn webhook(n: usize, at: Timestamp) -> Work {
    Work::finalize(CallEvent {
        source: "voice".to_owned(),
        event_id: EventId::new(&format!("webhook_{n}")).unwrap(),
        kind: EventKind::Finished,
        occurred_at: Some(at),
        received_at: at,
        conversation_id: Some(ConversationId::new(&format!("conv_{n:03}")).unwrap()),
        room: None,
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    })
}

#[tokio::test]
async fn what_no_webhook_told_of_is_found_and_settled_once() {
    let bench = Bench::new().await;
    for n in 0..10 {
        bench.platform.knows(call(
            n,
            30 * MINUTE * u32::try_from(n).unwrap() + 2 * MINUTE,
        ));
    }
    for n in [0, 3, 4] {
        bench
            .flow
            .queue
            .publish(webhook(n, START), START)
            .await
            .unwrap();
    }
    bench.drain().await;
    bench.turn().await;
    assert_eq!(bench.own().await.unknown, 7);
    assert_eq!(bench.coverage().await, (10, 7));
    bench.drain().await;
    assert_eq!(bench.coverage().await, (10, 0));
    // Told late of what was found: absorbed, and nothing is found a second time.
    for n in 0..10 {
        bench
            .flow
            .queue
            .publish(webhook(n, START), START)
            .await
            .unwrap();
    }
    bench.drain().await;
    bench.again().await;
    let own = bench.own().await;
    assert_eq!((own.listed, own.unknown, own.changed), (10, 0, 0));
    assert_eq!(bench.waiting().await, 0);
    for n in 0..10 {
        assert_eq!(bench.revision(&format!("conv_{n:03}")).await, Some(1));
    }
}

#[tokio::test]
async fn rows_of_one_moment_at_a_page_s_edge_are_neither_lost_nor_doubled() {
    let bench = Bench::new().await;
    // The second to fifth were created in the same millisecond: no page of three holds them all.
    for (n, ago) in [2, 10, 10, 20, 30].into_iter().enumerate() {
        bench.platform.knows(call(n, ago * MINUTE));
    }
    bench.turn().await;
    let own = bench.own().await;
    assert_eq!((own.listed, own.unknown, own.queued), (5, 5, 5));
    assert_eq!(own.status, Status::Completed);
    assert_eq!(bench.waiting().await, 5);
    bench.drain().await;
    assert_eq!(bench.coverage().await, (5, 0));
}

#[tokio::test]
async fn the_list_is_read_back_to_where_it_was_read_last_and_no_further() {
    let bench = Bench::new().await;
    let hour = Duration::from_hours(1);
    for n in 0..9 {
        bench
            .platform
            .knows(call(n, 10 * hour * u32::try_from(n).unwrap() + hour));
    }
    bench.turn().await;
    // 1, 11 and 21 h ago; those of 31 h and more end the reading.
    assert_eq!(bench.own().await.listed, 3);
    assert!(bench.platform.pages() <= 3);
    bench.drain().await;
    // Away for two days: what was created meanwhile is looked for, and a day of overlap.
    bench.flow.host.pause(48 * hour).await;
    bench.platform.knows(call(20, Duration::ZERO));
    bench.turn().await;
    assert_eq!(bench.own().await.since, START.minus(24 * hour));
    assert_eq!(bench.own().await.unknown, 1);
}

#[tokio::test]
async fn a_call_counts_when_it_has_been_over_for_a_while() {
    let bench = Bench::new().await;
    let mut under_way = call(1, Duration::ZERO);
    under_way.status = CallStatus::Active;
    bench.platform.knows(under_way);
    bench.platform.knows(call(2, Duration::from_secs(59)));
    bench.turn().await;
    assert_eq!(bench.coverage().await, (0, 0));
    bench.again().await;
    assert_eq!(bench.coverage().await, (1, 1));
    bench
        .platform
        .change("conv_001", |call| call.status = CallStatus::Completed);
    bench.again().await;
    assert_eq!(bench.coverage().await, (2, 2));
}

#[tokio::test]
async fn a_row_that_differs_is_looked_at_again_once() {
    let bench = Bench::new().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    bench.turn().await;
    bench.drain().await;
    bench
        .platform
        .change("conv_001", |call| call.duration_ms = Some(61_000));
    bench.again().await;
    assert_eq!(bench.own().await.changed, 1);
    bench.drain().await;
    assert_eq!(bench.revision("conv_001").await, Some(2));
    let fetched = bench.platform.fetched.lock().unwrap().len();
    bench.again().await;
    bench.drain().await;
    assert_eq!(bench.own().await.changed, 0);
    assert_eq!(bench.platform.fetched.lock().unwrap().len(), fetched);
}

#[tokio::test]
async fn a_dry_run_only_counts() {
    let bench = Bench::new().await;
    bench.turn().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    let dry = bench.wish(START.minus(Duration::from_hours(1)), true).await;
    assert_eq!(
        (dry.status, dry.unknown, dry.queued),
        (Status::Completed, 1, 0)
    );
    assert_eq!(dry.examples, ["conv_001"]);
    assert_eq!((bench.waiting().await, bench.coverage().await), (0, (0, 0)));
    let real = bench
        .wish(START.minus(Duration::from_hours(1)), false)
        .await;
    assert_eq!((real.unknown, real.queued), (1, 1));
    // Asked for again, it insists; the queue has the message already.
    let again = bench
        .wish(START.minus(Duration::from_hours(1)), false)
        .await;
    assert_eq!((again.unknown, bench.waiting().await), (1, 1));
}

#[tokio::test]
async fn an_account_has_one_reader() {
    let bench = Bench::new().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    let other = Run::take(&bench.flow, &bench.account, "other".to_owned())
        .await
        .unwrap();
    assert!(!turn(&bench.flow, &bench.account).await.unwrap());
    assert_eq!(bench.platform.pages(), 0);
    // A holder that has died is waited for, and no longer.
    drop(other);
    bench.flow.host.pause(LEASE).await;
    assert!(turn(&bench.flow, &bench.account).await.unwrap());
    assert_eq!(bench.coverage().await, (1, 1));
}

#[tokio::test]
async fn what_ended_out_of_sight_is_asked_for_where_nobody_else_tells() {
    for polled in [true, false] {
        let bench = Bench::polled(polled).await;
        let mut long = call(1, Duration::ZERO);
        long.status = CallStatus::Active;
        bench.platform.knows(long);
        bench.turn().await;
        bench.flow.host.pause(Duration::from_hours(25)).await;
        // Two listings later it lies beyond the look back, and is over.
        bench.turn().await;
        bench
            .platform
            .change("conv_001", |call| call.status = CallStatus::Completed);
        bench.again().await;
        assert_eq!(
            bench.coverage().await,
            (i64::from(polled), i64::from(polled))
        );
        bench.drain().await;
        assert_eq!(bench.coverage().await.1, 0);
        assert_eq!(bench.revision("conv_001").await.is_some(), polled);
    }
}

#[tokio::test]
async fn what_is_still_missing_after_its_attempts_is_queued_again() {
    let bench = Bench::new().await;
    bench.platform.knows(call(1, 5 * MINUTE));
    bench.turn().await;
    assert_eq!(bench.own().await.queued, 1);
    bench.again().await;
    assert_eq!(bench.own().await.queued, 0, "it is in hand");
    bench.flow.host.pause(Duration::from_hours(2)).await;
    bench.turn().await;
    assert_eq!(bench.own().await.queued, 1);
}

mod setbacks;
