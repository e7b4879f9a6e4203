//! Tokens and the audit log on each database.

use std::time::Duration;

use aftercall::page::PageRequest;
use aftercall::secret::Secret;
use aftercall::store::audit::{self, Entry};
use aftercall::store::tokens::{self, Scope, Token};

use crate::backends::{self, START};

fn token(id: &str, after: u64) -> Token {
    Token {
        id: id.to_owned(),
        name: "CRM".to_owned(),
        scopes: vec![Scope::ConversationsRead, Scope::OpsWrite],
        agents: vec!["front desk".to_owned(), "sales".to_owned()],
        expires_at: Some(START.plus(Duration::from_hours(1))),
        last_used_at: None,
        revoked_at: None,
        created_at: START.plus(Duration::from_secs(after)),
    }
}

#[tokio::test]
async fn a_token_is_found_by_its_hash_alone() {
    for backend in backends::all("a_token_is_found_by_its_hash_alone").await {
        let found = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    tokens::add(&mut conn, &token("token_1", 0), "hash").await?;
                    assert_eq!(tokens::by_hash(&mut conn, "other").await?, None);
                    tokens::by_hash(&mut conn, "hash").await
                })
            })
            .await
            .unwrap();
        assert_eq!(found, Some(token("token_1", 0)));
    }
}

#[tokio::test]
async fn tokens_are_listed_newest_first() {
    for backend in backends::all("tokens_are_listed_newest_first").await {
        let ids = backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    for (id, after) in [("token_a", 1), ("token_b", 1), ("token_c", 0)] {
                        tokens::add(&mut conn, &token(id, after), id).await?;
                    }
                    let first = PageRequest {
                        size: 2,
                        after: None,
                    };
                    let first = tokens::list(&mut conn, &first).await?;
                    let rest = PageRequest {
                        size: 2,
                        after: first.next,
                    };
                    let rest = tokens::list(&mut conn, &rest).await?;
                    assert_eq!(rest.next, None);
                    Ok(first
                        .rows
                        .into_iter()
                        .chain(rest.rows)
                        .map(|token| token.id))
                })
            })
            .await
            .unwrap();
        assert_eq!(ids.collect::<Vec<_>>(), ["token_b", "token_a", "token_c"]);
    }
}

#[tokio::test]
async fn use_and_end_are_written_down_once() {
    for backend in backends::all("use_and_end_are_written_down_once").await {
        let later = START.plus(Duration::from_secs(30));
        let much_later = START.plus(Duration::from_secs(90));
        let minute = Duration::from_mins(1);
        let found = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    let conn = &mut conn;
                    tokens::add(conn, &token("token_1", 0), "hash").await?;
                    tokens::touch(conn, "token_1", START, START.minus(minute)).await?;
                    tokens::touch(conn, "token_1", later, later.minus(minute)).await?;
                    let token = tokens::by_hash(conn, "hash").await?.unwrap();
                    assert_eq!(token.last_used_at, Some(START));
                    tokens::touch(conn, "token_1", much_later, much_later.minus(minute)).await?;
                    assert!(tokens::revoke(conn, "token_1", later).await?);
                    assert!(tokens::revoke(conn, "token_1", much_later).await?);
                    assert!(!tokens::revoke(conn, "token_2", later).await?);
                    tokens::by_hash(conn, "hash").await
                })
            })
            .await
            .unwrap()
            .unwrap();
        assert_eq!(found.last_used_at, Some(much_later));
        assert_eq!(found.revoked_at, Some(later));
    }
}

#[tokio::test]
async fn a_given_admin_token_takes_the_place_of_the_one_before() {
    for backend in backends::all("a_given_admin_token_takes_the_place").await {
        backend
            .db
            .write(|mut conn| {
                Box::pin(async move {
                    let conn = &mut conn;
                    for text in ["ac_one", "ac_two", "ac_two"] {
                        let given = Secret::new(text).unwrap();
                        tokens::ensure_admin(conn, "token_environment", "given", &given, START)
                            .await?;
                    }
                    let hash = tokens::hash;
                    assert_eq!(tokens::by_hash(conn, &hash("ac_one")).await?, None);
                    let token = tokens::by_hash(conn, &hash("ac_two")).await?.unwrap();
                    assert!(Scope::ALL.into_iter().all(|scope| token.allows(scope)));
                    assert!(token.sees("anybody"));
                    Ok(())
                })
            })
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_audit_log_is_read_newest_first_and_grows_old() {
    for backend in backends::all("the_audit_log_is_read_newest_first").await {
        let entry = |n: u64| Entry {
            id: format!("audit_{n}"),
            at: START.plus(Duration::from_secs(n)),
            actor: "token_1".to_owned(),
            action: "token.create".to_owned(),
            target: format!("token_{n}"),
            detail: String::new(),
        };
        let entries: Vec<_> = (0..3).map(entry).collect();
        let mut expected = entries.clone();
        expected.reverse();
        let found = backend
            .db
            .write(move |mut conn| {
                Box::pin(async move {
                    for entry in &entries {
                        audit::add(&mut conn, entry).await?;
                    }
                    let page = audit::list(
                        &mut conn,
                        &audit::Filter::default(),
                        &PageRequest::default(),
                    )
                    .await?;
                    let old = START.plus(Duration::from_secs(2));
                    assert_eq!(audit::prune(&mut conn, old, 10).await?, 2);
                    Ok(page.rows)
                })
            })
            .await
            .unwrap();
        assert_eq!(found, expected);
    }
}
