//! Plays one call and asks aftercall's public API about it until everything is as scripted.

use std::time::Duration;

use serde_json::Value;

use super::crm::Told;
use super::judge::{self, Found};
use super::report::CallReport;
use super::stage::Stage;
use crate::simulate::play::{Played, play};
use crate::simulate::script::{Answered, Known, Take};
use crate::time::Timestamp;

/// Between one look and the next.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// The longest that the lists are waited for.
const LISTINGS: Duration = Duration::from_secs(10);

/// Waits until every account's list was read once, while it is empty: a call that a listing finds
/// beside its webhook is settled twice, to the same effect, and whether that shows would depend on
/// which of them was faster.
pub(super) async fn first_listings(stage: &Stage) -> Result<(), reqwest::Error> {
    let clock = &stage.host.clock;
    let deadline = clock.now().plus(LISTINGS);
    loop {
        let accounts = rows(stage, "/v1/coverage", "sources").await?;
        let read = |account: &Value| account["checked_at"].is_string();
        if accounts.iter().all(read) || clock.now() >= deadline {
            return Ok(());
        }
        clock.sleep(LOOK_AGAIN).await;
    }
}

/// Plays a call, and follows it until it has come to what the script says, or time is up.
pub(super) async fn follow(stage: &Stage, take: &Take, deadline: Timestamp) -> CallReport {
    let clock = &stage.host.clock;
    let begun = clock.now();
    let played = play(take, &stage.sender, clock).await;
    let answers: Vec<(usize, Option<Answered>)> = played
        .iter()
        .map(|one| (one.sending, one.answered))
        .collect();
    let mut differences = judge::answers(&take.script, &answers);
    let found = match &take.script.expect.known {
        Some(known) => {
            let (found, wrong) = outcome(stage, take, known, deadline).await;
            differences.extend(wrong);
            found
        }
        None => None,
    };
    CallReport {
        name: take.script.name.clone(),
        title: take.script.title.clone(),
        conversation_id: take.record.id.as_str().to_owned(),
        agent_id: take.record.agent_id.as_str().to_owned(),
        caller_identity: take.record.caller_identity.clone(),
        copies: copies(&played),
        listed: take.script.polled.is_some() && found.is_some(),
        answers: answers.into_iter().map(|(_, answer)| answer).collect(),
        found,
        crm: Told::of(&stage.platform.crm, take.record.id.as_str()),
        elapsed_ms: u64::try_from(clock.now().since(begun).as_millis()).unwrap_or(u64::MAX),
        differences,
    }
}

/// Looks at a call that came out as scripted a last time: whether it still is so, or still unknown.
pub(super) async fn confirm(stage: &Stage, take: &Take, report: &mut CallReport) {
    if !report.differences.is_empty() {
        return;
    }
    let (found, wrong) = compare(stage, take, take.script.expect.known.as_ref()).await;
    report.found = found;
    report.crm = Told::of(&stage.platform.crm, take.record.id.as_str());
    report.differences = wrong;
}

/// Deliveries beyond the first of the same bytes.
fn copies(played: &[Played]) -> usize {
    let mut sendings: Vec<usize> = played.iter().map(|one| one.sending).collect();
    sendings.dedup();
    played.len() - sendings.len()
}

async fn outcome(
    stage: &Stage,
    take: &Take,
    known: &Known,
    deadline: Timestamp,
) -> (Option<Found>, Vec<String>) {
    let clock = &stage.host.clock;
    loop {
        let (found, wrong) = compare(stage, take, Some(known)).await;
        if wrong.is_empty() || clock.now() >= deadline {
            return (found, wrong);
        }
        clock.sleep(LOOK_AGAIN).await;
    }
}

/// What is known of a call, and what of it is not as scripted.
async fn compare(
    stage: &Stage,
    take: &Take,
    known: Option<&Known>,
) -> (Option<Found>, Vec<String>) {
    let told = Told::of(&stage.platform.crm, take.record.id.as_str());
    let mut told = told.differences(known.is_some());
    let (found, mut wrong) = match (look(stage, take).await, known) {
        (Ok(Some(found)), Some(known)) => {
            let wrong = judge::outcome(known, &found, take.script.events());
            (Some(found), wrong)
        }
        (Ok(Some(found)), None) => {
            let wrong = "the call must stay unknown, and is known".to_owned();
            (Some(found), vec![wrong])
        }
        (Ok(None), Some(_)) => (None, vec!["the call is not known".to_owned()]),
        (Ok(None), None) => (None, Vec::new()),
        (Err(error), _) => (None, vec![error.to_string()]),
    };
    wrong.append(&mut told);
    (found, wrong)
}

async fn look(stage: &Stage, take: &Take) -> Result<Option<Found>, reqwest::Error> {
    let path = format!("/v1/conversations/{}", take.record.id.as_str());
    let Asked::Answer(call) = ask(stage, &path).await? else {
        return Ok(None);
    };
    let all = "page_size=100";
    let memories = rows(stage, &format!("{path}/memories?{all}"), "memories").await?;
    let timeline = rows(stage, &format!("{path}/timeline?{all}"), "timeline").await?;
    Ok(Some(judge::read(&call, &memories, &timeline)))
}

async fn rows(stage: &Stage, path: &str, name: &str) -> Result<Vec<Value>, reqwest::Error> {
    match ask(stage, path).await? {
        Asked::Answer(mut page) => match page[name].take() {
            Value::Array(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        },
        Asked::Unknown => Ok(Vec::new()),
    }
}

enum Asked {
    Answer(Value),
    Unknown,
}

async fn ask(stage: &Stage, path: &str) -> Result<Asked, reqwest::Error> {
    let url = format!("{}{path}", stage.url);
    let request = stage.sender.client().get(url);
    let response = request.bearer_auth(stage.token.expose()).send().await?;
    if response.status() == reqwest::StatusCode::NOT_FOUND {
        return Ok(Asked::Unknown);
    }
    Ok(Asked::Answer(response.error_for_status()?.json().await?))
}
