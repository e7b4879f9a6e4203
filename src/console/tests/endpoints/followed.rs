//! What becomes of deliveries, as those see it whose endpoints they go to, and who has the overview.

use super::*;

/// A delivery of an event of the first agent; its id.
async fn deliver(desk: &Desk, endpoint: &Endpoint) -> String {
    let (endpoint, event) = (endpoint.clone(), event());
    let id = deliveries::id_of(&endpoint.id, &event.id, NOW);
    let db = &desk.bench.flow.db;
    db.write(move |mut conn| {
        Box::pin(async move { deliveries::add(&mut conn, &[endpoint], &event, NOW, NOW).await })
    })
    .await
    .unwrap();
    id
}

#[tokio::test]
async fn an_integrator_follows_its_own_endpoints_and_no_others() {
    let scopes = crate::store::tokens::Role::Integrator.scopes();
    let desk = Desk::of(&scopes, &["agent_1", "agent_2"]).await;
    let (endpoint, _) = made(&desk).await;
    let own = deliver(&desk, &endpoint).await;
    let other = Endpoint {
        id: "ep_of_all".to_owned(),
        subscription: crate::endpoint::Subscription {
            events: vec!["*".to_owned()],
            agents: Vec::new(),
        },
        ..endpoint.clone()
    };
    let foreign = deliver(&desk, &other).await;
    let page = desk.get("/console/deliveries").await.text;
    assert!(page.contains(&own) && !page.contains(&foreign), "{page}");
    let one = desk.get(&format!("/console/deliveries/{own}")).await;
    assert!(one.text.contains("Send once more"), "{}", one.text);
    for (path, status) in [
        (format!("/console/deliveries/{own}/retry"), 303),
        (format!("/console/deliveries/{foreign}/retry"), 404),
        (format!("/console/endpoints/{}/retry", endpoint.id), 303),
    ] {
        let answer = desk.post(&path, &[("since", "24h")]).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
    }
    let page = desk.get("/console/endpoints").await.text;
    assert!(page.contains(&endpoint.id) && page.contains("href=\"/console/deliveries\""));
}

#[tokio::test]
async fn the_overview_says_what_waits_for_crms_and_which_endpoints_fail() {
    let desk = Desk::of(&OPERATOR, &[]).await;
    let page = desk.get("/console").await.text;
    assert!(page.contains("Every call is processed.") && page.contains("0 endpoints"));
    let (endpoint, _) = made(&desk).await;
    deliver(&desk, &endpoint).await;
    let failing = endpoint.id.clone();
    let health = endpoints::Health {
        succeeded: false,
        slow: false,
    };
    let off = Endpoint {
        id: "ep_off".to_owned(),
        enabled: false,
        disabled: Some((NOW, endpoints::Off::Gone)),
        ..endpoint
    };
    let kept = off.clone();
    let db = &desk.bench.flow.db;
    db.write(move |mut conn| {
        Box::pin(async move {
            endpoints::tell_health(&mut conn, &failing, health, NOW).await?;
            endpoints::save(&mut conn, &kept).await
        })
    })
    .await
    .unwrap();
    deliver(&desk, &off).await;
    let page = desk.get("/console").await.text;
    for told in [
        "For CRMs: 1 delivery waits, the oldest from",
        "1 delivery waits until an endpoint is enabled",
        "2 endpoints</a>: 1 fails, 1 is disabled",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
}

#[tokio::test]
async fn a_call_leads_only_to_deliveries_that_can_be_seen() {
    let scopes = crate::store::tokens::Role::Integrator.scopes();
    let desk = Desk::of(&scopes, &["agent_1", "agent_2"]).await;
    desk.bench.keep_call("conv_1", "agent_1", "speechify").await;
    let (own, _) = made(&desk).await;
    let of_all = Endpoint {
        id: "ep_of_all".to_owned(),
        subscription: crate::endpoint::Subscription {
            events: vec!["*".to_owned()],
            agents: Vec::new(),
        },
        ..own.clone()
    };
    let event = results::ResultEvent {
        key: Some(crate::id::ConversationKey {
            owner: Owner::platform("speechify"),
            id: ConversationId::new("conv_1").unwrap(),
        }),
        ..event()
    };
    let ids = [&own, &of_all]
        .map(|endpoint| deliveries::id_of(&endpoint.id, &event.id, event.created_at));
    let db = &desk.bench.flow.db;
    db.write(move |mut conn| {
        Box::pin(async move {
            save_endpoint(&mut conn, &of_all).await?;
            deliveries::add(&mut conn, &[own, of_all], &event, NOW, NOW).await
        })
    })
    .await
    .unwrap();
    let page = desk.get("/console/conversations/conv_1").await.text;
    assert_eq!(page.matches("Waits for a CRM").count(), 2, "{page}");
    for (id, status) in ids.iter().zip([200, 404]) {
        let path = format!("/console/deliveries/{id}");
        assert_eq!(desk.get(&path).await.status.as_u16(), status);
        assert_eq!(page.contains(&path), status == 200, "{path}: {page}");
    }
}
