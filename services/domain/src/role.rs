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
