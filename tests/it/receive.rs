//! Every answer of the receiver, over HTTP: bad input is answered as the contract says, never with a
//! 5xx, and an authentic body is never lost.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{
    LIVEKIT_KEY, LIVEKIT_SECRET, Platform, SECRET, Server, completed_body, conversation_id,
    livekit_token, now_ms, speechify_signature,
};

async fn server() -> Server {
    let platform = Platform::start().await;
    Server::start(&platform, "[finalize]\ngrace = \"1s\"\nrecheck = []\n").await
}

#[tokio::test]
async fn an_authentic_event_is_accepted_and_so_is_its_copy() {
    let server = server().await;
    let body = completed_body(&conversation_id(1));
    let (status, first) = server.post_signed(body.clone()).await.unwrap();
    assert_eq!(
        (status, &first["status"]),
        (200, &json!("accepted")),
        "{first}"
    );
    let (status, second) = server.post_signed(body).await.unwrap();
    assert_eq!((status, second), (200, first));
}

#[tokio::test]
async fn what_is_not_authentic_is_refused_and_quarantined() {
    let server = server().await;
    let body = completed_body(&conversation_id(1));
    let secs = now_ms() / 1000;
    let good = speechify_signature(SECRET, secs, &body);
    let mut changed = body.clone();
    changed.push(b' ');
    let cases: [(&str, String, Vec<u8>); 9] = [
        (
            "wrong secret",
            speechify_signature("another", secs, &body),
            body.clone(),
        ),
        (
            "stale",
            speechify_signature(SECRET, secs - 1_830, &body),
            body.clone(),
        ),
        (
            "from the future",
            speechify_signature(SECRET, secs + 330, &body),
            body.clone(),
        ),
        ("body changed by a space", good.clone(), changed),
        ("garbage", "garbage".to_owned(), body.clone()),
        ("empty", String::new(), body.clone()),
        ("two timestamps", format!("t={secs},{good}"), body.clone()),
        (
            "no number",
            good.replace(&secs.to_string(), "soon"),
            body.clone(),
        ),
        (
            "upper-case hex",
            good.replace("v0=", "V0=").to_uppercase(),
            body.clone(),
        ),
    ];
    for (name, signature, body) in cases {
        let headers = [("Speechify-Signature", signature.as_str())];
        let (status, answer) = server.post("voice", &headers, body).await.unwrap();
        assert_eq!(status, 401, "{name}: {answer}");
        assert!(
            answer["error"]["code"].is_string() && answer["request_id"].is_string(),
            "{answer}"
        );
    }
    let (status, _) = server.post("voice", &[], body).await.unwrap();
    assert_eq!(status, 401, "no signature at all");
    // Sampled once a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let text = server
        .client
        .get(format!("{}/metrics", server.url))
        .send()
        .await
        .unwrap();
    let text = text.text().await.unwrap();
    let kept = text
        .lines()
        .find(|line| line.starts_with("aftercall_quarantined_deliveries"));
    let kept: f64 = kept.unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(
        kept >= 7.0,
        "only those that carry the signature header are kept: {kept}"
    );
}

