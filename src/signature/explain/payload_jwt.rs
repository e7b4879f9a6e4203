//! Explains Vonage's token.

use http::HeaderMap;
use sha2::{Digest as _, Sha256};

use super::{Check, altered, body_check, header_check, time_mend};
use crate::secret::Secret;
use crate::signature::payload_jwt as scheme;
use crate::signature::{Refusal, Tolerance, jwt};
use crate::time::Timestamp;

/// Explains a token with the hash of the body.
pub fn payload_jwt(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    tolerance: Tolerance,
    now: Timestamp,
) -> Vec<Check> {
    let mut checks = Vec::new();
    if header_check(&mut checks, headers, jwt::HEADER).is_none() {
        return checks;
    }
    let token = match scheme::read(headers) {
        Ok(token) => token,
        Err(refusal) => {
            let mend = "let proxies pass the Authorization header on unchanged: Bearer, and a \
                        token of three parts, signed by HS256";
            checks.push(Check::bad("form", refusal.to_string(), Some(mend)));
            return checks;
        }
    };
    checks.push(Check::good("form", "a token signed by HS256"));
    let count = secrets.len();
    checks.push(match token.check_maker(secrets) {
        Ok(()) => Check::good(
            "signature",
            format!("made with one of the {count} configured secrets"),
        ),
        Err(Refusal::UnknownKey) => {
            Check::bad("secret", "the token's issuer (iss) is not Vonage", None)
        }
        Err(refusal) => Check::bad(
            "signature",
            refusal.to_string(),
            Some(
                "set webhook.secrets to the signature secret of the account; the body plays no \
                 part in this",
            ),
        ),
    });
    checks.push(match token.check_vonage_times(tolerance, now) {
        Ok(()) => Check::good("time", "the token holds now"),
        Err(refusal) => Check::bad("time", refusal.to_string(), time_mend(&refusal)),
    });
    checks.push(match token.check_payload(body) {
        Ok(()) => Check::good("body", "the token's hash is the body's"),
        Err(refusal) => {
            let hash = token.payload_hash().unwrap_or_default();
            body_check(body, |other| hex::encode(Sha256::digest(other)) == hash)
                .unwrap_or_else(|| Check::bad("body", refusal.to_string(), Some(altered::MEND)))
        }
    });
    checks
}

#[cfg(test)]
mod tests;
