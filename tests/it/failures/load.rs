//! The steady load: signed events about scripted calls, each sent until somebody answers 200, and
//! never again after that. So an event that was accepted and then lost stays lost, and is seen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

use super::fleet::Fleet;
use crate::support::{
    Platform, SECRET, conversation_id, finished_call, now_ms, rfc3339, speechify_signature, talk,
};

/// Calls that one caller makes: enough to quarrel about what is true now.
const CALLS_A_CALLER: usize = 40;

/// Senders at once. Of a platform that waits 4 s for each answer, this still gets through.
const SENDERS: usize = 32;

/// Between two events at least: 400 a second are more than a small machine works off.
const SHORTEST_GAP: Duration = Duration::from_micros(2_500);

/// A sender gives up on an answer after so long. The contract says 4 s; that something hangs shows
/// after any time, and a machine that is busy with 256 senders may be late by itself.
const SENDER_PATIENCE: Duration = Duration::from_secs(30);

/// How many events a run has.
pub(super) fn events() -> usize {
    std::env::var("AFTERCALL_CHAOS_EVENTS").map_or(2_000, |count| count.parse().unwrap())
}

pub(super) fn caller(n: usize, events: usize) -> String {
    let callers = (events / CALLS_A_CALLER).max(1);
    format!("+1415555{:04}", n % callers)
}

/// Every run of the process tells of the same calls, or their answers could not be compared.
fn ended_at(n: usize) -> i64 {
    static START: OnceLock<i64> = OnceLock::new();
    let start = *START.get_or_init(|| now_ms() - 3_600_000);
    start + i64::try_from(n).unwrap() * 100
}

/// Puts the calls into the platform. They differ in what they leave behind: reasons given and not
/// given, facts that later calls confirm or contradict, and nothing at all.
pub(super) fn script(platform: &Platform, events: usize) {
    for n in 0..events {
        let reason = [Some("agent_ended"), None, Some("caller_hangup"), None, None][n % 5];
        let mut call = finished_call(&conversation_id(n), &caller(n, events), reason);
        let ended = ended_at(n);
        call["created_at"] = json!(rfc3339(ended - 61_000));
        call["started_at"] = json!(rfc3339(ended - 60_000));
        call["ended_at"] = json!(rfc3339(ended));
        let name = ["Ada Lovelace", "Grace Hopper", "Alan Turing"][n / 7 % 3];
        let said = match n % 4 {
            0 => format!("My name is {name} and I prefer mornings."),
            1 => format!("You can reach me at 415 555 01{:02}.", n / 11 % 90 + 10),
            2 => format!("My email is caller{}@example.com.", n / 13 % 5),
            _ => "Thanks, nothing else.".to_owned(),
        };
        platform.add(call, talk(&said));
    }
}

/// The body about a call: the same bytes each time, so that a copy is a copy.
pub(super) fn body(n: usize) -> Vec<u8> {
    json!({
        "event": "conversation.completed",
        "timestamp": ended_at(n),
        "conversation": {"id": conversation_id(n), "status": "completed",
                         "agent_id": "agent_01k6z9c2d4e6g8j0m2p4r6t8v0"},
    })
    .to_string()
    .into_bytes()
}

/// What the senders saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) posted: AtomicUsize,
    /// Answers 200; without copies, one an event.
    pub(super) accepted: AtomicUsize,
    /// Other answers.
    pub(super) refused: AtomicUsize,
    /// Requests without an answer.
    pub(super) unanswered: AtomicUsize,
    slowest_ms: AtomicUsize,
}

impl Tally {
    pub(super) fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest_ms.load(Ordering::SeqCst) as u64)
    }
}

/// Where the senders send to, and what they saw there.
#[derive(Clone)]
pub(super) struct Load {
    doors: Vec<String>,
    pub(super) tally: Arc<Tally>,
}

impl Load {
    pub(super) fn on(fleet: &Fleet) -> Self {
        Self {
            doors: fleet.doors(),
            tally: Arc::default(),
        }
    }

    /// Sends every event, at a steady rate, within so long if the rate allows it.
    pub(super) async fn drive(&self, events: usize, within: Duration) {
        let client = client();
        let count = u32::try_from(events).unwrap();
        let gap = (within / count).max(SHORTEST_GAP);
        let start = tokio::time::Instant::now();
        stream::iter((0..count).zip(0..events))
            .for_each_concurrent(SENDERS, |(place, n)| {
                let client = client.clone();
                async move {
                    tokio::time::sleep_until(start + gap * place).await;
                    self.insist(&client, n).await;
                }
            })
            .await;
    }

    /// Sends every event `copies` times from so many connections, as fast as they go.
    pub(super) async fn storm(&self, events: usize, copies: usize, connections: usize) {
        let next = AtomicUsize::new(0);
        let next = &next;
        let storming = (0..connections).map(|_| async move {
            let client = client();
            loop {
                let post = next.fetch_add(1, Ordering::SeqCst);
                if post >= events * copies {
                    return;
                }
                self.insist(&client, post / copies).await;
            }
        });
        futures::future::join_all(storming).await;
    }

    /// Sends one event until it is accepted, to one door after the other.
    async fn insist(&self, client: &reqwest::Client, n: usize) {
        for attempt in 0.. {
            let door = &self.doors[(n + attempt) % self.doors.len()];
            if self.post(client, door, n).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn post(&self, client: &reqwest::Client, door: &str, n: usize) -> bool {
        let body = body(n);
        let signature = speechify_signature(SECRET, now_ms() / 1000, &body);
        let request = client
            .post(format!("{door}/webhooks/voice"))
            .header("Speechify-Signature", signature)
            .body(body);
        let asked = Instant::now();
        let answer = request.send().await;
        let took = usize::try_from(asked.elapsed().as_millis()).unwrap();
        let tally = &self.tally;
        tally.posted.fetch_add(1, Ordering::SeqCst);
        let counter = match answer {
            Ok(answer) => {
                tally.slowest_ms.fetch_max(took, Ordering::SeqCst);
                let status = answer.status();
                let said: Value = answer.json().await.unwrap_or(Value::Null);
                if status == 200 {
                    assert_eq!(said["status"], "accepted", "{said}");
                    tally.accepted.fetch_add(1, Ordering::SeqCst);
                    return true;
                }
                assert_eq!(status, 503, "authentic events are taken or put off: {said}");
                &tally.refused
            }
            Err(error) => {
                assert!(!error.is_timeout(), "no answer within {SENDER_PATIENCE:?}");
                &tally.unanswered
            }
        };
        counter.fetch_add(1, Ordering::SeqCst);
        false
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .timeout(SENDER_PATIENCE)
        .build()
        .unwrap()
}
