use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::signature::standard::SenderKey;

const NOW: Timestamp = Timestamp::from_secs(1_780_000_000);

/// Names that lead to each of these in turn, and to the last one from then on.
fn names(answers: &'static [&'static str]) -> (Lookup, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let found: Vec<IpAddr> = vec![answers[turn].parse().unwrap()];
        async move { Ok(found) }.boxed()
    });
    (lookup, asked)
}

fn outbound(allow: &[&str], lookup: Lookup) -> Outbound {
    // A second installation is refused, and the first one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ranges: Vec<AddressRange> = allow.iter().map(|range| range.parse().unwrap()).collect();
    Outbound::new(&ranges, lookup).unwrap()
}

async fn post(outbound: &Outbound, url: &str) -> Result<Answer, NoAnswer> {
    let keys = [Key::of_random([1; 32]), Key::of_random([2; 32])];
    let request = Request {
        url,
        method: Method::Post,
        id: "evt_1",
        keys: &keys,
        headers: HeaderMap::from_iter([(
            header::AUTHORIZATION,
            HeaderValue::from_static("Bearer x"),
        )]),
        content_type: "application/json",
        body: b"{\"a\":1}".to_vec(),
    };
    outbound.send(request, NOW).await
}

#[tokio::test]
async fn an_event_is_signed_by_every_key_and_the_name_is_kept() {
    let server = MockServer::start().await;
    let port = server.address().port();
    Mock::given(any())
        .and(header("host", format!("crm.test:{port}").as_str()))
        .and(header("authorization", "Bearer x"))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(201).set_body_string("kept\0"))
        .mount(&server)
        .await;
    let (lookup, _) = names(&["127.0.0.1"]);
    let outbound = outbound(&["127.0.0.0/8"], lookup);
    let answer = post(&outbound, &format!("http://crm.test:{port}/hook"))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (201, "kept\u{fffd}"));
    let got = server.received_requests().await.unwrap().pop().unwrap();
    for key in [Key::of_random([1; 32]), Key::of_random([2; 32])] {
        let tolerance = crate::signature::Tolerance::of(Duration::from_mins(5));
        let id = standard::verify(
            &got.headers,
            &got.body,
            &[SenderKey::Shared(key)],
            tolerance,
            NOW,
        );
        assert_eq!(id, Ok("evt_1"));
    }
}

#[tokio::test]
async fn a_name_that_changes_between_check_and_use_reaches_nothing() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let port = server.address().port();
    // Allowed when it is checked, and our own machine when it is connected to.
    let (lookup, asked) = names(&["10.0.0.1", "127.0.0.1"]);
    let sent = post(
        &outbound(&["10.0.0.0/8"], lookup),
        &format!("http://crm.test:{port}/"),
    )
    .await;
    assert_eq!(sent, Err(NoAnswer::Refused(Refused::Address)));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    let (lookup, _) = names(&["1.1.1.1", "127.0.0.1"]);
    let sent = post(&outbound(&[], lookup), &format!("https://crm.test:{port}/")).await;
    assert_eq!(sent, Err(NoAnswer::Refused(Refused::Address)));
    let (lookup, _) = names(&["127.0.0.1"]);
    let sent = post(&outbound(&[], lookup), &format!("https://crm.test:{port}/")).await;
    assert_eq!(sent, Err(NoAnswer::Refused(Refused::Address)));
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let inner = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&inner)
        .await;
    let outer = MockServer::start().await;
    for status in [301, 302, 303, 307, 308] {
        let redirect = ResponseTemplate::new(status).insert_header("location", inner.uri());
        Mock::given(any())
            .respond_with(redirect)
            .up_to_n_times(1)
            .mount(&outer)
            .await;
    }
    let outbound = outbound(&["127.0.0.1"], guard::machine());
    for status in [301, 302, 303, 307, 308] {
        assert_eq!(post(&outbound, &outer.uri()).await.unwrap().status, status);
    }
    assert_eq!(inner.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn of_an_answer_only_the_start_is_kept() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(429)
        .insert_header("retry-after", "120")
        .set_body_string("x".repeat(100_000));
    Mock::given(any())
        .respond_with(answer)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let answer =
        ResponseTemplate::new(503).insert_header("retry-after", "Thu, 28 May 2026 20:27:40 GMT");
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let outbound = outbound(&["127.0.0.1"], guard::machine());
    let first = post(&outbound, &server.uri()).await.unwrap();
    assert_eq!(first.body.len(), 8 << 10);
    assert_eq!(first.retry_after, Some(Duration::from_mins(2)));
    let second = post(&outbound, &server.uri()).await.unwrap();
    assert_eq!(second.retry_after, Some(Duration::from_mins(1)));
}

#[tokio::test]
async fn what_is_not_an_answer_is_told_without_the_url() {
    let outbound = outbound(&["127.0.0.1"], guard::machine());
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let sent = post(&outbound, &format!("http://{address}/planted")).await;
    assert_eq!(sent, Err(NoAnswer::Unreachable));
    let rude = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/planted", rude.local_addr().unwrap());
    let answering = async {
        let (mut stream, _) = rude.accept().await.unwrap();
        let mut request = [0; 64];
        stream.read_exact(&mut request).await.unwrap();
        stream.write_all(b"no HTTP at all\r\n\r\n").await.unwrap();
    };
    let (sent, ()) = tokio::join!(post(&outbound, &url), answering);
    assert_eq!(sent, Err(NoAnswer::Broken));
    for error in [NoAnswer::Unreachable, NoAnswer::Broken, NoAnswer::TimedOut] {
        assert!(!error.to_string().contains("planted"));
    }
}
