//! No list and no count of causes reads the whole table, on either database.

use super::*;
use crate::host::{Clock, Host};
use crate::id::of_content;
use crate::store::Db;
use crate::store::dead_letters::{Letter, keep};
use crate::verdict::Failure;

/// Letters in the table: enough for a planner to have a choice.
const LETTERS: i64 = 4_000;

/// Each filter that an index must serve.
fn filters() -> Vec<Filter> {
    let some = |text: &str| Some(text.to_owned());
    let blank = Filter::default();
    vec![
        Filter {
            state: Some(State::Dead),
            ..blank.clone()
        },
        Filter {
            source: some("voice_1"),
            ..blank.clone()
        },
        Filter {
            agent_id: some("agent_1"),
            ..blank.clone()
        },
        Filter {
            caller_identity: some("+14155550123"),
            ..blank.clone()
        },
        Filter {
            fingerprint: some("fp_1"),
            ..blank
        },
    ]
}

async fn fill(db: &Db) {
    for batch in 0..LETTERS / 500 {
        db.write(move |mut conn| {
            Box::pin(async move {
                for n in batch * 500..(batch + 1) * 500 {
                    let some = |name: &str, of: i64| Some(format!("{name}_{}", n % of));
                    let letter = Letter {
                        id: of_content("dl_", &[&n.to_string()]),
                        stage: "finalize".to_owned(),
                        source: some("voice", 40),
                        platform: None,
                        event_id: None,
                        conversation_id: None,
                        agent_id: some("agent", 400),
                        caller_identity: some("caller", 900),
                        cause: Failure::platform(&format!("code_{}", n % 50), "why"),
                        attempts: Vec::new(),
                        body: "x".repeat(300),
                        message_id: n.to_string(),
                    };
                    keep(&mut conn, &letter, Timestamp::from_secs(n)).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn sqlite_reads_no_table_from_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/t.db", folder.path().display());
    let db = Db::open(&url, &Host::new(Clock::System)).await.unwrap();
    fill(&db).await;
    db.write(|mut conn| {
        Box::pin(async move {
            let Conn::Sqlite(c) = &mut conn else {
                unreachable!("it is SQLite")
            };
            sqlx::query("ANALYZE").execute(&mut **c).await?;
            for filter in filters() {
                let mut list = QueryBuilder::new("EXPLAIN QUERY PLAN ");
                listed(&mut list, &filter, i64::MAX, String::new(), 31);
                let mut groups = QueryBuilder::new("EXPLAIN QUERY PLAN ");
                grouped(&mut groups, &filter);
                for mut query in [list, groups] {
                    let plan: Vec<(i64, i64, i64, String)> =
                        query.build_query_as().fetch_all(&mut **c).await?;
                    for (.., step) in plan {
                        let whole =
                            step.starts_with("SCAN dead_letters") && !step.contains("INDEX");
                        assert!(!whole, "{filter:?}: {step}");
                    }
                }
            }
            Ok(())
        })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn postgres_reads_no_table_from_end_to_end() {
    let Ok(server) = std::env::var("AFTERCALL_TEST_DATABASE_URL") else {
        return;
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let name = format!("aftercall_plans_{}", std::process::id());
    let admin = sqlx::PgPool::connect(&server).await.unwrap();
    let make = format!("CREATE DATABASE {name}");
    sqlx::query(sqlx::AssertSqlSafe(make))
        .execute(&admin)
        .await
        .unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    let host = Host::new(Clock::System);
    let db = Db::open(&format!("{base}/{name}"), &host).await.unwrap();
    db.migrate().await.unwrap();
    fill(&db).await;
    db.read(|mut conn| {
        Box::pin(async move {
            let Conn::Postgres(c) = &mut conn else {
                unreachable!("it is PostgreSQL")
            };
            // So small a table is best read whole: the question is whether an index could serve.
            for text in ["VACUUM ANALYZE dead_letters", "SET enable_seqscan = off"] {
                sqlx::query(text).execute(&mut **c).await?;
            }
            for filter in filters() {
                let mut list = QueryBuilder::new("EXPLAIN ");
                listed(&mut list, &filter, i64::MAX, String::new(), 31);
                let mut groups = QueryBuilder::new("EXPLAIN ");
                grouped(&mut groups, &filter);
                for mut query in [list, groups] {
                    let plan: Vec<String> = query.build_query_scalar().fetch_all(&mut **c).await?;
                    let plan = plan.join("\n");
                    assert!(!plan.contains("Seq Scan"), "{filter:?}: {plan}");
                }
            }
            Ok(())
        })
    })
    .await
    .unwrap();
}
