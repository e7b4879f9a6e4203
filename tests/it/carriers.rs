//! Agents and carriers through the front door: every scheme's good deliveries are taken and each of
//! the bad ones refused, and what their events say becomes the right call.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use aftercall::secret::Secret;
use aftercall::signature::custom_hmac::{self, Encoding, Form};
use aftercall::signature::url_hmac::{plivo, twilio};
use aftercall::signature::{appended_hmac, ed25519, payload_jwt};
use aftercall::time::Timestamp;
use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Platform, Server, now_ms};

const SECRET: &str = "carrier_test_secret_that_is_long_enough";
const SEED: [u8; 32] = [7; 32];
/// Where the platforms believe to post to.
const PUBLIC: &str = "https://calls.example.com/webhooks";

const SOURCES: [&str; 7] = [
    "retell", "vapi", "telnyx", "twilio", "bland", "vonage", "plivo",
];

type Headers = Vec<(String, String)>;

/// A server with a source of each platform, none with an API.
async fn server(more: &str) -> Server {
    let mut settings = format!("[finalize]\ngrace = \"0s\"\nrecheck = []\n{more}");
    for name in SOURCES {
        let secret = if name == "telnyx" {
            ed25519::public_key_of(&SEED)
        } else {
            SECRET.to_owned()
        };
        let url = if matches!(name, "twilio" | "plivo") {
            format!("webhook.url = \"{PUBLIC}/{name}\"\n")
        } else {
            String::new()
        };
        write!(
            settings,
            "[[sources]]\nname = \"{name}\"\nplatform = \"{name}\"\n\
             webhook.secrets = [\"an old secret\", \"{secret}\"]\n{url}"
        )
        .unwrap();
    }
    Server::start(&Platform::start().await, &settings).await
}

fn vapi_form() -> Form {
    Form {
        header: "x-signature".to_owned(),
        payload: "{timestamp}.{body}".to_owned(),
        timestamp: "x-timestamp".to_owned(),
        prefix: String::new(),
        encoding: Encoding::Hex,
    }
}

fn bland_form() -> Form {
    Form {
        header: "x-webhook-signature".to_owned(),
        payload: "{body}".to_owned(),
        timestamp: String::new(),
        ..vapi_form()
    }
}

/// The headers with which a platform sends a body at `secs`.
fn signed(source: &str, secret: &str, secs: i64, body: &[u8]) -> Headers {
    let key = Secret::new(secret).unwrap();
    let pairs = |names: &[&str], values: &[&str]| {
        let owned = |(name, value): (&&str, &&str)| ((*name).to_owned(), (*value).to_owned());
        names.iter().zip(values).map(owned).collect()
    };
    match source {
        "retell" => pairs(
            &[appended_hmac::HEADER],
            &[&appended_hmac::sign(&key, secs * 1000, body)],
        ),
        "vapi" => custom_hmac::sign(&vapi_form(), &key, secs, body),
        "bland" => custom_hmac::sign(&bland_form(), &key, secs, body),
        "telnyx" => {
            let seed = if secret == SECRET { SEED } else { [8; 32] };
            let (signature, time) = ed25519::sign(&seed, secs, body);
            pairs(
                &[ed25519::SIGNATURE, ed25519::TIMESTAMP],
                &[&signature, &time],
            )
        }
        "twilio" => {
            let value = twilio::sign(&key, &format!("{PUBLIC}/twilio"), body);
            pairs(&[twilio::HEADER], &[&value])
        }
        "plivo" => {
            let value = plivo::sign(&key, &format!("{PUBLIC}/plivo"), body, "7");
            pairs(&[plivo::HEADER, plivo::NONCE], &[&value, "7"])
        }
        "vonage" => {
            let token = payload_jwt::sign(&key, body, Timestamp::from_secs(secs));
            pairs(&["authorization"], &[&token])
        }
        other => panic!("{other}"),
    }
}

async fn post(server: &Server, source: &str, headers: &Headers, body: &[u8]) -> (u16, Value) {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    server.post(source, &headers, body.to_vec()).await.unwrap()
}

