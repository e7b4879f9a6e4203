//! `/openapi.json`, and `/docs`: the same document as one page, with no script and nothing from
//! elsewhere.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use axum::http::header;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "aftercall",
        description = "What happens after the call ends. Times are RFC 3339 in UTC. Lists take \
            `page_size` and `cursor` and answer `next_cursor` and `has_more`. What is marked \
            sensitive is absent without the scope `conversations:read_sensitive`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "conversations", description = "Calls, as settled."),
        (name = "memories", description = "What is held about a caller."),
        (name = "callers", description = "Who calls, what they refuse, and how they are erased."),
        (name = "events", description = "Results, in the order in which they were committed."),
        (name = "endpoints", description = "Who is sent results."),
        (name = "deliveries", description = "What was sent to whom, attempt by attempt."),
        (name = "dead letters", description = "What was given up, until it is replayed or discarded."),
        (name = "replays", description = "Dead letters back to work: previewed, at a rate, canary first."),
        (name = "quarantine", description = "Deliveries whose signature was wrong."),
        (name = "coverage", description = "The platforms' lists, against what is here."),
        (name = "drop-in", description = "Other systems' shapes, for clients that were written for them."),
        (name = "webhooks", description = "What platforms post to."),
        (name = "tokens", description = "Who may ask."),
        (name = "operation", description = "How the calls fare."),
        (name = "health", description = "For probes and Prometheus."),
        (name = "docs", description = "This document."),
    ),
    modifiers(&Tokens),
    components(schemas(super::error::ErrorBody)),
)]
struct Document;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`Authorization: Bearer ac_…`"))
            .build();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
        let key = ApiKeyValue::with_description("X-API-Key", "The same token.");
        let xi = ApiKeyValue::with_description(
            "xi-api-key",
            "The same token, as ElevenLabs' clients send theirs.",
        );
        components.add_security_scheme("xi", SecurityScheme::ApiKey(ApiKey::Header(xi)));
        components.add_security_scheme("key", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

/// The document before any route.
pub(super) fn blank() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Document::openapi())
}

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(openapi_json))
        .routes(routes!(page))
}

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(super::openapi()).unwrap_or_default());

static PAGE: LazyLock<(String, String)> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'none'"
    );
    (render(&DOCUMENT), policy)
});

/// This API as an OpenAPI document
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "get_openapi", tag = "docs", security(()),
    responses((status = 200, description = "The document.", body = serde_json::Value)),
)]
async fn openapi_json() -> impl IntoResponse {
    axum::Json(&*DOCUMENT)
}

/// This API as a page
#[utoipa::path(
    get, path = "/docs", operation_id = "get_docs", tag = "docs", security(()),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html")),
)]
async fn page() -> impl IntoResponse {
    let (page, policy) = &*PAGE;
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
    ];
    (headers, page.as_str())
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
padding:0 1rem;color:#1c2430;background:#fff}h2{margin-top:2.5rem;border-bottom:1px solid #d8dee8}\
h3{font-family:ui-monospace,monospace;font-size:1rem;margin:2rem 0 .25rem}\
h3 b{display:inline-block;min-width:4.5rem;color:#0b6b4f}table{border-collapse:collapse;\
width:100%;font-size:.9rem;margin:.5rem 0}td,th{text-align:left;vertical-align:top;\
padding:.25rem .75rem .25rem 0;border-top:1px solid #e8ecf2}code{font-family:ui-monospace,\
monospace}.quiet{color:#5b6675}@media(prefers-color-scheme:dark){body{color:#dde3ec;\
background:#14181f}h2,td,th{border-color:#2b3340}h3 b{color:#6fd3b0}.quiet{color:#93a0b1}}";

/// Renders the document as HTML.
fn render(document: &Value) -> String {
    let mut html = String::from("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">");
    html += "<meta name=\"viewport\" content=\"width=device-width\">";
    // Writing to a `String` does not fail.
    let _ = write!(html, "<title>aftercall API</title><style>{STYLE}</style>");
    let _ = write!(
        html,
        "<h1>aftercall API</h1><p>{}<p class=\"quiet\">Version {}. For programs: \
         <a href=\"/openapi.json\">/openapi.json</a>.",
        escape(text(&document["info"]["description"])),
        escape(text(&document["info"]["version"])),
    );
    for tag in list(&document["tags"]) {
        let name = text(&tag["name"]);
        let about = escape(text(&tag["description"]));
        let _ = write!(html, "<h2>{}</h2><p>{about}", escape(name));
        for (path, methods) in entries(&document["paths"]) {
            for (method, operation) in entries(methods) {
                if list(&operation["tags"]).any(|tag| tag == name) {
                    render_operation(&mut html, method, path, operation);
                }
            }
        }
    }
    html += "<h2>Shapes</h2>";
    for (name, schema) in entries(&document["components"]["schemas"]) {
        let about = escape(text(&schema["description"]));
        let _ = write!(
            html,
            "<h3 id=\"{0}\">{0}</h3><p>{about}<table>",
            escape(name)
        );
        let parts = list(&schema["allOf"]).chain(std::iter::once(schema));
        for (field, schema) in parts.flat_map(|part| entries(&part["properties"])) {
            row(
                &mut html,
                field,
                &kind(schema),
                text(&schema["description"]),
            );
        }
        html += "</table>";
    }
    html
}

fn render_operation(html: &mut String, method: &str, path: &str, operation: &Value) {
    let _ = write!(
        html,
        "<h3><b>{}</b> {}</h3><p>{}. {}",
        escape(&method.to_uppercase()),
        escape(path),
        escape(text(&operation["summary"])),
        escape(text(&operation["description"])),
    );
    let scopes: Vec<_> = list(&operation["security"])
        .filter_map(|scheme| list(&scheme["bearer"]).map(text).next())
        .collect();
    if !scopes.is_empty() {
        let scopes = escape(&scopes.join(", "));
        let _ = write!(html, "<p class=\"quiet\">Scope: <code>{scopes}</code>");
    }
    *html += "<table>";
    for parameter in list(&operation["parameters"]) {
        let about = text(&parameter["description"]);
        row(
            html,
            text(&parameter["name"]),
            &kind(&parameter["schema"]),
            about,
        );
    }
    let bodies = std::iter::once(("body", &operation["requestBody"]));
    let responses = entries(&operation["responses"]);
    for (name, body) in bodies.chain(responses).filter(|(_, body)| !body.is_null()) {
        let shape = entries(&body["content"])
            .map(|(media, content)| match kind(&content["schema"]) {
                shape if shape.is_empty() => media.to_owned(),
                shape => shape,
            })
            .next()
            .unwrap_or_default();
        row(html, name, &shape, text(&body["description"]));
    }
    *html += "</table>";
}

fn row(html: &mut String, name: &str, kind: &str, about: &str) {
    let [name, kind, about] = [name, kind, about].map(escape);
    let _ = write!(
        html,
        "<tr><td><code>{name}</code><td class=\"quiet\">{kind}<td>{about}"
    );
}

/// A schema in a word: its type, or the shape it refers to.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Value::Array(_) = schema["oneOf"] {
        let kinds: Vec<_> = list(&schema["oneOf"]).map(kind).collect();
        return kinds.join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names: Vec<_> = names.iter().map(text).collect();
            names.join(" or ")
        }
        _ => String::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(name, value)| (name.as_str(), value))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
