//! Plivo's callbacks: who signed them, and which call they say is over.

use super::map;
use crate::config::SourceConfig;
use crate::platform::callback::{Carrier, Sender};
use crate::signature::explain;
use crate::signature::url_hmac::plivo as scheme;

const CARRIER: Carrier = Carrier {
    name: super::NAME,
    id: "CallUUID",
    number: None,
    at: "EndTime",
    signatures: &[scheme::HEADER, scheme::SECOND],
    verify: scheme::verify,
    explain: explain::plivo,
    is_over: map::is_over,
    map: map::callback,
};

/// The sender of this source's webhooks.
pub(in crate::platform) fn sender(source: &SourceConfig) -> Sender {
    Sender::of(&CARRIER, source)
}

#[cfg(test)]
mod tests;
