//! API tokens: stored as hashes, bound to scopes, to agents and to a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Conn, Error, Result, on};
use crate::page::{Cursor, Page, PageRequest};
use crate::secret::{Secret, sha256_hex};
use crate::time::Timestamp;

mod role;

pub use role::Role;

/// What a token may do (product contract §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// Read conversations, without what is sensitive.
    #[serde(rename = "conversations:read")]
    ConversationsRead,
    /// Read what is sensitive in conversations and memories too.
    #[serde(rename = "conversations:read_sensitive")]
    ConversationsReadSensitive,
    /// Read memories.
    #[serde(rename = "memories:read")]
    MemoriesRead,
    /// Forget and pin memories.
    #[serde(rename = "memories:write")]
    MemoriesWrite,
    /// Change who receives results.
    #[serde(rename = "endpoints:write")]
    EndpointsWrite,
    /// See dead letters, quarantine, coverage.
    #[serde(rename = "ops:read")]
    OpsRead,
    /// Replay, release, reprocess.
    #[serde(rename = "ops:write")]
    OpsWrite,
    /// Everything, and alone: tokens, erasure, the audit log.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ConversationsRead,
        Self::ConversationsReadSensitive,
        Self::MemoriesRead,
        Self::MemoriesWrite,
        Self::EndpointsWrite,
        Self::OpsRead,
        Self::OpsWrite,
        Self::Admin,
    ];

    /// The name on the wire and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsReadSensitive => "conversations:read_sensitive",
            Self::MemoriesRead => "memories:read",
            Self::MemoriesWrite => "memories:write",
            Self::EndpointsWrite => "endpoints:write",
            Self::OpsRead => "ops:read",
            Self::OpsWrite => "ops:write",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`Scope::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// A token as it is kept: everything but the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its id (`token_…`).
    pub id: String,
    /// What it is for, in its maker's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The only agents it may see; empty is all.
    pub agents: Vec<String>,
    /// Until when it works.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Token {
    /// Whether it may do this; `admin` may do everything.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Why it does not work any more; none while it does.
    pub fn why_dead(&self, now: Timestamp) -> Option<&'static str> {
        if self.revoked_at.is_some() {
            Some("the token has been revoked")
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Some("the token has expired")
        } else {
            None
        }
    }

    /// What the audit log is told of it when it is made.
    pub fn told(&self) -> String {
        let may = match Role::of(&self.scopes) {
            Some(role) => format!("role {}", role.as_str()),
            None => format!("scopes {}", scopes_text(&self.scopes)),
        };
        let agents = match &self.agents[..] {
            [] => "all".to_owned(),
            agents => agents.join(", "),
        };
        let until = match self.expires_at {
            Some(end) => format!("expires {end}"),
            None => "never expires".to_owned(),
        };
        format!("{:?}; {may}; agents {agents}; {until}", self.name)
    }

    /// Whether it may follow what is sent to endpoints that are its own: those of the agents that it is
    /// bound to.
    pub fn follows_its_endpoints(&self) -> bool {
        !self.agents.is_empty() && self.allows(Scope::EndpointsWrite)
    }

    /// Whether it may see what belongs to this agent.
    pub fn sees(&self, agent_id: &str) -> bool {
        self.agents.is_empty() || self.agents.iter().any(|agent| agent == agent_id)
    }
}

/// A new token out of fresh random bytes: `ac_` and 43 characters.
pub fn mint(random: [u8; 32]) -> String {
    format!("ac_{}", URL_SAFE_NO_PAD.encode(random))
}

/// How a token is stored. A token has 256 random bits, so that a plain hash can't be guessed back.
pub fn hash(token: &str) -> String {
    sha256_hex(token.as_bytes())
}

const COLUMNS: &str = "id, name, scopes, agents, expires_at, last_used_at, revoked_at, created_at";

#[derive(FromRow)]
struct Row {
    id: String,
    name: String,
    scopes: String,
    agents: String,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
    revoked_at: Option<i64>,
    created_at: i64,
}

impl TryFrom<Row> for Token {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            name: row.name,
            scopes: row
                .scopes
                .split_whitespace()
                .map(|text| Scope::parse(text).ok_or(Error::Corrupt("scope")))
                .collect::<Result<_>>()?,
            agents: row.agents.lines().map(str::to_owned).collect(),
            expires_at: row.expires_at.map(Timestamp::from_millis),
            last_used_at: row.last_used_at.map(Timestamp::from_millis),
            revoked_at: row.revoked_at.map(Timestamp::from_millis),
            created_at: Timestamp::from_millis(row.created_at),
        })
    }
}

fn scopes_text(scopes: &[Scope]) -> String {
    let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
    names.join(" ")
}

/// Keeps a token under the hash of its text.
pub async fn add(conn: &mut Conn<'_>, token: &Token, hash: &str) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO tokens (id, name, hash, scopes, agents, expires_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(hash)
        .bind(scopes_text(&token.scopes))
        .bind(token.agents.join("\n"))
        .bind(token.expires_at.map(Timestamp::as_millis))
        .bind(token.created_at.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// Sees to it that a token given from outside is an admin token. There is one for each `id`: a
/// changed text takes the place of the one before, and one that was revoked stays revoked.
pub async fn ensure_admin(
    conn: &mut Conn<'_>,
    id: &str,
    name: &str,
    token: &Secret,
    now: Timestamp,
) -> Result<()> {
    let hash = hash(token.expose());
    if by_hash(conn, &hash).await?.is_some() {
        return Ok(());
    }
    on!(conn, c => {
        sqlx::query(
            "INSERT INTO tokens (id, name, hash, scopes, created_at) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, revoked_at = NULL, \
             created_at = excluded.created_at WHERE tokens.hash <> excluded.hash",
        )
        .bind(id)
        .bind(name)
        .bind(hash)
        .bind(scopes_text(&[Scope::Admin]))
        .bind(now.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}

/// The token of a hash, expired and revoked ones too.
pub async fn by_hash(conn: &mut Conn<'_>, hash: &str) -> Result<Option<Token>> {
    let row: Option<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM tokens WHERE hash = $1"
        )))
        .bind(hash)
        .fetch_optional(c)
        .await?
    });
    row.map(Token::try_from).transpose()
}

/// A page of the tokens, newest first.
pub async fn list(conn: &mut Conn<'_>, page: &PageRequest) -> Result<Page<Token>> {
    let (at, id) = page.before();
    let rows: Vec<Row> = on!(conn, c => {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM tokens WHERE created_at < $1 OR (created_at = $1 AND id < $2) \
             ORDER BY created_at DESC, id DESC LIMIT $3"
        )))
        .bind(at)
        .bind(id)
        .bind(page.limit())
        .fetch_all(c)
        .await?
    });
    let tokens = rows
        .into_iter()
        .map(Token::try_from)
        .collect::<Result<Vec<_>>>()?;
    Ok(Page::cut(tokens, page.size, |token| Cursor {
        at: token.created_at,
        id: token.id.clone(),
    }))
}

/// Ends a token; says whether there is one of this id. A second time changes nothing.
pub async fn revoke(conn: &mut Conn<'_>, id: &str, now: Timestamp) -> Result<bool> {
    Ok(on!(conn, c => {
        sqlx::query("UPDATE tokens SET revoked_at = COALESCE(revoked_at, $2) WHERE id = $1")
            .bind(id)
            .bind(now.as_millis())
            .execute(c)
            .await?
            .rows_affected()
            > 0
    }))
}

/// Writes down that a token was used, unless that was after `unless_since`.
pub async fn touch(
    conn: &mut Conn<'_>,
    id: &str,
    now: Timestamp,
    unless_since: Timestamp,
) -> Result<()> {
    on!(conn, c => {
        sqlx::query(
            "UPDATE tokens SET last_used_at = $2 \
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
        )
        .bind(id)
        .bind(now.as_millis())
        .bind(unless_since.as_millis())
        .execute(c)
        .await?;
    });
    Ok(())
}
