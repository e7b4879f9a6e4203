//! Explains the signatures over a URL: whether a proxy changed it is the first thing to ask.

use http::HeaderMap;

use super::{Check, altered, body_check, header_check, no_secret_fits};
use crate::secret::Secret;
use crate::signature::Refusal;
use crate::signature::url_hmac::{Scheme, Url, candidates, plivo as third, twilio as first};

/// What to do about a URL that was changed on its way.
const MEND: &str = "set webhook.url of the source to the URL that the platform posts to, letter by \
                    letter";

/// Explains Twilio's signature.
pub fn twilio(headers: &HeaderMap, urls: &[String], body: &[u8], secrets: &[Secret]) -> Vec<Check> {
    let mut checks = Vec::new();
    if header_check(&mut checks, headers, first::HEADER).is_some() {
        explain(&mut checks, first::read(headers), urls, body, secrets);
    }
    checks
}

/// Explains Plivo's signature.
pub fn plivo(headers: &HeaderMap, urls: &[String], body: &[u8], secrets: &[Secret]) -> Vec<Check> {
    let mut checks = Vec::new();
    let found = header_check(&mut checks, headers, third::HEADER).is_some();
    if !found && headers.contains_key(third::SECOND) {
        checks.push(Check::bad(
            "form",
            format!("there is only {}, which signs no body", third::SECOND),
            Some("have the platform sign by its third scheme (V3)"),
        ));
    }
    if found && header_check(&mut checks, headers, third::NONCE).is_some() {
        explain(&mut checks, third::read(headers), urls, body, secrets);
    }
    checks
}

fn explain(
    checks: &mut Vec<Check>,
    claim: Result<impl Scheme, Refusal>,
    urls: &[String],
    body: &[u8],
    secrets: &[Secret],
) {
    let claim = match claim {
        Ok(claim) => claim,
        Err(refusal) => {
            let mend = "the signature is standard base64; let proxies pass it on unchanged";
            checks.push(Check::bad("form", refusal.to_string(), Some(mend)));
            return;
        }
    };
    checks.push(Check::good("form", "a signature in base64"));
    if urls.is_empty() {
        let found = "the URL that the platform posted to is not known";
        checks.push(Check::bad("url", found, Some(MEND)));
        return;
    }
    let count = secrets.len();
    let found = candidates(urls).find_map(|url| {
        let mut each = secrets.chunks(1);
        each.position(|secret| claim.is_signed(&url, body, secret))
    });
    if let Some(index) = found {
        checks.push(Check::good(
            "signature",
            format!("made with secret {} of {count}", index + 1),
        ));
        checks.push(Check::good("url", "it is the one that was signed"));
    } else {
        let check = mistake(&claim, urls, body, secrets).unwrap_or_else(|| {
            let mut check = no_secret_fits(count);
            check.mend = Some(
                "compare webhook.secrets and webhook.url with the platform's side; if they are the \
                 same, the body was changed on its way"
                    .to_owned(),
            );
            check
        });
        checks.push(check);
    }
}

/// What was done to the URL, a secret or the body, if that explains the signature.
fn mistake(claim: &impl Scheme, urls: &[String], body: &[u8], secrets: &[Secret]) -> Option<Check> {
    for url in candidates(urls) {
        for (how, other) in changed(&url) {
            let mut spelled = other.with_ports().into_iter();
            if spelled.any(|url| claim.is_signed(&url, body, secrets)) {
                let found = format!("the signature fits the URL {how}: a proxy changed it");
                return Some(Check::bad("url", found, Some(MEND)));
            }
        }
        let trimmed: Vec<_> = secrets
            .iter()
            .filter_map(|secret| Secret::new(secret.expose().trim()).ok())
            .collect();
        if claim.is_signed(&url, body, &trimmed) {
            return Some(Check::bad(
                "secret",
                "made with a secret without the space around it",
                Some("remove the space or line end around the secret"),
            ));
        }
        if let Some(mut check) = body_check(body, |other| claim.is_signed(&url, other, secrets)) {
            check.mend = Some(altered::MEND.to_owned());
            return Some(check);
        }
    }
    None
}

/// The URLs that proxies are likely to turn into this one.
fn changed<'a>(url: &Url<'a>) -> Vec<(&'static str, Url<'a>)> {
    let other = if url.scheme() == "https" {
        "http"
    } else {
        "https"
    };
    let (path, query) = url.path_and_query();
    let (bare, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut forms = vec![
        ("without its query", url.with_path(path, None)),
        (
            "without the slash at its end",
            url.with_path(path.trim_end_matches('/'), query),
        ),
    ];
    if let Some((before, _)) = path.split_once("/webhooks/") {
        forms.push((
            "without the prefix of its path",
            url.with_path(&path[before.len()..], query),
        ));
    }
    if !bare.is_empty() {
        forms.push((
            "without the folders of its path",
            url.with_path(&path[path.len() - name.len() - 1..], query),
        ));
    }
    let http = forms
        .iter()
        .map(|(_, form)| ("with another scheme and path", form.with_scheme(other)))
        .collect::<Vec<_>>();
    forms.insert(
        0,
        (
            "with http for https, or the reverse",
            url.with_scheme(other),
        ),
    );
    forms.extend(http);
    forms
}

#[cfg(test)]
mod tests;
