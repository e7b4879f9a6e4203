//! Plays a cast call: makes each of its webhooks, signs it, sends it, and notes the answer.

use std::time::Duration;

use serde_json::Value;

use super::livekit::{self, RoomEvent};
use super::script::{Answered, EventName, Sending, Signing, Take};
use super::sender::{Reply, Sender, Webhook};
use super::speechify::webhook::{COMPLETED, completed};
use super::{Account, ROOMS_SOURCE, VOICE_SOURCE, signing};
use crate::host::Clock;
use crate::id::of_content;
use crate::time::Timestamp;

/// How one delivery was answered.
#[derive(Clone, Debug)]
pub struct Played {
    /// Which webhook of the script it was.
    pub sending: usize,
    /// How it was answered; none when the answer is none of those known.
    pub answered: Option<Answered>,
    /// The answer itself.
    pub reply: Reply,
}

/// Sends all webhooks of a call in their order, copies included.
pub async fn play(take: &Take, sender: &Sender, clock: &Clock) -> Vec<Played> {
    let mut played = Vec::new();
    for (n, sending) in take.script.sends.iter().enumerate() {
        clock.sleep(Duration::from_millis(sending.after_ms)).await;
        let body = body(take, sending, clock.now());
        for _ in 0..sending.times {
            // A copy carries the same bytes, signed anew: as a platform's own retry.
            let webhook = sign(take, sending, body.clone(), clock.now());
            let reply = sender.send(&webhook).await;
            played.push(Played {
                sending: n,
                answered: answered(&reply),
                reply,
            });
        }
    }
    played
}

/// One webhook of a cast call, made and signed at `now`.
pub fn webhook(take: &Take, sending: &Sending, now: Timestamp) -> Webhook {
    sign(take, sending, body(take, sending, now), now)
}

/// What an answer means.
pub fn answered(reply: &Reply) -> Option<Answered> {
    let word = reply.body.get("status").and_then(Value::as_str);
    match (reply.status?, word) {
        (401, _) => Some(Answered::Refused),
        (200, Some("accepted")) => Some(Answered::Accepted),
        (200, Some("ignored")) => Some(Answered::Ignored),
        (200, Some("parked")) => Some(Answered::Parked),
        _ => None,
    }
}

fn body(take: &Take, sending: &Sending, now: Timestamp) -> Vec<u8> {
    let call = &take.record;
    let reason = || sending.reason.clone().unwrap_or_default();
    let body = match sending.event {
        EventName::Completed | EventName::Truncated => completed(call, now),
        EventName::ParticipantJoined => livekit::body(call, &RoomEvent::Joined, now),
        EventName::ParticipantLeft => {
            livekit::body(call, &RoomEvent::Left { reason: reason() }, now)
        }
        EventName::RoomFinished => livekit::body(call, &RoomEvent::Finished, now),
        EventName::Over(platform) => return platform.body(call, now),
    };
    let mut bytes = body.to_string().into_bytes();
    if sending.event == EventName::Truncated {
        bytes.truncate(bytes.len() / 2);
    }
    bytes
}

fn sign(take: &Take, sending: &Sending, body: Vec<u8>, now: Timestamp) -> Webhook {
    let account = Account::simulated();
    let forged = sending.signing == Signing::Forged;
    let pick = |genuine| {
        if forged {
            &account.forged_secret
        } else {
            genuine
        }
    };
    if let EventName::Over(platform) = sending.event {
        return platform.webhook(body, pick(&account.webhook_secret), now);
    }
    if sending.event.is_livekit() {
        let secret = pick(&account.livekit_secret);
        let mut headers = signing::livekit(account.livekit_key, secret, &body, now);
        headers.push(("content-type", "application/webhook+json".to_owned()));
        return Webhook {
            source: ROOMS_SOURCE,
            headers,
            body,
        };
    }
    let secret = pick(&account.webhook_secret);
    let legacy = sending.signing == Signing::Legacy;
    let (mut headers, event, delivery) = if legacy {
        let headers = signing::speechify_legacy(secret, &body, now);
        (headers, "x-speechify-event", "x-speechify-delivery-id")
    } else {
        let headers = signing::speechify(secret, &body, now);
        (headers, "speechify-event", "speechify-delivery-id")
    };
    headers.push((event, COMPLETED.to_owned()));
    headers.push((delivery, of_content("whd_", &[take.record.id.as_str()])));
    headers.push(("content-type", "application/json".to_owned()));
    Webhook {
        source: VOICE_SOURCE,
        headers,
        body,
    }
}
