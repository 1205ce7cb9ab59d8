//! The parties of a building: who has to do with it, and how to reach them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::input::{Becomes as _, Email, Line};

crate::words! {
    /// What a party is to a building.
    pub enum PartyRole {
        /// Owns it.
        Owner = "owner",
        /// Uses it.
        Occupier = "occupier",
        /// Acts for the owner.
        Agent = "agent",
        /// The local government.
        Council = "council",
        /// The fire service.
        FireAuthority = "fire_authority",
        /// Services its fire protection.
        Contractor = "contractor",
    }
}

/// How a party can be reached: personal data.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// Its name.
    #[schema(example = "Olive Owner")]
    pub name: String,
    /// Its e-mail address.
    #[schema(required = true, example = "olive@example.com")]
    pub email: Option<String>,
    /// Its telephone number.
    #[schema(required = true, example = "+61 2 5550 0101")]
    pub phone: Option<String>,
    /// Where letters go.
    #[schema(required = true, example = "PO Box 12, Sydney NSW 2001")]
    pub address: Option<String>,
}

crate::body! {
    /// A party of a building.
    #[derive(Clone)]
    pub struct SentParty like {"role": "owner", "name": "Olive Owner", "email": "olive@example.com"} {
        /// That of a party that is there; left out: a new one.
        pub id: Option<Uuid>,
        /// What it is to the building.
        pub role: PartyRole,
        /// Its name.
        pub name: Line<200> = "Olive Owner",
        /// Its e-mail address.
        pub email: Option<Email> = "olive@example.com",
        /// Its telephone number.
        pub phone: Option<Line<50>> = "+61 2 5550 0101",
        /// Where letters go.
        pub address: Option<Line<500>> = "PO Box 12, Sydney NSW 2001",
    }
}

impl SentParty {
    /// How it can be reached.
    pub fn contact(self) -> Contact {
        Contact {
            name: self.name.becomes(),
            email: self.email.map(|email| email.to_string()),
            phone: self.phone.becomes(),
            address: self.address.becomes(),
        }
    }
}

/// Nobody prints personal data by accident.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contact")
    }
}

impl std::fmt::Debug for SentParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SentParty")
    }
}
