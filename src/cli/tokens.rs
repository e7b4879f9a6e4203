//! `aftercall tokens`: who may ask, for what.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{self, Yes};
use super::client::{Client, Remote};
use super::output::{self, Format, field};
use super::table::{Column, Table};
use super::{Globals, WrongUsage};
use crate::host::Clock;
use crate::store::tokens::{Role, Scope};
use crate::time::Timestamp;

/// `aftercall tokens`
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  aftercall tokens create --name dashboards --scope conversations:read")]
pub(super) enum Command {
    /// Make a token; it is shown this once
    Create(Create),
    /// List the tokens, newest first
    List(List),
    /// Make a token stop working, at once
    Revoke(Revoke),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  aftercall tokens create --name dana --role operator --expires 90d
  aftercall tokens create --name crm --role integrator --agent-id front-desk
  aftercall tokens create --name crm --scope conversations:read --scope memories:read --expires 90d")]
pub(super) struct Create {
    #[command(flatten)]
    remote: Remote,
    /// What it is for
    #[arg(long)]
    name: String,
    /// What it may do; may be given more than once
    #[arg(long = "scope", value_name = "SCOPE", required_unless_present = "role", value_parser = scopes())]
    scopes: Vec<String>,
    /// Whom it is for, which says what it may do; an integrator needs --agent-id
    #[arg(long, conflicts_with = "scopes", value_parser = roles())]
    role: Option<String>,
    /// The only agents it may see [default: all]
    #[arg(long = "agent-id", value_name = "ID")]
    agents: Vec<String>,
    /// Until when it works, as 2026-12-31T00:00:00Z, or for how long, as 90d [default: for good]
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall tokens list")]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  aftercall tokens revoke token_01jxd5y165f62a0v7gtr6bkg56")]
pub(super) struct Revoke {
    #[command(flatten)]
    remote: Remote,
    /// The token's id, not the token
    id: String,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(globals: &Globals, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Create(args) => create(globals, args).await?,
        Command::List(args) => list(globals, &args).await?,
        Command::Revoke(args) => {
            let client = Client::new(globals, &args.remote)?;
            if args.yes.is_to_be_asked() && !ask::ask(&question(&client, &args.id).await?)? {
                return Ok(ExitCode::SUCCESS);
            }
            client.delete(&["v1", "tokens", &args.id], &[]).await?;
            match args.remote.output.format() {
                Format::Json => output::json(&json!({"id": args.id, "revoked": true}))?,
                Format::Table => output::say(&format!("{} is revoked", args.id))?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn create(globals: &Globals, args: Create) -> anyhow::Result<()> {
    let mut body = json!({"name": args.name});
    match &args.role {
        Some(role) => body["role"] = json!(role),
        None => body["scopes"] = json!(args.scopes),
    }
    if !args.agents.is_empty() {
        body["agents"] = json!(args.agents);
    }
    if let Some(text) = &args.expires {
        body["expires_at"] = json!(moment(text, Clock::System.now())?);
    }
    let client = Client::new(globals, &args.remote)?;
    let made = client.post(&["v1", "tokens"], &[], &body).await?;
    match args.remote.output.format() {
        Format::Json => output::json(&made),
        Format::Table => {
            // The token alone on standard output, so that it can be caught in a variable.
            output::say(&field(&made, "token"))?;
            let id = field(&made, "id");
            output::note(&format!("This is {id}. It is not shown again."));
            if made["expires_at"].is_null() {
                output::note("It never expires; with --expires 90d it would end by itself.");
            }
            Ok(())
        }
    }
}

/// What happens when a token is revoked.
async fn question(client: &Client, id: &str) -> anyhow::Result<String> {
    let path = ["v1", "tokens"];
    let all = client.list(&path, "tokens", &[], usize::MAX).await?;
    Ok(told_before(id, &all, Clock::System.now()))
}

fn told_before(id: &str, all: &Value, now: Timestamp) -> String {
    let tokens = all["tokens"].as_array().into_iter().flatten();
    let is_over = |token: &Value| {
        let end = token["expires_at"]
            .as_str()
            .and_then(|end| end.parse().ok());
        !token["revoked_at"].is_null() || end.is_some_and(|end: Timestamp| end <= now)
    };
    let admins: Vec<_> = tokens
        .filter(|token| token["role"] == "admin" && token["agents"] == json!([]) && !is_over(token))
        .map(|token| field(token, "id"))
        .collect();
    let last = if admins == [id] {
        "It is the last admin token: afterwards nobody can make tokens until aftercall is started \
         again with another one in AFTERCALL_ADMIN_TOKEN.\n"
    } else {
        ""
    };
    format!("Whoever uses the token is shut out at once, for good.\n{last}Revoke {id}?")
}

/// The scopes by name, so that a slip is told before anybody is asked.
fn scopes() -> clap::builder::PossibleValuesParser {
    Scope::ALL.map(Scope::as_str).into()
}

fn roles() -> clap::builder::PossibleValuesParser {
    Role::ALL.map(Role::as_str).into()
}

/// A moment, or a span of time from now.
fn moment(text: &str, now: Timestamp) -> Result<Timestamp, WrongUsage> {
    if let Ok(at) = text.parse() {
        return Ok(at);
    }
    match crate::config::duration(text) {
        Ok(span) if !span.is_zero() => Ok(now.plus(span)),
        _ => Err(WrongUsage(format!(
            "--expires {text:?} is neither a time such as 2026-12-31T00:00:00Z nor a span such as 90d"
        ))),
    }
}

async fn list(globals: &Globals, args: &List) -> anyhow::Result<()> {
    let client = Client::new(globals, &args.remote)?;
    let all = client
        .list(&["v1", "tokens"], "tokens", &[], usize::MAX)
        .await?;
    if args.remote.output.format() == Format::Json {
        return output::json(&all);
    }
    let mut table = Table::new([
        Column::word("id"),
        Column::text("name"),
        Column::text("may").spare(1),
        Column::text("agents").spare(3),
        Column::time("last used").spare(4),
        Column::time("ends").spare(2),
    ]);
    for token in all["tokens"].as_array().into_iter().flatten() {
        table.row([
            field(token, "id"),
            field(token, "name"),
            may(token),
            words(&token["agents"]),
            field(token, "last_used_at"),
            ends(token),
        ]);
    }
    table.say("No tokens.")?;
    Ok(())
}

/// A role in a word, else the scopes one by one.
fn may(token: &Value) -> String {
    token["role"]
        .as_str()
        .map_or_else(|| words(&token["scopes"]), str::to_owned)
}

fn words(list: &Value) -> String {
    let words = list.as_array().into_iter().flatten();
    words
        .filter_map(Value::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// When it stops working.
fn ends(token: &Value) -> String {
    if !token["revoked_at"].is_null() {
        "revoked".to_owned()
    } else if token["expires_at"].is_null() {
        "never".to_owned()
    } else {
        field(token, "expires_at")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_revokes_the_last_admin_is_told() {
        let now = Timestamp::from_secs(0);
        let token = |id: &str, role: &str, end: &str| {
            let end = Some(end).filter(|end| !end.is_empty());
            json!({"id": id, "role": role, "agents": [], "revoked_at": null, "expires_at": end})
        };
        let mut tokens = vec![
            token("token_a", "admin", ""),
            token("token_b", "operator", ""),
            token("token_c", "admin", "1969-01-01T00:00:00Z"),
        ];
        let told = |tokens: &[Value]| told_before("token_a", &json!({"tokens": tokens}), now);
        assert!(told(&tokens).contains("AFTERCALL_ADMIN_TOKEN"));
        tokens.push(token("token_d", "admin", "2999-01-01T00:00:00Z"));
        assert!(!told(&tokens).contains("AFTERCALL_ADMIN_TOKEN"));
    }

    #[test]
    fn a_token_ends_at_a_moment_or_after_a_span() {
        let now = Timestamp::from_secs(0);
        assert_eq!(moment("90d", now).unwrap().as_secs(), 90 * 86_400);
        assert_eq!(
            moment("1970-01-02T00:00:00Z", now).unwrap().as_secs(),
            86_400
        );
        assert!(moment("soon", now).is_err() && moment("0", now).is_err());
    }
}
