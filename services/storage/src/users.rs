//! Organisations and their users.

use firemode_domain::input::comparison_key;
use firemode_domain::role::Role;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{Page, Walk, in_walk};
use crate::{Executor, StorageError, Transaction, sql};

/// A user with what signing in needs.
#[derive(Debug, Clone)]
pub struct User {
    /// The user's id.
    pub id: Uuid,
    /// The user's organisation.
    pub organisation_id: Uuid,
    /// The organisation's name.
    pub organisation_name: String,
    /// Lower-case address.
    pub email: String,
    /// Argon2 hash in PHC form.
    pub password_hash: String,
    /// Fernet token of the full name.
    pub full_name_encrypted: Vec<u8>,
    /// What the user may do.
    pub role: Role,
    /// Fernet token of the telephone number, if the user gave one.
    pub phone_encrypted: Option<Vec<u8>>,
    /// A user who is not active cannot sign in.
    pub is_active: bool,
    /// When the user chose a password; none while an invitation waits.
    pub joined_at: Option<OffsetDateTime>,
    /// When the account was made.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
    /// When the password was last chosen.
    pub password_changed_at: OffsetDateTime,
    /// Does signing in ask for a code? Only a transaction of the user's organisation knows.
    pub has_second_factor: bool,
}

/// New values of a profile; what is left out stays.
#[derive(Debug, Default)]
pub struct ProfilePatch {
    /// Fernet token of the full name.
    pub full_name_encrypted: Option<Vec<u8>>,
    /// Fernet token of the telephone number, or none to take it away.
    pub phone_encrypted: Option<Option<Vec<u8>>>,
}

/// A user to be made.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// The new id.
    pub id: Uuid,
    /// The organisation.
    pub organisation_id: Uuid,
    /// Lower-case address.
    pub email: &'a str,
    /// Argon2 hash in PHC form.
    pub password_hash: &'a str,
    /// Fernet token of the full name.
    pub full_name_encrypted: &'a [u8],
    /// What the user may do.
    pub role: Role,
    /// False for a user who has yet to accept an invitation.
    pub has_joined: bool,
}

/// The constraints that refuse a second account with one address, or with one that looks like it, and a second invitation in one
/// organisation.
const EMAIL_TAKEN: [&str; 4] = [
    "idx_users_email",
    "idx_users_email_key",
    "idx_users_organisation_email",
    "idx_users_organisation_email_key",
];

/// Was a user refused because there is an account, or an invitation of the same organisation, with this address or with one that looks
/// like it?
pub fn is_email_taken(error: &StorageError) -> bool {
    error.constraint().is_some_and(|constraint| EMAIL_TAKEN.contains(&constraint))
}

/// Makes an organisation and its first user: without one, nobody could ever get in.
///
/// # Errors
/// As for [`insert`].
pub async fn insert_organisation(
    tx: &Transaction,
    name: &str,
    first: &NewUser<'_>,
) -> Result<(), StorageError> {
    let sql = "insert into organisations (id, name) values ($1, $2)";
    tx.run(sql, &[&first.organisation_id, &name]).await?;
    insert(tx, first).await
}

/// Makes a user.
///
/// # Errors
/// [`is_email_taken`], or the database does not answer.
pub async fn insert(tx: &Transaction, user: &NewUser<'_>) -> Result<(), StorageError> {
    tx.run(
        "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role, joined_at, email_key)
         values ($1, $2, $3, $4, $5, $6, case when $7 then now() end, $8)",
        &[
            &user.id,
            &user.organisation_id,
            &user.email,
            &user.password_hash,
            &user.full_name_encrypted,
            &user.role.as_str(),
            &user.has_joined,
            &comparison_key(user.email),
        ],
    )
    .await?;
    Ok(())
}

const SELECT: &str =
    "select u.id, u.organisation_id, o.name, u.email, u.password_hash, u.full_name_encrypted, u.role, u.phone_encrypted,
            u.is_active, u.joined_at, u.created_at, u.updated_at, u.password_changed_at,
            exists (select from totp_factors f where f.organisation_id = u.organisation_id and f.user_id = u.id
                      and f.confirmed_at is not null)
     from users u join organisations o on o.id = u.organisation_id";

/// Finds a user who has joined by an address as it was sent: as it was stored from the beginning, in lower case; else the one account
/// whose address looks like it, if there is one alone. This is the one look-up without an organisation: signing in is how one becomes
/// known. It does not know of second factors.
///
/// # Errors
/// The database does not answer.
pub async fn find_by_email(on: &impl Executor, sent: &str) -> Result<Option<User>, StorageError> {
    let sql = format!(
        "{SELECT} where (u.email = $1 or (u.email_key = $2 and not u.is_email_key_shared)) and u.joined_at is not null
         order by u.email = $1 desc limit 1"
    );
    sql::optional(on, &sql, &[&sent.to_lowercase(), &comparison_key(sent)]).await?.map(read).transpose()
}

/// Finds a user of an organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor, organisation_id: Uuid, id: Uuid) -> Result<Option<User>, StorageError> {
    let sql = format!("{SELECT} where u.organisation_id = $1 and u.id = $2");
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.map(read).transpose()
}

