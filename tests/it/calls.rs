//! The way of a call, through a real process and a platform that is not ours.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    LIVEKIT_KEY, LIVEKIT_SECRET, Platform, Server, completed_body, conversation_id, finished_call,
    livekit_token, now_ms, rfc3339, talk,
};

const SOON: Duration = Duration::from_secs(20);

const QUICK: &str = "[finalize]\ngrace = \"1s\"\nrecheck = []\n";

fn millis(time: &Value) -> i64 {
    let time: aftercall::time::Timestamp = time.as_str().unwrap().parse().unwrap();
    time.as_millis()
}

fn step<'a>(timeline: &'a Value, name: &str) -> &'a Value {
    timeline["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .find(|step| step["step"] == name)
        .unwrap_or_else(|| panic!("no {name} in {timeline}"))
}

#[tokio::test]
async fn without_a_reason_the_fallback_comes_no_earlier_than_the_grace() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, "[finalize]\nrecheck = []\n").await;
    let id = conversation_id(1);
    platform.add(
        finished_call(&id, "user_1", None),
        talk("I need an appointment."),
    );
    let said = completed_body(&id);
    let event_time: Value = serde_json::from_slice(&said).unwrap();
    let event_time = event_time["timestamp"].as_i64().unwrap();
    assert_eq!(server.post_signed(said).await.unwrap().0, 200);
    let call = server.wait_for(&id, SOON).await;
    assert_eq!(call["end_reason"], "caller_hangup");
    assert_eq!(call["end_reason_source"], "fallback");
    let (_, timeline) = server
        .get(&format!("/v1/conversations/{id}/timeline"))
        .await;
    let settled = millis(&step(&timeline, "settled")["at"]);
    assert!(
        settled >= event_time + 10_000,
        "settled {} ms after",
        settled - event_time
    );
    let (_, messages) = server
        .get(&format!("/v1/conversations/{id}/messages"))
        .await;
    assert_eq!(
        messages["messages"].as_array().unwrap().len(),
        4,
        "all pages: {messages}"
    );
}

#[tokio::test]
async fn with_a_reason_it_is_that_one_and_before_the_rollout_it_is_null() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, QUICK).await;
    let (with, before) = (conversation_id(1), conversation_id(2));
    platform.add(
        finished_call(&with, "user_1", Some("agent_ended")),
        talk("Hello."),
    );
    let mut old = finished_call(&before, "user_1", None);
    old["created_at"] = json!("2025-12-31T23:59:59Z");
    platform.add(old, talk("Hello."));
    for id in [&with, &before] {
        server.post_signed(completed_body(id)).await.unwrap();
    }
    let call = server.wait_for(&with, SOON).await;
    assert_eq!(call["end_reason"], "agent_ended");
    assert_eq!(call["end_reason_source"], "platform");
    let call = server.wait_for(&before, SOON).await;
    assert_eq!(
        (&call["end_reason"], &call["end_reason_source"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_call_that_is_over_late_is_waited_for() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, QUICK).await;
    let id = conversation_id(1);
    let mut call = finished_call(&id, "user_1", Some("agent_ended"));
    call["status"] = json!("pending");
    platform.add(call.clone(), talk("Hello."));
    server.post_signed(completed_body(&id)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(server.get(&format!("/v1/conversations/{id}")).await.0, 404);
    call["status"] = json!("completed");
    platform.add(call, talk("Hello."));
    let call = server.wait_for(&id, SOON).await;
    assert_eq!(call["status"], "completed");
    assert!(platform.fetches.lock().unwrap().len() >= 2);
}

#[tokio::test]
async fn an_api_that_fails_for_a_while_is_asked_again() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, QUICK).await;
    let id = conversation_id(1);
    platform.add(
        finished_call(&id, "user_1", Some("agent_ended")),
        talk("Hello."),
    );
    *platform.fail_with.lock().unwrap() = Some(503);
    server.post_signed(completed_body(&id)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    *platform.fail_with.lock().unwrap() = None;
    server.wait_for(&id, SOON).await;
    let (_, timeline) = server
        .get(&format!("/v1/conversations/{id}/timeline"))
        .await;
    assert_eq!(
        step(&timeline, "attempt_failed")["detail"],
        "platform_unavailable"
    );
}

fn livekit(event: &str, number: u32, room: &str, more: &Value) -> Vec<u8> {
    let mut body = json!({
        "event": event,
        "room": {"sid": "RM_hycBMAjmt6Ub", "name": room, "turnPassword": "planted-turn-password",
                 "creationTime": ((now_ms() - 61_000) / 1000).to_string()},
        "id": format!("EV_{number}"),
        "createdAt": (now_ms() / 1000).to_string(),
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body.to_string().into_bytes()
}

async fn post_room(server: &Server, body: Vec<u8>) {
    let token = livekit_token(LIVEKIT_KEY, LIVEKIT_SECRET, &body);
    let (status, answer) = server
        .post("rooms", &[("Authorization", &token)], body)
        .await
        .unwrap();
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("accepted")),
        "{answer}"
    );
}

#[tokio::test]
async fn a_phone_that_hangs_up_is_observed_and_its_room_found_by_the_caller() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, "[finalize]\nrecheck = []\n").await;
    let id = conversation_id(1);
    let room = "sip_+14155550123_7f3Kq9ZxP2";
    let mut call = finished_call(&id, "sip_+14155550123", None);
    call["room_name"] = json!(room);
    call["transport"] = json!("sip_inbound");
    platform.add(call, talk("My name is Ada Lovelace."));
    // Another call of the same caller, yesterday: not this one.
    let mut other = finished_call(&conversation_id(2), "sip_+14155550123", None);
    other["room_name"] = json!("sip_+14155550123_other");
    other["created_at"] = json!(rfc3339(now_ms() - 86_400_000));
    platform.add(other, talk("Hello."));
    let leg = json!({"participant": {"sid": "PA_1", "identity": "sip_+14155550123", "kind": "SIP",
        "state": "DISCONNECTED", "joinedAtMs": (now_ms() - 60_000).to_string(),
        "attributes": {"sip.phoneNumber": "+14155550123", "sip.trunkPhoneNumber": "+18005550100"},
        "disconnectReason": "CLIENT_INITIATED"}});
    post_room(&server, livekit("participant_left", 1, room, &leg)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let told = now_ms();
    post_room(&server, livekit("room_finished", 2, room, &json!({}))).await;
    let call = server.wait_for(&id, SOON).await;
    assert_eq!(call["end_reason"], "caller_hangup");
    assert_eq!(call["end_reason_source"], "observed");
    assert_eq!(call["to_number"], "+18005550100");
    let (_, timeline) = server
        .get(&format!("/v1/conversations/{id}/timeline"))
        .await;
    let took = millis(&step(&timeline, "settled")["at"]) - told;
    assert!(
        took < 8_000,
        "a phone that was seen hanging up skips the grace, yet it took {took} ms"
    );
}

