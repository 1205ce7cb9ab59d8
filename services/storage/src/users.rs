//! Organisations and their users.

use firemode_domain::body;
use firemode_domain::input::comparison_key;
use firemode_domain::role::Role;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::{Row as _, row};
use crate::{Executor, StorageError, Transaction, sql};

row! {
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
        /// Fernet token of the name that members of the organisation see, if there is one.
        pub display_name_encrypted: Option<Vec<u8>>,
        /// The user's number in the organisation. Only a transaction of the organisation knows.
        pub number: Option<i32>,
        /// A user who is not active cannot sign in.
        pub is_active: bool,
        /// When what is personal was erased, if it was.
        pub erased_at: Option<OffsetDateTime>,
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
}

row! {
    /// What of a user members of the organisation see beside what the user did.
    #[derive(Debug, Clone)]
    pub struct Member {
        /// The user's id.
        pub id: Uuid,
        /// What the user may do.
        pub role: Role,
        /// Fernet token of the name that members see, if there is one.
        pub display_name_encrypted: Option<Vec<u8>>,
        /// The user's number in the organisation.
        pub number: Option<i32>,
    }
}

body! {
    /// Which users are wanted.
    #[derive(Debug, Default)]
    pub struct UserFilter {
        /// Only active ones, or only disabled ones.
        pub is_active: Option<bool>,
        /// Users with one role.
        pub role: Option<Role>,
    }
}

/// New values of a profile; what is left out stays.
#[derive(Debug, Default)]
pub struct ProfilePatch {
    /// Fernet token of the full name.
    pub full_name_encrypted: Option<Vec<u8>>,
    /// Fernet token of the telephone number, or none to take it away.
    pub phone_encrypted: Option<Option<Vec<u8>>>,
    /// Fernet token of the name that members of the organisation see, or none to take it away.
    pub display_name_encrypted: Option<Option<Vec<u8>>>,
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

/// Users of a table with their organisations, details and second factors, as [`User`] has them. Each column is named: one that a later
/// release adds changes nothing here.
fn select_from(users: &str) -> String {
    const HAS_SECOND_FACTOR: &str =
        "exists (select from totp_factors f where f.organisation_id = u.organisation_id
        and f.user_id = u.id and f.confirmed_at is not null) as has_second_factor";
    let column = |name: &&str| match *name {
        "organisation_name" => "o.name as organisation_name".to_owned(),
        "has_second_factor" => HAS_SECOND_FACTOR.to_owned(),
        "display_name_encrypted" | "erased_at" | "number" => format!("d.{name}"),
        _ => format!("u.{name}"),
    };
    let columns: Vec<String> = User::COLUMNS.iter().map(column).collect();
    format!(
        "select {} from {users} u join organisations o on o.id = u.organisation_id
         left join user_details d on d.organisation_id = u.organisation_id and d.id = u.id",
        columns.join(", ")
    )
}

/// Finds a user who has joined, by an address as it was sent. The address counts as it was stored from the beginning, in lower case;
/// else the one account whose address looks like it, if there is exactly one. This is the one look-up without an organisation:
/// signing in is how one becomes known. It does not know of second factors.
///
/// # Errors
/// The database does not answer.
pub async fn find_by_email(on: &impl Executor, sent: &str) -> Result<Option<User>, StorageError> {
    let sql = format!(
        "{} where (u.email = $1 or (u.email_key = $2 and not u.is_email_key_shared)) and u.joined_at is not null
         order by u.email = $1 desc limit 1",
        select_from("users")
    );
    sql::optional(on, &sql, &[&sent.to_lowercase(), &comparison_key(sent)])
        .await?
        .as_ref()
        .map(User::read)
        .transpose()
}

/// Finds a user of an organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(on: &impl Executor, organisation_id: Uuid, id: Uuid) -> Result<Option<User>, StorageError> {
    let sql = format!("{} where u.organisation_id = $1 and u.id = $2", select_from("users"));
    sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(User::read).transpose()
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
    let sql = format!("{} where u.organisation_id = $1 and u.id = $2 for share of u", select_from("users"));
    sql::optional(tx, &sql, &[&organisation_id, &id]).await?.as_ref().map(User::read).transpose()
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
        "{} where u.organisation_id = $1
           and (u.id = $2 or (u.role = 'admin' and u.is_active and u.joined_at is not null))
         order by u.id for update of u",
        select_from("users")
    );
    let users = User::read_all(&tx.rows(&sql, &[&organisation_id, &id]).await?)?;
    let (wanted, admins): (Vec<User>, Vec<User>) = users.into_iter().partition(|user| user.id == id);
    Ok(wanted.into_iter().next().map(|user| (user, !admins.is_empty())))
}

/// These users of an organisation, as members see them: a look into an index for each, whatever statistics say.
///
/// # Errors
/// The database does not answer.
pub async fn members(
    on: &impl Executor,
    organisation_id: Uuid,
    ids: &[Uuid],
) -> Result<Vec<Member>, StorageError> {
    let sql = "select u.id, u.role, d.display_name_encrypted, d.number from unnest($2::uuid[]) as wanted (id)
               cross join lateral (
                   select id, role from users where id = wanted.id and organisation_id is not distinct from $1 offset 0
               ) u
               left join lateral (
                   select display_name_encrypted, number from user_details
                   where id = wanted.id and organisation_id is not distinct from $1 offset 0
               ) d on true";
    Member::read_all(&on.rows(sql, &[&organisation_id, &ids]).await?)
}

/// One page of an organisation's users, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &UserFilter,
    keyset: &Keyset,
) -> Result<Page<User>, StorageError> {
    Listing::of("users", organisation_id, keyset)
        .active_if(filter.is_active)
        .only_if("role = {}", filter.role.map(Role::as_str))
        .page_from(on, User::read, select_from)
        .await
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
    if let Some(display_name) = &patch.display_name_encrypted {
        tx.run(
            "insert into user_details (organisation_id, id, display_name_encrypted) values ($1, $2, $3)
             on conflict (id) do update set display_name_encrypted = excluded.display_name_encrypted",
            &[&organisation_id, &id, display_name],
        )
        .await?;
    }
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

/// What stands in the place of the address of a user who was erased: nobody's, as each needs one of its own.
pub(crate) fn erased_address(id: Uuid) -> String {
    format!("erased-{id}@erased.invalid")
}

/// Puts nothing in the place of what is personal of a user, who cannot sign in any more.
///
/// # Errors
/// The database does not answer.
pub async fn erase(
    tx: &Transaction,
    organisation_id: Uuid,
    id: Uuid,
    nothing_encrypted: &[u8],
    password_hash: &str,
) -> Result<(), StorageError> {
    tx.run(
        "update users set email = $5, email_key = $5, is_email_key_shared = false, full_name_encrypted = $3,
             phone_encrypted = null, password_hash = $4, password_changed_at = now(), is_active = false, updated_at = now()
         where organisation_id = $1 and id = $2",
        &[&organisation_id, &id, &nothing_encrypted, &password_hash, &erased_address(id)],
    )
    .await?;
    tx.run(
        "insert into user_details (organisation_id, id, erased_at) values ($1, $2, now())
         on conflict (id) do update set display_name_encrypted = null, erased_at = excluded.erased_at",
        &[&organisation_id, &id],
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
