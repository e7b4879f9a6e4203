//! The list of conversations on each database: every filter, and cursors that hold.

use aftercall::conversation::{Conversation, Presence};
use aftercall::id::{AgentId, ConversationId, Owner};
use aftercall::memory::caller::CallerKey;
use aftercall::page::{Cursor, Page, PageRequest};
use aftercall::store::conversations::list::{Filter, list};
use aftercall::store::conversations::{Record, delete, save};
use aftercall::store::{Db, callers};
use aftercall::time::Timestamp;

use crate::backends;

fn record(
    owner: &str,
    id: &str,
    created_secs: i64,
    change: impl FnOnce(&mut Conversation),
) -> Record {
    let at = Timestamp::from_secs(created_secs);
    let id = ConversationId::new(id).unwrap();
    let mut conversation = Conversation::blank(id, AgentId::new("desk").unwrap(), at);
    "speechify".clone_into(&mut conversation.platform);
    change(&mut conversation);
    Record {
        owner: Owner::stored(owner.to_owned()),
        caller_key: CallerKey::of("speechify", &conversation.caller_identity),
        conversation,
        updated_at: at,
        revision: 1,
        content_hash: String::new(),
        fetched_at: at,
        announced: None,
        memory_status: None,
        memory_reason: None,
        recheck_at: None,
        rechecks: 0,
        own: aftercall::store::conversations::Own::default(),
    }
}

async fn add(db: &Db, record: Record) {
    db.write(move |mut conn| Box::pin(async move { save(&mut conn, &record).await }))
        .await
        .unwrap();
}

async fn page(db: &Db, filter: &Filter, page: PageRequest) -> Page<Record> {
    let filter = filter.clone();
    db.read(move |mut conn| Box::pin(async move { list(&mut conn, &filter, &page).await }))
        .await
        .unwrap()
}

async fn ids(db: &Db, filter: &Filter) -> Vec<String> {
    let page = page(db, filter, PageRequest::default()).await;
    page.rows
        .iter()
        .map(|record| record.conversation.id.to_string())
        .collect()
}

type Set = fn(&mut Filter);

/// A call with something to filter by, and a later one of another platform with nothing.
async fn two_calls(db: &Db) {
    add(
        db,
        record("speechify", "a", 100, |call| {
            call.status = "completed".into();
            call.transport = "sip_inbound".into();
            call.end_reason = Some("agent_ended".into());
            "voice".clone_into(&mut call.source);
            "sip_+14155550123".clone_into(&mut call.caller_identity);
            call.call_successful = Some("success".into());
            call.started_at = Some(Timestamp::from_secs(110));
            call.duration_ms = Some(5_000);
            call.from_number = Some("+14155550123".to_owned());
            call.agent_name = Some("50% Off_Desk".to_owned());
        }),
    )
    .await;
    add(
        db,
        record("elevenlabs", "b", 200, |call| {
            call.status = "failed".into();
            "elevenlabs".clone_into(&mut call.platform);
            call.agent_id = AgentId::new("sales").unwrap();
        }),
    )
    .await;
}

