use std::time::Duration;

use super::*;
use crate::host::{Clock, Host};
use crate::simulate::record::Faults;
use crate::simulate::{script, serve};
use crate::time::Timestamp;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

struct Api {
    host: Host,
    base: String,
    client: reqwest::Client,
    platform: Arc<Platform>,
}

impl Api {
    async fn start(largest: Largest) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let host = Host::new(Clock::manual(NOW));
        let platform = Arc::new(Platform::new("sk_test", largest));
        for script in script::all().unwrap() {
            let take = script.take("test", NOW).unwrap();
            platform.book.enter(take.record, script.faults);
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = serve(&host, listener, Arc::clone(&platform)).unwrap();
        Self {
            host,
            base: format!("http://{address}/v1/agents/conversations"),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            platform,
        }
    }

    async fn get(&self, path: &str) -> (u16, Option<String>, Value) {
        let request = self.client.get(format!("{}{path}", self.base));
        let response = request.bearer_auth("sk_test").send().await.unwrap();
        let header = |name: &str| Some(response.headers().get(name)?.to_str().unwrap().to_owned());
        let retry_after = header("retry-after");
        let request_id = header("x-request-id").unwrap();
        let status = response.status().as_u16();
        let body: Value = response.json().await.unwrap();
        if status != 200 {
            assert_eq!(body["request_id"], request_id);
            assert!(body["error"]["message"].is_string());
        }
        (status, retry_after, body)
    }

    /// The ids of all pages of a list.
    async fn ids(&self, query: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut cursor = String::new();
        loop {
            let (status, _, page) = self.get(&format!("?{query}{cursor}")).await;
            assert_eq!(status, 200, "{page}");
            let rows = page["conversations"].as_array().unwrap();
            ids.extend(
                rows.iter()
                    .map(|row| row["id"].as_str().unwrap().to_owned()),
            );
            assert_eq!(page["has_more"], page["next_cursor"].is_string());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return ids,
            }
        }
    }

    async fn stop(self) {
        self.host.stop.cancel();
        self.host.drained().await;
    }
}

fn id_of(name: &str) -> String {
    let scripts = script::all().unwrap();
    let script = scripts.iter().find(|script| script.name == name).unwrap();
    let take = script.take("test", NOW).unwrap();
    take.record.id.as_str().to_owned()
}

#[tokio::test]
async fn the_list_comes_in_pages_newest_first() {
    let api = Api::start(Largest::SMALL).await;
    let ids = api.ids("limit=200").await;
    assert_eq!(ids.len(), script::all().unwrap().len());
    let mut once = ids.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), ids.len());
    assert_eq!(*ids.last().unwrap(), id_of("first-number"));
    assert_eq!(api.ids("limit=1").await, ids);
    api.stop().await;
}

#[tokio::test]
async fn filters_narrow_the_list() {
    let api = Api::start(Largest::DOCUMENTED).await;
    let all = api.ids("").await.len();
    let mut twice = api.ids("caller_identity=user_51d0aa").await;
    twice.sort();
    let mut both = [id_of("first-number"), id_of("changed-number")];
    both.sort();
    assert_eq!(twice, both);
    assert_eq!(
        api.ids("caller_identity=sip_%2B14155550123").await,
        [id_of("sip-hangup")]
    );
    assert_eq!(api.ids("status=failed").await, [id_of("busy")]);
    assert_eq!(api.ids("caller_identity=").await, [id_of("anonymous")]);
    assert_eq!(api.ids("transport=sip_outbound").await.len(), 3);
    assert_eq!(api.ids("q=5550142").await, [id_of("voicemail")]);
    let hour_ago = NOW.minus(Duration::from_hours(1));
    assert_eq!(
        api.ids(&format!("started_before={hour_ago}")).await,
        [id_of("first-number")]
    );
    // A call that never started has no place on either side.
    assert_eq!(
        api.ids(&format!("started_after={hour_ago}")).await.len(),
        all - 2
    );
    assert_eq!(
        api.ids("duration_min_ms=96000&duration_max_ms=96000").await,
        [id_of("agent-ended")]
    );
    assert!(api.ids("agent_id=agent_nobody").await.is_empty());
    api.stop().await;
}

