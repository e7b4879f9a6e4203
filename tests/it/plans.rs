//! No list reads a table from end to end, on either database: among twenty thousand made-up calls, and as
//! many letters and entries of the audit log, each does about the work of one page. Nor does a message or a
//! delivery cost more for as many that wait beside it. Counted are the steps of SQLite's machine, and the
//! rows that PostgreSQL reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aftercall::event::Stage;
use aftercall::id::{ConversationId, ConversationKey, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::page::{Cursor, PageRequest};
use aftercall::store::audit;
use aftercall::store::callers::remembered;
use aftercall::store::conversations::list as calls;
use aftercall::store::dead_letters::State;
use aftercall::store::dead_letters::list as letters;
use aftercall::store::deliveries::{self, After, Status};
use aftercall::store::{
    self, Conn, Db, callers, conversations, dead_letters, extractions, filling, known_calls,
    outbox, passages, results,
};
use aftercall::time::Timestamp;
use aftercall::verdict::Fault;

use crate::backends::{self, Backend, START};

/// Calls in the database.
const CALLS: i64 = 20_000;

/// Of made-up calls few end as letters, and nobody did anything to them: these are as many as the calls.
const LETTERS: &str = "INSERT INTO dead_letters (id, state, stage, source, platform, event_id, \
     conversation_id, agent_id, caller_identity, code, message, fingerprint, fault, body, \
     message_id, first_at, last_at) \
     SELECT 'dl_' || i, 'dead', 'finalize', 'voice', 'speechify', 'event_' || i, 'conv_' || i, \
     'agent_1', 'caller_1', 'code_1', 'why', 'fp_1', 'platform', '{}', 'plans:' || i, \
     $2 - i * 30000, $2 - i * 30000 FROM n";
/// Calls whose observations are gone.
const EXTRACTIONS: &str = "INSERT INTO extractions (owner, conversation_id, agent_id, caller_key, \
     extractor, rank, input_hash, aged, created_at) \
     SELECT 'speechify', 'conv_' || i, 'agent_1', '+14155550123', 'rules/1', 1, '', TRUE, \
     $2 - i * 30000 FROM n";
const ENTRIES: &str = "INSERT INTO audit (id, at, actor, action, target) \
     SELECT 'audit_' || i, $2 - i * 30000, 'token_1', 'dead_letter.show', 'dl_' || i FROM n";

/// What CRMs that are down have not got, and its endpoints; and as many messages.
const ENDPOINTS: &str = "INSERT INTO endpoints (id, url, description, events, agents, payload, \
     headers, secret, concurrency, enabled, slow, ready_at, created_at, updated_at) \
     SELECT 'ep_down_' || i, 'https://crm.example', '', '*', '', 'thin', '', '', 10, TRUE, FALSE, 0, \
     $2, $2 FROM n WHERE i < 20";
const WAITING: &str = "INSERT INTO deliveries (id, endpoint_id, event_id, type, agent_id, owner, \
     conversation_id, place, status, due_at, created_at, updated_at) \
     SELECT 'dlv_down_' || i, 'ep_down_' || (i % 20), 'evt_down_' || i, 'conversation.completed', \
     'agent_1', 'speechify', 'conv_down_' || i, $2 - i, 'pending', $2 - i, $2 - i, $2 - i FROM n";
const MESSAGES: &str = "INSERT INTO outbox (id, stage, body, due_at, created_at) \
     SELECT 'down:' || i, 'deliver', '{}', $2 - i, $2 - i FROM n";

/// Steps that a page may take on SQLite: a look at every call takes several times as many.
const STEPS: u64 = 60_000;

/// Rows that a page may read on PostgreSQL.
const ROWS: i64 = 3_000;

/// SQLite reports its steps in portions of so many.
const PORTION: i32 = 100;

async fn fill(db: &Db) {
    for from in (0..CALLS).step_by(5_000) {
        db.write(move |mut conn| {
            Box::pin(async move { filling::calls(&mut conn, from, from + 5_000, START).await })
        })
        .await
        .unwrap();
    }
    // A second time changes nothing.
    db.write(|mut conn| Box::pin(async move { filling::calls(&mut conn, 0, 100, START).await }))
        .await
        .unwrap();
    db.write(|mut conn| {
        Box::pin(async move {
            for rows in [LETTERS, EXTRACTIONS, ENTRIES, ENDPOINTS, WAITING, MESSAGES] {
                add(&mut conn, rows).await?;
            }
            Ok(())
        })
    })
    .await
    .unwrap();
}

async fn analyze(db: &Db) {
    db.write(|mut conn| {
        Box::pin(async move {
            match &mut conn {
                Conn::Sqlite(c) => {
                    sqlx::query("ANALYZE").execute(&mut **c).await?;
                }
                Conn::Postgres(c) => {
                    sqlx::query("ANALYZE").execute(&mut **c).await?;
                }
            }
            Ok(())
        })
    })
    .await
    .unwrap();
}

/// Adds one row a call, from the numbers `n.i`.
async fn add(conn: &mut Conn<'_>, rows: &str) -> store::Result<()> {
    let text = sqlx::AssertSqlSafe(format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(0 AS BIGINT) UNION ALL \
         SELECT i + 1 FROM n WHERE i + 1 < $1) {rows}"
    ));
    let now = START.as_millis();
    match conn {
        Conn::Sqlite(c) => {
            let query = sqlx::query(text).bind(CALLS).bind(now);
            query.execute(&mut **c).await?;
        }
        Conn::Postgres(c) => {
            let query = sqlx::query(text).bind(CALLS).bind(now);
            query.execute(&mut **c).await?;
        }
    }
    Ok(())
}

