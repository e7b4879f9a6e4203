//! What pages show: whatever was planted, as text; and nothing that a strict policy would refuse.

use std::collections::BTreeSet;

use regex::Regex;

use super::*;

const ALL: [&str; 16] = [
    "/console",
    "/console/conversations",
    "/console/conversations?q=conv",
    "/console/callers",
    "/console/dead-letters",
    "/console/replays",
    "/console/replays/new?state=any",
    "/console/endpoints",
    "/console/endpoints/new",
    "/console/deliveries",
    "/console/deliveries?status=failed",
    "/console/coverage",
    "/console/quarantine",
    "/console/audit",
    "/console/tokens",
    "/console/login",
];

#[tokio::test]
async fn every_page_says_what_to_do_while_there_is_nothing() {
    let bench = Bench::new().await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    for (path, told) in [
        ("/console", "Have your platform post to"),
        ("/console/conversations", "No conversation yet"),
        ("/console/conversations?q=zzz", "Loosen a filter"),
        ("/console/callers", "Nobody is remembered yet"),
        ("/console/dead-letters", "Nothing was given up"),
        ("/console/dead-letters?code=x", "Loosen a filter"),
        ("/console/replays", "Nothing was replayed yet"),
        ("/console/replays/new", "There is nothing to replay"),
        ("/console/replays/replay_none", "No such replay"),
        ("/console/endpoints", "Nobody gets results yet"),
        ("/console/deliveries", "No delivery yet"),
        ("/console/deliveries/dlv_none", "No such delivery"),
        ("/console/coverage", "No platform can be asked"),
        ("/console/quarantine", "Nothing is in quarantine"),
        (
            "/console/quarantine?source=x",
            "Nothing is in quarantine like that",
        ),
        ("/console/audit?action=x", "No entry is like that"),
        ("/console/nowhere", "No such page"),
        ("/console/conversations?q=%00", "take it out"),
        (
            "/console/callers/memory?caller_identity=x",
            "agent_id is empty",
        ),
        ("/console/conversations/conv_none", "No such conversation"),
        ("/console/dead-letters/dl_none", "No such dead letter"),
    ] {
        let page = bench.get(path, &cookie).await;
        assert!(page.text.contains(told), "{path}: {}", page.text);
    }
}

