//! What platforms are answered.

use super::*;

fn delivery(source: &str, signature: Option<&str>, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post(format!("/webhooks/{source}"));
    if let Some(signature) = signature {
        request = request.header("signature", signature);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn success_is_exactly_200() {
    let bench = Bench::new().await;
    let event_id = crate::secret::sha256_hex(b"over");
    for (body, status, name) in [
        ("over", "accepted", "event_id"),
        ("over", "accepted", "event_id"),
        ("ping", "ignored", "reason"),
        ("junk", "parked", "dead_letter_id"),
    ] {
        let answer = bench.send(delivery("voice", Some("good"), body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let json = answer.json();
        assert_eq!(json["status"], status);
        assert!(json[name].as_str().is_some_and(|text| !text.is_empty()));
        if status == "accepted" {
            assert_eq!(json["event_id"], event_id.as_str());
        }
    }
}

#[tokio::test]
async fn a_forger_does_not_learn_what_was_wrong() {
    let bench = Bench::new().await;
    let missing = bench.send(delivery("voice", None, "over")).await;
    let wrong = bench.send(delivery("voice", Some("bad"), "over")).await;
    assert_eq!(missing.status, StatusCode::UNAUTHORIZED);
    assert_eq!(missing.json()["error"], wrong.json()["error"]);
}

#[tokio::test]
async fn unknown_sources_and_other_methods_are_told_so() {
    let bench = Bench::new().await;
    let answer = bench.send(delivery("nobody", Some("good"), "over")).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (404, "not_found")
    );
    let answer = bench.get("/webhooks/voice", "").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_body_has_its_source_s_limit_announced_or_not() {
    let bench = Bench::new().await;
    let fits = bench
        .send(delivery("voice", Some("good"), "x".repeat(1000)))
        .await;
    assert_eq!(fits.status, StatusCode::OK);
    let large = "x".repeat(1001);
    let mut announced = delivery("voice", Some("good"), large.clone());
    announced
        .headers_mut()
        .insert("content-length", 1001.into());
    let chunks = futures::stream::iter([large[..600].to_owned(), large[600..].to_owned()]);
    let chunked = Body::from_stream(futures::StreamExt::map(chunks, Ok::<_, std::io::Error>));
    for request in [announced, delivery("voice", Some("good"), chunked)] {
        let answer = bench.send(request).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(answer.code(), "too_large");
    }
}

#[tokio::test]
async fn nothing_is_taken_that_is_not_whole() {
    let bench = Bench::new().await;
    let chunks = futures::stream::iter([Ok("ov"), Err(std::io::Error::other("cut"))]);
    let request = delivery("voice", Some("good"), Body::from_stream(chunks));
    let answer = bench.send(request).await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "incomplete_body")
    );
}