/// The body of a call's end, of each platform.
fn finished(source: &str, id: &str) -> Vec<u8> {
    let body = match source {
        "retell" => json!({"event": "call_ended", "call": {"call_id": id, "call_type": "web_call",
            "disconnection_reason": "user_hangup", "start_timestamp": now_ms() - 9_000,
            "end_timestamp": now_ms()}}),
        "vapi" => json!({"message": {"type": "end-of-call-report", "call": {"id": id},
            "endedReason": "assistant-ended-call"}}),
        "telnyx" => json!({"data": {"event_type": "call.hangup", "id": id, "payload": {
            "call_session_id": id, "hangup_cause": "user_busy", "direction": "outgoing",
            "from": "+18005550100", "to": "+14155550123"}}}),
        "bland" => json!({"call_id": id, "completed": true, "answered_by": "voicemail"}),
        "vonage" => json!({"status": "unanswered", "uuid": id, "direction": "outbound",
            "from": "18005550100", "to": "14155550123", "timestamp": "2025-10-14T13:00:00.000Z"}),
        "twilio" => {
            return format!("CallSid={id}&CallStatus=completed&From=%2B14155550123").into_bytes();
        }
        "plivo" => {
            return format!(
                "CallUUID={id}&CallStatus=completed&Direction=inbound&HangupSource=Caller"
            )
            .into_bytes();
        }
        other => panic!("{other}"),
    };
    body.to_string().into_bytes()
}

#[tokio::test]
async fn every_platforms_call_becomes_a_conversation_with_its_reason() {
    let server = server("").await;
    for (source, reason, known_by) in [
        ("retell", "caller_hangup", "platform"),
        ("vapi", "agent_ended", "platform"),
        ("telnyx", "dial_busy", "platform"),
        ("twilio", "caller_hangup", "fallback"),
        ("bland", "voicemail_hangup", "platform"),
        ("vonage", "dial_no_answer", "platform"),
        ("plivo", "caller_hangup", "platform"),
    ] {
        let id = format!("{source}-call-1");
        let body = finished(source, &id);
        let headers = signed(source, SECRET, now_ms() / 1000, &body);
        let (status, answer) = post(&server, source, &headers, &body).await;
        assert_eq!(
            (status, &answer["status"]),
            (200, &json!("accepted")),
            "{source}: {answer}"
        );
        let (_, again) = post(&server, source, &headers, &body).await;
        assert_eq!(again, answer, "{source}: a copy gets the same answer");
        let call = server.wait_for(&id, Duration::from_secs(20)).await;
        assert_eq!(call["end_reason"], reason, "{source}: {call}");
        assert_eq!(call["end_reason_source"], known_by, "{source}: {call}");
        assert_eq!(
            (&call["platform"], &call["source"]),
            (&json!(source), &json!(source))
        );
        assert!(!call["agent_id"].as_str().unwrap().is_empty());
    }
}

/// `platforms.md` §8, for each scheme.
#[tokio::test]
async fn each_bad_delivery_is_refused() {
    let server = server("").await;
    for source in SOURCES {
        let body = finished(source, "refused");
        let now = now_ms() / 1000;
        let good = signed(source, SECRET, now, &body);
        let garbled = |value: &str| vec![(good[0].0.clone(), value.to_owned())];
        let mut cases: Vec<(&str, Headers, Vec<u8>)> = vec![
            (
                "body changed by a space",
                good.clone(),
                [&*body, b" "].concat(),
            ),
            (
                "another tenant's",
                signed(source, "another tenant's secret of this size", now, &body),
                body.clone(),
            ),
            ("empty header", garbled(""), body.clone()),
            ("garbage", garbled("garbage"), body.clone()),
            ("not UTF-8", good.clone(), [&*body, b"\xff"].concat()),
        ];
        // The one platform that signs what it sent unsigned is asked to do so.
        let unsigned = if source == "vonage" { 503 } else { 401 };
        let (status, _) = post(&server, source, &Vec::new(), &body).await;
        assert_eq!(status, unsigned, "{source}: no header");
        if !matches!(source, "twilio" | "plivo" | "bland") {
            cases.push((
                "too old",
                signed(source, SECRET, now - 330, &body),
                body.clone(),
            ));
            cases.push((
                "too new",
                signed(source, SECRET, now + 330, &body),
                body.clone(),
            ));
        }
        if matches!(source, "retell" | "vapi" | "bland") {
            let upper = good.iter().map(|(n, v)| {
                (
                    n.clone(),
                    v.to_uppercase().replace("V=", "v=").replace("D=", "d="),
                )
            });
            cases.push(("upper-case hex", upper.collect(), body.clone()));
        }
        if matches!(source, "vapi" | "telnyx") {
            let mut worded = good.clone();
            worded[1].1 = "soon".to_owned();
            cases.push(("non-numeric time", worded, body.clone()));
            let mut twice = good.clone();
            twice.push(good[1].clone());
            cases.push(("two times", twice, body.clone()));
        }
        for (name, headers, body) in cases {
            let (status, answer) = post(&server, source, &headers, &body).await;
            assert_eq!(status, 401, "{source}, {name}: {answer}");
        }
        let too_large = vec![b'a'; (16 << 20) + 1];
        let (status, _) = post(&server, source, &good, &too_large).await;
        assert_eq!(status, 413, "{source}: too large");
    }
}

