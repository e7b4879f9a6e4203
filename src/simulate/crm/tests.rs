use tokio::net::TcpListener;

use super::*;
use crate::host::Clock;
use crate::signature::standard::Key;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

struct Stand {
    host: Host,
    crm: Arc<Crm>,
    url: String,
    key: Key,
    client: reqwest::Client,
}

impl Stand {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = Host::new(Clock::manual(NOW));
        let crm = Arc::new(Crm::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = router(&host, &crm);
        host.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let key = Key::of_random([7; 32]);
        crm.trust(&Secret::new(key.to_text()).unwrap()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            host,
            crm,
            url,
            key,
            client,
        }
    }

    /// The status of a signed delivery, and its `Retry-After`; none where the connection ended.
    async fn post(&self, mood: &str, id: &str, key: &Key) -> Option<(u16, Option<String>)> {
        let body = format!(r#"{{"type":"conversation.completed","data":{{"id":"call {id}"}}}}"#);
        let secs = self.host.now().as_secs();
        let signature = standard::sign(std::slice::from_ref(key), id, secs, body.as_bytes());
        let request = self.client.post(format!("{}/crm/{mood}", self.url));
        let answer = request
            .header(standard::ID, id)
            .header(standard::TIMESTAMP, secs)
            .header(standard::SIGNATURE, signature)
            .body(body)
            .send()
            .await
            .ok()?;
        let wait = answer.headers().get(RETRY_AFTER);
        let wait = wait.map(|wait| wait.to_str().unwrap().to_owned());
        Some((answer.status().as_u16(), wait))
    }
}

#[tokio::test]
async fn a_flaky_one_fails_in_three_ways_and_then_takes() {
    let stand = Stand::new().await;
    let mut first = Vec::new();
    for id in ["a", "b", "c", "d"] {
        first.push(stand.post("flaky", id, &stand.key).await);
    }
    let busy = Some((429, Some("1".to_owned())));
    assert_eq!(first, [Some((200, None)), Some((500, None)), busy, None]);
    for id in ["b", "c", "d"] {
        assert_eq!(stand.post("flaky", id, &stand.key).await, Some((200, None)));
    }
    let got = stand.crm.of_call("call d");
    assert_eq!(got.len(), 1);
    assert_eq!((got[0].attempts, got[0].verified, got[0].taken), (2, 2, 1));
    let expected = Sums {
        events: 4,
        delivered: 4,
        repeated: 0,
        attempts: 7,
        verified: 7,
    };
    assert_eq!(stand.crm.sums(), expected);
    let told = stand.client.get(format!("{}/crm", stand.url)).send().await;
    let told: Value = told.unwrap().json().await.unwrap();
    assert_eq!(told["summary"], json!(expected));
    assert_eq!(told["events"][3]["conversation_id"], "call d");
}

#[tokio::test]
async fn what_is_not_proved_is_not_taken() {
    let stand = Stand::new().await;
    let other = Key::of_random([8; 32]);
    assert_eq!(stand.post("steady", "a", &other).await, Some((401, None)));
    assert_eq!(
        stand.post("steady", "a", &stand.key).await,
        Some((200, None))
    );
    assert_eq!(
        stand.post("steady", "a", &stand.key).await,
        Some((200, None))
    );
    assert_eq!(
        stand.post("gloomy", "a", &stand.key).await,
        Some((404, None))
    );
    let sums = stand.crm.sums();
    assert_eq!((sums.attempts, sums.verified), (3, 2));
    assert_eq!((sums.delivered, sums.repeated), (1, 1));
    assert_eq!(stand.crm.got()[0].taken_at, Some(NOW));
    let bare = stand.client.post(format!("{}/crm/steady", stand.url));
    assert_eq!(bare.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_slow_one_is_late_a_dead_one_never_takes_and_a_silent_one_says_nothing_first() {
    let stand = Stand::new().await;
    assert_eq!(stand.post("slow", "a", &stand.key).await, Some((200, None)));
    assert_eq!(stand.host.now().since(NOW), Duration::from_secs(3));
    for _ in 0..3 {
        assert_eq!(stand.post("dead", "a", &stand.key).await, Some((500, None)));
    }
    // Nothing comes until the sender gives up; then the next delivery is taken.
    let waiting = stand.post("silent", "a", &stand.key);
    let noted = async {
        while stand.crm.got().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = waiting => panic!("an answer: {answer:?}"),
        () = noted => {}
    }
    assert_eq!(
        stand.post("silent", "a", &stand.key).await,
        Some((200, None))
    );
}

#[test]
fn every_mood_is_found_by_its_name() {
    for mood in Mood::ALL {
        assert_eq!(Mood::named(mood.as_str()), Some(mood));
    }
    assert_eq!(Mood::named("Flaky"), None);
}
