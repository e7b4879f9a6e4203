//! What an endpoint must be before it is kept: allowed, reachable by right, and with a template that
//! works.

use std::collections::BTreeMap;

use crate::deliver::try_template;
use crate::http::Api;
use crate::http::auth::Bearer;
use crate::http::error::{ApiError, Fields};
use crate::outbound::guard::Refused;
use crate::store::endpoints::Endpoint;

/// Judges an endpoint, new or changed; says whether its host's name can be looked up now.
pub(super) async fn check(
    api: &Api,
    bearer: &Bearer,
    endpoint: &Endpoint,
) -> Result<bool, ApiError> {
    let its = &endpoint.subscription.agents;
    let bound = &bearer.0.agents;
    if !bound.is_empty() && (its.is_empty() || its.iter().any(|agent| !bound.contains(agent))) {
        let why = "must name agents that the token is bound to, and no others";
        return Err(wrong("agents", why.to_owned()));
    }
    let guard = api.flow.outbound.guard();
    let refused = |why: Refused| wrong("url", why.to_string());
    let target = guard.read(&endpoint.url).map_err(refused)?;
    let resolved = guard.resolve(&target).await.map_err(refused)?;
    if let Some(template) = endpoint.template.clone() {
        try_template(&api.flow, template, its.clone())
            .await?
            .map_err(|error| wrong("template", error.to_string()))?;
    }
    Ok(resolved)
}

fn wrong(field: &str, why: String) -> ApiError {
    ApiError::invalid(Fields::from([(field.to_owned(), why)]))
}

/// A text as it is kept.
pub(super) fn sealed(api: &Api, text: &str) -> String {
    api.flow
        .seal
        .seal(text.as_bytes(), api.flow.host.dice.bytes())
}

/// The names of an endpoint's own headers. Their values are secrets.
pub(super) fn header_names(api: &Api, endpoint: &Endpoint) -> Vec<String> {
    let opened = api.flow.seal.open(&endpoint.headers).ok();
    let headers: Option<BTreeMap<String, String>> =
        opened.and_then(|text| serde_json::from_slice(&text).ok());
    headers.unwrap_or_default().into_keys().collect()
}
