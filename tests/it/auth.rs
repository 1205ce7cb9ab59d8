//! Signing up, in and out.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::{NoContext, Timestamp, Uuid};

use crate::support::organisation::{PASSWORD, new_email};
use crate::support::{Answer, Client, Organisation, Stack, base64, new_key};

fn registration(email: &str) -> Value {
    json!({"organisation_name": "Example Fire", "email": email, "password": PASSWORD, "full_name": "Ada Example"})
}

fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/v1/auth/refresh", &json!({"refresh_token": token}))
}

/// What a token says of itself.
fn claims(token: &str) -> Value {
    use ::base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&::base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap())
        .unwrap()
}

#[test]
fn a_new_organisation_has_its_first_user_as_admin() {
    let client = Stack::shared().client();
    let email = new_email();
    let answer = client.post("/v1/auth/register", &registration(&email.to_uppercase())).expect(201);
    assert_eq!(answer["user"]["email"], email, "addresses are kept in lower case");
    assert_eq!(answer["user"]["full_name"], "Ada Example");
    assert_eq!(answer["user"]["role"], "admin");
    assert_eq!(answer["organisation"]["name"], "Example Fire");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 900);

    let signed_in = client.with_token(answer.text("/access_token"));
    let me = signed_in.get("/v1/users/me").expect(200);
    for member in ["id", "email", "full_name", "role"] {
        assert_eq!(me[member], answer["user"][member], "{member}");
    }
    client.post("/v1/auth/register", &registration(&email)).problem(409, "FIRE-409-EXISTS");
    let sql = Stack::shared().sql();
    let stored: Vec<u8> =
        sql.rows("select full_name_encrypted from users where email = $1", &[&email])[0].get(0);
    assert!(!String::from_utf8_lossy(&stored).contains("Ada"), "personal data is encrypted");
}

#[test]
fn registration_names_every_fault() {
    let client = Stack::shared().client();
    let body = json!({"organisation_name": "", "email": "ada", "password": "short", "full_name": ""});
    client.post("/v1/auth/register", &body).invalid(&["organisation_name", "email", "password", "full_name"]);
}

#[test]
fn signing_in_takes_the_right_password_and_tells_nobody_which_accounts_exist() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let login = |email: &str, password: &str| {
        stack.client().post("/v1/auth/login", &json!({"email": email, "password": password}))
    };
    let answer = login(&organisation.email.to_uppercase(), PASSWORD).expect(200);
    assert_eq!(answer["organisation"]["id"], organisation.id.to_string());
    let wrong = login(&organisation.email, "not the right one").problem(401, "FIRE-401");
    let nobody = login(&new_email(), PASSWORD).problem(401, "FIRE-401");
    assert_eq!(wrong["detail"], nobody["detail"]);
    let failed = organisation.admin.get("/v1/audit?action=auth.login&status=failure").expect(200);
    assert_eq!(failed.data().len(), 1);
}

#[test]
fn a_refresh_token_survives_a_lost_answer_and_its_reuse_ends_the_family() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let client = stack.client();
    let first = &organisation.refresh_token;
    let lost = refresh(&client, first).expect(200).text("/refresh_token");
    // The answer got lost: the old token still works, and the one that nobody received does not any more once its
    // sibling is used.
    let second = refresh(&client, first).expect(200).text("/refresh_token");
    assert_ne!(lost, second);
    let third = refresh(&client, &second).expect(200);
    third.clone().expect(200);
    client.with_token(third.text("/access_token")).get("/v1/users/me").expect(200);

    refresh(&client, first).problem(401, "FIRE-401");
    refresh(&client, &third.text("/refresh_token")).problem(401, "FIRE-401");
    refresh(&client, &lost).problem(401, "FIRE-401");
    refresh(&client, "nonsense").problem(401, "FIRE-401");
    let fresh =
        stack.client().post("/v1/auth/login", &json!({"email": organisation.email, "password": PASSWORD}));
    refresh(&client, &fresh.expect(200).text("/refresh_token")).expect(200);
}

