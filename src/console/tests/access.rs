//! Who gets in, who sees what, and whose forms are taken.

use super::*;

#[tokio::test]
async fn strangers_are_sent_to_the_log_in_and_back() {
    let bench = Bench::new().await;
    let answer = bench.get("/console/conversations?q=a%20b", "").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let to = "/console/login?next=%2Fconsole%2Fconversations%3Fq%3Da%2520b";
    assert_eq!(answer.header("location"), to);

    let token = bench.token("t", &[Scope::Admin], &[]).await;
    let form = format!("token={token}&next=%2Fconsole%2Fconversations%3Fq%3Da%2520b");
    let answer = bench.post("/console/login", "", &form).await;
    assert_eq!(answer.header("location"), "/console/conversations?q=a%20b");
    for elsewhere in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%2Fconsole%5C.evil",
    ] {
        let form = format!("token={token}&next={elsewhere}");
        let answer = bench.post("/console/login", "", &form).await;
        assert_eq!(answer.header("location"), "/console", "{elsewhere}");
    }
}

#[tokio::test]
async fn a_session_is_a_cookie_that_no_script_and_no_other_site_gets() {
    let bench = Bench::new().await;
    let token = bench.token("t", &[Scope::Admin], &[]).await;
    let login = |headers: &[(&str, &str)]| {
        let mut request = Request::post("/console/login");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from(format!("token={token}"))).unwrap()
    };
    let plain = bench.ask(login(&[])).await;
    let cookie = plain.header("set-cookie");
    for part in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/console",
        "; Max-Age=43200",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure"));
    for header in [
        ("origin", "https://ops.example"),
        ("x-forwarded-proto", "https"),
    ] {
        let answer = bench.ask(login(&[header, ("host", "ops.example")])).await;
        assert!(answer.header("set-cookie").ends_with("; Secure"));
    }
}

