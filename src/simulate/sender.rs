//! Posts webhooks as the platforms do: again on lost connections, 429 and 5xx, never on another 4xx.

use std::time::Duration;

use serde_json::Value;

use super::signing::Headers;
use crate::host::Clock;

/// How long LiveKit waits before each further attempt (`platforms.md` §1.4).
const WAITS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The longest that one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A webhook that is ready to go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The source that it goes to.
    pub source: &'static str,
    /// Signature and kind.
    pub headers: Headers,
    /// The signed bytes.
    pub body: Vec<u8>,
}

/// How a webhook was answered in the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// The HTTP status; none when no connection came about.
    pub status: Option<u16>,
    /// The answer's JSON, null if it was none.
    pub body: Value,
    /// How often it was sent.
    pub attempts: u32,
}

/// Posts webhooks to one aftercall.
#[derive(Clone, Debug)]
pub struct Sender {
    client: reqwest::Client,
    clock: Clock,
    target: String,
}

impl Sender {
    /// A sender to `target`, as `http://127.0.0.1:8080`.
    pub fn new(target: &str, clock: Clock) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent("aftercall-simulate")
            .build()?;
        Ok(Self {
            client,
            clock,
            target: target.trim_end_matches('/').to_owned(),
        })
    }

    /// Sends a webhook until it is answered for good, or the platform gives up.
    pub async fn send(&self, webhook: &Webhook) -> Reply {
        let mut waits = WAITS.iter();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (status, body) = self.post(webhook).await;
            let again =
                status.is_none_or(|status| status == 429 || (status >= 500 && status != 501));
            match waits.next().filter(|_| again) {
                Some(wait) => self.clock.sleep(*wait).await,
                None => {
                    return Reply {
                        status,
                        body,
                        attempts,
                    };
                }
            }
        }
    }

    /// The client that it posts with, for questions to the same server.
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// Whether aftercall answers at all.
    pub async fn is_there(&self) -> bool {
        let url = format!("{}/healthz", self.target);
        self.client.get(url).send().await.is_ok()
    }

    async fn post(&self, webhook: &Webhook) -> (Option<u16>, Value) {
        let url = format!("{}/webhooks/{}", self.target, webhook.source);
        let mut request = self.client.post(url).body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(*name, value);
        }
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                (Some(status), response.json().await.unwrap_or_default())
            }
            Err(_) => (None, Value::Null),
        }
    }
}

#[cfg(test)]
mod tests;
