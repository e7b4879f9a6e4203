//! Endpoints at the console: made, changed, tested, switched, given a secret, sent again, removed.

use regex::Regex;

use super::*;
use crate::store::endpoints::{self, Endpoint};
use crate::store::{audit, deliveries, results};

mod followed;

const OPERATOR: [Scope; 6] = [
    Scope::ConversationsRead,
    Scope::ConversationsReadSensitive,
    Scope::MemoriesRead,
    Scope::OpsRead,
    Scope::OpsWrite,
    Scope::EndpointsWrite,
];

/// Whoever is logged in, and what the forms of theirs carry.
struct Desk {
    bench: Bench,
    cookie: String,
    csrf: String,
}

impl Desk {
    async fn of(scopes: &[Scope], agents: &[&str]) -> Self {
        let bench = Bench::new().await;
        let cookie = bench.session("a", scopes, agents).await;
        let page = bench.get("/console/endpoints", &cookie).await.text;
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = rest.split('"').next().unwrap().to_owned();
        Self {
            bench,
            cookie,
            csrf,
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.bench.get(path, &self.cookie).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = format!("csrf={}", self.csrf);
        for (name, value) in fields {
            form = format!("{form}&{name}={}", show::encode(value));
        }
        self.bench.post(path, &self.cookie, &form).await
    }

    async fn endpoints(&self) -> Vec<Endpoint> {
        let db = &self.bench.flow.db;
        db.read(|mut conn| Box::pin(async move { endpoints::enabled(&mut conn).await }))
            .await
            .unwrap()
    }

    async fn endpoint(&self, id: &str) -> Option<Endpoint> {
        let id = id.to_owned();
        let db = &self.bench.flow.db;
        db.read(move |mut conn| Box::pin(async move { endpoints::get(&mut conn, &id).await }))
            .await
            .unwrap()
    }

    /// What the audit log has of endpoints. All of it is of one moment, hence in no order.
    async fn audited(&self) -> Vec<String> {
        let entries = self.entries().await.into_iter();
        let mut actions: Vec<_> = entries
            .map(|entry| entry.action)
            .filter(|action| action.starts_with("endpoint"))
            .collect();
        actions.sort();
        actions
    }

    /// Which settings it says were changed, likewise.
    async fn changed(&self) -> Vec<String> {
        let entries = self.entries().await.into_iter();
        let mut changed: Vec<_> = entries
            .filter(|entry| entry.action == "endpoint.change")
            .map(|entry| entry.detail)
            .collect();
        changed.sort();
        changed
    }

    async fn entries(&self) -> Vec<audit::Entry> {
        let all = crate::page::PageRequest {
            size: 100,
            after: None,
        };
        let db = &self.bench.flow.db;
        let page = db.read(move |mut conn| {
            Box::pin(async move { audit::list(&mut conn, &audit::Filter::default(), &all).await })
        });
        page.await.unwrap().rows
    }
}

/// An address that is public, and that nothing is sent to here.
const URL: &str = "https://1.1.1.1/hook";

fn filled(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("url", url.to_owned()),
        ("description", "the <b>CRM</b>".to_owned()),
        ("event", "conversation.completed".to_owned()),
        ("event", "memory.changed".to_owned()),
        ("shape", "full".to_owned()),
        ("agents", " agent_2  agent_1 ".to_owned()),
        ("headers", "X-Key: planted\r\nX-Other: planted".to_owned()),
        ("rate", "5".to_owned()),
        ("concurrency", "3".to_owned()),
    ]
}

