use proptest::prelude::*;

use super::super::save;
use super::*;
use crate::conversation::{Conversation, Presence};
use crate::host::{Clock, Host};
use crate::id::{AgentId, ConversationId, Owner};
use crate::memory::caller::CallerKey;
use crate::store::Db;

async fn open() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/t.db", folder.path().display());
    let db = Db::open(&url, &Host::new(Clock::System)).await.unwrap();
    (db, folder)
}

fn record(
    owner: &str,
    id: &str,
    created_secs: i64,
    change: impl FnOnce(&mut Conversation),
) -> Record {
    let at = Timestamp::from_secs(created_secs);
    let id = ConversationId::new(id).unwrap();
    let mut conversation = Conversation::blank(id, AgentId::new("desk").unwrap(), at);
    conversation.platform = "speechify".to_owned();
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
            call.source = "voice".to_owned();
            call.caller_identity = "sip_+14155550123".to_owned();
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
            call.platform = "elevenlabs".to_owned();
            call.agent_id = AgentId::new("sales").unwrap();
        }),
    )
    .await;
}

#[tokio::test]
async fn every_filter_narrows() {
    let (db, _folder) = open().await;
    two_calls(&db).await;
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
    for (set, expected) in cases {
        let mut filter = Filter::default();
        set(&mut filter);
        assert_eq!(ids(&db, &filter).await.join(" "), *expected, "{filter:?}");
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
    let (db, _folder) = open().await;
    add(
        &db,
        record("speechify", "a", 1, |call| {
            call.agent_snapshot = Presence::Value("large".into());
            call.dynamic_variables = Presence::Value(serde_json::Map::new());
            call.message_count = 7;
        }),
    )
    .await;
    let page = page(&db, &Filter::default(), PageRequest::default()).await;
    let call = &page.rows[0].conversation;
    assert_eq!(call.agent_snapshot.value(), None);
    assert_eq!(call.dynamic_variables.value(), None);
    assert_eq!(call.message_count, 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Whatever is inserted between two pages, no row is skipped or shown twice, also where times
    /// and even ids are equal.
    #[test]
    fn cursors_are_stable_under_inserts(
        calls in prop::collection::vec((0..3_i64, 0..4_u8, 0..2_u8), 1..20),
        size in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let (db, _folder) = open().await;
            let mut expected = Vec::new();
            for (secs, id, owner) in calls {
                let (id, owner) = (format!("c{secs}{id}"), format!("p{owner}"));
                add(&db, record(&owner, &id, secs, |_| {})).await;
                expected.push((secs, id, owner));
            }
            expected.sort();
            expected.dedup();
            expected.reverse();
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = page(&db, &Filter::default(), PageRequest { size, after }).await;
                seen.extend(page.rows.iter().map(|record| (
                    record.conversation.created_at.as_secs(),
                    record.conversation.id.to_string(),
                    record.owner.as_str().to_owned(),
                )));
                add(&db, record("p9", &format!("new{}", seen.len()), 99, |_| {})).await;
                // A cursor must survive the trip through a client.
                after = page.next.map(|next| Cursor::decode(&next.encode()).unwrap());
                if after.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected);
        });
    }
}
