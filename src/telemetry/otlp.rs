//! Traces over OTLP, to where `OTEL_EXPORTER_OTLP_ENDPOINT` says; without it, none are made.
//!
//! Spans carry what log lines may: a route's template, a stage, a source's name; nothing that a caller
//! said, and no id of anybody.

use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::{collector, is_given};

/// How long the collector is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Our own HTTP client, with the one TLS provider of the tree. The exporter has a thread of its own:
/// requests run on the runtime that was there when it was made.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        let client = self.client.clone();
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            Ok::<_, reqwest::Error>((status, answer.bytes().await?))
        });
        let (status, body) = sent.await??;
        Ok(Response::builder().status(status).body(body)?)
    }
}

/// The layer that makes traces; none without an endpoint, or where no exporter can be made.
pub(super) fn layer<S>() -> Option<impl Layer<S>>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    collector()?;
    let client = Client {
        client: reqwest::Client::builder().timeout(PATIENCE).build().ok()?,
        runtime: tokio::runtime::Handle::try_current().ok()?,
    };
    let exporter = SpanExporter::builder().with_http().with_http_client(client);
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let resource = if is_named() {
        resource
    } else {
        resource.with_service_name("aftercall")
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter.build().ok()?)
        .with_resource(resource.build())
        .build();
    let tracer = provider.tracer("aftercall");
    // A second call keeps the first one's.
    let _ = PROVIDER.set(provider);
    Some(
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false),
    )
}

/// Whether the operator gives the process a name of its own: the exporter's own defaults read it.
fn is_named() -> bool {
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    is_given("OTEL_SERVICE_NAME") || attributes.contains("service.name=")
}

/// Sends what waits. Blocks for some seconds at the most.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // The process ends: whether it went out or not, nobody can be told.
        let _ = provider.shutdown_with_timeout(Duration::from_secs(5));
    }
}