#[tokio::test]
async fn every_filter_narrows() {
    let cases: &[(Set, &str)] = &[
        (|_| (), "b a"),
        (|f| f.agents = vec!["sales".to_owned(), "x".to_owned()], "b"),
        (|f| f.agent_id = some("desk"), "a"),
        (|f| f.status = some("failed"), "b"),
        (|f| f.transport = some("web"), "b"),
        (|f| f.end_reason = some("agent_ended"), "a"),
        (|f| f.source = some("voice"), "a"),
        (|f| f.platform = some("elevenlabs"), "b"),
        (|f| f.caller_identity = some("sip_+14155550123"), "a"),
        (|f| f.caller_identity = some("+14155550123"), "a"),
        (|f| f.caller_identity = some("tel:+14155550123"), "a"),
        (
            |f| f.caller_identity = some("sip:+14155550123@sbc.example"),
            "a",
        ),
        (|f| f.caller_identity = some("14155550123"), ""),
        (|f| f.caller_identity = some(""), "b"),
        (|f| f.call_successful = some("success"), "a"),
        (|f| f.call_successful = some("unknown"), "b"),
        (|f| f.started_from = at(110), "b a"),
        (|f| f.started_from = at(111), "b"),
        (|f| f.started_before = at(200), "a"),
        (|f| f.started_before = at(110), ""),
        (|f| f.duration_min_ms = Some(5_000), "a"),
        (|f| f.duration_min_ms = Some(5_001), ""),
        (|f| f.duration_max_ms = Some(5_000), "a"),
        (|f| f.prefix = some("A"), "a"),
        (|f| f.prefix = some("SIP_+1415"), "a"),
        (|f| f.prefix = some("+1415"), "a"),
        (|f| f.prefix = some("50% off_"), "a"),
        (|f| f.prefix = some("%"), ""),
        (|f| f.prefix = some("_"), ""),
        (|f| f.prefix = some("\\"), ""),
        (
            |f| (f.status, f.agent_id) = (some("failed"), some("desk")),
            "",
        ),
    ];
    for backend in backends::all("every_filter_narrows").await {
        two_calls(&backend.db).await;
        for (set, expected) in cases {
            let mut filter = Filter::default();
            set(&mut filter);
            let found = ids(&backend.db, &filter).await.join(" ");
            assert_eq!(found, *expected, "{:?} {filter:?}", backend.db);
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the filter's fields are options")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "the filter's fields are options")]
fn at(secs: i64) -> Option<Timestamp> {
    Some(Timestamp::from_secs(secs))
}

#[tokio::test]
async fn a_row_leaves_out_what_is_large() {
    for backend in backends::all("a_row_leaves_out_what_is_large").await {
        let large = record("speechify", "a", 1, |call| {
            call.agent_snapshot = Presence::Value("large".into());
            call.dynamic_variables = Presence::Value(serde_json::Map::new());
            call.message_count = 7;
        });
        add(&backend.db, large).await;
        let page = page(&backend.db, &Filter::default(), PageRequest::default()).await;
        let call = &page.rows[0].conversation;
        assert_eq!(call.agent_snapshot.value(), None);
        assert_eq!(call.dynamic_variables.value(), None);
        assert_eq!(call.message_count, 7);
    }
}

/// Whatever is inserted between two pages, no row is skipped or shown twice, also where times and
/// even ids are equal.
#[tokio::test]
async fn cursors_are_stable_under_inserts() {
    for backend in backends::all("cursors_are_stable_under_inserts").await {
        let db = &backend.db;
        let mut expected = Vec::new();
        for n in 0..24_i64 {
            // Four calls a second, each of the same id on two platforms.
            let call = n % 12;
            let (secs, id, owner) = (call / 4, format!("c{call:02}"), format!("p{}", n / 12));
            add(db, record(&owner, &id, secs, |_| {})).await;
            expected.push((secs, id, owner));
        }
        expected.sort();
        expected.reverse();
        for size in 1..=5 {
            assert_eq!(walk(db, size).await, expected, "{db:?} {size}");
        }
    }
}

/// Every row that a reader of pages of `size` sees while newer calls arrive.
async fn walk(db: &Db, size: usize) -> Vec<(i64, String, String)> {
    let (mut seen, mut after) = (Vec::new(), None);
    let older = Filter {
        started_before: at(99),
        ..Filter::default()
    };
    loop {
        let page = page(db, &older, PageRequest { size, after }).await;
        seen.extend(page.rows.iter().map(|record| {
            (
                record.conversation.created_at.as_secs(),
                record.conversation.id.to_string(),
                record.owner.as_str().to_owned(),
            )
        }));
        let newer = format!("new{size}-{}", seen.len());
        add(db, record("p9", &newer, 99, |call| call.started_at = at(1))).await;
        // A cursor must survive the trip through a client.
        after = page
            .next
            .map(|next| Cursor::decode(&next.encode()).unwrap());
        if after.is_none() {
            seen.retain(|(secs, _, _)| *secs < 99);
            return seen;
        }
    }
}

/// Who called, in the order of the list, with how many calls.
async fn called(db: &Db) -> Vec<(String, i64)> {
    let filter = callers::Filter::default();
    let page = PageRequest::default();
    let found = db
        .read(move |mut conn| {
            Box::pin(async move { callers::list(&mut conn, &filter, &page).await })
        })
        .await
        .unwrap();
    let one = |caller: callers::Caller| (caller.caller_identity, caller.conversations);
    found.rows.into_iter().map(one).collect()
}

#[tokio::test]
async fn callers_stand_where_their_last_call_puts_them() {
    for backend in backends::all("list_callers").await {
        let db = &backend.db;
        let of = |id: &str, caller: &str, secs: i64| {
            record("speechify", id, secs, |call| {
                caller.clone_into(&mut call.caller_identity);
            })
        };
        let said = |rows: &[(&str, i64)]| -> Vec<(String, i64)> {
            rows.iter()
                .map(|(name, n)| ((*name).to_owned(), *n))
                .collect()
        };
        let (ann, bob) = ("+14155550101", "+14155550102");
        for call in [
            of("a", ann, 10),
            of("b", bob, 20),
            of("c", "", 25),
            of("d", ann, 30),
        ] {
            add(db, call).await;
        }
        assert_eq!(called(db).await, said(&[(ann, 2), (bob, 1)]));
        // The platform corrects when it was, and then who.
        add(db, of("d", ann, 15)).await;
        assert_eq!(called(db).await, said(&[(bob, 1), (ann, 2)]));
        add(db, of("b", ann, 20)).await;
        assert_eq!(called(db).await, said(&[(ann, 3)]));
        for id in ["a", "b", "d"] {
            let key = of(id, ann, 0).key();
            db.write(move |mut conn| Box::pin(async move { delete(&mut conn, &key).await }))
                .await
                .unwrap();
        }
        assert_eq!(called(db).await, []);
    }
}
