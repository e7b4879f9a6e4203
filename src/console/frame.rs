//! What stands around every page: where one is, where one can go, and who one is.

use crate::store::tokens::{Scope, Token};

/// The parts of the console, in the order of the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Overview,
    Conversations,
    Callers,
    DeadLetters,
    Replays,
    Endpoints,
    Deliveries,
    Coverage,
    Quarantine,
    Audit,
    Tokens,
}

impl Section {
    const ALL: [Self; 11] = [
        Self::Overview,
        Self::Conversations,
        Self::Callers,
        Self::DeadLetters,
        Self::Replays,
        Self::Endpoints,
        Self::Deliveries,
        Self::Coverage,
        Self::Quarantine,
        Self::Audit,
        Self::Tokens,
    ];

    /// The name in the menu.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Conversations => "Conversations",
            Self::Callers => "Callers",
            Self::DeadLetters => "Dead letters",
            Self::Replays => "Replays",
            Self::Endpoints => "Endpoints",
            Self::Deliveries => "Deliveries",
            Self::Coverage => "Coverage",
            Self::Quarantine => "Quarantine",
            Self::Audit => "Audit",
            Self::Tokens => "Tokens",
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Overview => "/console",
            Self::Conversations => "/console/conversations",
            Self::Callers => "/console/callers",
            Self::DeadLetters => "/console/dead-letters",
            Self::Replays => "/console/replays",
            Self::Endpoints => "/console/endpoints",
            Self::Deliveries => "/console/deliveries",
            Self::Coverage => "/console/coverage",
            Self::Quarantine => "/console/quarantine",
            Self::Audit => "/console/audit",
            Self::Tokens => "/console/tokens",
        }
    }

    /// What a token must have to see it; whoever has endpoints sees what is about them without, too.
    pub(super) fn scope(self) -> Scope {
        match self {
            Self::Overview
            | Self::DeadLetters
            | Self::Replays
            | Self::Endpoints
            | Self::Deliveries
            | Self::Coverage
            | Self::Quarantine => Scope::OpsRead,
            Self::Conversations => Scope::ConversationsRead,
            Self::Callers => Scope::MemoriesRead,
            Self::Audit | Self::Tokens => Scope::Admin,
        }
    }

    /// Whether it is about all agents at once, and so not for tokens that are bound to some.
    fn is_about_all(self) -> bool {
        matches!(
            self,
            Self::Coverage | Self::Quarantine | Self::Audit | Self::Tokens
        )
    }

    /// Whether a token gets to see it.
    pub(super) fn is_open_to(self, token: &Token) -> bool {
        let without = match self {
            Self::Endpoints => token.allows(Scope::EndpointsWrite),
            Self::Deliveries => token.follows_its_endpoints(),
            _ => false,
        };
        (token.allows(self.scope()) || without) && (token.agents.is_empty() || !self.is_about_all())
    }

    /// The first part that a token gets to see.
    pub(super) fn first_for(token: &Token) -> Option<&'static str> {
        let open = |section: &Self| section.is_open_to(token);
        Self::ALL.into_iter().find(open).map(Self::path)
    }
}

/// An entry of the menu.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) title: &'static str,
    pub(super) path: &'static str,
    pub(super) is_here: bool,
}

/// What stands around a page.
#[derive(Debug)]
pub(super) struct Frame {
    /// The page's own name.
    pub(super) title: String,
    /// The menu.
    pub(super) links: Vec<Link>,
    /// The name of the session's token.
    pub(super) who: String,
    /// What every form carries.
    pub(super) csrf: String,
    /// Told on top of the page; empty is nothing.
    pub(super) notice: &'static str,
    /// The version of the files.
    pub(super) assets: &'static str,
}

impl Frame {
    pub(super) fn new(title: String, here: Section, token: &Token, csrf: String) -> Self {
        Self {
            title,
            links: Section::ALL
                .into_iter()
                .filter(|section| section.is_open_to(token))
                .map(|section| Link {
                    title: section.title(),
                    path: section.path(),
                    is_here: section == here,
                })
                .collect(),
            who: token.name.clone(),
            csrf,
            notice: "",
            assets: super::assets::VERSION,
        }
    }
}
