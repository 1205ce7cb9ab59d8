//! What a user is in an organisation.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A user's role; the API's table of routes says what each may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, users and keys included.
    Admin,
    /// Plans sessions, settles late work, keeps the register.
    Manager,
    /// Does the tests.
    Technician,
    /// Reads.
    Auditor,
}

impl Role {
    /// The name that is stored and sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Manager => "manager",
            Self::Technician => "technician",
            Self::Auditor => "auditor",
        }
    }
}

crate::choice! {
    Role {
        "admin" => Role::Admin,
        "manager" => Role::Manager,
        "technician" => Role::Technician,
        "auditor" => Role::Auditor,
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one of admin, manager, technician, auditor")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Admin, Self::Manager, Self::Technician, Self::Auditor]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}