#[tokio::test]
async fn no_other_site_logs_anybody_in() {
    let bench = Bench::new().await;
    let token = bench.token("t", &[Scope::Admin], &[]).await;
    let (ours, theirs) = ("https://ops.example", "https://evil.example");
    let proxied = "https://calls.example";
    for (headers, status) in [
        (vec![("origin", ours)], StatusCode::SEE_OTHER),
        (vec![("origin", theirs)], StatusCode::FORBIDDEN),
        (vec![("origin", "null")], StatusCode::FORBIDDEN),
        (
            vec![("origin", proxied), ("x-forwarded-host", "calls.example")],
            StatusCode::SEE_OTHER,
        ),
        (
            vec![("sec-fetch-site", "cross-site")],
            StatusCode::FORBIDDEN,
        ),
        (vec![("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (
            vec![("sec-fetch-site", "same-origin"), ("origin", ours)],
            StatusCode::SEE_OTHER,
        ),
    ] {
        let mut request = Request::post("/console/login").header("host", "ops.example");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(format!("token={token}"));
        let answer = bench.ask(request.body(body).unwrap()).await;
        assert_eq!(answer.status, status, "{headers:?}");
        let opened = answer.headers.contains_key("set-cookie");
        assert_eq!(opened, status == StatusCode::SEE_OTHER, "{headers:?}");
    }
}

#[tokio::test]
async fn a_wrong_token_opens_nothing() {
    let bench = Bench::new().await;
    for form in ["token=ac_wrong", "token=", ""] {
        let answer = bench.post("/console/login", "", form).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.headers.get("set-cookie").is_none());
        assert!(answer.text.contains("No token reads like this."));
    }
    let answer = bench.get("/console", "aftercall_session=guessed").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_ends_with_its_time_its_token_and_its_log_out() {
    let bench = Bench::new().await;
    let out =
        async |cookie: &str| bench.get("/console", cookie).await.status == StatusCode::SEE_OTHER;
    let first = bench.session("a", &[Scope::Admin], &[]).await;
    let second = bench.session("b", &[Scope::Admin], &[]).await;
    assert!(!out(&first).await && !out(&second).await);

    let csrf = bench.csrf(&first).await;
    bench
        .post("/console/logout", &first, &format!("csrf={csrf}"))
        .await;
    assert!(out(&first).await && !out(&second).await);

    let csrf = bench.csrf(&second).await;
    let answer = bench
        .post("/console/tokens/b/revoke", &second, &format!("csrf={csrf}"))
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert!(out(&second).await);

    let third = bench.session("c", &[Scope::Admin], &[]).await;
    bench
        .flow
        .host
        .clock
        .sleep(std::time::Duration::from_hours(12))
        .await;
    assert!(out(&third).await);
}

#[tokio::test]
async fn no_form_is_taken_without_its_own_token() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "plain").await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let other = bench.session("b", &[Scope::Admin], &[]).await;
    let foreign = bench.csrf(&other).await;
    for path in [
        "/console/logout",
        "/console/conversations/conv_1/reprocess",
        "/console/dead-letters/dl_conv_1",
        "/console/dead-letters/dl_conv_1/replay",
        "/console/dead-letters/dl_conv_1/discard",
        "/console/dead-letters/discard",
        "/console/replays",
        "/console/replays/replay_1/cancel",
        "/console/endpoints",
        "/console/endpoints/ep_1",
        "/console/endpoints/ep_1/test",
        "/console/endpoints/ep_1/remove",
        "/console/deliveries/dlv_1/retry",
        "/console/quarantine/qr_1/release",
        "/console/quarantine/release",
        "/console/coverage/reconcile",
        "/console/tokens",
        "/console/tokens/a/revoke",
    ] {
        for form in [String::new(), "csrf=".to_owned(), format!("csrf={foreign}")] {
            let answer = bench.post(path, &cookie, &form).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
            assert!(answer.text.contains("This form is out of date"), "{path}");
        }
    }
    assert_eq!(bench.get("/console", &cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_viewer_sees_who_spoke_and_not_what_was_said() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "PLANTED").await;
    let scopes = [Scope::ConversationsRead, Scope::MemoriesRead];
    let viewer = bench.session("viewer", &scopes, &[]).await;
    let page = bench.get("/console/conversations/conv_1", &viewer).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.contains("who spoke when, not what was said"));
    assert!(page.text.contains("<b>Caller</b>"));
    for hidden in [
        "they said",
        "The caller is",
        "&#34;prompt&#34;",
        "class=\"summary\"",
        "<audio",
    ] {
        assert!(!page.text.contains(hidden), "{hidden}");
    }
    let memory = "/console/callers/memory?agent_id=agent_1&caller_identity=PLANTED";
    let page = bench.get(memory, &viewer).await;
    assert!(page.text.contains("The caller is PLANTED."));
    assert!(!page.text.contains("“PLANTED”"));

    for (path, status) in [
        ("/console/dead-letters", StatusCode::FORBIDDEN),
        ("/console/audit", StatusCode::FORBIDDEN),
        ("/console/tokens", StatusCode::FORBIDDEN),
        ("/console", StatusCode::SEE_OTHER),
    ] {
        assert_eq!(bench.get(path, &viewer).await.status, status, "{path}");
    }
    assert!(!page.text.contains("href=\"/console/tokens\""), "the menu");
}

#[tokio::test]
async fn a_token_of_some_agents_sees_theirs_alone() {
    let bench = Bench::new().await;
    bench.keep_call("conv_mine", "agent_1", "mine").await;
    bench.keep_call("conv_theirs", "agent_2", "theirs").await;
    let cookie = bench.session("bound", &[Scope::Admin], &["agent_1"]).await;
    for (path, seen) in [
        ("/console/conversations", true),
        ("/console/callers", true),
        ("/console/dead-letters", true),
        ("/console/conversations/conv_theirs", false),
        ("/console/dead-letters/dl_conv_theirs", false),
        (
            "/console/callers/memory?agent_id=agent_2&caller_identity=theirs",
            false,
        ),
        ("/console/tokens", false),
        ("/console/coverage", false),
        ("/console/quarantine", false),
        ("/console/audit", false),
    ] {
        let page = bench.get(path, &cookie).await;
        assert_eq!(
            page.status == StatusCode::OK,
            seen,
            "{path}: {}",
            page.status
        );
        assert!(!page.text.contains("theirs"), "{path}");
        assert_eq!(page.text.contains("mine"), seen, "{path}");
    }
    let overview = bench.get("/console", &cookie).await.text;
    assert!(
        overview.contains("<p class=\"big bad\">1</p>"),
        "one letter of two"
    );
}
