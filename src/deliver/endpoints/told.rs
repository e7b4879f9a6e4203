//! What the audit log is told of an endpoint: where it leads, what it is sent, and what of that becomes
//! another. Never a path, a header or a template: there may be secrets in them.

use crate::outbound::guard::place;
use crate::store::endpoints::Endpoint;

/// An endpoint that is made, or taken away.
pub(super) fn whole(endpoint: &Endpoint) -> String {
    let settings = settings(endpoint).map(|(name, value)| format!("{name} {value}"));
    settings.join("; ")
}

/// What of an endpoint is another one now.
pub(super) fn difference(before: &Endpoint, now: &Endpoint) -> String {
    let mut told: Vec<String> = settings(before)
        .into_iter()
        .zip(settings(now))
        .filter(|((_, was), (_, is))| was != is)
        .map(|((name, was), (_, is))| format!("{name} {was} → {is}"))
        .collect();
    let same_place = place(&before.url) == place(&now.url);
    told.extend(
        [
            ("url: another path", same_place && before.url != now.url),
            ("template", before.template != now.template),
            ("headers", before.headers != now.headers),
            ("description", before.description != now.description),
        ]
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(name, _)| name.to_owned()),
    );
    told.join("; ")
}

/// What of it is no secret, and worth a word.
fn settings(endpoint: &Endpoint) -> [(&'static str, String); 6] {
    let number = |number: u32| number.to_string();
    let payload = match &endpoint.template {
        Some(_) => "template",
        None => endpoint.payload.as_str(),
    };
    let agents = match &endpoint.subscription.agents[..] {
        [] => "all".to_owned(),
        agents => agents.join(", "),
    };
    [
        ("url", place(&endpoint.url)),
        ("payload", payload.to_owned()),
        ("agents", agents),
        ("events", endpoint.subscription.events.join(", ")),
        (
            "rate_per_second",
            endpoint.rate.map_or_else(|| "any".to_owned(), number),
        ),
        ("max_concurrency", number(endpoint.concurrency)),
    ]
}