#[test]
fn a_session_ends_however_often_it_is_renewed() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let (client, sql) = (stack.client(), stack.sql());
    // As if the user had signed in so long ago: a family's id says when it began.
    let began = |days: i64| {
        let then = OffsetDateTime::now_utc() - Duration::days(days);
        let family = Uuid::new_v7(Timestamp::from_unix(NoContext, then.unix_timestamp().cast_unsigned(), 0));
        sql.rows(
            "update refresh_tokens set family_id = $2 where user_id = $1",
            &[&organisation.user_id, &family],
        );
    };
    began(179);
    let renewed = refresh(&client, &organisation.refresh_token).expect(200).text("/refresh_token");
    let outlives = "select count(*) from refresh_tokens where user_id = $1 and parent_id is not null
                    and expires_at > now() + interval '1 day'";
    assert_eq!(sql.count(outlives, &[&organisation.user_id]), 0);
    began(181);
    refresh(&client, &renewed).problem(401, "FIRE-401");
}

#[test]
fn signing_out_ends_the_access_token_at_once_in_both_processes() {
    let organisation = Organisation::register(Stack::shared());
    let admin = &organisation.admin;
    let body = json!({"refresh_token": organisation.refresh_token});
    admin.post("/v1/auth/logout", &body).expect(204);
    admin.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    let classify = admin.request("POST", "/v1/classify").key(&new_key()).json(&json!({}));
    classify.send().problem(401, "FIRE-401-REVOKED");
    refresh(&Stack::shared().client(), &organisation.refresh_token).problem(401, "FIRE-401");
}

/// Access tokens of a sign-in that was renewed twice, and its last refresh token.
fn renewed(organisation: &Organisation) -> (Vec<Client>, String) {
    let client = Stack::shared().client();
    let login = json!({"email": organisation.email, "password": PASSWORD});
    let mut answer = client.post("/v1/auth/login", &login).expect(200);
    let mut clients = vec![client.with_token(answer.text("/access_token"))];
    for _ in 0..2 {
        answer = refresh(&client, &answer.text("/refresh_token")).expect(200);
        clients.push(client.with_token(answer.text("/access_token")));
    }
    (clients, answer.text("/refresh_token"))
}

/// In both processes: the one keeps a list in memory, the other asks the database.
fn is_let_in(client: &Client) -> [bool; 2] {
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    [client.get("/v1/users/me").status == 200, client.post("/v1/classify", &fault).status == 200]
}

#[test]
fn signing_out_with_the_refresh_token_ends_every_access_token_of_that_sign_in() {
    let organisation = Organisation::register(Stack::shared());
    let (ended, refresh_token) = renewed(&organisation);
    let (going_on, _) = renewed(&organisation);
    // Any of them may ask for it.
    ended[0].post("/v1/auth/logout", &json!({"refresh_token": refresh_token})).expect(204);
    for client in &ended {
        assert_eq!(is_let_in(client), [false, false]);
        client.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    }
    refresh(&Stack::shared().client(), &refresh_token).problem(401, "FIRE-401");
    assert!(going_on.iter().all(|client| is_let_in(client) == [true, true]), "another sign-in is not meant");
}

#[test]
fn a_stolen_refresh_token_is_of_no_use_and_neither_is_what_came_of_it() {
    let organisation = Organisation::register(Stack::shared());
    let client = Stack::shared().client();
    let stolen = &organisation.refresh_token;
    let thief = refresh(&client, stolen).expect(200);
    let thief = refresh(&client, &thief.text("/refresh_token")).expect(200);
    let access = client.with_token(thief.text("/access_token"));
    assert_eq!(is_let_in(&access), [true, true]);
    // The owner comes with the token that the thief has used.
    refresh(&client, stolen).problem(401, "FIRE-401");
    assert_eq!(is_let_in(&access), [false, false]);
    assert_eq!(is_let_in(&organisation.admin), [false, false], "who is who, nobody can tell");
    refresh(&client, &thief.text("/refresh_token")).problem(401, "FIRE-401");
}

