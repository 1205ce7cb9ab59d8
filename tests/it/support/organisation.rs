//! A tenant of its own for each test.

use serde_json::json;
use uuid::Uuid;

use super::{Client, Sql, Stack};

/// The password of everybody in the tests.
pub(crate) const PASSWORD: &str = "seven red valves under the stair";

/// An organisation, and its first user signed in.
#[derive(Debug, Clone)]
pub(crate) struct Organisation {
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) email: String,
    pub(crate) refresh_token: String,
    /// Speaks as the admin.
    pub(crate) admin: Client,
}

/// A user beside the first.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) user_id: Uuid,
    pub(crate) client: Client,
}

impl Organisation {
    /// Registers one under a name that nobody else has.
    pub(crate) fn register(stack: &Stack) -> Self {
        Self::register_named(stack, "Ada Example")
    }

    /// The same, with the full name of its first user.
    pub(crate) fn register_named(stack: &Stack, full_name: &str) -> Self {
        let email = new_email();
        let body = json!({
            "organisation_name": format!("Organisation of {email}"), "email": email, "password": PASSWORD,
            "full_name": full_name,
        });
        let answer = stack.client().post("/v1/auth/register", &body).expect(201);
        Self {
            id: uuid(&answer.text("/organisation/id")),
            user_id: uuid(&answer.text("/user/id")),
            refresh_token: answer.text("/refresh_token"),
            admin: stack.client().with_token(answer.text("/access_token")),
            email,
        }
    }

    /// Adds a user with a role and signs it in. The row is made in the database: hashing a password for each of the many
    /// members of the tests would take longer than the tests.
    pub(crate) fn member(&self, stack: &Stack, role: &str) -> Member {
        let (user_id, email) = (Uuid::now_v7(), new_email());
        add_user(&stack.sql(), self, user_id, &email, role);
        let body = json!({"email": email, "password": PASSWORD});
        let answer = stack.client().post("/v1/auth/login", &body).expect(200);
        assert_eq!(answer.text("/user/role"), role);
        Member { user_id, client: stack.client().with_token(answer.text("/access_token")) }
    }
}

fn add_user(sql: &Sql, organisation: &Organisation, id: Uuid, email: &str, role: &str) {
    let copy = "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
                select $1, organisation_id, $2, password_hash, full_name_encrypted, $3 from users where id = $4";
    sql.rows(copy, &[&id, &email, &role, &organisation.user_id]);
}

/// An address that nobody else has.
pub(crate) fn new_email() -> String {
    format!("{}@example.com", Uuid::new_v4())
}

pub(crate) fn uuid(text: &str) -> Uuid {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not a UUID"))
}