/// Begins to count what a connection does.
async fn begin(conn: &mut Conn<'_>, steps: &Arc<AtomicU64>) -> store::Result<()> {
    match conn {
        Conn::Sqlite(c) => {
            let steps = Arc::clone(steps);
            let mut handle = c.lock_handle().await?;
            handle.set_progress_handler(PORTION, move || {
                steps.fetch_add(u64::from(PORTION.unsigned_abs()), Ordering::SeqCst);
                true
            });
        }
        Conn::Postgres(c) => {
            // So small a table is best read whole: the question is whether an index could serve.
            for text in ["BEGIN", "SET LOCAL enable_seqscan = off"] {
                sqlx::query(text).execute(&mut **c).await?;
            }
        }
    }
    Ok(())
}

/// Whether that was little; else how much.
async fn end(conn: &mut Conn<'_>, steps: &AtomicU64) -> store::Result<Option<String>> {
    match conn {
        Conn::Sqlite(c) => {
            c.lock_handle().await?.remove_progress_handler();
            let taken = steps.load(Ordering::SeqCst);
            Ok((taken > STEPS).then(|| format!("{taken} steps")))
        }
        Conn::Postgres(c) => {
            let read: Vec<(String, i64, i64)> = sqlx::query_as(
                "SELECT relname::TEXT, seq_tup_read, COALESCE(idx_tup_fetch, 0) \
                 FROM pg_stat_xact_user_tables WHERE seq_tup_read + COALESCE(idx_tup_fetch, 0) > 0",
            )
            .fetch_all(&mut **c)
            .await?;
            sqlx::query("ROLLBACK").execute(&mut **c).await?;
            let rows: i64 = read.iter().map(|(_, whole, found)| whole + found).sum();
            Ok((rows > ROWS).then(|| format!("{rows} rows: {read:?}")))
        }
    }
}

/// Runs a look at the database, or with `write` a change of it, and says how much it did, if that was not
/// little.
macro_rules! much {
    ($backend:expr, $conn:ident => $body:expr) => {
        much!($backend, read, $conn => $body)
    };
    ($backend:expr, $access:ident, $conn:ident => $body:expr) => {{
        let steps = Arc::new(AtomicU64::new(0));
        $backend
            .db
            .$access(move |mut $conn| {
                Box::pin(async move {
                    begin(&mut $conn, &steps).await?;
                    $body?;
                    end(&mut $conn, &steps).await
                })
            })
            .await
            .unwrap()
    }};
}

