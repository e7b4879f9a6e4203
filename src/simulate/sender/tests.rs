use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::post;
use http::{HeaderMap, StatusCode};

use super::*;
use crate::conversation::Transport;
use crate::simulate::play::play;
use crate::simulate::script::{self, Answered, Script};
use crate::simulate::{Account, ROOMS_SOURCE, VOICE_SOURCE, signing};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

type Seen = Arc<Mutex<Vec<(String, HeaderMap, Vec<u8>)>>>;

/// A receiver that answers with the given statuses in turn, then 200.
async fn receiver(statuses: &[u16]) -> (String, Seen) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let seen = Seen::default();
    let statuses = Arc::new(Mutex::new(VecDeque::from(statuses.to_vec())));
    let noted = Arc::clone(&seen);
    let route = post(
        async move |path: axum::extract::Path<String>,
                    headers: HeaderMap,
                    body: axum::body::Bytes| {
            noted.lock().unwrap().push((path.0, headers, body.to_vec()));
            let status = statuses.lock().unwrap().pop_front().unwrap_or(200);
            let answer = axum::Json(serde_json::json!({"status": "accepted"}));
            (StatusCode::from_u16(status).unwrap(), answer).into_response()
        },
    );
    let router = Router::new().route("/webhooks/{source}", route);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let host = crate::host::Host::new(Clock::System);
    host.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}"), seen)
}

fn scripted(name: &str) -> Script {
    let scripts = script::all().unwrap();
    scripts
        .into_iter()
        .find(|script| script.name == name)
        .unwrap()
}

#[tokio::test]
async fn it_tries_again_as_the_platforms_do() {
    for (statuses, status, attempts) in [
        (vec![], 200, 1),
        (vec![503, 429, 500], 200, 4),
        (vec![500; 9], 500, 5),
        (vec![401], 401, 1),
        (vec![501], 501, 1),
    ] {
        let (target, _) = receiver(&statuses).await;
        let sender = Sender::new(&target, Clock::manual(NOW)).unwrap();
        let webhook = Webhook {
            source: VOICE_SOURCE,
            headers: Vec::new(),
            body: Vec::new(),
        };
        let reply = sender.send(&webhook).await;
        assert_eq!((reply.status, reply.attempts), (Some(status), attempts));
    }
    let nobody = Sender::new("http://127.0.0.1:9", Clock::manual(NOW)).unwrap();
    assert!(!nobody.is_there().await);
}

#[tokio::test]
async fn a_duplicate_has_the_same_bytes() {
    let (target, seen) = receiver(&[]).await;
    let clock = Clock::manual(NOW);
    let sender = Sender::new(&target, clock.clone()).unwrap();
    let take = scripted("duplicated").take("t", NOW).unwrap();
    let played = play(&take, &sender, &clock).await;
    assert_eq!(played.len(), 3);
    assert!(
        played
            .iter()
            .all(|one| one.answered == Some(Answered::Accepted))
    );
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|(_, _, body)| *body == seen[0].2));
    let (source, headers, body) = &seen[0];
    assert_eq!(source, VOICE_SOURCE);
    let signed = signing::speechify(&Account::simulated().webhook_secret, body, NOW);
    assert_eq!(
        headers["speechify-signature"].to_str().unwrap(),
        signed[0].1
    );
}

#[tokio::test]
async fn room_events_come_signed_and_in_order() {
    let (target, seen) = receiver(&[]).await;
    let clock = Clock::manual(NOW);
    let sender = Sender::new(&target, clock.clone()).unwrap();
    let take = scripted("sip-hangup").take("t", NOW).unwrap();
    assert_eq!(take.record.transport, Transport::SipInbound);
    play(&take, &sender, &clock).await;
    let seen = seen.lock().unwrap();
    let names: Vec<String> = seen
        .iter()
        .map(|(source, headers, body)| {
            assert_eq!(source, ROOMS_SOURCE);
            assert!(
                !headers["authorization"]
                    .to_str()
                    .unwrap()
                    .starts_with("Bearer")
            );
            let body: serde_json::Value = serde_json::from_slice(body).unwrap();
            assert_eq!(body["room"]["name"], take.record.room_name);
            assert!(
                body["createdAt"].is_string(),
                "protojson writes int64 as text"
            );
            if body["event"] == "participant_left" {
                assert_eq!(body["participant"]["kind"], "SIP");
                assert_eq!(body["participant"]["disconnectReason"], "CLIENT_INITIATED");
            }
            body["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(
        names,
        ["participant_joined", "participant_left", "room_finished"]
    );
}

#[tokio::test]
async fn a_forgery_and_a_torn_body_are_what_they_say() {
    let (target, seen) = receiver(&[]).await;
    let clock = Clock::manual(NOW);
    let sender = Sender::new(&target, clock.clone()).unwrap();
    for name in ["forged", "unreadable"] {
        let take = scripted(name).take("t", NOW).unwrap();
        play(&take, &sender, &clock).await;
    }
    let seen = seen.lock().unwrap();
    let genuine = |n: usize| {
        let (_, headers, body) = &seen[n];
        let signed = signing::speechify(&Account::simulated().webhook_secret, body, NOW);
        headers["speechify-signature"].to_str().unwrap() == signed[0].1
    };
    let readable = |n: usize| serde_json::from_slice::<serde_json::Value>(&seen[n].2).is_ok();
    assert_eq!((genuine(0), readable(0)), (false, true));
    assert_eq!((genuine(1), readable(1)), (true, false));
}
