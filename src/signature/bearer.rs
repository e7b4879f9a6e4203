//! A secret that is sent as it is: `X-Vapi-Secret`, or a bearer token (`platforms.md` §5). It proves
//! the sender and says nothing of the body; where there is a choice, HMAC is better.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::{Refusal, malformed, sole_header};
use crate::secret::Secret;

/// Whether the header's value is one of the secrets, with or without `Bearer ` before it.
pub fn verify(headers: &HeaderMap, name: &str, secrets: &[Secret]) -> Result<(), Refusal> {
    let sent = read(headers, name)?;
    // Equal hashes in place of equal texts: comparing takes the same time whatever the length is.
    let sent = Sha256::digest(sent);
    let mut matches = subtle::Choice::from(0);
    for secret in secrets {
        let secret = Sha256::digest(secret.expose());
        matches |= secret.as_slice().ct_eq(sent.as_slice());
    }
    if bool::from(matches) {
        Ok(())
    } else {
        Err(Refusal::Mismatch {
            tried: secrets.len(),
        })
    }
}

/// The secret that was sent.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let value = sole_header(headers, name)?;
    let sent = match value.split_at_checked(7) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer ") => rest.trim_start(),
        _ if name.eq_ignore_ascii_case(AUTHORIZATION.as_str()) => {
            return Err(malformed(name, "it is not Bearer and a token"));
        }
        _ => value,
    };
    if sent.is_empty() {
        return Err(malformed(name, "it is empty"));
    }
    Ok(sent)
}

#[cfg(test)]
mod tests;