fn with(change: Option<(&'static str, &str)>) -> Vec<(&'static str, String)> {
    let mut fields = filled(URL);
    if let Some((name, value)) = change {
        fields.retain(|(one, _)| *one != name);
        fields.push((name, value.to_owned()));
    }
    fields
}

fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn secret(page: &str) -> String {
    let shown = Regex::new(r"whsec_[A-Za-z0-9+/=]+").unwrap();
    let shown: Vec<_> = shown.find_iter(page).collect();
    assert_eq!(shown.len(), 1, "{page}");
    shown[0].as_str().to_owned()
}

/// An endpoint that the form has made, and its secret.
async fn made(desk: &Desk) -> (Endpoint, String) {
    let made = desk
        .post("/console/endpoints", &borrowed(&with(None)))
        .await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    (desk.endpoints().await.remove(0), secret(&made.text))
}

/// An event of the first agent.
fn event() -> results::ResultEvent {
    results::ResultEvent {
        id: "evt_1".to_owned(),
        kind: "conversation.completed".to_owned(),
        agent_id: "agent_1".to_owned(),
        key: None,
        data: json!({}),
        created_at: NOW,
    }
}

#[tokio::test]
async fn an_endpoint_is_made_and_changed_by_a_form() {
    let desk = Desk::of(&OPERATOR, &[]).await;
    let form = desk.get("/console/endpoints/new").await;
    assert!(form.text.contains("action=\"/console/endpoints\""));
    let (endpoint, first) = made(&desk).await;
    assert_eq!(endpoint.url, URL);
    assert_eq!(
        endpoint.subscription.events,
        ["conversation.completed", "memory.changed"]
    );
    assert_eq!(endpoint.subscription.agents, ["agent_1", "agent_2"]);
    assert_eq!((endpoint.rate, endpoint.concurrency), (Some(5), 3));
    let address = format!("/console/endpoints/{}", endpoint.id);
    let page = desk.get(&address).await.text;
    assert!(!page.contains(&first) && !page.contains("planted"));
    assert!(page.contains("the &#60;b&#62;CRM&#60;/b&#62;"), "{page}");
    assert!(page.contains("x-key, x-other"));

    let mut changes = with(Some(("shape", "hubspot")));
    changes.retain(|(name, _)| *name != "headers" && *name != "agents" && *name != "rate");
    let answer = desk.post(&address, &borrowed(&changes)).await;
    let to = format!("{address}?done=change");
    assert_eq!(answer.header("location"), to, "{}", answer.text);
    let now = desk.endpoint(&endpoint.id).await.unwrap();
    assert!(now.template.is_some() && now.rate.is_none());
    assert_eq!(now.headers, endpoint.headers, "what is not said of stays");
    assert!(now.subscription.agents.is_empty());
    // Its own template stays, and its headers go, where that is chosen.
    changes.retain(|(name, _)| *name != "shape");
    changes.extend([
        ("shape", "own".to_owned()),
        ("no_headers", "yes".to_owned()),
    ]);
    desk.post(&address, &borrowed(&changes)).await;
    let now = desk.endpoint(&endpoint.id).await.unwrap();
    assert!(now.template.is_some() && now.headers != endpoint.headers);
    let refused = desk.post(&address, &[("url", "https://10.0.0.1/")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("value=\"https://10.0.0.1/\""));
    assert!(refused.text.contains("role=\"alert\""));
    let again = "Headers are to be written again.";
    assert!(!refused.text.contains(again), "none were written");
    let written = [("url", "https://10.0.0.1/"), ("headers", "X-Key: planted")];
    let refused = desk.post(&address, &written).await;
    assert!(refused.text.contains(again) && !refused.text.contains("planted"));
    assert_eq!(desk.endpoint(&endpoint.id).await, Some(now));
    let all = ["endpoint.change", "endpoint.change", "endpoint.create"];
    assert_eq!(desk.audited().await, all);
    let settings = [
        "headers",
        "payload full → template; agents agent_1, agent_2 → all; rate_per_second 5 → any; template",
    ];
    assert_eq!(desk.changed().await, settings);
}

#[tokio::test]
async fn an_endpoint_gets_secrets_is_switched_and_removed_by_buttons() {
    let desk = Desk::of(&OPERATOR, &[]).await;
    let (endpoint, first) = made(&desk).await;
    let address = format!("/console/endpoints/{}", endpoint.id);
    let rotate = format!("{address}/rotate-secret");
    let rotated = desk.post(&rotate, &[("overlap", "7d")]).await;
    assert_ne!(secret(&rotated.text), first);
    let (old, until) = desk.endpoint(&endpoint.id).await.unwrap().previous.unwrap();
    assert_eq!(old, endpoint.secret);
    assert_eq!(until.since(NOW).as_secs(), 7 * 86_400);
    desk.post(&rotate, &[("overlap", "0")]).await;
    let now = desk.endpoint(&endpoint.id).await.unwrap();
    assert_eq!(now.previous, None, "at once");

    for (step, enabled) in [("disable", false), ("enable", true)] {
        let done = desk.post(&format!("{address}/{step}"), &[]).await;
        let to = done.header("location").to_owned();
        let page = desk.get(&to).await.text;
        assert!(page.contains("class=\"notice\""), "{to}");
        let now = desk.endpoint(&endpoint.id).await.unwrap();
        assert_eq!(now.enabled, enabled);
    }
    let odd = desk.post(&format!("{address}/explode"), &[]).await;
    assert_eq!(odd.status, StatusCode::NOT_FOUND);
    let gone = desk.post(&format!("{address}/remove"), &[]).await;
    let to = gone.header("location").to_owned();
    assert!(desk.get(&to).await.text.contains("The endpoint is removed"));
    assert_eq!(desk.endpoint(&endpoint.id).await, None);
    assert_eq!(desk.get(&address).await.status, StatusCode::NOT_FOUND);
    let all = "create disable enable remove rotate_secret rotate_secret";
    let all: Vec<_> = all.split(' ').map(|it| format!("endpoint.{it}")).collect();
    assert_eq!(desk.audited().await, all);
}

#[tokio::test]
async fn what_is_wrong_with_a_form_is_told_and_nothing_is_kept() {
    let desk = Desk::of(&OPERATOR, &[]).await;
    for (name, value, told) in [
        ("url", "https://10.0.0.1/", "private, local or reserved"),
        ("url", "http://1.1.1.1/", "must be https"),
        ("url", "", "must be a URL"),
        ("event", "call.completed", "at least one event"),
        ("shape", "fat", "Choose a shape"),
        ("agents", "agent/1 \u{7f}", "must be ids"),
        ("headers", "planted", "Name: value"),
        ("headers", "Host: planted", "host is set by aftercall"),
        ("rate", "1001", "from 1 to 1000"),
        ("concurrency", "none", "from 1 to 100"),
        ("description", &"x".repeat(501), "too long"),
    ] {
        let answer = desk
            .post("/console/endpoints", &borrowed(&with(Some((name, value)))))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(answer.text.contains(told), "{name}: {}", answer.text);
        assert!(!answer.text.contains("planted"), "{name}");
        // What was filled in is there to be mended.
        assert!(
            answer.text.contains("value=\"5\"") || name == "rate",
            "{name}"
        );
    }
    assert_eq!(desk.endpoints().await, []);
    assert_eq!(desk.audited().await, [""; 0]);
}

#[tokio::test]
async fn who_may_not_change_an_endpoint_sees_no_form_and_is_refused() {
    let desk = Desk::of(&[Scope::OpsRead], &[]).await;
    let key = crate::signature::standard::Key::of_random([1; 32]);
    let wanted = crate::deliver::endpoints::Wanted {
        url: URL.to_owned(),
        description: String::new(),
        subscription: crate::endpoint::Subscription {
            events: vec!["*".to_owned()],
            agents: Vec::new(),
        },
        payload: None,
        template: None,
        headers: std::collections::BTreeMap::new(),
        rate: None,
        concurrency: 1,
        enabled: true,
    };
    let flow = &desk.bench.flow;
    let (endpoint, _) = crate::deliver::endpoints::make(flow, wanted);
    let entry = audit::Entry::now(&flow.host, "test", "test", &endpoint.id, "");
    crate::deliver::endpoints::keep(flow, &endpoint, entry)
        .await
        .unwrap();
    let address = format!("/console/endpoints/{}", endpoint.id);
    let page = desk.get(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(!page.text.contains("Send a test event") && !page.text.contains("New secret"));
    assert!(!page.text.contains("Send what failed") && !page.text.contains(&key.to_text()));
    assert!(!desk.get("/console/endpoints").await.text.contains("/new\""));
    let form = desk.get("/console/endpoints/new").await;
    assert_eq!(form.status, StatusCode::FORBIDDEN);
    for step in [
        "",
        "/test",
        "/enable",
        "/disable",
        "/remove",
        "/rotate-secret",
        "/retry",
        "/send-missed",
    ] {
        let path = format!("{address}{step}");
        let answer = desk.post(&path, &borrowed(&with(None))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{step}");
        let forged = desk.bench.post(&path, &desk.cookie, "csrf=x").await;
        assert!(forged.text.contains("out of date"), "{step}");
    }
    assert_eq!(desk.endpoint(&endpoint.id).await, Some(endpoint));
    // To who is bound to an agent, what others get is not there, and nothing else can be made.
    let cookie = desk.bench.session("b", &OPERATOR, &["agent_1"]).await;
    let theirs = desk.bench.get(&address, &cookie).await;
    assert_eq!(theirs.status, StatusCode::NOT_FOUND);
    let page = desk.bench.get("/console/endpoints/new", &cookie).await.text;
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = rest.split('"').next().unwrap();
    let form = format!("csrf={csrf}&url={}&event=*&shape=thin", show::encode(URL));
    let refused = desk.bench.post("/console/endpoints", &cookie, &form).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("agents that the token is bound to"));
}

#[tokio::test]
async fn a_test_says_how_it_went_and_what_was_missed_is_sent() {
    let desk = Desk::of(&OPERATOR, &[]).await;
    // A name that nobody knows: nothing is connected to.
    let fields = [
        ("url", "https://crm.invalid/"),
        ("event", "*"),
        ("shape", "thin"),
    ];
    let made = desk.post("/console/endpoints", &fields).await;
    assert!(
        made.text.contains("can&#39;t be looked up now"),
        "{}",
        made.text
    );
    let endpoint = desk.endpoints().await.remove(0);
    let address = format!("/console/endpoints/{}", endpoint.id);
    let tested = desk.post(&format!("{address}/test"), &[]).await;
    assert!(
        tested.text.contains("It did not take the test event"),
        "{}",
        tested.text
    );
    assert!(tested.text.contains("looked up"));

    let asked = desk.post(&format!("{address}/send-missed"), &[]).await;
    assert!(asked.text.contains("Say since when"));
    desk.post(&format!("{address}/disable"), &[]).await;
    let event = event();
    let db = &desk.bench.flow.db;
    db.write(move |mut conn| Box::pin(async move { results::add(&mut conn, &event).await }))
        .await
        .unwrap();
    for (count, told) in [(1, "1 delivery that"), (0, "0 deliveries that")] {
        let sent = desk.post(&format!("{address}/send-missed"), &[]).await;
        let to = sent.header("location").to_owned();
        assert_eq!(to, format!("{address}?done=missed&count={count}"));
        let page = desk.get(&to).await.text;
        assert!(page.contains(told), "{page}");
    }
    // Given up, and sent again from its beginning.
    let delivery = deliveries::id_of(&endpoint.id, "evt_1", NOW);
    let failed = delivery.clone();
    db.write(move |mut conn| {
        Box::pin(async move {
            deliveries::settle(&mut conn, &failed, 1, deliveries::After::Failed, NOW).await
        })
    })
    .await
    .unwrap();
    let sent = desk
        .post(&format!("{address}/retry"), &[("since", "24h")])
        .await;
    assert_eq!(
        sent.header("location"),
        format!("{address}?done=retry&count=1")
    );
    let wrong = desk
        .post(&format!("{address}/retry"), &[("since", "soon")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let again = db
        .read(move |mut conn| Box::pin(async move { deliveries::get(&mut conn, &delivery).await }))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.status, deliveries::Status::Pending);
}

#[tokio::test]
async fn who_may_not_read_it_has_nothing_sent_and_headers_stay_with_their_host() {
    let desk = Desk::of(&[Scope::EndpointsWrite, Scope::ConversationsRead], &[]).await;
    let refused = desk
        .post("/console/endpoints", &borrowed(&with(None)))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let needed = "needs a token with the scope conversations:read_sensitive";
    assert!(refused.text.contains(needed), "{}", refused.text);
    assert_eq!(desk.endpoints().await, []);

    let desk = Desk::of(&OPERATOR, &[]).await;
    let (endpoint, _) = made(&desk).await;
    let address = format!("/console/endpoints/{}", endpoint.id);
    let mut moved = with(Some(("url", "https://1.0.0.1/hook")));
    moved.retain(|(name, _)| *name != "headers");
    let refused = desk.post(&address, &borrowed(&moved)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("headers were given for another host"));
    assert_eq!(desk.endpoint(&endpoint.id).await, Some(endpoint));
    moved.push(("no_headers", "yes".to_owned()));
    let answer = desk.post(&address, &borrowed(&moved)).await;
    assert_eq!(answer.header("location"), format!("{address}?done=change"));
}
