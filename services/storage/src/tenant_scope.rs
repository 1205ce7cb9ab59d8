//! Whose rows a transaction may see and write.
//!
//! Row-level security is the second wall between tenants: every statement names its organisation, and the policies of the
//! database (`migrations/V9__row_level_security.sql`) show a transaction no row of any other. What a transaction may see is said
//! where it begins, with settings that end with it, so nothing of it is left on a connection that a pool, ours or one in between,
//! gives to somebody else.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::database::Database;
use crate::{ReadTransaction, StorageError, Transaction};

/// Work that is rightly across tenants. Each has policies of its own, for the tables that it is about and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Finding the account of an address: who signs in is not known yet. Reads organisations and users.
    SignIn,
    /// Finding whose a refresh token is. Reads refresh tokens.
    Renewal,
    /// Finding whose an invitation or a password reset is. Reads one-time tokens.
    Redeem,
    /// Reading the list of revoked tokens, which each process keeps for all tenants.
    Revocations,
    /// Removing what has expired: idempotency keys, refresh and one-time tokens, revocations, uploads and bytes of evidence.
    Sweep,
    /// Looking at what is encrypted under which key, and encrypting it again. Reads and changes users and second
    /// factors.
    PersonalData,
    /// Taking jobs and saying what became of them; looking for sessions with something new. Reads and changes jobs, reads organisations,
    /// sessions and their changes.
    Work,
    /// What an operator does to the whole database: migrations, backup and restore. Sees and writes everything.
    Operator,
}

/// What a transaction of it may see. Nothing is asked of the database until one begins.
#[derive(Debug)]
pub struct TenantScope<'a> {
    database: &'a Database,
    scope: Scope,
}

/// Between its statements a transaction does nothing for so long at most: merging a long history takes its time.
const IDLE_SECONDS_MAX: u32 = 60;

/// What is read is read in its order. A list's index has its rows in theirs, and of a table that it knows nothing of, or that has grown,
/// PostgreSQL believes that any other index and a sort come to the same.
const READ_ONLY: &str = "begin read only; set local enable_sort = off; set local enable_bitmapscan = off";

#[derive(Debug)]
enum Scope {
    Tenants(Vec<Uuid>),
    Across(Purpose),
    NoTenant,
}

impl Purpose {
    /// Its name in the policies.
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Renewal => "renewal",
            Self::Redeem => "redeem",
            Self::Revocations => "revocations",
            Self::Sweep => "sweep",
            Self::PersonalData => "personal_data",
            Self::Work => "work",
            Self::Operator => "operator",
        }
    }

    /// The statement that gives the present transaction this purpose.
    pub(crate) fn setting(self) -> String {
        format!("set local firemode.purpose = '{}'", self.as_str())
    }
}

impl Database {
    /// The rows of one organisation.
    pub fn tenant(&self, organisation_id: Uuid) -> TenantScope<'_> {
        self.tenants([organisation_id])
    }

    /// The rows of several organisations, for work that is done for all of them at once.
    pub fn tenants(&self, organisation_ids: impl IntoIterator<Item = Uuid>) -> TenantScope<'_> {
        TenantScope { database: self, scope: Scope::Tenants(organisation_ids.into_iter().collect()) }
    }

    /// The rows that a purpose needs, of every organisation. For the few places where nobody is known yet, or everybody is meant.
    pub fn across_tenants(&self, purpose: Purpose) -> TenantScope<'_> {
        TenantScope { database: self, scope: Scope::Across(purpose) }
    }

    /// No tenant's rows: what the database itself knows, and locks.
    pub fn without_tenant(&self) -> TenantScope<'_> {
        TenantScope { database: self, scope: Scope::NoTenant }
    }
}

impl TenantScope<'_> {
    /// Begins a transaction that only reads. Statements see what is committed when each of them starts.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when there is no connection in `database.wait_seconds_max`.
    pub async fn read(&self) -> Result<ReadTransaction, StorageError> {
        let client = self.database.connection().await?;
        ReadTransaction::begin(client, self.database, self.beginning(READ_ONLY))
    }

    /// Begins a transaction that may write.
    ///
    /// # Errors
    /// [`StorageError::Unavailable`] when there is no connection in `database.wait_seconds_max`.
    pub async fn transaction(&self) -> Result<Transaction, StorageError> {
        let turn = match self.scope {
            Scope::Tenants(_) => Some(self.database.turn_to_write().await?),
            Scope::Across(_) | Scope::NoTenant => None,
        };
        let client = self.database.connection().await?;
        Transaction::begin(client, self.database, self.beginning("begin"), turn)
    }

    /// All that a transaction begins with, as one message.
    fn beginning(&self, begin: &str) -> String {
        let timeout = self.database.statement_time_max().as_millis();
        // There is an index for all that a request asks, and a plan that was made while a table was small must not read all of it when it
        // has grown. A transaction whose process is gone does not hold its keys for ever.
        let mut sql = format!(
            "{begin}; set local statement_timeout = {timeout}; set local timezone = 'UTC'; set local enable_seqscan = off; \
             set local jit = off; set local idle_in_transaction_session_timeout = '{IDLE_SECONDS_MAX}s'"
        );
        match &self.scope {
            // Ids are written with hexadecimal digits and hyphens, so nothing needs to be quoted.
            Scope::Tenants(ids) => {
                let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
                let _ = write!(sql, "; set local firemode.organisations = '{{{}}}'", ids.join(","));
            }
            Scope::Across(purpose) => {
                let _ = write!(sql, "; {}", purpose.setting());
            }
            Scope::NoTenant => {}
        }
        sql
    }
}
