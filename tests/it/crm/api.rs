//! The routes of endpoints and deliveries, as a client of a running server meets them.

use std::time::Duration;

use aftercall::signature::Tolerance;
use aftercall::signature::standard::{self, SenderKey};
use aftercall::time::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::answers;
use super::clients::{as_delivered, libraries, verifies};
use crate::support::{
    Platform, Server, completed_body, conversation_id, finished_call, now_ms, talk,
};

mod again;
mod scopes;

/// A server whose results may go to this machine, and what a client asks it.
pub(super) struct Desk {
    pub(super) server: Server,
    pub(super) platform: Platform,
    pub(super) admin: String,
}

impl Desk {
    pub(super) async fn open() -> Self {
        let settings = "[finalize]\ngrace = \"0\"\nrecheck = []\n\
             [endpoints]\nallow_private = [\"127.0.0.1\"]";
        let platform = Platform::start().await;
        let server = Server::start(&platform, settings).await;
        let admin = server.admin_token();
        Self {
            server,
            platform,
            admin,
        }
    }

    /// The answer to a request of a token.
    async fn ask_as(&self, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
        let url = format!("{}{path}", self.server.url);
        let mut request = self.server.client.request(method, url).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        Answer {
            status: answer.status().as_u16(),
            body: answer.json().await.unwrap_or(Value::Null),
        }
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask_as(&self.admin, Method::POST, path, Some(body))
            .await
    }

    async fn patch(&self, path: &str, body: Value) -> Answer {
        self.ask_as(&self.admin, Method::PATCH, path, Some(body))
            .await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask_as(&self.admin, Method::GET, path, None).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.ask_as(&self.admin, Method::DELETE, path, None).await
    }

    /// A token with these scopes, bound to these agents where there are any.
    async fn token(&self, scopes: &[&str], agents: &[&str]) -> String {
        let mut wanted = json!({"name": "test", "scopes": scopes});
        if !agents.is_empty() {
            wanted["agents"] = json!(agents);
        }
        let made = self.post("/v1/tokens", wanted).await.expect(201);
        made["token"].as_str().unwrap().to_owned()
    }

    /// A call that is over, played and settled.
    pub(super) async fn call(&self, n: usize) -> String {
        let id = conversation_id(n);
        let caller = format!("sip_+1415555{n:04}");
        self.platform.add(
            finished_call(&id, &caller, Some("agent_ended")),
            talk("My name is Ada Byron."),
        );
        let (status, _) = self.server.post_signed(completed_body(&id)).await.unwrap();
        assert_eq!(status, 200);
        id
    }

