//! Explains a secret that is sent as it is.

use http::HeaderMap;

use super::{Check, header_check};
use crate::secret::Secret;
use crate::signature::bearer as scheme;

/// Explains a secret in the header `name`, with or without `Bearer ` before it.
pub fn bearer(headers: &HeaderMap, name: &str, secrets: &[Secret]) -> Vec<Check> {
    let mut checks = Vec::new();
    if header_check(&mut checks, headers, name).is_none() {
        return checks;
    }
    let sent = match scheme::read(headers, name) {
        Ok(sent) => sent,
        Err(refusal) => {
            let mend = Some("have the platform send Bearer, a space and the secret");
            checks.push(Check::bad("form", refusal.to_string(), mend));
            return checks;
        }
    };
    let count = secrets.len();
    let place = |fits: &dyn Fn(&Secret) -> bool| secrets.iter().position(fits);
    let check = if let Some(index) = place(&|secret| secret.expose() == sent) {
        Check::good("secret", format!("it is secret {} of {count}", index + 1))
    } else if let Some(index) = place(&|secret| secret.expose().trim() == sent.trim()) {
        Check::bad(
            "secret",
            format!(
                "it is secret {} of {count}, but for the space around it",
                index + 1
            ),
            Some("remove the space or line end around the secret"),
        )
    } else {
        Check::bad(
            "secret",
            format!("it is none of the {count} configured secrets"),
            Some("compare webhook.secrets with the secret on the platform's side"),
        )
    };
    checks.push(check);
    checks.push(Check::good(
        "body",
        "not proved: a secret that is sent as it is signs nothing",
    ));
    checks
}

#[cfg(test)]
mod tests;