#[tokio::test]
async fn a_caller_is_remembered_across_calls_and_forgotten_with_one() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, QUICK).await;
    let (first, second) = (conversation_id(1), conversation_id(2));
    let caller = "+14155550123";
    platform.add(
        finished_call(&first, caller, Some("agent_ended")),
        talk("My name is Ada Lovelace and my number is 415 555 0134."),
    );
    server.post_signed(completed_body(&first)).await.unwrap();
    server.wait_for(&first, SOON).await;
    let mut later = finished_call(&second, caller, Some("agent_ended"));
    later["started_at"] = json!(rfc3339(now_ms()));
    platform.add(later, talk("Hi, please call me back tomorrow at 3 pm."));
    server.post_signed(completed_body(&second)).await.unwrap();
    server.wait_for(&second, SOON).await;

    let agent = "agent_01k6z9c2d4e6g8j0m2p4r6t8v0";
    let about = format!("/v1/agents/{agent}/memories?caller_identity=%2B14155550123");
    let slots = |answer: &Value| -> Vec<String> {
        let facts = answer["memories"].as_array().unwrap();
        facts
            .iter()
            .map(|fact| fact["slot"].as_str().unwrap().to_owned())
            .collect()
    };
    let (status, held) = server.get(&about).await;
    assert_eq!(status, 200, "{held}");
    assert!(slots(&held).contains(&"identity.name".to_owned()), "{held}");
    let name = held["memories"].as_array().unwrap().iter();
    let name = name
        .clone()
        .find(|fact| fact["slot"] == "identity.name")
        .unwrap();
    assert_eq!(name["value"], "Ada Lovelace");
    assert_eq!(name["evidence"][0]["conversation_id"], first.as_str());
    let (status, _) = server.get(&format!("/v1/agents/{agent}/memories")).await;
    assert_eq!(status, 422, "a missing key is never all");
    let context = format!("/v1/agents/{agent}/context?caller_identity=%2B14155550123");
    let (_, context) = server.get(&context).await;
    assert!(
        context["context"].as_str().unwrap().starts_with("1. "),
        "{context}"
    );

    let url = format!("{}/v1/conversations/{first}", server.url);
    let gone = server
        .client
        .delete(url)
        .bearer_auth(server.admin_token())
        .send()
        .await
        .unwrap();
    assert!(gone.status().is_success(), "{}", gone.status());
    assert_eq!(
        server.get(&format!("/v1/conversations/{first}")).await.0,
        404
    );
    let (_, held) = server.get(&about).await;
    assert!(
        !slots(&held).contains(&"identity.name".to_owned()),
        "{held}"
    );
}

#[tokio::test]
async fn nobody_is_never_remembered() {
    let platform = Platform::start().await;
    let server = Server::start(&platform, QUICK).await;
    for (n, caller) in ["", "anonymous", "+266696687"].iter().enumerate() {
        let id = conversation_id(n);
        platform.add(
            finished_call(&id, caller, None),
            talk("My name is Ada Lovelace."),
        );
        server.post_signed(completed_body(&id)).await.unwrap();
        server.wait_for(&id, SOON).await;
        let (_, memories) = server
            .get(&format!("/v1/conversations/{id}/memories"))
            .await;
        assert_eq!(memories["memories"], json!([]), "{caller:?}");
    }
    let feed = server.feed().await;
    assert!(
        feed.iter().all(|event| event["type"] != "memory.changed"),
        "{feed:?}"
    );
}