    /// The deliveries of a filter, once `enough` says that they are as they must become.
    pub(super) async fn deliveries(
        &self,
        filter: &str,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Vec<Value> {
        let path = format!("/v1/deliveries?page_size=100&{filter}");
        let mut rows = Vec::new();
        for _ in 0..600 {
            let page = self.get(&path).await.expect(200);
            rows.clone_from(page["deliveries"].as_array().unwrap());
            if enough(&rows) {
                return rows;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not as it must become: {rows:#?}");
    }
}

/// An answer that has been read.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// The body, of an answer with this status.
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The code of a failure, which says something for people and names its request.
    #[track_caller]
    fn fails(self, status: u16) -> String {
        let body = self.expect(status);
        let error = &body["error"];
        assert!(
            !error["message"].as_str().unwrap_or_default().is_empty(),
            "{body:#}"
        );
        assert!(body["request_id"].is_string(), "{body:#}");
        error["code"].as_str().unwrap().to_owned()
    }

    /// The fields that are wrong, by their names.
    #[track_caller]
    fn wrong(self) -> Vec<String> {
        let body = self.expect(422);
        let fields = body["error"]["fields"].as_object();
        fields.map_or_else(Vec::new, |fields| fields.keys().cloned().collect())
    }
}

async fn crm() -> MockServer {
    let crm = MockServer::start().await;
    answers(&crm, 200).await;
    crm
}

fn all_delivered(count: usize) -> impl Fn(&[Value]) -> bool {
    move |rows| rows.len() == count && rows.iter().all(|row| row["status"] == "delivered")
}

#[tokio::test]
async fn an_endpoint_is_made_listed_changed_and_removed() {
    let desk = Desk::open().await;
    let crm = crm().await;
    let wanted = json!({
        "url": crm.uri(), "events": ["conversation.completed"], "payload": "full",
        "agents": ["agent_1"], "headers": {"X-Crm-Key": "planted-secret"}, "description": "ours",
        "rate_per_second": 5, "max_concurrency": 3,
    });
    let made = desk.post("/v1/endpoints", wanted).await.expect(201);
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("ep_") && made["secret"].as_str().unwrap().starts_with("whsec_"));
    assert_eq!(made["header_names"], json!(["x-crm-key"]));
    let path = format!("/v1/endpoints/{id}");
    let shown = desk.get(&path).await.expect(200);
    assert_eq!(shown["secret"], Value::Null, "it is shown once");
    assert!(!shown.to_string().contains("planted-secret"));
    for (field, value) in [
        ("payload", json!("full")),
        ("agents", json!(["agent_1"])),
        ("rate_per_second", json!(5)),
        ("max_concurrency", json!(3)),
        ("enabled", json!(true)),
        ("disabled_at", Value::Null),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let changes =
        json!({"payload": "thin", "agents": null, "rate_per_second": null, "events": ["*"]});
    let after = desk.patch(&path, changes).await.expect(200);
    assert_eq!(after["events"], json!(["*"]));
    assert_eq!(
        (&after["agents"], &after["rate_per_second"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(after["description"], "ours", "what is left out stays");

    let off = desk
        .post(&format!("{path}/disable"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&off["enabled"], &off["disabled_reason"]),
        (&json!(false), &json!("by_hand"))
    );
    let on = desk
        .post(&format!("{path}/enable"), json!({}))
        .await
        .expect(200);
    assert_eq!(
        (&on["enabled"], &on["disabled_at"]),
        (&json!(true), &Value::Null)
    );

    // Pages.
    for n in 0..4 {
        let more = json!({"url": format!("{}/{n}", crm.uri()), "events": ["memory.changed"]});
        desk.post("/v1/endpoints", more).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = desk
            .get(&format!("/v1/endpoints?page_size=2{next}"))
            .await
            .expect(200);
        seen.extend(page["endpoints"].as_array().unwrap().clone());
        assert_eq!(page["has_more"], json!(page["next_cursor"].is_string()));
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(seen[4]["id"], id, "the newest first");

    desk.delete(&path).await.expect(204);
    assert_eq!(desk.get(&path).await.fails(404), "not_found");
    for action in ["enable", "disable", "test", "rotate-secret"] {
        desk.post(&format!("{path}/{action}"), json!({}))
            .await
            .fails(404);
    }
    desk.delete(&path).await.fails(404);
    // Everything that was done is in the audit log.
    let audit = desk.get("/v1/audit?page_size=100").await.expect(200);
    let mut actions: Vec<&str> = audit["audit"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["target"] == id)
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    actions.reverse();
    let expected = ["create", "change", "disable", "enable", "remove"];
    assert_eq!(actions, expected.map(|what| format!("endpoint.{what}")));
}

#[tokio::test]
async fn what_an_endpoint_may_not_be_is_told_field_by_field() {
    let desk = Desk::open().await;
    let crm = crm().await;
    let good = json!({"url": crm.uri(), "events": ["*"]});
    let made = desk.post("/v1/endpoints", good.clone()).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    for (field, value) in [
        ("url", json!("ftp://crm.example.com/")),
        ("url", json!("https://10.0.0.8/")),
        ("url", json!("https://169.254.169.254/latest/")),
        ("url", json!("https://[::ffff:10.0.0.1]/")),
        ("url", json!("https://0251.0376.0251.0376/")),
        ("url", json!("https://user:secret@crm.example.com/")),
        ("url", json!("http://1.1.1.1/")),
        ("url", json!("https://1.1.1.1:22/")),
        ("url", json!(null)),
        ("url", json!(7)),
        ("url", json!("x".repeat(2001))),
        ("events", json!([])),
        ("events", json!(["call.completed"])),
        ("events", json!("*")),
        ("agents", json!([""])),
        ("payload", json!("fat")),
        ("headers", json!({"Host": "x"})),
        ("headers", json!({"webhook-id": "x"})),
        ("headers", json!({"X-A": "a\r\nX-B: b"})),
        ("headers", json!({"X A": "x"})),
        ("rate_per_second", json!(0)),
        ("rate_per_second", json!(1001)),
        ("max_concurrency", json!(101)),
        ("max_concurrency", json!("ten")),
        ("description", json!("x".repeat(501))),
        ("template", json!({"preset": "salesforce"})),
        ("template", json!({})),
        ("template", json!({"body": "{{ conversation.id"})),
        ("template", json!({"body": "{\"id\": conversation.id}"})),
        ("template", json!({"body": "{}", "method": "DELETE"})),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value.clone();
        assert_eq!(
            desk.post("/v1/endpoints", body).await.wrong(),
            [field],
            "{value}"
        );
        let changed = desk.patch(&path, json!({field: value})).await;
        assert_eq!(changed.wrong(), [field], "{value}");
    }
    let missing = desk.post("/v1/endpoints", json!({})).await.wrong();
    assert_eq!(missing, ["events", "url"]);
    assert_eq!(
        desk.post(&format!("{path}/rotate-secret"), json!({"overlap": "31d"}))
            .await
            .wrong(),
        ["overlap"]
    );
    assert_eq!(
        desk.post(&format!("{path}/retry"), json!({})).await.wrong(),
        ["since"]
    );
    assert_eq!(
        desk.post(&format!("{path}/send-missed"), json!({}))
            .await
            .wrong(),
        ["since"]
    );
    assert_eq!(desk.get("/v1/endpoints?limit=3").await.wrong(), ["limit"]);
    assert_eq!(
        desk.get("/v1/deliveries?status=lost").await.wrong(),
        ["status"]
    );
    assert_eq!(
        desk.get("/v1/deliveries?since=today").await.wrong(),
        ["since"]
    );
    assert_eq!(
        desk.get("/v1/events?after=evt_none").await.wrong(),
        ["after"]
    );
    // Nothing of it was kept.
    assert_eq!(desk.get(&path).await.expect(200)["url"], json!(crm.uri()));
    let listed = desk.get("/v1/endpoints").await.expect(200);
    assert_eq!(listed["endpoints"].as_array().unwrap().len(), 1);
    // A name that nobody knows is taken, and the answer says so.
    let later = json!({"url": "https://crm.invalid/hook", "events": ["*"]});
    let later = desk.post("/v1/endpoints", later).await.expect(201);
    assert_eq!(later["resolved"], false);
    assert!(later["warning"].is_string(), "{later}");
}

#[tokio::test]
async fn a_full_event_is_what_the_api_answers() {
    let desk = Desk::open().await;
    let crm = crm().await;
    for payload in ["full", "thin"] {
        let url = format!("{}/{payload}", crm.uri());
        let wanted = json!({"url": url, "events": ["conversation.completed"], "payload": payload});
        desk.post("/v1/endpoints", wanted).await.expect(201);
    }
    let id = desk.call(2).await;
    desk.deliveries(&format!("conversation_id={id}"), all_delivered(2))
        .await;
    let got = crm.received_requests().await.unwrap();
    let body = |path: &str| -> Value {
        let request = got
            .iter()
            .find(|request| request.url.path() == path)
            .unwrap();
        serde_json::from_slice(&request.body).unwrap()
    };
    let full = body("/full");
    let path = format!("/v1/conversations/{id}");
    let call = desk.get(&path).await.expect(200);
    assert_eq!(full["data"]["conversation"], call);
    for part in ["messages", "memories"] {
        let page = desk
            .get(&format!("{path}/{part}?page_size=100"))
            .await
            .expect(200);
        assert_eq!(full["data"][part], page[part], "{part}");
        assert!(!page[part].as_array().unwrap().is_empty(), "{part}");
    }
    assert_eq!(
        full["data"]["memory"],
        json!({"status": "remembered", "reason": null})
    );
    let thin = body("/thin");
    let feed = desk
        .get("/v1/events?type=conversation.completed")
        .await
        .expect(200);
    let event = &feed["events"][0];
    assert_eq!(thin["data"], event["data"]);
    for name in [
        "id",
        "agent_id",
        "caller_identity",
        "status",
        "end_reason",
        "end_reason_source",
    ] {
        assert_eq!(thin["data"][name], call[name], "{name}");
    }
    assert!(thin["data"].get("messages").is_none());
    for told in [&full, &thin] {
        assert_eq!(
            (&told["type"], &told["timestamp"]),
            (&event["type"], &event["timestamp"])
        );
    }
    for request in &got {
        assert_eq!(request.headers["webhook-id"], event["id"].as_str().unwrap());
        assert_eq!(request.headers["content-type"], "application/json");
    }
}

#[tokio::test]
async fn a_rotated_secret_signs_beside_the_old_one_until_the_overlap_is_over() {
    let desk = Desk::open().await;
    let crm = crm().await;
    let wanted = json!({"url": crm.uri(), "events": ["conversation.completed"]});
    let made = desk.post("/v1/endpoints", wanted).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    let rotate = async |overlap: &str| {
        let body = json!({"overlap": overlap});
        let rotated = desk
            .post(&format!("{path}/rotate-secret"), body)
            .await
            .expect(200);
        assert_eq!(
            rotated["previous_secret_expires_at"].is_string(),
            overlap != "0"
        );
        rotated["secret"].as_str().unwrap().to_owned()
    };
    let first = made["secret"].as_str().unwrap().to_owned();
    let mut told = Vec::new();
    let mut tell = async |n: usize| {
        let id = desk.call(n).await;
        desk.deliveries(&format!("conversation_id={id}"), all_delivered(1))
            .await;
        let got = crm.received_requests().await.unwrap().pop().unwrap();
        told.push(got.clone());
        got
    };
    let before = tell(10).await;
    let second = rotate("1h").await;
    let during = tell(11).await;
    let third = rotate("1h").await;
    let again = tell(12).await;
    let fourth = rotate("0").await;
    let after = tell(13).await;
    for (got, right, wrong) in [
        (&before, vec![&first], vec![&second, &third, &fourth]),
        (&during, vec![&first, &second], vec![&third, &fourth]),
        (&again, vec![&second, &third], vec![&first, &fourth]),
        (&after, vec![&fourth], vec![&first, &second, &third]),
    ] {
        for (secrets, is_right) in [(right, true), (wrong, false)] {
            for secret in secrets {
                assert_eq!(is_verified(got, secret), is_right);
                for mut library in libraries() {
                    let delivered = as_delivered(secret, got, "");
                    assert_eq!(
                        verifies(&mut library, &[delivered]),
                        is_right,
                        "{library:?}"
                    );
                }
            }
        }
    }
    // What was kept of the secrets is sealed: none of them stands in the database's files.
    for file in std::fs::read_dir(desk.server.folder.path().join("data")).unwrap() {
        let file = file.unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        for secret in [&first, &second, &third, &fourth] {
            let bare = secret.trim_start_matches("whsec_").as_bytes();
            let found = bytes.windows(bare.len()).any(|window| window == bare);
            assert!(!found, "{:?} has a secret", file.file_name());
        }
        if file.file_name() == "secret-key" {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert!(desk.server.folder.path().join("data/secret-key").exists());
}

fn is_verified(got: &Request, secret: &str) -> bool {
    let key = SenderKey::read(&aftercall::secret::Secret::new(secret).unwrap()).unwrap();
    let tolerance = Tolerance::of(Duration::from_mins(5));
    let now = Timestamp::from_millis(now_ms());
    standard::verify(&got.headers, &got.body, &[key], tolerance, now).is_ok()
}

#[tokio::test]
async fn a_test_event_goes_out_once_and_says_how_it_went() {
    let desk = Desk::open().await;
    let crm = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(503).set_body_string("we are closed"))
        .up_to_n_times(1)
        .mount(&crm)
        .await;
    answers(&crm, 204).await;
    let wanted = json!({"url": crm.uri(), "events": ["*"], "enabled": false});
    let made = desk.post("/v1/endpoints", wanted).await.expect(201);
    let path = format!("/v1/endpoints/{}/test", made["id"].as_str().unwrap());
    let failed = desk.post(&path, json!({})).await.expect(200);
    assert_eq!(
        (&failed["delivered"], &failed["status"]),
        (&json!(false), &json!(503))
    );
    assert_eq!(failed["code"], "endpoint_status_503");
    assert_eq!(failed["response"], "we are closed");
    let went = desk.post(&path, json!({})).await.expect(200);
    assert_eq!(
        (&went["delivered"], &went["status"]),
        (&json!(true), &json!(204))
    );
    let got = crm.received_requests().await.unwrap();
    assert_eq!(got.len(), 2);
    for request in &got {
        assert!(is_verified(request, made["secret"].as_str().unwrap()));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["type"], "endpoint.test");
    }
    let listed = desk.get("/v1/deliveries").await.expect(200);
    assert_eq!(listed["deliveries"], json!([]), "it is no result");
}

#[tokio::test]
async fn a_template_is_rendered_before_it_is_kept_and_then_sent() {
    let desk = Desk::open().await;
    let crm = crm().await;
    let id = desk.call(30).await;
    desk.server.wait_for(&id, Duration::from_secs(30)).await;
    let with = |template: Value| json!({"url": crm.uri(), "events": ["conversation.completed"], "template": template});
    // Over the conversation that is stored: what it has no text for fails now, not at three in the morning.
    for (body, why) in [
        ("{\"a\": {{ conversation.id", "syntax"),
        ("{\"a\": {{ conversation.id | shout }}}", "filter"),
        ("{\"a\": \"{{ conversation.id }}\"}", "JSON"),
        (
            "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
            "steps",
        ),
    ] {
        let refused = desk
            .post("/v1/endpoints", with(json!({"body": body})))
            .await
            .expect(422);
        let told = refused["error"]["fields"]["template"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(told.contains(why), "{body}: {told}");
    }
    // What only the made-up call has stands; what neither has is told of.
    let remembered = "{\"fact\": {{ memories[0].fact }}, \"said\": {{ messages[1].content }}}";
    let made = with(json!({"body": remembered}));
    let made = desk.post("/v1/endpoints", made).await.expect(201);
    let path = format!("/v1/endpoints/{}", made["id"].as_str().unwrap());
    desk.delete(&path).await.expect(204);
    let lacking = with(json!({"body": "{\"said\": {{ messages[99].content }}}"}));
    let refused = desk.post("/v1/endpoints", lacking).await.expect(422);
    let told = refused["error"]["fields"]["template"].as_str().unwrap();
    assert!(told.contains("guard what a call may lack"), "{told}");
    let body = "{\"call\": {{ conversation.id }}, \"said\": {{ messages | length }}, \
                \"who\": {{ conversation.caller_identity }}, \"event\": {{ id }}}";
    let own = with(json!({"body": body, "method": "PUT"}));
    desk.post("/v1/endpoints", own).await.expect(201);
    let hubspot = json!({
        "url": format!("{}/hubspot", crm.uri()), "events": ["conversation.completed"],
        "template": {"preset": "hubspot"}, "headers": {"Authorization": "Bearer pat-x"},
    });
    desk.post("/v1/endpoints", hubspot).await.expect(201);
    let id = desk.call(31).await;
    desk.deliveries(&format!("conversation_id={id}"), all_delivered(2))
        .await;
    let got = crm.received_requests().await.unwrap();
    let put = got
        .iter()
        .find(|request| request.method == wiremock::http::Method::PUT)
        .unwrap();
    let sent: Value = serde_json::from_slice(&put.body).unwrap();
    assert_eq!((&sent["call"], &sent["said"]), (&json!(id), &json!(4)));
    assert_eq!(sent["event"], put.headers["webhook-id"].to_str().unwrap());
    let hubspot = got
        .iter()
        .find(|request| request.url.path() == "/hubspot")
        .unwrap();
    assert_eq!(hubspot.headers["authorization"], "Bearer pat-x");
    let sent: Value = serde_json::from_slice(&hubspot.body).unwrap();
    assert!(
        sent["properties"]["hs_timestamp"].is_string()
            || sent["properties"]["hs_timestamp"].is_number(),
        "{sent}"
    );
}
