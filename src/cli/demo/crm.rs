//! The demo's CRM: an endpoint of the aftercall on stage, and what it got of each call.

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Value, json};

use crate::secret::Secret;
use crate::simulate::crm::{Crm, Got, Mood, Sums};

/// The event that tells a call's result first.
const COMPLETED: &str = "conversation.completed";

/// What the CRM got of one call.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Told {
    /// Events that it took, each counted once, by its id.
    pub(super) delivered: usize,
    /// Deliveries, those that it failed on purpose included.
    pub(super) attempts: u32,
    /// Deliveries whose signature was right.
    pub(super) verified: u32,
    /// Events that it took more than once.
    repeated: usize,
    /// Events that it was sent, taken or not.
    #[serde(skip)]
    events: usize,
    /// How many of them were the call's result.
    #[serde(skip)]
    results: usize,
}

impl Told {
    /// What came about this call until now.
    pub(super) fn of(crm: &Crm, conversation_id: &str) -> Self {
        Self::count(&crm.of_call(conversation_id))
    }

    fn count(got: &[Got]) -> Self {
        let sums = Sums::of(got);
        let is_result = |got: &&Got| got.kind == COMPLETED && got.taken > 0;
        Self {
            delivered: sums.delivered,
            attempts: sums.attempts,
            verified: sums.verified,
            repeated: sums.repeated,
            events: sums.events,
            results: got.iter().filter(is_result).count(),
        }
    }

    /// What is not, or not yet, as it must be of a call that must be known, or unknown.
    pub(super) fn differences(&self, known: bool) -> Vec<String> {
        let wanted = usize::from(known);
        let mut wrong = Vec::new();
        if self.results != wanted {
            let got = self.results;
            wrong.push(format!("crm: {wanted} × {COMPLETED} expected, {got} came"));
        }
        if self.delivered < self.events {
            let open = self.events - self.delivered;
            wrong.push(format!("crm: {open} events not taken yet"));
        }
        if self.verified < self.attempts {
            let forged = self.attempts - self.verified;
            wrong.push(format!("crm: {forged} deliveries with a wrong signature"));
        }
        if self.repeated > 0 {
            let repeated = self.repeated;
            wrong.push(format!("crm: {repeated} events came again although taken"));
        }
        wrong
    }
}

/// Has results sent to the CRM at `base_url`, which is flaky and knows its endpoint's secret.
pub(super) async fn subscribe(
    client: &reqwest::Client,
    aftercall_url: &str,
    token: &Secret,
    base_url: &str,
    crm: &Crm,
) -> anyhow::Result<()> {
    let wanted = json!({
        "url": format!("{base_url}/crm/{}", Mood::Flaky.as_str()),
        "events": ["*"],
        "payload": "full",
        "description": "the demo's CRM",
    });
    let request = client.post(format!("{aftercall_url}/v1/endpoints"));
    let answer = request
        .bearer_auth(token.expose())
        .json(&wanted)
        .send()
        .await?;
    let made: Value = answer.error_for_status()?.json().await?;
    let secret = made["secret"].as_str();
    let secret = Secret::new(secret.context("an endpoint without a secret")?)?;
    Ok(crm.trust(&secret)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn got(kind: &str, attempts: u32, verified: u32, taken: u32) -> Got {
        Got {
            mood: Mood::Flaky,
            id: String::new(),
            kind: kind.to_owned(),
            conversation_id: None,
            attempts,
            verified,
            taken,
            taken_at: None,
        }
    }

    #[test]
    fn one_result_is_wanted_of_a_call_that_is_known_and_none_of_another() {
        let told = Told::count(&[got(COMPLETED, 2, 2, 1), got("memory.changed", 1, 1, 1)]);
        assert_eq!((told.delivered, told.attempts, told.verified), (2, 3, 3));
        assert_eq!(told.differences(true), Vec::<String>::new());
        assert_eq!(told.differences(false).len(), 1);
        assert_eq!(Told::default().differences(true).len(), 1);
        assert_eq!(Told::default().differences(false), Vec::<String>::new());
    }

    #[test]
    fn everything_else_is_told() {
        let told = Told::count(&[got(COMPLETED, 3, 1, 2), got("memory.changed", 1, 1, 0)]);
        let differences = told.differences(true).join("\n");
        for part in [
            "1 events not taken",
            "2 deliveries with a wrong signature",
            "1 events came again",
        ] {
            assert!(differences.contains(part), "{differences}");
        }
    }
}