#[test]
fn an_admin_ends_one_token_or_all_of_a_user() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let member = organisation.member(stack, "technician");
    let jti = claims(member.client.token())["jti"].clone();
    organisation
        .admin
        .post("/v1/auth/revoke", &json!({"jti": jti, "user_id": member.user_id}))
        .invalid(&["user_id"]);
    assert_eq!(is_let_in(&member.client), [true, true]);
    organisation.admin.post("/v1/auth/revoke", &json!({"jti": jti})).expect(204);
    assert_eq!(is_let_in(&member.client), [false, false]);
    member.client.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    organisation.admin.post("/v1/auth/revoke", &json!({"jti": jti})).expect(204);

    let other = organisation.member(stack, "manager");
    organisation.admin.post("/v1/auth/revoke-all", &json!({"user_id": other.user_id})).expect(204);
    other.client.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    organisation.admin.get("/v1/users/me").expect(200);
    organisation.admin.post("/v1/auth/revoke-all", &json!({})).expect(204);
    organisation.admin.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    refresh(&stack.client(), &organisation.refresh_token).problem(401, "FIRE-401");
    let again =
        stack.client().post("/v1/auth/login", &json!({"email": organisation.email, "password": PASSWORD}));
    let token = again.expect(200).text("/access_token");
    stack.client().with_token(token).get("/v1/users/me").expect(200);
}

#[test]
fn one_organisation_cannot_end_the_tokens_of_another() {
    let stack = Stack::shared();
    let (ours, theirs) = (Organisation::register(stack), Organisation::register(stack));
    let body = json!({"jti": claims(ours.admin.token())["jti"]});
    theirs.admin.post("/v1/auth/revoke", &body).expect(204);
    assert_eq!(is_let_in(&ours.admin), [true, true]);
    // That entry does not stand in the way of one's own either.
    ours.admin.post("/v1/auth/revoke", &body).expect(204);
    assert_eq!(is_let_in(&ours.admin), [false, false]);
    assert_eq!(is_let_in(&theirs.admin), [true, true]);
}

#[test]
fn tokens_that_an_admin_names_are_so_many_and_no_more() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let sql = stack.sql();
    let fill =
        "insert into token_revocation_list (id, organisation_id, user_id, jti, expires_at, by_jti_alone)
                select gen_random_uuid(), $1, $2, gen_random_uuid(), now() + interval '1 hour', true
                from generate_series(1, $3)";
    sql.rows(fill, &[&organisation.id, &organisation.user_id, &9_998]);
    let revoke = |jti: Uuid| organisation.admin.post("/v1/auth/revoke", &json!({"jti": jti}));
    let last = Uuid::new_v4();
    revoke(last).expect(204);
    // Several that come at the same moment do not pass together.
    let at_once = std::thread::scope(|scope| {
        let revoking: Vec<_> = (0..8).map(|_| scope.spawn(|| revoke(Uuid::new_v4()).status)).collect();
        revoking.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(at_once.iter().filter(|status| **status == 204).count(), 1, "{at_once:?}");
    revoke(Uuid::new_v4()).problem(429, "FIRE-429-REVOCATIONS");
    revoke(last).expect(204);
    let (other, refresh_token) = renewed(&organisation);
    other[0].post("/v1/auth/logout", &json!({"refresh_token": refresh_token})).expect(204);
    assert_eq!(is_let_in(&other[1]), [false, false], "signing out goes on");

    let expire =
        "update token_revocation_list set expires_at = now() where organisation_id = $1 and jti = $2";
    sql.rows(expire, &[&organisation.id, &last]);
    revoke(Uuid::new_v4()).expect(204);
}

#[test]
fn registration_can_be_closed() {
    let closed = Stack::shared().beside(&[("FIREMODE__AUTH__REGISTRATION_OPEN", "false")]);
    closed
        .client()
        .post("/v1/auth/register", &registration(&new_email()))
        .problem(403, "FIRE-403-REGISTRATION-CLOSED");
}

#[test]
fn no_secret_is_in_the_log() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    organisation.admin.get("/v1/users/me").expect(200);
    let secrets = [
        organisation.admin.token(),
        &organisation.refresh_token,
        &organisation.email,
        PASSWORD,
        &base64(PASSWORD.as_bytes()),
    ];
    for secret in secrets {
        assert_eq!(stack.logs().about(secret), "");
    }
}