#[tokio::test]
async fn an_authentic_body_that_cannot_be_read_is_parked() {
    let server = server().await;
    let whole = String::from_utf8(completed_body(&conversation_id(1))).unwrap();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (name, body) in [
        ("truncated", whole.as_bytes()[..whole.len() - 20].to_vec()),
        ("invalid UTF-8", [whole.as_bytes(), b"\xff\xfe"].concat()),
        ("deeply nested", deep.into_bytes()),
        ("empty", Vec::new()),
        ("not an object", b"42".to_vec()),
        (
            "no conversation",
            br#"{"event":"conversation.completed"}"#.to_vec(),
        ),
    ] {
        let (status, answer) = server.post_signed(body).await.unwrap();
        assert_eq!(
            (status, &answer["status"]),
            (200, &json!("parked")),
            "{name}: {answer}"
        );
        assert!(
            answer["dead_letter_id"]
                .as_str()
                .unwrap()
                .starts_with("dl_"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn what_no_stage_needs_is_ignored() {
    let server = server().await;
    let body = br#"{"event":"agent.updated","timestamp":1,"agent":{"id":"a"}}"#.to_vec();
    let (status, answer) = server.post_signed(body).await.unwrap();
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("ignored")),
        "{answer}"
    );
    assert!(
        answer["reason"].as_str().unwrap().contains("agent.updated"),
        "{answer}"
    );
}

#[tokio::test]
async fn the_wrong_door_the_wrong_method_and_the_wrong_size() {
    let server = server().await;
    let body = completed_body(&conversation_id(1));
    let (status, answer) = server.post("nobody", &[], body.clone()).await.unwrap();
    assert_eq!(status, 404, "{answer}");
    let answer = server
        .client
        .get(format!("{}/webhooks/voice", server.url))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 405);
    let large = vec![b' '; 2 * 1024 * 1024];
    let (status, answer) = server.post_signed(large.clone()).await.unwrap();
    assert_eq!(status, 413, "{answer}");
    assert_eq!(post_chunked(&server, &large).await, "HTTP/1.1 413");
}

/// Posts a body without announcing its length, and reads the beginning of the answer.
async fn post_chunked(server: &Server, body: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = server.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = "POST /webhooks/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for chunk in body.chunks(64 * 1024) {
        let framed = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
        // The server may stop reading once it has seen enough.
        if stream.write_all(&framed).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn livekits_token_is_verified_over_the_very_bytes() {
    let server = server().await;
    let room = json!({"sid": "RM_1", "name": "demo", "turnPassword": "planted"});
    let body = json!({"event": "room_started", "room": room, "id": "EV_1",
                      "createdAt": (now_ms() / 1000).to_string()});
    let body = body.to_string().into_bytes();
    let token = livekit_token(LIVEKIT_KEY, LIVEKIT_SECRET, &body);
    let (status, answer) = server
        .post("rooms", &[("Authorization", &token)], body.clone())
        .await
        .unwrap();
    assert_eq!(
        (status, &answer["status"]),
        (200, &json!("ignored")),
        "{answer}"
    );
    for (name, token) in [
        (
            "unknown key",
            livekit_token("APIother", LIVEKIT_SECRET, &body),
        ),
        ("wrong secret", livekit_token(LIVEKIT_KEY, "another", &body)),
        (
            "another body",
            livekit_token(LIVEKIT_KEY, LIVEKIT_SECRET, b"{}"),
        ),
        ("alg none", alg_none(&token)),
    ] {
        let (status, answer): (u16, Value) = server
            .post("rooms", &[("Authorization", &token)], body.clone())
            .await
            .unwrap();
        assert_eq!(status, 401, "{name}: {answer}");
    }
}

fn alg_none(token: &str) -> String {
    use base64::Engine as _;
    let header =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
    let claims = token.split('.').nth(1).unwrap();
    format!("{header}.{claims}.")
}

/// Over 256 KiB a body whose call no API knows goes into the database, sealed, before its 200, and
/// the message points to it.
#[tokio::test]
async fn a_long_body_is_kept_beside_its_message() {
    let settings = format!(
        "[finalize]\ngrace = \"8s\"\nrecheck = []\n[[sources]]\nname = \"long\"\n\
         platform = \"elevenlabs\"\nwebhook.secrets = [\"{SECRET}\"]\n"
    );
    let server = Server::start(&Platform::start().await, &settings).await;
    let line = |n: usize| {
        let words = format!("Line {n}: {}", "the quick brown fox ".repeat(60));
        json!({"role": if n.is_multiple_of(2) { "agent" } else { "user" }, "message": words,
            "time_in_call_secs": n})
    };
    let body = |id: &str, lines: usize| {
        let transcript: Vec<Value> = (0..lines).map(line).collect();
        json!({"type": "post_call_transcription", "event_timestamp": now_ms() / 1000,
            "data": {"conversation_id": id, "agent_id": "desk", "status": "done",
                "transcript": transcript, "metadata": {
                    "start_time_unix_secs": now_ms() / 1000 - 400, "call_duration_secs": 399}}})
        .to_string()
        .into_bytes()
    };
    let (short, long) = (body("short", 20), body("long", 400));
    assert!(short.len() < 256 << 10 && long.len() > 256 << 10);
    for body in [short, long] {
        let signature = speechify_signature(SECRET, now_ms() / 1000, &body);
        let headers = [("ElevenLabs-Signature", signature.as_str())];
        let (status, answer) = server.post("long", &headers, body).await.unwrap();
        assert_eq!((status, &answer["status"]), (200, &json!("accepted")));
    }
    let file = server.folder.path().join("data/aftercall.db");
    let records = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=ro", file.display()))
        .await
        .unwrap();
    let count = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&records).await.unwrap()
    };
    assert_eq!(count("SELECT count(*) FROM outbox").await, 2);
    let longest = count("SELECT max(length(body)) FROM outbox").await;
    assert!(longest < 256 << 10, "{longest}");
    assert_eq!(count("SELECT count(*) FROM bodies").await, 1);
    let clear = "SELECT count(*) FROM bodies WHERE body LIKE '%brown fox%'";
    assert_eq!(count(clear).await, 0, "it is sealed");
    let clear = "SELECT count(*) FROM outbox WHERE body LIKE '%brown fox%'";
    assert_eq!(count(clear).await, 0, "so is what the message carries");
    for (id, lines) in [("short", 20), ("long", 400)] {
        let call = server.wait_for(id, Duration::from_mins(1)).await;
        assert_eq!(call["end_reason"], "caller_hangup", "{call}");
        let mut seen = 0;
        let mut path = format!("/v1/conversations/{id}/messages?page_size=100");
        loop {
            let (_, page) = server.get(&path).await;
            seen += page["messages"].as_array().unwrap().len();
            let Some(next) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("/v1/conversations/{id}/messages?page_size=100&cursor={next}");
        }
        assert_eq!(seen, lines, "{id}");
    }
}
