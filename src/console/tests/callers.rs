//! What people say of a caller, what goes everywhere, and who may do so.

use super::*;

const ABOUT: &str = "agent_id=agent_1&caller_identity=%2B14155550123";

#[tokio::test]
async fn what_a_person_says_of_a_caller_is_kept_and_can_go() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "+14155550123").await;
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let csrf = bench.csrf(&cookie).await;
    let memory = format!("/console/callers/memory?{ABOUT}");
    let said = async |path: &str, form: &str| {
        let form = format!("csrf={csrf}&{ABOUT}&{form}");
        bench
            .post(&format!("/console/callers/{path}"), &cookie, &form)
            .await
    };
    let pinned = said("pin", "slot=contact.email&value=ann%40example.com").await;
    assert_eq!(pinned.status, StatusCode::SEE_OTHER, "{}", pinned.text);
    let page = bench.get(pinned.header("location"), &cookie).await.text;
    assert!(page.contains("It is pinned") && page.contains("ann@example.com"));
    for (form, why) in [
        ("slot=contact.email", "value: is required"),
        ("slot=consent.memory&value=no", "slot: consents are said"),
        (
            "slot=fact&value=my+card+is+4242424242424242",
            "must never be kept",
        ),
    ] {
        let refused = said("pin", form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(refused.text.contains(why), "{}", refused.text);
    }
    // Of two statements the later counts, and here no time passes by itself.
    let second = std::time::Duration::from_secs(1);
    bench.flow.host.clock.sleep(second).await;
    let taken = "slot=contact.email&value_json=%22ann%40example.com%22&suppress=yes";
    assert_eq!(said("pin", taken).await.status, StatusCode::SEE_OTHER);
    let page = bench.get(&memory, &cookie).await.text;
    assert!(!page.contains("value <code>ann@example.com"), "{page}");

    assert!(page.contains("aria-label=\"Refuse: Calls\""));
    let refused = said("consent", "kind=do_not_call&stance=refuse").await;
    assert_eq!(refused.status, StatusCode::SEE_OTHER);
    let page = bench.get(&memory, &cookie).await.text;
    assert!(page.contains("aria-label=\"Grant: Calls\""), "{page}");

    let asked = bench
        .get(&format!("/console/callers/forget?{ABOUT}"), &cookie)
        .await;
    assert!(asked.text.contains("1 call will stay"), "{}", asked.text);
    assert!(said("forget", "").await.text.contains("Receipt"));
    let asked = bench
        .get(&format!("/console/callers/erase?{ABOUT}"), &cookie)
        .await;
    assert!(
        asked.text.contains("everywhere: 1 call and "),
        "{}",
        asked.text
    );
    assert!(
        said("erase", "reach=everywhere")
            .await
            .text
            .contains("Receipt")
    );
    let gone = bench.get("/console/conversations/conv_1", &cookie).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    let log = bench.get("/console/audit", &cookie).await.text;
    for action in ["memory.pin", "consent.set", "memory.forget", "caller.erase"] {
        assert!(log.contains(action), "{action}");
    }
    assert!(!log.contains("4155550123"), "the log names nobody");
}

#[tokio::test]
async fn what_goes_everywhere_is_counted_over_all_agents() {
    let bench = Bench::new().await;
    for n in 1..=101 {
        let (call, agent) = (format!("conv_{n}"), format!("agent_{n}"));
        bench.keep_call(&call, &agent, "+14155550123").await;
    }
    let cookie = bench.session("a", &[Scope::Admin], &[]).await;
    let erase = format!("/console/callers/erase?{ABOUT}");
    let asked = bench.get(&erase, &cookie).await.text;
    assert!(asked.contains("everywhere: 101 calls and "), "{asked}");
    assert!(asked.contains("with 101 agents"), "{asked}");
    assert!(asked.contains("</b> alone: 1 call and "), "{asked}");
}

#[tokio::test]
async fn only_who_may_changes_what_is_held_of_a_caller() {
    let bench = Bench::new().await;
    bench.keep_call("conv_1", "agent_1", "+14155550123").await;
    let reads = [Scope::ConversationsRead, Scope::MemoriesRead];
    let writes = [reads[0], reads[1], Scope::MemoriesWrite];
    let viewer = bench.session("viewer", &reads, &[]).await;
    let bound = bench.session("bound", &writes, &["agent_1"]).await;
    let other = bench.session("other", &writes, &["agent_2"]).await;
    let page = bench
        .get(&format!("/console/callers/memory?{ABOUT}"), &viewer)
        .await;
    assert!(!page.text.contains("Pin it") && !page.text.contains("Forget"));
    let pin = ("pin", "slot=contact.email&value=a%40example.com");
    let consent = ("consent", "kind=do_not_call&stance=grant");
    for (cookie, (path, form), status) in [
        (&viewer, pin, 403),
        (&viewer, consent, 403),
        (&viewer, ("forget", ""), 403),
        (&bound, pin, 303),
        (&bound, consent, 403),
        (&bound, ("erase", "reach=agent"), 403),
        (&other, pin, 404),
    ] {
        let csrf = bench.csrf(cookie).await;
        let path = format!("/console/callers/{path}");
        let form = format!("{ABOUT}&{form}");
        let forged = bench.post(&path, cookie, &form).await;
        assert_eq!(
            forged.status,
            StatusCode::FORBIDDEN,
            "{path} without the token"
        );
        let answer = bench
            .post(&path, cookie, &format!("csrf={csrf}&{form}"))
            .await;
        assert_eq!(answer.status.as_u16(), status, "{path} {form}");
    }
}
