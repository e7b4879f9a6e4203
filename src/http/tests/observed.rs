//! What log and metrics tell of a request, and what not.

use std::io;
use std::sync::Mutex;

use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn only_the_route_s_template_is_told() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let recorder = PrometheusBuilder::new().build_recorder();
    let _metering = metrics::set_default_local_recorder(&recorder);

    let bench = Bench::new().await;
    let token = bench.token(&[Scope::ConversationsRead], &[]).await;
    bench
        .save(full_call("planted-1", "planted-2", 10), Vec::new())
        .await;
    let request = Request::get("/v1/conversations/planted-1?source=planted-3")
        .header("authorization", format!("Bearer {token}"))
        .header("user-agent", "planted-4")
        .header("x-request-id", "given-id")
        .body(Body::empty())
        .unwrap();
    bench.send(request).await;
    let caller = "/v1/conversations?caller_identity=planted-5";
    assert_eq!(bench.get(caller, &token).await.status, 200);
    assert_eq!(
        bench.ask("PLANTED", "/planted-6", "planted-7").await.status,
        404
    );
    assert_eq!(bench.get("/healthz", "").await.status, 200);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let metrics = recorder.handle().render();
    let template = "/v1/conversations/{id}";
    assert!(log.contains(template) && log.contains("given-id"), "{log}");
    assert!(
        metrics.contains(&format!("route=\"{template}\"")),
        "{metrics}"
    );
    assert!(
        metrics.contains("route=\"unmatched\",method=\"other\",status=\"4xx\""),
        "{metrics}"
    );
    assert!(!log.contains("/healthz"), "probes that succeed say nothing");
    for text in [log, metrics] {
        assert!(
            !text.contains("planted") && !text.contains("PLANTED"),
            "{text}"
        );
        assert!(!text.contains(&token) && !text.contains(&tokens::hash(&token)));
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_no_fault_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::new(Clock::System);
    let db = Db::open("postgres://nobody@127.0.0.1:1/none", &host)
        .await
        .unwrap();
    let bench = Bench::on(db, host, folder).await;
    let (ready, answer) = tokio::join!(
        bench.get("/readyz", ""),
        bench.get("/v1/conversations", "ac_x")
    );
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ready"], false);
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (503, "database_unavailable")
    );
    assert_eq!(answer.headers["retry-after"], "5");
}