#[tokio::test]
async fn a_row_counts_messages_and_a_single_read_has_the_snapshot() {
    let api = Api::start(Largest::DOCUMENTED).await;
    let (_, _, page) = api.get("?q=user_8f2c41").await;
    let row = &page["conversations"][0];
    assert_eq!(row["message_count"], 7);
    assert!(row.get("agent_snapshot").is_none());
    let id = row["id"].as_str().unwrap();
    let (status, _, detail) = api.get(&format!("/{}", id.to_uppercase())).await;
    assert_eq!(status, 200, "an id is read in any case");
    assert_eq!(detail["message_count"], 0);
    assert_eq!(detail["agent_snapshot"]["memory_enabled"], true);
    assert_eq!(detail["end_reason"], Value::Null);
    assert_eq!(
        detail["room_name"], id,
        "a web call's room is named by its id"
    );
    api.stop().await;
}

#[tokio::test]
async fn messages_come_in_pages_in_order() {
    let api = Api::start(Largest::SMALL).await;
    let id = id_of("agent-ended");
    let (_, _, first) = api.get(&format!("/{id}/messages?limit=100")).await;
    assert_eq!(first["messages"].as_array().unwrap().len(), 4);
    let cursor = first["next_cursor"].as_str().unwrap();
    let (_, _, second) = api.get(&format!("/{id}/messages?cursor={cursor}")).await;
    assert_eq!(second["messages"].as_array().unwrap().len(), 3);
    assert_eq!(second["next_cursor"], Value::Null);
    let said = |page: &Value, n: usize| page["messages"][n]["started_at"].to_string();
    assert!(said(&first, 0) < said(&first, 3));
    assert!(said(&first, 3) < said(&second, 0));
    api.stop().await;
}

#[tokio::test]
async fn refusals_wear_the_envelope() {
    let api = Api::start(Largest::DOCUMENTED).await;
    for (path, status, code) in [
        (
            "/conv_00000000000000000000000000",
            404,
            "conversation_not_found",
        ),
        (
            "/6F9619FF-8B86-D011-B42D-00C04FC964FF",
            404,
            "conversation_not_found",
        ),
        ("?limit=0", 400, "validation_failed"),
        ("?cursor=!", 400, "validation_failed"),
        ("?started_after=yesterday", 400, "validation_failed"),
        ("/x/y/z", 404, "not_found"),
    ] {
        let (got, _, body) = api.get(path).await;
        assert_eq!(
            (got, body["error"]["code"].as_str()),
            (status, Some(code)),
            "{path}"
        );
    }
    for token in ["", "sk_other"] {
        let request = api.client.get(&api.base).bearer_auth(token);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["code"], "unauthorized");
    }
    api.stop().await;
}

#[tokio::test]
async fn faults_come_in_their_order_and_pass() {
    let api = Api::start(Largest::DOCUMENTED).await;
    let script = &script::all().unwrap()[0];
    let record = script.take("faulty", NOW).unwrap().record;
    let path = format!("/{}", record.id.as_str());
    let faults = Faults {
        unavailable: 1,
        throttled: 1,
        retry_after_s: Some(7),
        unfinished: 1,
    };
    api.platform.book.enter(record, faults);
    let (status, after, _) = api.get(&path).await;
    assert_eq!((status, after.as_deref()), (503, Some("7")));
    let (status, after, _) = api.get(&path).await;
    assert_eq!((status, after.as_deref()), (429, Some("7")));
    let (status, _, early) = api.get(&path).await;
    assert_eq!((status, &early["status"]), (200, &json!("active")));
    assert_eq!(early["ended_at"], Value::Null);
    let (_, _, late) = api.get(&path).await;
    assert_eq!(late["status"], "completed");
    assert_eq!(late["end_reason"], "agent_ended");
    api.stop().await;
}