/// Runs a look at the database, and insists that it does little.
macro_rules! little {
    ($backend:expr, $what:expr, $conn:ident => $body:expr) => {
        little!($backend, read, $what, $conn => $body)
    };
    ($backend:expr, $access:ident, $what:expr, $conn:ident => $body:expr) => {{
        let much = much!($backend, $access, $conn => $body);
        assert_eq!(much, None, "{:?}: {:?}", $backend.db, $what);
    }};
}

/// Tables that lists are made of, each with a column that is in none of their indexes. There are so many
/// rows that a look at all is noticed.
const TABLES: [(&str, &str); 6] = [
    ("conversations", "summary"),
    ("deliveries", "spent"),
    ("results", "body"),
    ("dead_letters", "message"),
    ("extractions", "input_hash"),
    ("audit", "detail"),
];

/// Last of all: what PostgreSQL counts of one look may still stand there at the next.
async fn insist_on_many_rows(backend: &Backend) {
    for (table, column) in TABLES {
        let much = much!(backend, conn => read_whole(&mut conn, table, column).await);
        let noticed = much.is_some_and(|much| much.contains("steps") || much.contains(table));
        assert!(noticed, "{:?}: {table}", backend.db);
    }
}

async fn read_whole(conn: &mut Conn<'_>, table: &str, column: &str) -> store::Result<()> {
    let text = sqlx::AssertSqlSafe(format!(
        "SELECT COUNT(*) FROM {table} WHERE '' || {column} = 'nothing'"
    ));
    match conn {
        Conn::Sqlite(c) => drop(sqlx::query(text).fetch_one(&mut **c).await?),
        Conn::Postgres(c) => drop(sqlx::query(text).fetch_one(&mut **c).await?),
    }
    Ok(())
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn first() -> PageRequest {
    PageRequest::default()
}

/// A page from the middle on.
fn deep(id: &str) -> PageRequest {
    let at = Timestamp::from_millis(START.as_millis() - CALLS / 2 * 30_000);
    PageRequest {
        after: Some(Cursor {
            at,
            id: id.to_owned(),
        }),
        ..first()
    }
}

fn key() -> ConversationKey {
    ConversationKey {
        owner: Owner::platform("speechify"),
        id: ConversationId::new(&format!("conv_{:026}", 200)).unwrap(),
    }
}

fn of_calls() -> Vec<calls::Filter> {
    let middle = Timestamp::from_millis(START.as_millis() - CALLS / 2 * 30_000);
    let changes: [fn(&mut calls::Filter); 15] = [
        |_| (),
        |f| f.agent_id = some("agent_3"),
        |f| f.agents = vec!["agent_3".to_owned(), "nobody".to_owned()],
        |f| f.status = some("active"),
        |f| f.transport = some("whatsapp"),
        |f| f.end_reason = some("nothing_like_it"),
        |f| f.source = some("another"),
        |f| f.platform = some("retell"),
        |f| f.call_successful = some("unknown"),
        |f| f.caller_identity = some("sip_+14152000007"),
        |f| f.caller_identity = some("tel:+15550000000"),
        |f| f.caller_identity = some("guest_1"),
        |f| f.prefix = some("nobody"),
        |f| f.prefix = some("+14152000007"),
        |f| f.duration_min_ms = Some(60_001),
    ];
    let mut filters: Vec<_> = changes
        .iter()
        .map(|change| {
            let mut filter = calls::Filter::default();
            change(&mut filter);
            filter
        })
        .collect();
    filters.push(calls::Filter {
        started_from: Some(middle),
        ..calls::Filter::default()
    });
    filters.push(calls::Filter {
        agent_id: some("agent_3"),
        status: some("failed"),
        call_successful: some("success"),
        started_before: Some(middle),
        ..calls::Filter::default()
    });
    filters
}

async fn look_at_calls(backend: &Backend) {
    for filter in of_calls() {
        for page in [first(), deep("conv_")] {
            let (filter, shown) = (filter.clone(), filter.clone());
            little!(backend, shown, conn => calls::list(&mut conn, &filter, &page).await);
        }
    }
    little!(backend, "messages", conn => {
        conversations::messages(&mut conn, &key(), &first()).await
    });
    little!(backend, "one", conn => conversations::find(&mut conn, key().id.as_str(), None).await);
}

async fn look_at_callers(backend: &Backend) {
    for (agent, prefix) in [("", ""), ("agent_3", ""), ("", "+1415200"), ("", "nobody")] {
        for page in [first(), deep("+14152020000\u{1f}agent_3")] {
            let filter = remembered::Filter {
                agent_id: some(agent),
                prefix: some(prefix),
                ..remembered::Filter::default()
            };
            let again = page.clone();
            little!(backend, (agent, prefix), conn => {
                remembered::list(&mut conn, &filter, &page).await
            });
            let filter = callers::Filter {
                agents: some(agent).into_iter().collect(),
                prefix: some(prefix),
                caller: None,
            };
            little!(backend, (agent, prefix), conn => {
                callers::list(&mut conn, &filter, &again).await
            });
        }
    }
    let one = callers::Filter {
        caller: CallerKey::of("", "+14152000007"),
        ..callers::Filter::default()
    };
    little!(backend, "one caller", conn => callers::list(&mut conn, &one, &first()).await);
    for agent in [None, Some("agent_3")] {
        let caller = CallerKey::of("", "+14152000007").unwrap();
        little!(backend, ("kept", agent), conn => callers::kept(&mut conn, &caller, agent).await);
    }
}

async fn look_at_deliveries(backend: &Backend) {
    let changes: [fn(&mut deliveries::list::Filter); 7] = [
        |_| (),
        |f| f.kind = some("memory.changed"),
        |f| f.agent_id = some("nobody"),
        |f| f.endpoint_id = some("ep_1"),
        |f| f.endpoints = Some(vec!["ep_1".to_owned()]),
        |f| f.statuses = vec![Status::Pending],
        |f| f.conversation_id = some("conv_1"),
    ];
    for change in changes {
        for page in [first(), deep("dlv_")] {
            let mut filter = deliveries::list::Filter::default();
            change(&mut filter);
            let shown = filter.clone();
            little!(backend, shown, conn => {
                deliveries::list::list(&mut conn, &filter, &page).await
            });
        }
    }
    for kind in ["", "memory.changed"] {
        for page in [first(), deep("evt_")] {
            let filter = results::Filter {
                kind: some(kind),
                agents: Vec::new(),
            };
            little!(backend, kind, conn => results::list(&mut conn, &filter, &page).await);
        }
    }
}

async fn look_at_letters(backend: &Backend) {
    let changes: [fn(&mut letters::Filter); 13] = [
        |_| (),
        |f| f.state = Some(State::Dead),
        |f| f.state = Some(State::Discarded),
        |f| f.stage = some("remember"),
        |f| f.source = some("another"),
        |f| f.agent_id = some("nobody"),
        |f| f.agents = vec!["agent_3".to_owned(), "nobody".to_owned()],
        |f| f.caller_identity = some("nobody"),
        |f| f.fingerprint = some("fp_1"),
        |f| f.fault = Some(Fault::Ours),
        |f| f.code = some("another"),
        |f| f.failed_in = some("replay_none"),
        |f| f.until = Some(Timestamp::from_secs(0)),
    ];
    for change in changes {
        for state in [None, Some(State::Dead)] {
            for page in [first(), deep("dl_")] {
                let mut filter = letters::Filter {
                    state,
                    ..letters::Filter::default()
                };
                change(&mut filter);
                let shown = filter.clone();
                little!(backend, shown, conn => letters::list(&mut conn, &filter, &page).await);
            }
        }
    }
}

async fn look_at_audit(backend: &Backend) {
    let changes: [fn(&mut audit::Filter); 5] = [
        |_| (),
        |f| f.actor = some("nobody"),
        |f| f.action = some("token.create"),
        |f| f.target = some("nothing"),
        |f| f.since = Some(START),
    ];
    for change in changes {
        for page in [first(), deep("audit_")] {
            let mut filter = audit::Filter::default();
            change(&mut filter);
            let shown = filter.clone();
            little!(backend, shown, conn => audit::list(&mut conn, &filter, &page).await);
        }
    }
}

/// What each delivery takes on its way.
async fn look_at_sending(backend: &Backend) {
    let down = || vec![("ep_down_1", 10), ("ep_down_2", 10)];
    little!(backend, "turns", conn => deliveries::turns(&mut conn, None, START).await);
    little!(backend, "due", conn => deliveries::due(&mut conn, &down(), START).await);
    let due = backend.db.read(move |mut conn| {
        Box::pin(async move { deliveries::due(&mut conn, &down(), START).await })
    });
    let due = due.await.unwrap();
    assert_eq!(due.len(), 20);
    let settled = due[0].id.clone();
    little!(backend, write, "queue", conn => deliveries::queue(&mut conn, &due, START).await);
    little!(backend, write, "settle", conn => {
        deliveries::settle(&mut conn, &settled, 1, After::Delivered, START).await
    });
}

/// What each message takes on its way.
async fn look_at_queue(backend: &Backend) {
    let patience = Duration::from_mins(1);
    little!(backend, "next due", conn => outbox::next_due(&mut conn, Stage::Deliver).await);
    little!(backend, write, "claim", conn => {
        outbox::claim(&mut conn, Stage::Deliver, "mine", START, patience, 10).await
    });
    let ids = || (0..10).map(|n| format!("down:{n}")).collect::<Vec<_>>();
    let done: Vec<_> = ids()
        .into_iter()
        .map(|id| (id, "mine".to_owned()))
        .collect();
    little!(backend, write, "free", conn => outbox::free(&mut conn, &ids(), "mine").await);
    little!(backend, write, "done", conn => outbox::remove_done(&mut conn, &done).await);
    little!(backend, write, "resolve", conn => {
        let ids = ids();
        dead_letters::resolve_all(&mut conn, ids.iter().map(String::as_str), START).await
    });
}

#[tokio::test]
async fn a_page_costs_what_is_on_it() {
    for backend in backends::all("plans_pages").await {
        fill(&backend.db).await;
        // Before the database has counted the rows, as SQLite never does, and after.
        look_at_sending(&backend).await;
        if backend.db.kind() == "sqlite" {
            look_at_queue(&backend).await;
        }
        analyze(&backend.db).await;
        look_at_sending(&backend).await;
        look_at_queue(&backend).await;
        look_at_calls(&backend).await;
        look_at_callers(&backend).await;
        look_at_deliveries(&backend).await;
        look_at_letters(&backend).await;
        look_at_audit(&backend).await;
        let hour = Timestamp::from_millis(START.as_millis() - 3_600_000);
        for passage in passages::Passage::ALL {
            little!(backend, passage, conn => {
                passages::counts(&mut conn, passage, &[], hour, 120_000, 30).await
            });
        }
        little!(backend, "latencies", conn => {
            passages::latencies(&mut conn, &[], hour, 1_000).await
        });
        little!(backend, "gap", conn => {
            known_calls::gap(&mut conn, "simulated-voice", None).await
        });
        little!(backend, "outlived", conn => {
            extractions::outlived(&mut conn, START, 100).await
        });
        let accounts = vec!["simulated-voice".to_owned()];
        little!(backend, "missing", conn => {
            known_calls::missing(&mut conn, &accounts, None, &first()).await
        });
        insist_on_many_rows(&backend).await;
    }
}
