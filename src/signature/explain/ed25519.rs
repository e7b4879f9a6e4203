//! Explains Telnyx's Ed25519 signature.

use http::HeaderMap;

use super::{Check, body_check, header_check, time_check};
use crate::secret::Secret;
use crate::signature::Tolerance;
use crate::signature::ed25519::{self as scheme, Claim};
use crate::time::Timestamp;

/// Explains a signature over `<time>|<body>`, against public keys.
pub fn ed25519(
    headers: &HeaderMap,
    body: &[u8],
    keys: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let found = header_check(&mut checks, headers, scheme::SIGNATURE).zip(header_check(
        &mut checks,
        headers,
        scheme::TIMESTAMP,
    ));
    let Some((value, _)) = found else {
        return checks;
    };
    let claim = match scheme::read(headers) {
        Ok(claim) => claim,
        Err(refusal) => {
            let is_hex = value.len() == 128 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
            let mend = is_hex.then_some("the signature is written in hexadecimal; base64 is read");
            checks.push(Check::bad("form", refusal.to_string(), mend));
            return checks;
        }
    };
    checks.push(Check::good("form", "a signature and its time"));
    checks.extend(no_keys(keys));
    checks.push(signature_check(&claim, body, keys));
    checks.push(time_check(claim.signed_at, tolerance, now));
    checks
}

/// Secrets that are no public keys verify nothing.
fn no_keys(keys: &[Secret]) -> impl Iterator<Item = Check> {
    let count = keys.len();
    keys.iter()
        .enumerate()
        .filter(|(_, key)| scheme::public_key(key).is_none())
        .map(move |(index, _)| {
            Check::bad(
                "secret",
                format!(
                    "secret {} of {count} is not the base64 of 32 bytes",
                    index + 1
                ),
                Some("set webhook.secrets to the public key that the portal shows"),
            )
        })
}

fn signature_check(claim: &Claim<'_>, body: &[u8], keys: &[Secret]) -> Check {
    let public_keys: Vec<_> = keys.iter().filter_map(scheme::public_key).collect();
    let count = public_keys.len();
    if let Some(index) = public_keys.iter().position(|key| claim.is_of(key, body)) {
        return Check::good(
            "signature",
            format!("made with key {} of {count}", index + 1),
        );
    }
    public_keys
        .iter()
        .find_map(|key| body_check(body, |other| claim.is_of(key, other)))
        .unwrap_or_else(|| {
            Check::bad(
                "signature",
                format!("it matches none of the {count} configured public keys"),
                Some(
                    "compare webhook.secrets with the public key that the portal shows; if that is \
                     the same, the body was changed on its way",
                ),
            )
        })
}

#[cfg(test)]
mod tests;
