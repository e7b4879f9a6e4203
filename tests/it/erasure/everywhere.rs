//! The same on PostgreSQL and RabbitMQ: no row, no queue and no delivery has an erased value, once
//! the receipt is complete.

use std::time::Duration;

use aftercall::erasure;
use aftercall::event::{CallEvent, EventKind, Message, RoomRef, Stage};
use aftercall::flow::Flow;
use aftercall::host::{Clock, Host};
use aftercall::id::EventId;
use aftercall::memory::caller::CallerKey;
use aftercall::queue::Queue;
use aftercall::store::audit::Entry;
use aftercall::store::erasures;
use aftercall::worker;
use lapin::options::BasicGetOptions;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{CALLER, NUMBER, QUICK, ask, call};
use crate::backends;
use crate::crm::bench::Bench;
use crate::rabbit::{self, control, in_peace, prefix, real_sleep, stranger, wait_until_up};
use crate::support::{Platform, Server, source_settings, tables_with};

const TOKEN: &str = "ac_planted_admin_token_0123456789";

/// The messages of these queues, each looked at and put back.
async fn held(urls: &str, queues: &[String]) -> Vec<String> {
    let channel = stranger(urls).await;
    let mut held = Vec::new();
    for queue in queues {
        let look = || channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        while let Some(message) = look().await.unwrap() {
            held.push(String::from_utf8_lossy(&message.delivery.data).into_owned());
        }
    }
    // What was not acknowledged goes back.
    channel.close(200, "OK".into()).await.unwrap();
    held
}

/// The queues of a prefix: the stages', the delays', and the doorway of dead letters.
fn queues(prefix: &str) -> Vec<String> {
    let delays = ["1s", "2s", "5s", "10s", "30s", "2m", "10m"].map(|tier| format!("delay.{tier}"));
    let stages = Stage::ALL.map(|stage| stage.as_str().to_owned());
    let names = stages.into_iter().chain(delays).chain(["dead".to_owned()]);
    names.map(|name| format!("{prefix}.{name}")).collect()
}

async fn stage_has_one(queue: &Queue) {
    for _ in 0..200 {
        if queue.depth(Stage::Finalize).await.unwrap().messages == 1 {
            return;
        }
        real_sleep(Duration::from_millis(50)).await;
    }
    panic!("the message did not arrive");
}

/// A room's end that names its caller, and nobody knows its source: whoever takes it gives it up.
fn room_of_the_caller(bench: &Bench) -> Message {
    Message::finalize(CallEvent {
        source: "gone".to_owned(),
        event_id: EventId::new("ev_1").unwrap(),
        kind: EventKind::RoomFinished,
        occurred_at: Some(bench.now()),
        received_at: bench.now(),
        conversation_id: None,
        room: Some(RoomRef {
            sid: Some("RM_1".to_owned()),
            name: format!("{CALLER}_x7Fq"),
            created_at: None,
            conversation_id: None,
        }),
        agent_id: None,
        caller_identity: None,
        hint: None,
        body: None,
    })
}

#[tokio::test]
async fn a_receipt_is_pending_until_no_queue_has_a_copy() {
    let Some(urls) = rabbit::urls() else { return };
    let _peace = in_peace().await;
    for (n, backend) in backends::all("erasure_queues")
        .await
        .into_iter()
        .enumerate()
    {
        let name = format!("erasure_{n}");
        let host = Host::new(Clock::System);
        let queue = rabbit::open_on(backend.db.clone(), &host, &name, &urls);
        wait_until_up(&queue).await;
        let mut bench = Bench::on(backend).await;
        bench.flow = std::sync::Arc::new(Flow {
            queue: queue.clone(),
            ..(*bench.flow).clone()
        });
        let names = queues(&prefix(&name));
        // It waits in a delay when the caller is erased.
        let soon = host.now().plus(Duration::from_secs(2));
        queue
            .publish(room_of_the_caller(&bench), soon)
            .await
            .unwrap();
        let flow = &bench.flow;
        let caller = CallerKey::of("speechify", NUMBER).unwrap();
        let entry = Entry::now(&flow.host, "token_1", "caller.erase", "caller_1", "");
        let receipt = erasure::erase_caller(flow, None, caller, entry)
            .await
            .unwrap();
        assert_eq!(receipt.completed_at, None);
        let longest = queue.longest_wait();
        assert_eq!(receipt.complete_after, receipt.erased_before.plus(longest));
        assert_eq!(
            erasure::go_on(flow).await.unwrap(),
            0,
            "its time has not come"
        );
        assert!(
            held(&urls, &names)
                .await
                .iter()
                .any(|body| body.contains(NUMBER))
        );

        // The longest delay is over, and nobody has taken what came out of it.
        stage_has_one(&queue).await;
        bench.pass(longest);
        assert_eq!(erasure::go_on(flow).await.unwrap(), 1);
        assert_eq!(completed(&bench, &receipt.id).await, None);

        // Taken, it becomes a letter with the caller's name; before the receipt is complete, it goes.
        let taken = queue.take(Stage::Finalize, 1).await.unwrap().remove(0);
        worker::run(flow, taken).await;
        for _ in 0..200 {
            if bench.letter().await.is_some() {
                break;
            }
            real_sleep(Duration::from_millis(50)).await;
        }
        assert!(bench.letter().await.is_some(), "it was given up");
        for _ in 0..200 {
            erasure::go_on(flow).await.unwrap();
            if completed(&bench, &receipt.id).await.is_some() {
                break;
            }
            real_sleep(Duration::from_millis(50)).await;
        }
        assert!(completed(&bench, &receipt.id).await.is_some());
        assert!(bench.letter().await.is_none());
        assert_eq!(held(&urls, &names).await, [""; 0]);
        host.stop.cancel();
    }
}

