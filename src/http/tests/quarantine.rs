//! Refused deliveries, looked at and released.

use super::*;
use crate::page::PageRequest;
use crate::store::audit;
use crate::store::quarantine::{self, Refused};

const OPS: [Scope; 2] = [Scope::OpsRead, Scope::OpsWrite];

impl Bench {
    /// A delivery in quarantine, whose signature is by now what it says.
    async fn refused(&self, id: &str, signature: &str, body: &str) {
        let (seal, dice) = (&self.flow.seal, self.flow.host.dice);
        let headers = json!([
            [":method", "POST"],
            [":path", "/webhooks/voice"],
            ["signature", signature]
        ]);
        let refused = Refused {
            id: id.to_owned(),
            source: "voice".to_owned(),
            reason: "expired".to_owned(),
            detail: "too old".to_owned(),
            headers: seal.seal(headers.to_string().as_bytes(), dice.bytes()),
            body: seal.seal(body.as_bytes(), dice.bytes()),
            size: 10,
        };
        let now = self.flow.host.now();
        self.flow
            .db
            .write(move |mut conn| {
                Box::pin(async move { quarantine::keep(&mut conn, &refused, now).await })
            })
            .await
            .unwrap();
    }

    async fn posted(&self, path: &str, token: &str, body: &Value) -> Answer {
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        self.send(request).await
    }
}

#[tokio::test]
async fn only_what_carries_a_signature_is_kept_and_shown_without_its_body() {
    let bench = Bench::new().await;
    for signature in [None, Some("bad")] {
        let mut request = Request::post("/webhooks/voice");
        if let Some(signature) = signature {
            request = request.header("signature", signature);
        }
        let answer = bench
            .send(request.body(Body::from("planted")).unwrap())
            .await;
        assert_eq!(answer.status, 401);
    }
    let read = bench.token(&[Scope::OpsRead], &[]).await;
    let list = bench.get("/v1/quarantine", &read).await;
    let kept = list.json()["quarantine"].as_array().unwrap().clone();
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (&kept[0]["source"], &kept[0]["platform"]),
        (&json!("voice"), &json!("speechify"))
    );
    assert!(!list.text.contains("planted"));
    let path = format!("/v1/quarantine/{}", kept[0]["id"].as_str().unwrap());
    assert!(!bench.get(&path, &read).await.text.contains("planted"));
    let with_body = format!("{path}?body=include");
    assert_eq!(bench.get(&with_body, &read).await.status, 403);
    let ops = bench.token(&OPS, &[]).await;
    let shown = bench.get(&with_body, &ops).await.json();
    assert_eq!(
        (&shown["body"], &shown["body_encoding"]),
        (&json!("planted"), &json!("text"))
    );
    let page = PageRequest::default();
    let log = bench.flow.db.read(move |mut conn| {
        Box::pin(async move { audit::list(&mut conn, &audit::Filter::default(), &page).await })
    });
    let entry = log.await.unwrap().rows.remove(0);
    assert_eq!(entry.action, "quarantine.read_body");
    // Whose calls they are is not known: a bound token sees none of them.
    let bound = bench.token(&OPS, &["front-desk"]).await;
    assert_eq!(bench.get("/v1/quarantine", &bound).await.status, 403);
}

#[tokio::test]
async fn a_delivery_is_released_by_the_secrets_of_now() {
    let bench = Bench::new().await;
    let ops = bench.token(&OPS, &[]).await;
    bench.refused("qr_1", "good", "over").await;
    bench.refused("qr_2", "bad", "over 2").await;
    bench.refused("qr_3", "good", "junk").await;
    let taken = bench
        .posted("/v1/quarantine/qr_1/release", &ops, &json!({}))
        .await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(taken.json()["status"], "accepted");
    assert_eq!(
        taken.json()["event_id"],
        crate::secret::sha256_hex(b"over").as_str()
    );
    let waiting = bench.flow.queue.depth(crate::event::Stage::Finalize).await;
    assert_eq!(waiting.unwrap().messages, 1);
    let again = bench
        .posted("/v1/quarantine/qr_1/release", &ops, &json!({}))
        .await;
    assert_eq!(again.status, 404);
    let refused = bench
        .posted("/v1/quarantine/qr_2/release", &ops, &json!({}))
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "still_refused".to_owned())
    );
    // It stays, with its reason of today.
    let kept = bench.get("/v1/quarantine/qr_2", &ops).await.json();
    assert_eq!(kept["reason"], Refusal::Mismatch { tried: 1 }.code());
    let all = bench
        .posted("/v1/quarantine/release", &ops, &json!({"source": "voice"}))
        .await;
    let expected = json!({"released": 1, "still_refused": 1, "failed": 0});
    assert_eq!(all.json(), expected);
    let unknown = bench
        .posted("/v1/quarantine/release", &ops, &json!({"source": "x"}))
        .await;
    assert_eq!(unknown.status, 422);
}

#[tokio::test]
async fn a_page_of_the_quarantine_is_filtered() {
    let bench = Bench::new().await;
    let read = bench.token(&[Scope::OpsRead], &[]).await;
    for n in 0..5 {
        bench.refused(&format!("qr_{n}"), "bad", "over").await;
    }
    let page = bench
        .get(
            "/v1/quarantine?source=voice&reason=expired&page_size=2",
            &read,
        )
        .await;
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let path = format!("/v1/quarantine?page_size=100&cursor={cursor}");
    let rest = bench.get(&path, &read).await.json();
    assert_eq!(rest["quarantine"].as_array().unwrap().len(), 3);
    let none = bench
        .get("/v1/quarantine?reason=missing", &read)
        .await
        .json();
    assert_eq!(none["quarantine"], json!([]));
}
