//! Templates for CRMs that many have, ready to be named in place of a template.

use crate::endpoint::{Method, Template};

/// A ready-made template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name, as `hubspot`.
    pub name: &'static str,
    /// The URL that it is for; empty where each account has its own.
    pub url: &'static str,
    method: Method,
    body: &'static str,
}

/// All of them.
pub const ALL: [Preset; 2] = [
    // A call engagement (https://developers.hubspot.com/docs/api-reference/crm-calls-v3); the header
    // `Authorization: Bearer pat-…` is a private app's token with crm.objects.contacts.write.
    Preset {
        name: "hubspot",
        url: "https://api.hubapi.com/crm/v3/objects/calls",
        method: Method::Post,
        body: include_str!("preset/hubspot.jinja"),
    },
    // A comment on the ticket that the call's metadata names, by the one route of Zendesk that takes
    // the ticket's id in the body (https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/
    // #update-many-tickets); the header is `Authorization: Basic <base64 of email/token:api-token>`.
    Preset {
        name: "zendesk",
        url: "",
        method: Method::Put,
        body: include_str!("preset/zendesk.jinja"),
    },
];

impl Preset {
    /// The preset of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|preset| preset.name == name)
    }

    /// Its template.
    pub fn template(&self) -> Template {
        Template {
            body: self.body.to_owned(),
            content_type: "application/json".to_owned(),
            method: self.method,
        }
    }
}
