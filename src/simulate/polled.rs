//! Platforms that send no webhook: each has a book of calls at the desk, and its list is read to find
//! them. One file a platform.

use std::sync::Arc;

use axum::Router;
use serde::{Deserialize, Serialize};

use super::foreign::{Desk, told};
use crate::secret::Secret;

mod anyreach;
mod voiceable;

/// A simulated platform that has to be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Polled {
    /// Anyreach.
    Anyreach,
    /// Voiceable.
    Voiceable,
}

impl Polled {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Anyreach, Self::Voiceable];

    /// Its name in settings.
    pub fn platform(self) -> &'static str {
        match self {
            Self::Anyreach => anyreach::NAME,
            Self::Voiceable => voiceable::NAME,
        }
    }

    /// The source that its calls are found through.
    pub fn source(self) -> &'static str {
        match self {
            Self::Anyreach => "simulated-anyreach",
            Self::Voiceable => "simulated-voiceable",
        }
    }

    /// Its `[[sources]]` table, for an API under `base_url`. A simulated platform may be asked more
    /// often than a real one, so that nobody waits long for its calls.
    pub(super) fn source_toml(self, base_url: &str, token: &Secret) -> String {
        let platform = self.platform();
        let pairs = told(&[
            ("name", self.source()),
            ("platform", platform),
            ("api.base_url", &format!("{base_url}/{platform}")),
            ("api.token", token.expose()),
            ("reconcile.every", "2s"),
            ("reconcile.settle", "0s"),
        ]);
        format!("\n[[sources]]\n{pairs}")
    }

    /// Its API.
    pub(super) fn routes(self) -> Router<Arc<Desk>> {
        match self {
            Self::Anyreach => anyreach::routes(),
            Self::Voiceable => voiceable::routes(),
        }
    }
}