#[tokio::test]
async fn what_callers_and_platforms_write_is_only_ever_text() {
    for planted in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "javascript:alert(1)",
        "{{ 7919*7907 }}{% raw %}${7919*7907}<%= 7919*7907 %>#{7919*7907}",
        "'; DROP TABLE conversations; --",
        "</title></textarea><!--",
        "\u{202e}moc.kcatta\u{2067}",
    ] {
        let bench = Bench::new().await;
        bench.keep_call("conv_1", "agent_1", planted).await;
        let delivery = bench.keep_around(planted).await;
        let cookie = bench.session("a", &[Scope::Admin], &[]).await;
        let caller = show::encode(planted);
        let delivery = format!("/console/deliveries/{delivery}");
        let about = format!("agent_id=agent_1&caller_identity={caller}");
        let forget = format!("/console/callers/forget?{about}");
        let erase = format!("/console/callers/erase?{about}");
        let memory = format!("/console/callers/memory?agent_id=agent_1&caller_identity={caller}");
        let searched = format!("/console/conversations?q={caller}&end_reason={caller}");
        let letters = format!("/console/dead-letters?code={caller}&caller_identity={caller}");
        let audit = format!("/console/audit?action={caller}&actor={caller}&target={caller}");
        let login = format!("/console/login?next={caller}");
        let mut shown = 0;
        for path in ALL.into_iter().chain([
            "/console/conversations/conv_1",
            "/console/dead-letters/dl_conv_1",
            memory.as_str(),
            searched.as_str(),
            letters.as_str(),
            audit.as_str(),
            login.as_str(),
            delivery.as_str(),
            forget.as_str(),
            erase.as_str(),
        ]) {
            let page = bench.get(path, &cookie).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            harmless(path, &page.text);
            alone(path, &page.text, &escaped(planted));
            shown += usize::from(page.text.contains(&escaped(planted)));
        }
        assert!(shown >= 14, "{planted} is shown on {shown} pages");
        // The tables are all still there.
        assert_eq!(bench.get(&searched, &cookie).await.status, StatusCode::OK);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

/// Only elements and attributes that the templates write themselves, and only links that stay here.
#[track_caller]
fn harmless(path: &str, page: &str) {
    let elements = Regex::new(r"<([a-zA-Z!/][^\s>]*)([^>]*)>").unwrap();
    let attribute = Regex::new(r#"([^\s"'=]+)="([^"]*)""#).unwrap();
    for element in elements.captures_iter(page) {
        let (name, rest) = (&element[1], &element[2]);
        assert!(
            !matches!(name, "img" | "svg/onload" | "iframe" | "!--"),
            "{path}: {name}"
        );
        if name == "script" {
            assert!(
                rest.contains("src=\"/console/assets/"),
                "{path}: an inline script"
            );
        }
        for pair in attribute.captures_iter(rest) {
            let (name, value) = (&pair[1], &pair[2]);
            assert!(!name.starts_with("on") && name != "style", "{path}: {name}");
            let is_address = matches!(name, "href" | "src" | "action");
            assert!(
                !is_address || value.starts_with("/console") || value.starts_with('#'),
                "{path}: {name}={value}"
            );
        }
    }
    assert!(
        !page.contains("62615533"),
        "{path}: a template was evaluated"
    );
}

/// Elements that have lines of their own, and `mark`, which is a part of what one person said.
const BLOCKS: [&str; 14] = [
    "button", "dd", "div", "dt", "h1", "li", "mark", "option", "p", "pre", "summary", "td", "th",
    "title",
];

/// What others write stands in elements of its own, and marks that turn the direction of writing turn
/// nothing else: the element has lines of its own, or the style sheet isolates it.
#[track_caller]
fn alone(path: &str, page: &str, planted: &str) {
    let style = include_str!("../console.css");
    let (before, _) = style.split_once(" { unicode-bidi: isolate; }").unwrap();
    let isolated: Vec<&str> = before.lines().last().unwrap().split(", ").collect();
    let pieces: Vec<&str> = page.split('<').collect();
    for pair in pieces.windows(2) {
        let (tag, text) = pair[0].split_once('>').unwrap_or_default();
        if text.contains(planted) {
            let name = tag.split_whitespace().next().unwrap_or_default();
            assert!(pair[1].starts_with(&format!("/{name}>")), "{path}: <{tag}>");
            let stands_alone = BLOCKS.contains(&name) || isolated.contains(&name);
            assert!(stands_alone, "{path}: {name}");
        }
    }
}

#[tokio::test]
async fn every_answer_has_a_strict_policy() {
    let bench = Bench::new().await;
    bench
        .keep_call("conv_1", "agent_1", "https://cdn.example/a.ogg")
        .await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    for path in ALL
        .into_iter()
        .chain(["/console/assets/console.css", "/console/%00", "/console/x"])
    {
        let answer = bench.get(path, &cookie).await;
        assert_eq!(answer.header("content-security-policy"), POLICY, "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    }
    let page = bench.get("/console/conversations/conv_1", &cookie).await;
    let policy = page.header("content-security-policy");
    assert_eq!(policy, format!("{POLICY}; media-src https://cdn.example"));
    assert!(
        page.text
            .contains("href=\"https://cdn.example/a.ogg#t=12.340\""),
        "the seek"
    );
    assert!(page.text.contains("data-seek=\"12.340\""));
}

#[tokio::test]
async fn a_fact_stands_beside_its_sentence_and_leads_to_it() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "Ann Lee").await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let page = bench
        .get("/console/conversations/conv_1", &cookie)
        .await
        .text;
    assert!(page.contains("they said <mark>Ann Lee</mark> to me"));
    assert!(page.contains("The caller is Ann Lee."));
    let path = "/console/callers/memory?agent_id=agent_1&caller_identity=Ann%20Lee";
    let page = bench.get(path, &cookie).await.text;
    assert!(page.contains("“<bdi>Ann Lee</bdi>”"));
    assert!(page.contains("href=\"/console/conversations/conv_1#m-m1\""));
}

#[tokio::test]
async fn lists_are_paged_without_a_gap() {
    let bench = Bench::new().await;
    for n in 0..120 {
        bench
            .keep_call(
                &format!("conv_{n:03}"),
                "agent_1",
                &format!("caller {n:03}"),
            )
            .await;
    }
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let next = Regex::new(r#"href="([^"]+)" rel="next""#).unwrap();
    for (first, row) in [
        (
            "/console/conversations",
            r#"href="/console/conversations/(conv_\d+)"#,
        ),
        ("/console/callers", r"caller_identity=(caller%20\d+)"),
        (
            "/console/dead-letters",
            r#"href="/console/dead-letters/(dl_conv_\d+)"#,
        ),
    ]
    .map(|(first, row)| (first, Regex::new(row).unwrap()))
    {
        let (mut seen, mut pages, mut path) = (BTreeSet::new(), 0, Some(first.to_owned()));
        while let Some(here) = path {
            let page = bench.get(&here, &cookie).await.text;
            seen.extend(row.captures_iter(&page).map(|found| found[1].to_owned()));
            path = next
                .captures(&page)
                .map(|found| found[1].replace("&#38;", "&"));
            pages += 1;
        }
        assert_eq!((seen.len(), pages), (120, 3), "{first}");
    }
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_written_down() {
    let bench = Bench::new().await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let csrf = bench.csrf(&cookie).await;
    let form =
        format!("csrf={csrf}&name=For+reports&scope=conversations%3Aread&agents=agent_1&days=30");
    let page = bench.post("/console/tokens", &cookie, &form).await.text;
    let made = Regex::new(r#"id="made">(ac_[^<]+)<"#).unwrap();
    let token = made.captures(&page).unwrap()[1].to_owned();
    assert!(
        !bench
            .get("/console/tokens", &cookie)
            .await
            .text
            .contains(&token)
    );
    let theirs = bench.log_in(&token).await;
    assert_eq!(
        bench.get("/console/conversations", &theirs).await.status,
        StatusCode::OK
    );
    let audit = bench
        .get("/console/audit?action=token.create", &cookie)
        .await
        .text;
    assert!(audit.contains("<code>a</code>"));
    for wrong in [
        "name=&scope=admin",
        "name=x",
        "name=x&scope=admin&days=0",
        "name=x&role=king",
        "name=x&role=viewer&scope=admin",
        "name=x&role=integrator",
    ] {
        let answer = bench
            .post("/console/tokens", &cookie, &format!("csrf={csrf}&{wrong}"))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
    let form = format!("csrf={csrf}&name=On+call&role=operator&days=90");
    let page = bench.post("/console/tokens", &cookie, &form).await.text;
    assert!(page.contains("data-label=\"May\">operator<"), "{page}");
    let last = "Revoke the last admin token?";
    assert_eq!(page.matches(last).count(), 1, "{page}");
    bench.session("b", &[Scope::Admin], &[]).await;
    let page = bench.get("/console/tokens", &cookie).await.text;
    assert!(!page.contains(last), "{page}");
}

#[tokio::test]
async fn a_letter_is_read_with_a_trace_and_discarded() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "cause").await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let csrf = format!("csrf={}", bench.csrf(&cookie).await);
    let path = "/console/dead-letters/dl_conv_1";
    assert!(
        !bench
            .get(path, &cookie)
            .await
            .text
            .contains("planted&#34;: ")
    );
    let read = bench.post(path, &cookie, &csrf).await.text;
    assert!(
        read.contains("&#34;planted&#34;: &#34;cause&#34;"),
        "{read}"
    );
    let done = bench.post(&format!("{path}/discard"), &cookie, &csrf).await;
    assert_eq!(done.header("location"), format!("{path}?done=discard"));
    let again = bench.post(&format!("{path}/discard"), &cookie, &csrf).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let audit = bench
        .get("/console/audit?target=dl_conv_1", &cookie)
        .await
        .text;
    assert!(audit.contains("dead_letter.read_body") && audit.contains("dead_letter.discard"));
}

#[tokio::test]
async fn a_replay_is_previewed_made_held_and_ended() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "cause").await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let csrf = format!("csrf={}", bench.csrf(&cookie).await);
    let listed = bench
        .get("/console/dead-letters?code=planted", &cookie)
        .await;
    assert!(listed.text.contains("/console/replays/new?code=planted"));
    let preview = bench
        .get("/console/replays/new?code=planted", &cookie)
        .await
        .text;
    assert!(
        preview.contains("1 letter, 1 of them looked at"),
        "{preview}"
    );
    assert!(preview.contains("name=\"code\" value=\"planted\""));

    let form = format!("{csrf}&code=planted&caller_identity=cause&rate=0.001&canary=0");
    let made = bench.post("/console/replays", &cookie, &form).await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let path = made.header("location").to_owned();
    let page = bench.get(&path, &cookie).await.text;
    assert!(
        page.contains(">running</span>") && page.contains("0 of 1"),
        "{page}"
    );
    assert!(!page.contains("cause"), "who called is not told");
    for (decision, status) in [
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ] {
        let done = bench
            .post(&format!("{path}/{decision}"), &cookie, &csrf)
            .await;
        assert_eq!(done.header("location"), path);
        let page = bench.get(&path, &cookie).await.text;
        assert!(page.contains(&format!(">{status}</span>")), "{decision}");
    }
    let again = bench.post(&format!("{path}/resume"), &cookie, &csrf).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    let id = path.rsplit('/').next().unwrap();
    let audit = bench
        .get(&format!("/console/audit?target={id}"), &cookie)
        .await
        .text;
    for action in [
        "replay.create",
        "replay.pause",
        "replay.resume",
        "replay.cancel",
    ] {
        assert!(audit.contains(action), "{action}");
    }
    for wrong in [
        "rate=0",
        "canary=-1",
        "stop_at=101",
        "canary_only=yes&canary=0",
    ] {
        let answer = bench
            .post("/console/replays", &cookie, &format!("{csrf}&{wrong}"))
            .await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
    }
}
