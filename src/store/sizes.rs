//! How much the database holds: of every table, about how many rows and how many bytes.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::{Conn, Result};

/// How large a table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// The table.
    pub table: String,
    /// About how many rows it has: an estimate that costs nothing.
    pub rows: i64,
    /// What it takes on disk with its indexes; none where only the whole file is known.
    pub bytes: Option<i64>,
}

/// What the tables that grow hold, in words: one row, and several.
const HELD: [(&str, &str, &str); 21] = [
    (
        "audit",
        "entry of the audit log",
        "entries of the audit log",
    ),
    ("bodies", "sealed body", "sealed bodies"),
    ("callers", "caller", "callers"),
    ("consents", "consent", "consents"),
    ("conversations", "call", "calls"),
    ("dead_letters", "dead letter", "dead letters"),
    ("deliveries", "delivery", "deliveries"),
    (
        "delivery_attempts",
        "attempt to deliver",
        "attempts to deliver",
    ),
    ("events", "mark of an event", "marks of events"),
    ("extractions", "reading of a call", "readings of calls"),
    (
        "known_calls",
        "call on a platform's list",
        "calls on platforms' lists",
    ),
    ("memories", "fact", "facts"),
    (
        "memory_log",
        "fact as it was before",
        "facts as they were before",
    ),
    ("messages", "message of a call", "messages of calls"),
    ("observations", "observation", "observations"),
    ("outbox", "message waiting", "messages waiting"),
    ("passages", "call's times", "calls' times"),
    ("quarantine", "refused delivery", "refused deliveries"),
    ("replay_letters", "letter of a replay", "letters of replays"),
    ("results", "result", "results"),
    ("timeline", "step of a call", "steps of calls"),
];

impl Size {
    /// What so many rows of it are, in words; none of a table that does not grow with the calls.
    pub fn holds(&self) -> Option<&'static str> {
        let held = HELD.iter().find(|(table, ..)| *table == self.table);
        held.map(|(_, one, many)| if self.rows == 1 { *one } else { *many })
    }
}

/// How large the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// All of it, in bytes.
    pub bytes: i64,
    /// Of that, bytes that are free to be used again: SQLite keeps what was deleted.
    pub free_bytes: i64,
    /// Each table.
    pub tables: Vec<Size>,
}

/// The names of all tables, but for that of the migrations.
async fn tables(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    Ok(match conn {
        Conn::Sqlite(file) => {
            sqlx::query_scalar(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_%' \
                 ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name",
            )
            .fetch_all(&mut **file)
            .await?
        }
        Conn::Postgres(server) => {
            sqlx::query_scalar(
                "SELECT tablename::TEXT FROM pg_tables WHERE schemaname = current_schema() \
                 AND tablename NOT LIKE '\\_%' ORDER BY tablename",
            )
            .fetch_all(&mut **server)
            .await?
        }
    })
}

/// How large the database and its tables are.
pub async fn sizes(conn: &mut Conn<'_>) -> Result<Sizes> {
    let names = tables(conn).await?;
    match conn {
        Conn::Sqlite(file) => of_file(file, names).await,
        Conn::Postgres(server) => of_server(server, names).await,
    }
}

/// A file is known as a whole. Of its tables the span of row numbers is known at once.
async fn of_file(conn: &mut SqliteConnection, names: Vec<String>) -> Result<Sizes> {
    let mut tables = Vec::with_capacity(names.len());
    for table in names {
        // Two questions: asked in one, both ends would be looked for row by row.
        let text = format!(
            "SELECT COALESCE((SELECT MAX(rowid) FROM {table}) - (SELECT MIN(rowid) FROM {table}) + 1, 0)"
        );
        let rows = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
            .fetch_one(&mut *conn)
            .await?;
        tables.push(Size {
            table,
            rows,
            bytes: None,
        });
    }
    let (bytes, free_bytes) = sqlx::query_as(
        "SELECT p.page_count * s.page_size, f.freelist_count * s.page_size \
         FROM pragma_page_count() p, pragma_page_size() s, pragma_freelist_count() f",
    )
    .fetch_one(conn)
    .await?;
    Ok(Sizes {
        bytes,
        free_bytes,
        tables,
    })
}

/// A server keeps estimates of its own.
async fn of_server(conn: &mut PgConnection, names: Vec<String>) -> Result<Sizes> {
    let mut tables = Vec::with_capacity(names.len());
    for table in names {
        let (rows, bytes) = sqlx::query_as(
            "SELECT GREATEST(reltuples, 0)::BIGINT, pg_total_relation_size(oid) \
             FROM pg_class WHERE oid = to_regclass($1)",
        )
        .bind(&table)
        .fetch_one(&mut *conn)
        .await?;
        tables.push(Size {
            table,
            rows,
            bytes: Some(bytes),
        });
    }
    let bytes = sqlx::query_scalar("SELECT pg_database_size(current_database())")
        .fetch_one(conn)
        .await?;
    Ok(Sizes {
        bytes,
        free_bytes: 0,
        tables,
    })
}