/// Finds a user and holds it as it is until the transaction ends: what is decided from its role and state stands when the
/// tokens made of it do.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_share(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<User>, StorageError> {
    let sql = format!("{SELECT} where u.organisation_id = $1 and u.id = $2 for share of u");
    sql::optional(tx, &sql, &[&organisation_id, &id]).await?.map(read).transpose()
}

/// Finds a user to be changed, and with it, holds every active admin of the organisation, so that two of them cannot lose
/// their role at the same moment. Says too whether there is an active admin besides.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_update(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<(User, bool)>, StorageError> {
    let sql = format!(
        "{SELECT} where u.organisation_id = $1
           and (u.id = $2 or (u.role = 'admin' and u.is_active and u.joined_at is not null))
         order by u.id for update of u"
    );
    let rows = tx.rows(&sql, &[&organisation_id, &id]).await?;
    let (wanted, admins): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| row.get::<_, Uuid>(0) == id);
    let user = wanted.into_iter().next().map(read).transpose()?;
    Ok(user.map(|user| (user, !admins.is_empty())))
}

/// One page of an organisation's users, newest first; `is_active` and `role` narrow it.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    is_active: Option<bool>,
    role: Option<Role>,
    walk: &Walk,
) -> Result<Page<User>, StorageError> {
    let (at, id) = walk.key();
    let rows = on
        .rows(
            &format!(
                "{SELECT} join (select id as user_id from users where organisation_id = $1 and {}
                                  and ($7::bool is null or is_active = $7) and ($8::text is null or role = $8)
                                order by created_at desc, id desc limit $6) page on page.user_id = u.id
                 where u.organisation_id = $1 order by u.created_at desc, u.id desc",
                in_walk!()
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &is_active,
                &role.map(Role::as_str),
            ],
        )
        .await?;
    let rows = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(Page::cut(rows, walk, |user: &User| (user.created_at, user.id)))
}

/// Changes a user's role and whether it may sign in.
///
/// # Errors
/// The database does not answer.
pub async fn set_role_and_state(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    role: Role,
    is_active: bool,
) -> Result<(), StorageError> {
    let sql = "update users set role = $3, is_active = $4, updated_at = now() where organisation_id = $1 and id = $2";
    tx.run(sql, &[&organisation_id, &id, &role.as_str(), &is_active]).await?;
    Ok(())
}

/// Changes a profile.
///
/// # Errors
/// The database does not answer.
pub async fn update_profile(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    patch: &ProfilePatch,
) -> Result<(), StorageError> {
    let (changes_phone, phone) =
        (patch.phone_encrypted.is_some(), patch.phone_encrypted.as_ref().and_then(Option::as_ref));
    tx.run(
        "update users set full_name_encrypted = coalesce($3, full_name_encrypted),
             phone_encrypted = case when $4 then $5 else phone_encrypted end, updated_at = now()
         where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &patch.full_name_encrypted, &changes_phone, &phone],
    )
    .await?;
    Ok(())
}

/// Sets a new password; a user who was invited has joined with it.
///
/// # Errors
/// What [`is_email_taken`] knows, or the database does not answer.
pub async fn set_password(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    password_hash: &str,
) -> Result<(), StorageError> {
    tx.run(
        "update users set password_hash = $3, password_changed_at = now(), joined_at = coalesce(joined_at, now()),
             updated_at = now()
         where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &password_hash],
    )
    .await?;
    Ok(())
}

/// Keeps a costlier hash of the same password, unless the password was changed meanwhile.
///
/// # Errors
/// The database does not answer.
pub async fn replace_hash(on: &impl Executor, user: &User, password_hash: &str) -> Result<(), StorageError> {
    on.run(
        "update users set password_hash = $4 where organisation_id = $1 and id = $2 and password_hash = $3",
        &[&user.organisation_id, &user.id, &user.password_hash, &password_hash],
    )
    .await?;
    Ok(())
}

/// Removes a user who never joined. False where there is no such one.
///
/// # Errors
/// A constraint where something refers to the user, or the database does not answer.
pub async fn remove_invited(tx: &Transaction, organisation_id: Uuid, id: Uuid) -> Result<bool, StorageError> {
    let sql = "delete from token_revocation_list where organisation_id = $1 and user_id = $2";
    tx.run(sql, &[&organisation_id, &id]).await?;
    let sql = "delete from users where organisation_id = $1 and id = $2 and joined_at is null";
    Ok(tx.run(sql, &[&organisation_id, &id]).await? == 1)
}

fn read(row: Row) -> Result<User, StorageError> {
    let role: String = row.get(6);
    Ok(User {
        id: row.get(0),
        organisation_id: row.get(1),
        organisation_name: row.get(2),
        email: row.get(3),
        password_hash: row.get(4),
        full_name_encrypted: row.get(5),
        role: role.parse().map_err(|_| StorageError::Damaged(format!("unknown role '{role}'")))?,
        phone_encrypted: row.get(7),
        is_active: row.get(8),
        joined_at: row.get(9),
        created_at: row.get(10),
        updated_at: row.get(11),
        password_changed_at: row.get(12),
        has_second_factor: row.get(13),
    })
}
