//! The console: pages for people on call, made here, readable without JavaScript.
//!
//! A page is a template beside the file that fills it; askama escapes whatever is put in, so that
//! what a caller or a platform wrote is only ever text. Pages ask flow and store directly. Every
//! `POST` is read through [`access::Posted`], which insists on the session's CSRF token.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use crate::flow::Flow;

mod access;
mod assets;
mod audit;
mod callers;
mod chart;
mod conversations;
mod coverage;
mod dead_letters;
mod deliveries;
mod endpoints;
mod failure;
mod frame;
mod overview;
mod quarantine;
mod replays;
mod show;
mod tokens;

use failure::Failure;

/// What a page may do: load our own files, and post forms to us. Nothing inline, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every page, and the files that pages need.
pub fn routes(flow: Arc<Flow>) -> Router {
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/login", get(access::ask).post(access::log_in))
        .route("/console/logout", post(access::log_out))
        .route("/console/assets/{file}", get(assets::serve))
        .merge(conversations::routes())
        .merge(callers::routes())
        .merge(dead_letters::routes())
        .merge(replays::routes())
        .merge(endpoints::routes())
        .merge(deliveries::routes())
        .merge(coverage::routes())
        .merge(quarantine::routes())
        .merge(audit::routes())
        .merge(tokens::routes())
        .route(
            "/console/",
            get(|| async { Redirect::permanent("/console") }),
        )
        .route(
            "/console/{*rest}",
            get(|| async { Failure::NotFound("page") }),
        )
        .layer(from_fn(guard))
        .with_state(flow)
}

/// Keeps U+0000 out, which no record holds and PostgreSQL calls an error, and says what browsers
/// may do with a page.
async fn guard(uri: Uri, request: axum::extract::Request, next: Next) -> Response {
    let mut response = if uri.path().contains("%00") {
        Failure::NotFound("page").into_response()
    } else if uri.query().unwrap_or_default().contains("%00") {
        let why = "The address holds U+0000, which nothing here has: take it out.";
        Failure::Invalid(why.to_owned()).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(POLICY));
    // Without one a browser would not tell our own forms' origin; no other site learns more by this.
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=()"),
    );
    headers.insert(
        "cross-origin-opener-policy",
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(
        "cross-origin-resource-policy",
        HeaderValue::from_static("same-origin"),
    );
    response
}

#[cfg(test)]
mod tests;
