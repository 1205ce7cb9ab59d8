//! Policy files, in every version that the database has met.

use firemode_domain::policy::Policy;
use serde_json::Value;
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{Executor, StorageError, sql};

/// Keeps those of this release. No statement gets a name, which a pooler would give to others too: the transactions are not ours.
///
/// # Errors
/// The database does not answer.
pub async fn record(client: &Client, policies: &[Policy]) -> Result<(), StorageError> {
    let insert = "insert into policy_versions (digest, name, content) values ($1, $2, $3) on conflict (digest) do nothing";
    for policy in policies {
        let (digest, content) = (policy.digest(), policy.content());
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&digest, Type::TEXT), (&policy.name, Type::TEXT), (&content, Type::JSONB)];
        client.execute_typed(insert, &values).await?;
    }
    Ok(())
}

/// The content of a version.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor, policy: Policy, digest: &str) -> Result<Option<Value>, StorageError> {
    let sql = "select content from policy_versions where digest = $1 and name = $2";
    Ok(sql::optional(on, sql, &[&digest, &policy.name]).await?.map(|row| row.get(0)))
}
