//! A Speechify of the test's own: what it knows is plain JSON, and it can be made to fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use wiremock::matchers::{method, path_regex};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{API_TOKEN, now_ms};

/// What a platform answers to a path instead of the truth, if anything.
pub(crate) type Instead = fn(&str) -> Option<ResponseTemplate>;

/// A Speechify of the test's own: its conversations are plain JSON, and it can be made to fail.
#[derive(Clone)]
pub(crate) struct Platform {
    pub(crate) url: String,
    pub(crate) calls: Arc<Mutex<BTreeMap<String, Value>>>,
    pub(crate) messages: Arc<Mutex<BTreeMap<String, Vec<Value>>>>,
    pub(crate) fetches: Arc<Mutex<Vec<(String, i64)>>>,
    pub(crate) fail_with: Arc<Mutex<Option<u16>>>,
    pub(crate) instead: Arc<Mutex<Option<Instead>>>,
    server: Arc<MockServer>,
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let server = MockServer::builder()
            .disable_request_recording()
            .start()
            .await;
        let platform = Self {
            url: server.uri(),
            calls: Arc::default(),
            messages: Arc::default(),
            fetches: Arc::default(),
            fail_with: Arc::default(),
            instead: Arc::default(),
            server: Arc::new(server),
        };
        let answering = platform.clone();
        Mock::given(method("GET"))
            .and(path_regex("^/v1/agents/conversations"))
            .respond_with(move |request: &Request| answering.answer(request))
            .mount(&platform.server)
            .await;
        platform
    }

    pub(crate) fn add(&self, call: Value, messages: Vec<Value>) {
        let id = call["id"].as_str().unwrap().to_owned();
        self.messages.lock().unwrap().insert(id.clone(), messages);
        self.calls.lock().unwrap().insert(id, call);
    }

    fn answer(&self, request: &Request) -> ResponseTemplate {
        let error = |status: u16, code: &str| {
            ResponseTemplate::new(status)
                .set_body_json(json!({"error": {"code": code, "message": "no"}, "request_id": "r"}))
        };
        let authorized = request
            .headers
            .get("authorization")
            .is_some_and(|value| value == format!("Bearer {API_TOKEN}").as_str());
        if !authorized {
            return error(401, "unauthorized");
        }
        if let Some(status) = *self.fail_with.lock().unwrap() {
            return error(status, "upstream_failure");
        }
        let instead = *self.instead.lock().unwrap();
        if let Some(answer) = instead.and_then(|instead| instead(request.url.path())) {
            return answer;
        }
        let parts: Vec<&str> = request.url.path().trim_matches('/').split('/').collect();
        match parts[3..] {
            [] => self.list(request),
            [id] => {
                self.fetches.lock().unwrap().push((id.to_owned(), now_ms()));
                match self.calls.lock().unwrap().get(id) {
                    Some(call) => ResponseTemplate::new(200).set_body_json(call),
                    None => error(404, "conversation_not_found"),
                }
            }
            [id, "messages"] => self.page(id, request),
            _ => error(404, "not_found"),
        }
    }

    /// Two messages a page, so that every call has several.
    fn page(&self, id: &str, request: &Request) -> ResponseTemplate {
        let from = request
            .url
            .query_pairs()
            .find(|(name, _)| name == "cursor")
            .map_or(0, |(_, at)| at.parse().unwrap());
        let all = self
            .messages
            .lock()
            .unwrap()
            .get(id)
            .cloned()
            .unwrap_or_default();
        let page: Vec<_> = all.iter().skip(from).take(2).cloned().collect();
        let next = from + page.len();
        let more = next < all.len();
        ResponseTemplate::new(200).set_body_json(json!({
            "messages": page,
            "next_cursor": more.then(|| next.to_string()),
            "has_more": more,
        }))
    }

    fn list(&self, request: &Request) -> ResponseTemplate {
        let caller = request
            .url
            .query_pairs()
            .find(|(name, _)| name == "caller_identity")
            .map(|(_, caller)| caller.into_owned());
        let calls = self.calls.lock().unwrap();
        let mut rows: Vec<_> = calls
            .values()
            .filter(|call| {
                caller
                    .as_ref()
                    .is_none_or(|who| call["caller_identity"] == **who)
            })
            .cloned()
            .collect();
        let key = |call: &Value| format!("{}|{}", call["created_at"], call["id"]);
        rows.sort_by_key(|call| std::cmp::Reverse(key(call)));
        let asked = |wanted: &str| {
            let pairs = request.url.query_pairs();
            let mut pairs = pairs.filter(|(name, _)| name == wanted);
            pairs.next().map(|(_, value)| value.into_owned())
        };
        if let Some(cursor) = asked("cursor") {
            rows.retain(|call| key(call) < cursor);
        }
        let limit = asked("limit").map_or(50, |limit| limit.parse().unwrap());
        let more = rows.len() > limit;
        rows.truncate(limit);
        ResponseTemplate::new(200).set_body_json(json!({
            "next_cursor": rows.last().filter(|_| more).map(key),
            "has_more": more,
            "conversations": rows,
        }))
    }
}
