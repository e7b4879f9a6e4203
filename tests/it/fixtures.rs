//! Every payload of the folder beside the project, sent or served as its platform would, comes through
//! to the right conversation, reason and source; a file that nobody expects here fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use aftercall::secret::Secret;
use aftercall::signature::{appended_hmac, ed25519, jwt, timestamped_hmac};
use aftercall::time::Timestamp;
use serde_json::{Value, json};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{LIVEKIT_KEY, LIVEKIT_SECRET, SECRET, Server, now_ms};

const SEED: [u8; 32] = [7; 32];

/// Answers of a platform's API, and what other tests hold every line of.
const NOT_SENT: [&str; 10] = [
    "anyreach_get_conversation.official.json",
    "elevenlabs_get_conversation.official.json",
    "elevenlabs_list_conversations.official.json",
    "signature_vectors.json",
    "speechify_error.official.json",
    "speechify_get_conversation_unstamped.synth.json",
    "speechify_list_memories.synth.json",
    "speechify_list_messages.synth.json",
    "telnyx_texml_completed.official.json",
    "vapi_ended_reasons.txt",
];

/// A payload that is sent: its file, its source, and what comes of it.
struct Sent {
    file: &'static str,
    source: &'static str,
    /// What stands in the sample for an id that more than one sample has, or that is missing.
    with_id: Option<(&'static str, &'static str)>,
    answered: &'static str,
    /// The conversation, why it ended, and how that is known.
    becomes: Option<(&'static str, &'static str, &'static str)>,
}

const fn sent(
    file: &'static str,
    source: &'static str,
    answered: &'static str,
    becomes: Option<(&'static str, &'static str, &'static str)>,
) -> Sent {
    Sent {
        file,
        source,
        with_id: None,
        answered,
        becomes,
    }
}

/// The call that the LiveKit samples and the Speechify answers tell of.
const CALL: &str = "conv_01k7h3v5e8f9x2m4q6s8t0w1y3";

fn all_sent() -> Vec<Sent> {
    let mut all = of_rooms_and_speechify();
    all.extend(of_elevenlabs());
    all.extend(of_others());
    all
}

fn of_rooms_and_speechify() -> Vec<Sent> {
    let observed = Some((CALL, "caller_hangup", "observed"));
    vec![
        sent(
            "livekit_room_started.official.json",
            "rooms",
            "ignored",
            None,
        ),
        sent(
            "livekit_participant_joined.synth.json",
            "rooms",
            "accepted",
            None,
        ),
        sent(
            "livekit_participant_connection_aborted.synth.json",
            "rooms",
            "accepted",
            None,
        ),
        sent(
            "livekit_participant_left_web_tab_closed.synth.json",
            "rooms",
            "accepted",
            None,
        ),
        sent(
            "livekit_participant_left_sip_hangup.synth.json",
            "rooms",
            "accepted",
            None,
        ),
        sent("livekit_egress_ended.synth.json", "rooms", "accepted", None),
        sent(
            "livekit_room_finished.synth.json",
            "rooms",
            "accepted",
            observed,
        ),
        sent(
            "speechify_conversation_completed.official.json",
            "told",
            "accepted",
            Some(("conv_01HS...", "caller_hangup", "fallback")),
        ),
    ]
}

fn of_elevenlabs() -> Vec<Sent> {
    let elevenlabs = |file, id, becomes| Sent {
        with_id: Some(("/data/conversation_id", id)),
        ..sent(file, "eleven", "accepted", Some(becomes))
    };
    vec![
        elevenlabs(
            "elevenlabs_post_call_transcription.official.json",
            "transcribed",
            ("transcribed", "caller_hangup", "fallback"),
        ),
        elevenlabs(
            "elevenlabs_call_initiation_failure_sip.official.json",
            "busy-by-sip",
            ("busy-by-sip", "dial_busy", "platform"),
        ),
        elevenlabs(
            "elevenlabs_call_initiation_failure_twilio.official.json",
            "busy-by-twilio",
            ("busy-by-twilio", "dial_busy", "platform"),
        ),
        sent(
            "elevenlabs_post_call_audio.official.json",
            "eleven",
            "ignored",
            None,
        ),
    ]
}

fn of_others() -> Vec<Sent> {
    vec![
        sent(
            "retell_call_ended.official-adapted.json",
            "retell",
            "accepted",
            Some((
                "Jabr9TXYYJHfvl6Syypi88rdAHYHmcq6",
                "caller_hangup",
                "platform",
            )),
        ),
        // The document's sample lacks the id that every real one has.
        sent(
            "vapi_end_of_call_report.official-adapted.json",
            "vapi",
            "parked",
            None,
        ),
        Sent {
            with_id: Some(("/message/call/id", "vapi-1")),
            ..sent(
                "vapi_end_of_call_report.official-adapted.json",
                "vapi",
                "accepted",
                Some(("vapi-1", "caller_hangup", "fallback")),
            )
        },
        sent(
            "telnyx_call_hangup.official.json",
            "telnyx",
            "accepted",
            Some((
                "428c31b6-7af4-4bcb-b7f5-5013ef9657c1",
                "dial_rejected",
                "platform",
            )),
        ),
    ]
}

type Files = BTreeMap<String, Vec<u8>>;

/// Every file of the folder; none where it is absent.
fn files() -> Option<Files> {
    let shared = std::env::var_os("AFTERCALL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(shared.join("fixtures")) else {
        println!("skipped: no shared fixtures beside the project");
        return None;
    };
    let files = folder.map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    Some(files.collect())
}

fn parsed(files: &Files, name: &str) -> Value {
    serde_json::from_slice(&files[name]).unwrap()
}

async fn serve(server: &MockServer, at: &str, status: u16, answer: &Value) {
    Mock::given(method("GET"))
        .and(path(at))
        .respond_with(ResponseTemplate::new(status).set_body_json(answer))
        .mount(server)
        .await;
}

/// An API that answers as the samples say.
async fn platforms(files: &Files) -> MockServer {
    let server = MockServer::start().await;
    let whole = "/v1/agents/conversations";
    let call = parsed(files, "speechify_get_conversation_unstamped.synth.json");
    let row = json!({"conversations": [call], "next_cursor": null, "has_more": false});
    serve(&server, &format!("{whole}/{CALL}"), 200, &call).await;
    let messages = parsed(files, "speechify_list_messages.synth.json");
    serve(&server, &format!("{whole}/{CALL}/messages"), 200, &messages).await;
    serve(&server, whole, 200, &row).await;
    let gone = parsed(files, "speechify_error.official.json");
    serve(&server, &format!("{whole}/conv_unknown"), 404, &gone).await;

    let under_way = parsed(files, "elevenlabs_get_conversation.official.json");
    let whole = "/eleven/v1/convai/conversations";
    serve(&server, &format!("{whole}/123"), 200, &under_way).await;
    let list = |answer: Value| ResponseTemplate::new(200).set_body_json(answer);
    Mock::given(path(whole))
        .and(query_param_is_missing("cursor"))
        .respond_with(list(parsed(
            files,
            "elevenlabs_list_conversations.official.json",
        )))
        .mount(&server)
        .await;
    Mock::given(path(whole))
        .and(query_param("cursor", "next_cursor"))
        .respond_with(list(json!({"conversations": [], "has_more": false})))
        .mount(&server)
        .await;

    let mut found = parsed(files, "anyreach_get_conversation.official.json");
    // The sample leaves the three enumerations out.
    found["status"] = json!("completed");
    found["created_at"] = json!("2026-02-07T05:31:56Z");
    serve(&server, "/any/core/conversations", 200, &json!([found])).await;
    serve(&server, "/any/core/conversations/%3Cstring%3E", 200, &found).await;
    server
}

fn settings(port: u16, api: &str) -> String {
    let telnyx = ed25519::public_key_of(&SEED);
    let secrets = format!("webhook.secrets = [\"{SECRET}\"]");
    let asked = |path: &str| format!("api.base_url = \"{api}{path}\"\napi.token = \"t\"");
    format!(
        r#"
data_dir = "data"
[server]
listen = "127.0.0.1:{port}"
[finalize]
grace = "100ms"
recheck = []
fallback_since = "2010-01-01T00:00:00Z"
[[sources]]
name = "rooms"
platform = "livekit"
webhook.key = "{LIVEKIT_KEY}"
webhook.secrets = ["{LIVEKIT_SECRET}"]
api.platform = "speechify"
{rooms}
[[sources]]
name = "told"
platform = "speechify"
{secrets}
[[sources]]
name = "eleven"
platform = "elevenlabs"
{secrets}
[[sources]]
name = "eleven-asked"
platform = "elevenlabs"
{secrets}
{eleven}
[[sources]]
name = "asked"
platform = "anyreach"
{any}
reconcile.look_back = "3650d"
[[sources]]
name = "retell"
platform = "retell"
{secrets}
[[sources]]
name = "vapi"
platform = "vapi"
{secrets}
[[sources]]
name = "telnyx"
platform = "telnyx"
webhook.secrets = ["{telnyx}"]
"#,
        rooms = asked(""),
        eleven = asked("/eleven"),
        any = asked("/any"),
    )
}

fn signed(source: &str, body: &[u8]) -> Vec<(&'static str, String)> {
    let (secret, now) = (
        Secret::new(SECRET).unwrap(),
        Timestamp::from_millis(now_ms()),
    );
    let secs = now.as_secs();
    match source {
        "rooms" => {
            let secret = Secret::new(LIVEKIT_SECRET).unwrap();
            vec![(jwt::HEADER, jwt::sign(LIVEKIT_KEY, &secret, body, now))]
        }
        "told" => vec![(
            timestamped_hmac::SPEECHIFY,
            timestamped_hmac::sign(&secret, secs, body),
        )],
        "eleven" | "eleven-asked" => vec![(
            timestamped_hmac::ELEVENLABS,
            timestamped_hmac::sign(&secret, secs, body),
        )],
        "retell" => vec![(
            appended_hmac::HEADER,
            appended_hmac::sign(&secret, now.as_millis(), body),
        )],
        "vapi" => vec![("x-vapi-secret", SECRET.to_owned())],
        "telnyx" => {
            let (signature, time) = ed25519::sign(&SEED, secs, body);
            vec![(ed25519::SIGNATURE, signature), (ed25519::TIMESTAMP, time)]
        }
        other => panic!("{other}"),
    }
}

async fn post(server: &Server, source: &str, body: Vec<u8>) -> Value {
    let headers = signed(source, &body);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let (status, answer) = server.post(source, &headers, body).await.unwrap();
    assert_eq!(status, 200, "{source}: {answer}");
    answer
}

#[test]
fn every_file_is_expected() {
    let Some(files) = files() else { return };
    let sent = all_sent();
    for name in files.keys() {
        let is_sent = sent.iter().any(|one| one.file == name);
        assert!(is_sent != NOT_SENT.contains(&&**name), "{name}");
    }
}

#[tokio::test]
async fn what_is_sent_comes_through() {
    let Some(files) = files() else { return };
    let platforms = platforms(&files).await;
    let api = platforms.uri();
    let server = Server::start_from(&|port| settings(port, &api), &[]).await;
    let sent = all_sent();
    for one in &sent {
        let body = match one.with_id {
            None => files[one.file].clone(),
            Some((at, id)) => {
                let mut body = parsed(&files, one.file);
                let (above, name) = at.rsplit_once('/').unwrap();
                body.pointer_mut(above).unwrap()[name] = json!(id);
                body.to_string().into_bytes()
            }
        };
        let answer = post(&server, one.source, body).await;
        assert_eq!(answer["status"], one.answered, "{}: {answer}", one.file);
    }
    for one in &sent {
        let Some((id, reason, known_by)) = one.becomes else {
            continue;
        };
        let call = server.wait_for(id, Duration::from_mins(1)).await;
        let found = (&call["end_reason"], &call["end_reason_source"]);
        assert_eq!(
            found,
            (&json!(reason), &json!(known_by)),
            "{}: {call}",
            one.file
        );
        assert_eq!(call["source"], one.source, "{}", one.file);
    }
    let texml = parsed(&files, "telnyx_texml_completed.official.json");
    let texml = form(&texml);
    let answer = post(&server, "telnyx", texml.into_bytes()).await;
    assert_eq!(answer["status"], "accepted", "{answer}");
    let id = "v2:7V3r4VFCGLTzKLOveE0-7vM9dX17-NRQgU1byo-uuOIX9JcDadLLKw";
    let call = server.wait_for(id, Duration::from_mins(1)).await;
    assert_eq!(call["end_reason"], "caller_hangup", "{call}");

    the_call_of_the_answers(&server, &files).await;
    what_is_not_over_waits(&server).await;
    let call = server
        .wait_for("%3Cstring%3E", Duration::from_mins(1))
        .await;
    assert_eq!(call["duration_ms"], 123_000, "{call}");
    assert_eq!(call["source"], "asked");
}

/// A form's fields, as a `TeXML` callback sends them.
fn form(fields: &Value) -> String {
    let fields = fields.as_object().unwrap().iter();
    let fields: Vec<(&str, &str)> = fields
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    aftercall::simulate::signing::form(&fields)
}

/// What Speechify's answers and LiveKit's events say of one call, as we tell it.
async fn the_call_of_the_answers(server: &Server, files: &Files) {
    let (_, call) = server.get(&format!("/v1/conversations/{CALL}")).await;
    let theirs = parsed(files, "speechify_get_conversation_unstamped.synth.json");
    for kept in [
        "id",
        "agent_id",
        "room_name",
        "room_sid",
        "transport",
        "metadata",
        "duration_ms",
        "cost_cents",
        "recording_url",
        "caller_identity",
        "from_number",
        "to_number",
    ] {
        assert_eq!(call[kept], theirs[kept], "{kept}");
    }
    assert_eq!(call["recording_started_at"], "2025-10-14T13:00:03.911Z");
    let path = format!("/v1/conversations/{CALL}/messages");
    let (_, messages) = server.get(&path).await;
    let theirs = parsed(files, "speechify_list_messages.synth.json");
    let ids = |rows: &Value| -> Vec<Value> {
        let rows = rows["messages"].as_array().unwrap();
        rows.iter().map(|row| row["id"].clone()).collect()
    };
    assert_eq!(ids(&messages), ids(&theirs));
    // A memory of ours has what one of theirs has, and more.
    let agent = call["agent_id"].as_str().unwrap();
    let path = format!("/v1/agents/{agent}/memories?caller_identity=sip_%2B14155550123");
    let (_, ours) = server.get(&path).await;
    let theirs = parsed(files, "speechify_list_memories.synth.json");
    let ours = &ours["memories"][0];
    for (name, value) in theirs["memories"][0].as_object().unwrap() {
        assert!(!ours[name].is_null(), "{name}: {ours}");
        if matches!(
            &**name,
            "agent_id" | "caller_identity" | "source_conversation_id"
        ) {
            assert_eq!(&ours[name], value, "{name}");
        }
    }
}

/// A call under way is no call yet, nor is one that the platform does not know.
async fn what_is_not_over_waits(server: &Server) {
    let under_way = json!({"type": "post_call_transcription", "event_timestamp": 1,
        "data": {"conversation_id": "123", "agent_id": "123", "status": "done"}});
    post(server, "eleven-asked", under_way.to_string().into_bytes()).await;
    let unknown = json!({"event": "room_finished", "id": "EV_x", "createdAt": now_ms() / 1000,
        "room": {"sid": "RM_x", "name": "conv_unknown"}});
    post(server, "rooms", unknown.to_string().into_bytes()).await;
    let started = Instant::now();
    loop {
        let (_, coverage) = server.get("/v1/coverage").await;
        let accounts = coverage["sources"].as_array().unwrap();
        let listed = accounts.iter().find(|one| one["source"] == "eleven-asked");
        if listed.unwrap()["checked_at"].is_string() {
            assert_eq!(listed.unwrap()["known"], 0, "only `initiated`: {coverage}");
            break;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{coverage}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for id in ["123", "conv_unknown"] {
        assert_eq!(server.get(&format!("/v1/conversations/{id}")).await.0, 404);
    }
}
