//! Roles: named sets of scopes, for the kinds of people and programs that there are.

use serde::{Deserialize, Serialize};

use super::Scope;

/// A kind of person or program. A token has scopes; a role names a set of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks: calls without what was said, memories without quotes, and how the work goes.
    Viewer,
    /// A program that reads calls and registers its endpoints, bound to its agents.
    Integrator,
    /// On call: sees everything, replays, releases and mends.
    Operator,
    /// Everything, and alone: tokens, erasure, the audit log.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Integrator, Self::Operator, Self::Admin];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Integrator => "integrator",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// Reads what [`Role::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whom it is for and what they may do, in words.
    pub fn told(self) -> &'static str {
        match self {
            Self::Viewer => "looks: calls without what was said, and how the work goes",
            Self::Integrator => "a program: reads the calls of its agents, and has endpoints",
            Self::Operator => "on call: sees everything, replays, releases and mends",
            Self::Admin => "everything, and alone: tokens, erasure, the audit log",
        }
    }

    /// What it may do.
    pub fn scopes(self) -> Vec<Scope> {
        match self {
            Self::Viewer => vec![
                Scope::ConversationsRead,
                Scope::MemoriesRead,
                Scope::OpsRead,
            ],
            Self::Integrator => vec![
                Scope::ConversationsRead,
                Scope::ConversationsReadSensitive,
                Scope::MemoriesRead,
                Scope::EndpointsWrite,
            ],
            Self::Operator => vec![
                Scope::ConversationsRead,
                Scope::ConversationsReadSensitive,
                Scope::MemoriesRead,
                Scope::MemoriesWrite,
                Scope::EndpointsWrite,
                Scope::OpsRead,
                Scope::OpsWrite,
            ],
            Self::Admin => vec![Scope::Admin],
        }
    }

    /// The role whose scopes these are, if they are those of one.
    pub fn of(scopes: &[Scope]) -> Option<Self> {
        let mut sorted = scopes.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        Self::ALL.into_iter().find(|role| role.scopes() == sorted)
    }

    /// Whether a token of it must be bound to agents.
    pub fn is_bound(self) -> bool {
        self == Self::Integrator
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_known_by_its_scopes() {
        for role in Role::ALL {
            let mut scopes = role.scopes();
            scopes.reverse();
            assert_eq!(Role::of(&scopes), Some(role));
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::of(&[Scope::OpsRead]), None);
    }

    #[test]
    fn a_viewer_sees_nothing_sensitive_and_changes_nothing() {
        let scopes = Role::Viewer.scopes();
        for scope in [
            Scope::ConversationsReadSensitive,
            Scope::MemoriesWrite,
            Scope::EndpointsWrite,
            Scope::OpsWrite,
            Scope::Admin,
        ] {
            assert!(!scopes.contains(&scope), "{}", scope.as_str());
        }
    }
}
