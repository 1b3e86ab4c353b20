//! What somebody may do: roles of operators, permissions of callers.

use std::fmt;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an operator may do; each may do all that those before it may.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    ValueEnum,
)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Role {
    /// Looks at everything, changes nothing.
    Viewer,
    /// Also resets counters, gives hits back, and may bring its own limits.
    Operator,
    /// Also makes and revokes tokens.
    Admin,
}

impl Role {
    /// Its word in configuration, APIs and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The permissions that come with it.
    pub const fn permissions(self) -> PermissionSet {
        match self {
            Self::Viewer => PermissionSet::NONE,
            Self::Operator | Self::Admin => PermissionSet::ALL,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a caller of the decision API may do beside asking for decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Permission {
    /// Bring limits of its own with a request.
    InlineLimits,
    /// Give hits back to a counter.
    Refund,
    /// Forget a counter.
    Reset,
}

impl Permission {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::InlineLimits, Self::Refund, Self::Reset];

    /// Its word in configuration, APIs and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InlineLimits => "inline_limits",
            Self::Refund => "refund",
            Self::Reset => "reset",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::InlineLimits => 1,
            Self::Refund => 2,
            Self::Reset => 4,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Some of the permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PermissionSet(u8);

impl PermissionSet {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// All of them.
    pub const ALL: Self =
        Self(Permission::InlineLimits.bit() | Permission::Refund.bit() | Permission::Reset.bit());

    /// Whether `permission` is one of them.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Those of either.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each of them, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |one| self.contains(*one))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(all: I) -> Self {
        all.into_iter().fold(Self::NONE, |set, one| Self(set.0 | one.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_bring_their_permissions() {
        assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Admin);
        assert_eq!(Role::Viewer.permissions(), PermissionSet::NONE);
        assert_eq!(Role::Operator.permissions(), PermissionSet::ALL);
        assert_eq!(Role::Admin.permissions(), PermissionSet::ALL);
    }

    #[test]
    fn a_set_holds_what_was_put_into_it_and_nothing_else() {
        for bits in 0_u8..8 {
            let chosen = Permission::ALL.into_iter().filter(|one| bits & one.bit() != 0);
            let set: PermissionSet = chosen.clone().collect();
            assert!(set.iter().eq(chosen), "{set:?}");
        }
        assert!(Permission::ALL.into_iter().all(|one| PermissionSet::ALL.contains(one)));
        let refund: PermissionSet = [Permission::Refund].into_iter().collect();
        assert_eq!(refund.and(PermissionSet::ALL), PermissionSet::ALL);
    }

    #[test]
    fn words_are_the_same_everywhere() {
        for role in [Role::Viewer, Role::Operator, Role::Admin] {
            let written = serde_json::to_value(role).unwrap();
            assert_eq!(written, role.name());
            assert_eq!(role.to_possible_value().unwrap().get_name(), role.name());
        }
        for permission in Permission::ALL {
            let written = serde_json::to_value(permission).unwrap();
            assert_eq!(written, permission.name());
            assert_eq!(permission.to_possible_value().unwrap().get_name(), permission.name());
        }
    }
}