#[tokio::test]
async fn a_token_of_another_kind_is_refused() {
    let server = server("").await;
    let body = finished("vonage", "refused");
    let part =
        |value: Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let good = signed("vonage", SECRET, now_ms() / 1000, &body);
    let token = good[0].1.strip_prefix("Bearer ").unwrap();
    let [_, claims, mac] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("{token}");
    };
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "RS256", "typ": "JWT"}),
        json!({"alg": "HS512"}),
    ] {
        for mac in [mac, ""] {
            let forged = format!("Bearer {}.{claims}.{mac}", part(header.clone()));
            let headers = vec![("authorization".to_owned(), forged)];
            assert_eq!(
                post(&server, "vonage", &headers, &body).await.0,
                401,
                "{header}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_vendors_publish_is_taken() {
    let shared = std::env::var_os("AFTERCALL_SHARED").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"),
        PathBuf::from,
    );
    let Ok(vectors) = std::fs::read(shared.join("fixtures/signature_vectors.json")) else {
        println!("skipped: no shared fixtures beside the project");
        return;
    };
    let vectors: Value = serde_json::from_slice(&vectors).unwrap();
    let text = |name: &str, key: &str| vectors[name][key].as_str().unwrap().to_owned();
    let mut settings = "[finalize]\ngrace = \"0s\"\n".to_owned();
    for (name, key) in [
        ("telnyx", "public_key"),
        ("retell", "api_key"),
        ("vonage", "signature_secret"),
    ] {
        write!(
            settings,
            "[[sources]]\nname = \"{name}\"\nplatform = \"{name}\"\nwebhook.tolerance = \"3650d\"\n\
             webhook.secrets = [\"{}\"]\n",
            text(name, key)
        )
        .unwrap();
    }
    let server = Server::start(&Platform::start().await, &settings).await;
    for (name, headers) in [
        ("retell", vec![("X-Retell-Signature", "header")]),
        ("vonage", vec![("Authorization", "authorization")]),
        (
            "telnyx",
            vec![
                ("telnyx-signature-ed25519", "telnyx_signature_ed25519"),
                ("telnyx-timestamp", "telnyx_timestamp"),
            ],
        ),
    ] {
        let headers = headers
            .into_iter()
            .map(|(header, key)| (header.to_owned(), text(name, key)))
            .collect();
        let body = text(name, "body").into_bytes();
        let (status, answer) = post(&server, name, &headers, &body).await;
        // Telnyx's names no call: authentic, and unreadable.
        assert_eq!(status, 200, "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_get_is_signed_with_its_query() {
    let server = server("").await;
    let query = "CallSid=CA-by-get&CallStatus=busy&Direction=outbound-api";
    let url = format!("{PUBLIC}/twilio?{query}");
    let signature = twilio::sign(&Secret::new(SECRET).unwrap(), &url, b"");
    let get = |query: String| {
        server
            .client
            .get(format!("{}/webhooks/twilio?{query}", server.url))
            .header(twilio::HEADER, &signature)
            .send()
    };
    assert_eq!(
        get(query.replace("busy", "failed")).await.unwrap().status(),
        401
    );
    assert_eq!(get(query.to_owned()).await.unwrap().status(), 200);
    let call = server.wait_for("CA-by-get", Duration::from_secs(20)).await;
    assert_eq!(call["end_reason"], "dial_busy");
}

#[tokio::test]
async fn later_events_fill_in_what_the_first_left_open() {
    let server = server("").await;
    let id = "two-events";
    let ended = finished("retell", id);
    let analysed = json!({"event": "call_analyzed", "call": {"call_id": id,
        "transcript_object": [{"role": "user", "content": "My name is Ada Lovelace."}],
        "call_analysis": {"call_summary": "Ada called."}}});
    let analysed = analysed.to_string().into_bytes();
    // In either order: the analysis first.
    for body in [&analysed, &ended] {
        let headers = signed("retell", SECRET, now_ms() / 1000, body);
        assert_eq!(post(&server, "retell", &headers, body).await.0, 200);
    }
    let started = std::time::Instant::now();
    loop {
        let call = server.get(&format!("/v1/conversations/{id}")).await.1;
        if call["summary"] == "Ada called." && call["end_reason"] == "caller_hangup" {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{call}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let messages = server
        .get(&format!("/v1/conversations/{id}/messages"))
        .await
        .1;
    assert_eq!(messages["messages"][0]["role"], "user", "{messages}");
}

#[tokio::test]
async fn the_simulated_platforms_play_their_calls_and_answer_for_them() {
    use std::sync::Arc;

    use aftercall::host::{Clock, Host};
    use aftercall::platform::{self, ListQuery};
    use aftercall::simulate::sender::Sender;
    use aftercall::simulate::speechify::{self, Largest};
    use aftercall::simulate::{self, Account, play, script};

    let host = Host::new(Clock::System);
    let token = Account::simulated().api_token;
    let simulated = Arc::new(speechify::Platform::new(
        token.expose(),
        Largest::DOCUMENTED,
    ));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = simulate::serve(&host, listener, Arc::clone(&simulated)).unwrap();
    let settings = format!(
        "[finalize]\ngrace = \"0s\"\nrecheck = []\n{}",
        simulate::sources_toml(address)
    );
    let server = Server::start(&Platform::start().await, &settings).await;
    let sender = Sender::new(&server.url, Clock::System).unwrap();
    let mut ids = std::collections::HashMap::new();
    for script in script::foreign().unwrap() {
        let take = script.take("it", Clock::System.now()).unwrap();
        simulate::enter(&simulated, &take);
        // Who sends nothing is asked.
        for played in play::play(&take, &sender, &Clock::System).await {
            assert_eq!(played.reply.body["status"], "accepted", "{}", script.name);
        }
        let id = take.record.id.as_str().to_owned();
        let call = server.wait_for(&id, Duration::from_secs(20)).await;
        let known = script.expect.known.as_ref().unwrap();
        assert_eq!(call["end_reason"], known.end_reason.as_str(), "{call}");
        assert_eq!(call["end_reason_source"], known.source.as_str(), "{call}");
        // Speechify's own form, which a sender of Standard Webhooks keeps, has the number in it.
        let number = script.call.number.as_deref().unwrap();
        let caller = call["caller_identity"].as_str().unwrap();
        assert_eq!(caller.trim_start_matches("sip_"), number, "{call}");
        ids.insert(format!("simulated-{}", script.name), id);
    }

    // What was played is what the lists say, in the words of each API.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("aftercall.toml");
    std::fs::write(&file, simulate::sources_toml(address)).unwrap();
    let overrides = aftercall::config::Overrides {
        config: Some(file),
        ..Default::default()
    };
    let config = aftercall::config::Config::load_with(&overrides, &Default::default()).unwrap();
    let client = platform::http_client().unwrap();
    let sources = platform::build(&config.sources, &config.memory, &client).unwrap();
    let mut listed = 0;
    for source in &sources {
        let (Some(api), Some(id)) = (&source.api, ids.get(&source.name)) else {
            continue;
        };
        let page = api.list(&ListQuery::default()).await.unwrap();
        assert_eq!(page.rows.len(), 1, "{}", source.name);
        assert_eq!(page.rows[0].conversation.id.as_str(), id);
        assert!(page.rows[0].is_over(), "{}", source.name);
        listed += 1;
    }
    // Retell, Vapi, Bland, Twilio, Plivo, ElevenLabs, Anyreach and Voiceable.
    assert_eq!(listed, 8);
    host.stop.cancel();
    host.drained().await;
}
