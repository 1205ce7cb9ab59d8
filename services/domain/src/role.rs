//! What a user is in an organisation.

crate::words! {
    /// A user's role; the API's table of routes says what each may do.
    pub enum Role {
        /// Everything, users and keys included.
        Admin = "admin",
        /// Plans sessions, settles late work, keeps the register.
        Manager = "manager",
        /// Does the tests.
        Technician = "technician",
        /// Reads.
        Auditor = "auditor",
    }
}

impl Role {
    /// What somebody with this role is called who has chosen no name for others to see: by role, and number in the organisation.
    #[must_use]
    pub fn with_number(self, number: Option<i32>) -> String {
        let role = match self {
            Self::Admin => "Admin",
            Self::Manager => "Manager",
            Self::Technician => "Technician",
            Self::Auditor => "Auditor",
        };
        number.map_or_else(|| role.to_owned(), |number| format!("{role} {number}"))
    }
}

crate::words! {
    /// Where an account is in its life.
    pub enum UserStatus {
        /// Has yet to accept the invitation.
        Invited = "invited",
        /// Can sign in.
        Active = "active",
        /// Was disabled.
        Disabled = "disabled",
    }
}