async fn completed(bench: &Bench, id: &str) -> Option<aftercall::time::Timestamp> {
    let id = id.to_owned();
    let kept = bench
        .flow
        .db
        .read(move |mut conn| Box::pin(async move { erasures::get(&mut conn, &id).await }));
    kept.await.unwrap().unwrap().receipt.completed_at
}

#[tokio::test]
async fn no_row_and_no_delivery_has_an_erased_value() {
    let (Some(urls), Ok(server)) = (rabbit::urls(), std::env::var("AFTERCALL_TEST_DATABASE_URL"))
    else {
        println!("skipped: it needs PostgreSQL and RabbitMQ");
        return;
    };
    let _peace = in_peace().await;
    let vhost = format!("erasure_{}", std::process::id());
    let everything = ["set_permissions", "-p", &vhost, "guest", ".*", ".*", ".*"];
    let (Some(()), Some(())) = (control(&["add_vhost", &vhost]), control(&everything)) else {
        return;
    };
    let broker = format!("{}/{vhost}", urls.trim_end_matches('/'));
    drop(backends::timed("erasure_run").await);
    let (base, _) = server.rsplit_once('/').unwrap();
    let database = format!("{base}/aftercall_erasure_run_{}", std::process::id());
    let environment = [
        ("AFTERCALL_DATABASE_URL", database.as_str()),
        ("AFTERCALL_AMQP_URL", broker.as_str()),
        ("AFTERCALL_ADMIN_TOKEN", TOKEN),
    ];
    let platform = Platform::start().await;
    let settings = format!("{QUICK}[endpoints]\nallow_private = [\"127.0.0.0/8\"]\n");
    let settings = |port: u16| source_settings(&platform, port, &settings);
    let server = Server::start_from(&settings, &environment).await;
    // Where one process alone would have put its own.
    let data = server.folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("admin-token"), TOKEN).unwrap();
    // A process is ready to receive before it has seen to its tokens.
    while server.get("/v1/endpoints").await.0 != 200 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // A CRM that says back what it was told.
    let crm = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_string("Quentin Zwingli is noted"))
        .mount(&crm)
        .await;
    let endpoint =
        json!({"url": crm.uri(), "events": ["conversation.completed"], "payload": "full"});
    let (status, made) = ask(
        &server,
        reqwest::Method::POST,
        "/v1/endpoints",
        Some(endpoint),
    )
    .await;
    assert_eq!(status, 201, "{made}");
    let id = call(&server, &platform, 1, "My name is Quentin Zwingli.").await;
    for _ in 0..200 {
        if !tables_with(&database, "is noted").await.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for planted in ["Quentin", "is noted", NUMBER] {
        assert!(
            !tables_with(&database, planted).await.is_empty(),
            "{planted}"
        );
    }

    let path = "/v1/callers?caller_identity=%2B14155550188";
    let (status, receipt) = ask(&server, reqwest::Method::DELETE, path, None).await;
    assert_eq!(
        (status, &receipt["status"]),
        (200, &json!("pending")),
        "{receipt}"
    );
    let time = |field: &str| {
        receipt[field]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert_eq!(
        (time("complete_after") - time("erased_before")).get_seconds(),
        600
    );
    // The rows go at once; the receipt waits for the broker.
    for planted in ["Quentin", "Zwingli", "is noted", "14155550188"] {
        assert_eq!(tables_with(&database, planted).await, [""; 0], "{planted}");
        assert!(
            held(&broker, &queues("aftercall"))
                .await
                .iter()
                .all(|body| !body.contains(planted))
        );
    }
    let (_, deliveries) = server.get("/v1/deliveries").await;
    let told = deliveries["deliveries"].as_array().unwrap();
    assert!(
        !told.is_empty() && !deliveries.to_string().contains("noted"),
        "{deliveries}"
    );
    let (status, answer): (u16, Value) = server.get(&format!("/v1/conversations/{id}")).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!("erased")));
    control(&["delete_vhost", &vhost]);
}
