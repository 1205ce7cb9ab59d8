//! Keys of names and addresses that look alike, and those by which buildings are found, for rows that have none: those from before there
//! were keys, and those that an older release writes beside this one. Rows that look alike stay; the oldest of them holds the key
//! against new ones.

use std::collections::HashSet;

use firemode_domain::input::comparison_key;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use crate::buildings::{look_alike_key, search_key};
use crate::{Purpose, StorageError, migrations};

/// Rows that are looked at together.
const BATCH_ROWS: i64 = 5_000;

/// Gives keys to rows that have none.
///
/// # Errors
/// The database does not answer. What was done before that stays.
pub(crate) async fn fill(client: &mut Client) -> Result<(), StorageError> {
    let mut after = Uuid::nil();
    while let Some(last) = fill_users(client, after).await? {
        after = last;
    }
    let mut after = Uuid::nil();
    while let Some(last) = fill_buildings(client, after).await? {
        after = last;
    }
    let mut after = Uuid::nil();
    while let Some(last) = fill_search_keys(client, after).await? {
        after = last;
    }
    Ok(())
}

/// A transaction that sees every row, while nobody writes rows that could collide; none where no row lacks a key, so that a start
/// holds up nobody.
async fn begin<'a>(
    client: &'a mut Client,
    table: &str,
    lacks_key: &str,
) -> Result<Option<Transaction<'a>>, StorageError> {
    let tx = migrations::begin(client).await?;
    tx.batch_execute(&Purpose::Operator.setting()).await?;
    let lacking = format!("select from {table} where {lacks_key} limit 1");
    if tx.query_opt(&lacking, &[]).await?.is_none() {
        return Ok(None);
    }
    tx.batch_execute(&format!("lock table {table} in share row exclusive mode")).await?;
    Ok(Some(tx))
}

async fn fill_users(client: &mut Client, after: Uuid) -> Result<Option<Uuid>, StorageError> {
    let lacks_key = "email_key is null and not is_email_key_shared";
    let Some(tx) = begin(client, "users", lacks_key).await? else { return Ok(None) };
    let sql = "select id, email from users where email_key is null and not is_email_key_shared and id > $1
               order by id limit $2";
    let rows = tx.query(sql, &[&after, &BATCH_ROWS]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let keys: Vec<String> = rows.iter().map(|row| comparison_key(row.get(1))).collect();
    // A key is held once among those who have joined, and once in an organisation: by the oldest.
    tx.execute(
        "update users u set email_key = case when s.is_holder then s.key end, is_email_key_shared = not s.is_holder or s.is_shared
         from (select s.id, s.key,
                      row_number() over (partition by r.organisation_id, s.key order by r.joined_at is null, s.place) = 1
                      and not exists (select from users o where o.organisation_id = r.organisation_id and o.email_key = s.key)
                      and (r.joined_at is null or (held.id is null and row_number() over of_key = 1)) as is_holder,
                      r.joined_at is not null and (held.id is not null or count(*) over all_of_key > 1) as is_shared
               from unnest($1::uuid[], $2::text[]) with ordinality s (id, key, place)
               join users r on r.id = s.id
               left join users held on held.email_key = s.key and held.joined_at is not null
               window of_key as (partition by s.key, r.joined_at is null order by s.place),
                      all_of_key as (partition by s.key, r.joined_at is null)) s
         where u.id = s.id",
        &[&ids, &keys],
    )
    .await?;
    // The row that held the key alone until now.
    tx.execute(
        "update users u set is_email_key_shared = true
         from unnest($1::uuid[], $2::text[]) s (id, key) join users r on r.id = s.id and r.joined_at is not null
         where u.email_key = s.key and u.joined_at is not null and not u.is_email_key_shared and u.id <> all ($1)",
        &[&ids, &keys],
    )
    .await?;
    tx.commit().await?;
    Ok(ids.last().copied())
}

async fn fill_buildings(client: &mut Client, after: Uuid) -> Result<Option<Uuid>, StorageError> {
    let Some(tx) = begin(client, "buildings", "look_alike_key is null").await? else { return Ok(None) };
    let sql = "select id, organisation_id, site_name, site_address from buildings
               where look_alike_key is null and id > $1 order by id limit $2";
    let rows = tx.query(sql, &[&after, &BATCH_ROWS]).await?;
    let (mut ids, mut keys, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for row in &rows {
        let (organisation_id, key): (Uuid, _) = (row.get(1), look_alike_key(row.get(2), row.get(3)));
        if seen.insert((organisation_id, key)) {
            ids.push(row.get::<_, Uuid>(0));
            keys.push(key.to_vec());
        }
    }
    tx.execute(
        "update buildings b set look_alike_key = s.key from unnest($1::uuid[], $2::bytea[]) s (id, key)
         where b.id = s.id
           and not exists (select from buildings held
                           where held.organisation_id = b.organisation_id and held.look_alike_key = s.key)",
        &[&ids, &keys],
    )
    .await?;
    tx.commit().await?;
    Ok(rows.last().map(|row| row.get(0)))
}

async fn fill_search_keys(client: &mut Client, after: Uuid) -> Result<Option<Uuid>, StorageError> {
    let Some(tx) = begin(client, "buildings", "search_key is null").await? else { return Ok(None) };
    let sql = "select id, site_name, site_address from buildings where search_key is null and id > $1 order by id limit $2";
    let rows = tx.query(sql, &[&after, &BATCH_ROWS]).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let keys: Vec<String> = rows.iter().map(|row| search_key(row.get(1), row.get(2))).collect();
    let sql = "update buildings b set search_key = s.key from unnest($1::uuid[], $2::text[]) s (id, key) where b.id = s.id";
    tx.execute(sql, &[&ids, &keys]).await?;
    tx.commit().await?;
    Ok(ids.last().copied())
}
