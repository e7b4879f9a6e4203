//! No secret and no word of a caller in the logs, at `trace` level.

use std::time::Duration;

use serde_json::json;

use crate::support::{
    API_TOKEN, LIVEKIT_KEY, LIVEKIT_SECRET, Platform, SECRET, Server, completed_body,
    conversation_id, finished_call, livekit_token, talk,
};

#[tokio::test]
async fn nothing_planted_is_logged() {
    let platform = Platform::start().await;
    let settings = "[finalize]\ngrace = \"100ms\"\nrecheck = []\n";
    let environment = [
        ("AFTERCALL_LOG", "trace"),
        ("RUST_LOG", "trace"),
        ("AFTERCALL_ADMIN_TOKEN", "ac_planted_admin_token_0123456789"),
    ];
    let server = Server::start_with(&platform, settings, &environment).await;
    let id = conversation_id(1);
    let caller = "sip_+14155550177";
    let mut call = finished_call(&id, caller, None);
    call["metadata"] = json!({"note": "planted-metadata"});
    call["room_name"] = json!("sip_+14155550177_plantedroom");
    let words = "My name is Plantina Wordsworth, my email is planted.mail@example.com, \
                 my card is 4111 1111 1111 1111.";
    platform.add(call, talk(words));
    server.post_signed(completed_body(&id)).await.unwrap();
    server.wait_for(&id, Duration::from_secs(20)).await;

    // Refused, parked and failing deliveries speak in the logs, too.
    let planted = br#"{"event":"conversation.completed","conversation":{"planted-body":1"#.to_vec();
    server
        .post(
            "voice",
            &[("Speechify-Signature", "t=1,v0=planted-signature")],
            planted.clone(),
        )
        .await
        .unwrap();
    server.post_signed(planted).await.unwrap();
    server
        .post_signed(completed_body("conv_planted-unknown"))
        .await
        .unwrap();
    let room = json!({"event": "participant_left", "id": "EV_1",
        "room": {"sid": "RM_1", "name": "sip_+14155550177_plantedroom",
                 "turnPassword": "planted-turn-password"},
        "participant": {"identity": caller, "kind": "SIP", "name": "Planted Participant"}});
    let body = room.to_string().into_bytes();
    let token = livekit_token(LIVEKIT_KEY, LIVEKIT_SECRET, &body);
    server
        .post("rooms", &[("Authorization", &token)], body)
        .await
        .unwrap();
    server
        .get("/v1/conversations?caller_identity=sip_%2B14155550177&q=planted")
        .await;
    server
        .get_as("/v1/conversations", "ac_planted_wrong_token")
        .await;
    server
        .get("/v1/agents/planted-agent/context?caller_identity=sip_%2B14155550177")
        .await;
    *platform.fail_with.lock().unwrap() = Some(500);
    server
        .post_signed(completed_body(&conversation_id(2)))
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;

    let admin = server.admin_token();
    let logged = server.logged();
    assert!(
        logged.contains("TRACE") || logged.contains("DEBUG"),
        "it speaks: {logged}"
    );
    for secret in [
        SECRET,
        API_TOKEN,
        LIVEKIT_SECRET,
        &admin,
        &token,
        "planted",
        "Plantina",
        "Wordsworth",
        "4155550177",
        "4111 1111",
        "4111111111111111",
        "1111 1111",
        "lead_991",
        "appointment",
    ] {
        let line = logged
            .lines()
            .find(|line| line.to_lowercase().contains(&secret.to_lowercase()));
        assert_eq!(line, None, "{secret} was logged");
    }
    let metrics = server
        .client
        .get(format!("{}/metrics", server.url))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for word in ["planted", "4155550177", "conv_"] {
        assert!(!metrics.contains(word), "{word} is in the metrics");
    }
}
