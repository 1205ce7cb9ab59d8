//! Classification rules: shipped ones, and an organisation's own.

use firemode_domain::classification::Rule;
use serde_json::Value;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::{Executor, Purpose, StorageError, migrations};

/// Adds the rules that the product ships and that the database does not have yet; a version never changes.
///
/// # Errors
/// The database does not answer.
pub async fn install_shipped(client: &mut Client, rules: &[Rule]) -> Result<u64, StorageError> {
    let tx = migrations::begin(client).await?;
    tx.batch_execute(&Purpose::Operator.setting()).await?;
    let insert = tx
        .prepare(
            "insert into as1851_rules (id, rule_code, version, rule_schema, item_codes) values ($1, $2, $3, $4, $5)
             on conflict (rule_code, version) where organisation_id is null do nothing",
        )
        .await?;
    let mut added = 0;
    for rule in rules {
        let schema = serde_json::to_value(&rule.schema)
            .map_err(|error| StorageError::Damaged(format!("rule {}: {error}", rule.code)))?;
        let version = rule.version.to_string();
        added += tx
            .execute(&insert, &[&Uuid::now_v7(), &rule.code, &version, &schema, &rule.schema.item_codes()])
            .await?;
    }
    tx.commit().await?;
    Ok(added)
}

/// The active rules that an organisation can see and that have, in any version, to do with an item: its own and the shipped
/// ones. All versions of a rule's code come along, because a newer one may have dropped the item.
///
/// # Errors
/// The database does not answer, or a stored rule does not read as one.
pub async fn for_item(
    on: &impl Executor,
    organisation_id: Uuid,
    item_code: &str,
) -> Result<Vec<Rule>, StorageError> {
    let rows = on
        .rows(
            "select rule_code, version, rule_schema, organisation_id from as1851_rules
             where is_active and (organisation_id is null or organisation_id = $1)
               and rule_code in (select rule_code from as1851_rules
                                 where is_active and (organisation_id is null or organisation_id = $1)
                                   and item_codes @> array[$2])",
            &[&organisation_id, &item_code],
        )
        .await?;
    rows.into_iter().map(read).collect()
}

/// The active rules that an organisation can see.
///
/// # Errors
/// The database does not answer, or a stored rule does not read as one.
pub async fn active(on: &impl Executor, organisation_id: Uuid) -> Result<Vec<Rule>, StorageError> {
    let rows = on
        .rows(
            "select rule_code, version, rule_schema, organisation_id from as1851_rules
             where is_active and (organisation_id is null or organisation_id = $1) order by rule_code, version",
            &[&organisation_id],
        )
        .await?;
    rows.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Rule, StorageError> {
    let (code, version): (&str, &str) = (row.get(0), row.get(1));
    let schema: Value = row.get(2);
    Rule::parse(code, version, schema, row.get(3))
        .map_err(|error| StorageError::Damaged(format!("rule {code} {version}: {error}")))
}
