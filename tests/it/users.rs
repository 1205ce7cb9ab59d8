//! Users of an organisation: invitations, roles, passwords, and one's own profile.

use serde_json::{Value, json};

use crate::support::organisation::{PASSWORD, new_email};
use crate::support::site::new_building;
use crate::support::{Answer, Client, Organisation, Stack, eventually, new_key};

const NEW_PASSWORD: &str = "nine quiet pumps beside the river";

fn login(email: &str, password: &str) -> Answer {
    Stack::shared().client().post("/v1/auth/login", &json!({"email": email, "password": password}))
}

fn invite(organisation: &Organisation, role: &str) -> Answer {
    let body = json!({"email": new_email(), "role": role, "full_name": "Toni Technician"});
    organisation.admin.post("/v1/users", &body).expect(201)
}

fn accept(token: &str, password: &str) -> Answer {
    let body = json!({"token": token, "password": password});
    Stack::shared().client().post("/v1/auth/accept-invitation", &body)
}

fn user_path(user: &Answer) -> String {
    format!("/v1/users/{}", user.id())
}

#[test]
fn an_invited_user_joins_with_the_token_once() {
    let organisation = Organisation::register(Stack::shared());
    let invited = invite(&organisation, "technician");
    assert_eq!(invited["status"], "invited");
    assert!(invited["full_name"].is_null(), "names are for their owners");
    login(&invited.text("/email"), PASSWORD).problem(401, "FIRE-401");

    let token = invited.text("/invitation/token");
    accept(&token, "short").invalid(&["password"]);
    accept(&token, "Toni Technician 2026").invalid(&["password"]);
    let joined = accept(&token, PASSWORD).expect(200);
    assert_eq!(
        (joined.text("/user/role"), joined.text("/user/full_name")),
        ("technician".into(), "Toni Technician".into())
    );
    accept(&token, PASSWORD).problem(401, "FIRE-401");
    login(&invited.text("/email"), PASSWORD).expect(200);
    let user = organisation.admin.get(&user_path(&invited)).expect(200);
    assert_eq!((&user["status"], &user["has_second_factor"]), (&json!("active"), &json!(false)));
    let again = format!("{}/invitation", user_path(&invited));
    organisation.admin.request("POST", &again).send().problem(409, "FIRE-409-JOINED");
    organisation.admin.delete(&again).problem(409, "FIRE-409-JOINED");
    let stored = Stack::shared()
        .sql()
        .count("select count(*) from account_tokens where user_id = $1::text::uuid", &[&invited.id()]);
    assert_eq!(stored, 0, "a used token is gone");
}

#[test]
fn an_invitation_without_a_name_asks_for_one() {
    let organisation = Organisation::register(Stack::shared());
    let body = json!({"email": new_email(), "role": "auditor"});
    let invited = organisation.admin.post("/v1/users", &body).expect(201);
    let token = invited.text("/invitation/token");
    accept(&token, PASSWORD).invalid(&["full_name"]);
    let body = json!({"token": token, "password": PASSWORD, "full_name": "Ollie Auditor"});
    let joined = Stack::shared().client().post("/v1/auth/accept-invitation", &body).expect(200);
    assert_eq!(joined.text("/user/full_name"), "Ollie Auditor");
}

#[test]
fn a_repeated_invitation_is_the_same_one_and_holds_no_secret() {
    let organisation = Organisation::register(Stack::shared());
    let (key, body) = (new_key(), json!({"email": new_email(), "role": "manager"}));
    let send = || organisation.admin.request("POST", "/v1/users").key(&key).json(&body).send().expect(201);
    let (first, again) = (send(), send());
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.id(), again.id());
    let token = first.text("/invitation/token");
    assert!(again["invitation"]["token"].is_null());
    let stored = "select count(*) from idempotency_keys where position($1 in answer::text) > 0";
    assert_eq!(Stack::shared().sql().count(stored, &[&token]), 0);

    organisation.admin.post("/v1/users", &body).problem(409, "FIRE-409-EXISTS");
    let again = format!("{}/invitation", user_path(&first));
    let second = organisation.admin.request("POST", &again).send().expect(201).text("/token");
    let body = json!({"token": token, "password": PASSWORD, "full_name": "Mo Manager"});
    let join = |body: &Value| Stack::shared().client().post("/v1/auth/accept-invitation", body);
    join(&body).problem(401, "FIRE-401");
    join(&json!({"token": second, "password": PASSWORD, "full_name": "Mo Manager"})).expect(200);
}

#[test]
fn a_withdrawn_invitation_frees_the_address() {
    let organisation = Organisation::register(Stack::shared());
    let invited = invite(&organisation, "technician");
    organisation.admin.delete(&format!("{}/invitation", user_path(&invited))).expect(204);
    accept(&invited.text("/invitation/token"), PASSWORD).problem(401, "FIRE-401");
    organisation.admin.get(&user_path(&invited)).problem(404, "FIRE-404");
    let body = json!({"email": invited.text("/email"), "role": "auditor"});
    organisation.admin.post("/v1/users", &body).expect(201);
}

#[test]
fn an_invitation_is_withdrawn_whatever_strangers_have_tried_on_its_address() {
    let organisation = Organisation::register(Stack::shared());
    let invited = invite(&organisation, "technician");
    for _ in 0..2 {
        login(&invited.text("/email"), PASSWORD).problem(401, "FIRE-401");
    }
    organisation.admin.delete(&format!("{}/invitation", user_path(&invited))).expect(204);
    organisation.admin.get(&user_path(&invited)).problem(404, "FIRE-404");
}

#[test]
fn an_invited_user_that_the_record_names_stays() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let path = |user: &Answer| format!("{}/invitation", user_path(user));
    let named = invite(&organisation, "technician");
    let building_id = new_building(&organisation.admin);
    let session = json!({"building_id": building_id, "technician_id": named.id()});
    organisation.admin.post("/v1/tests/sessions", &session).expect(201);
    organisation.admin.delete(&path(&named)).problem(409, "FIRE-409-IN-USE");

    // A row that refers to a user keeps it; rows of the audit log that an earlier release wrote do.
    let tried = invite(&organisation, "technician");
    let reference = "insert into idempotency_keys (organisation_id, user_id, method, path, key, fingerprint, status, answer,
                                                   expires_at)
                     select $1, $2::text::uuid, 'POST', '/', 'k', sha256(''), 200, '{}', now() + interval '1 day'";
    stack.sql().rows(reference, &[&organisation.id, &tried.id()]);
    organisation.admin.delete(&path(&tried)).problem(409, "FIRE-409-IN-USE");
    organisation.admin.get(&user_path(&tried)).expect(200);
}

#[test]
fn inviting_does_not_tell_whether_an_address_has_an_account_elsewhere() {
    let stack = Stack::shared();
    let (ours, theirs) = (Organisation::register(stack), Organisation::register(stack));
    let invite = |email: &str| {
        let body = json!({"email": email, "role": "technician", "full_name": "Toni Technician"});
        ours.admin.post("/v1/users", &body)
    };
    let (taken, free) = (invite(&theirs.email).expect(201), invite(&new_email()).expect(201));
    let members = |answer: &Answer| answer.json.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&taken), members(&free));
    invite(&theirs.email).problem(409, "FIRE-409-EXISTS");
    for user in [&taken, &free] {
        let seen = ours.admin.get(&user_path(user)).expect(200);
        assert_eq!(seen["status"], "invited");
        let again = ours.admin.request("POST", &format!("{}/invitation", user_path(user))).send().expect(201);
        assert!(again["token"].is_string());
    }
    // An address is one account's: the second cannot join, and learns no more than from any token that does not work.
    let token = ours.admin.request("POST", &format!("{}/invitation", user_path(&taken))).send().expect(201);
    let refused = accept(&token.text("/token"), NEW_PASSWORD).problem(401, "FIRE-401");
    assert_eq!(refused["detail"], accept("nonsense", NEW_PASSWORD).problem(401, "FIRE-401")["detail"]);
    login(&theirs.email, NEW_PASSWORD).problem(401, "FIRE-401");
    assert_eq!(login(&theirs.email, PASSWORD).expect(200).text("/organisation/id"), theirs.id.to_string());
    ours.admin.delete(&format!("{}/invitation", user_path(&taken))).expect(204);
    assert_eq!(login(&theirs.email, PASSWORD).expect(200).text("/organisation/id"), theirs.id.to_string());
}

#[test]
fn an_invitation_keeps_nobody_from_an_account_of_their_own() {
    let organisation = Organisation::register(Stack::shared());
    let invited = invite(&organisation, "technician");
    let body = json!({"organisation_name": "Own", "email": invited.text("/email"), "password": PASSWORD, "full_name": "Toni"});
    Stack::shared().client().post("/v1/auth/register", &body).expect(201);
    login(&invited.text("/email"), PASSWORD).expect(200);
    accept(&invited.text("/invitation/token"), NEW_PASSWORD).problem(401, "FIRE-401");
}

#[test]
fn an_invitation_that_has_expired_does_not_work() {
    let organisation = Organisation::register(Stack::shared());
    let invited = invite(&organisation, "technician");
    let sql =
        "update account_tokens set expires_at = now() - interval '1 minute' where user_id = $1::text::uuid";
    Stack::shared().sql().rows(sql, &[&invited.id()]);
    accept(&invited.text("/invitation/token"), PASSWORD).problem(401, "FIRE-401");
}

#[test]
fn admins_list_the_users_of_their_organisation_and_no_others() {
    let stack = Stack::shared();
    let (ours, theirs) = (Organisation::register(stack), Organisation::register(stack));
    let invited: Vec<String> = (0..3).map(|_| invite(&ours, "technician").id()).collect();
    let first = ours.admin.get("/v1/users?limit=2").expect(200);
    let rest =
        ours.admin.get(&format!("/v1/users?limit=2&cursor={}", first.text("/next_cursor"))).expect(200);
    let listed: Vec<&Value> = first.data().iter().chain(rest.data()).map(|row| &row["id"]).collect();
    assert_eq!(listed.len(), 4);
    assert!(invited.iter().all(|id| listed.contains(&&json!(id))));
    assert_eq!(ours.admin.get("/v1/users?role=admin").expect(200).data().len(), 1);
    assert_eq!(ours.admin.get("/v1/users?is_active=false").expect(200).data().len(), 0);
    ours.admin.get("/v1/users?role=chief").invalid(&["role"]);
    assert_eq!(theirs.admin.get("/v1/users").expect(200).data().len(), 1);

    let path = format!("/v1/users/{}", ours.user_id);
    let send = |method: &str, below: &str, body: Option<Value>| {
        let path = format!("{path}{below}");
        let request = theirs.admin.request(method, &path);
        match body {
            Some(body) => request.json(&body).send(),
            None => request.send(),
        }
    };
    send("GET", "", None).problem(404, "FIRE-404");
    send("PATCH", "", Some(json!({"is_active": false}))).problem(404, "FIRE-404");
    send("POST", "/invitation", None).problem(404, "FIRE-404");
    send("DELETE", "/invitation", None).problem(404, "FIRE-404");
    send("POST", "/password-reset", None).problem(404, "FIRE-404");
    send("DELETE", "/totp", None).problem(404, "FIRE-404");
}

#[test]
fn a_disabled_user_is_out_at_once_everywhere() {
    let stack = Stack::shared();
    let beside = stack.beside(&[]);
    let organisation = Organisation::register(stack);
    let invited = invite(&organisation, "technician");
    let joined = accept(&invited.text("/invitation/token"), PASSWORD).expect(200);
    let here = stack.client().with_token(joined.text("/access_token"));
    let there = beside.client().with_token(joined.text("/access_token"));
    there.get("/v1/buildings").expect(200);

    let path = user_path(&invited);
    let disabled = organisation.admin.patch(&path, &json!({"is_active": false})).expect(200);
    assert_eq!(disabled["status"], "disabled");
    here.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    let classify = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    here.post("/v1/classify", &classify).problem(401, "FIRE-401-REVOKED");
    eventually("the other appliance refuses the token", || {
        (there.get("/v1/buildings").status == 401).then_some(())
    });
    let refresh = json!({"refresh_token": joined.text("/refresh_token")});
    stack.client().post("/v1/auth/refresh", &refresh).problem(401, "FIRE-401");
    login(&invited.text("/email"), PASSWORD).problem(401, "FIRE-401");

    organisation.admin.patch(&path, &json!({"is_active": true})).expect(200);
    here.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    login(&invited.text("/email"), PASSWORD).expect(200);
    let acts = organisation.admin.get("/v1/audit?action=user.update").expect(200);
    assert_eq!(acts.data()[1]["after"], json!({"role": "technician", "is_active": false}));
}

#[test]
fn a_change_of_role_ends_tokens_with_the_old_one() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let invited = invite(&organisation, "manager");
    let joined = accept(&invited.text("/invitation/token"), PASSWORD).expect(200);
    let manager = stack.client().with_token(joined.text("/access_token"));
    manager.get("/v1/audit").expect(200);
    let path = user_path(&invited);
    let stale = organisation.admin.get(&path).expect(200).header("etag").to_owned();
    organisation.admin.patch(&path, &json!({"role": "technician"})).expect(200);
    manager.get("/v1/audit").problem(401, "FIRE-401-REVOKED");
    let refresh = json!({"refresh_token": joined.text("/refresh_token")});
    let renewed = stack.client().post("/v1/auth/refresh", &refresh).expect(200);
    let technician = stack.client().with_token(renewed.text("/access_token"));
    technician.get("/v1/audit").problem(403, "FIRE-403");
    assert_eq!(technician.get("/v1/users/me").expect(200)["role"], "technician");
    let request = organisation.admin.request("PATCH", &path).header("if-match", &stale);
    request.json(&json!({"role": "auditor"})).send().problem(412, "FIRE-412");
}

#[test]
fn an_organisation_keeps_an_active_admin() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let own = format!("/v1/users/{}", organisation.user_id);
    invite(&organisation, "admin");
    for change in [json!({"is_active": false}), json!({"role": "manager"})] {
        organisation.admin.patch(&own, &change).problem(409, "FIRE-409-LAST-ADMIN");
    }
    let second = organisation.member(stack, "admin");
    // Both try to take the other's role at the same moment: one of them stays.
    let theirs = format!("/v1/users/{}", second.user_id);
    let demote = |client: Client, path: String| {
        std::thread::spawn(move || client.patch(&path, &json!({"role": "manager"})).status)
    };
    let both = [demote(organisation.admin.clone(), theirs), demote(second.client.clone(), own)];
    let statuses: Vec<u16> = both.into_iter().map(|thread| thread.join().unwrap()).collect();
    let admins = "select count(*) from users where organisation_id = $1 and role = 'admin' and is_active and joined_at is not null";
    assert_eq!(stack.sql().count(admins, &[&organisation.id]), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
}

#[test]
fn ones_own_profile_is_encrypted_and_its_history_is_ones_own() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let admin = &organisation.admin;
    let changed = admin
        .patch("/v1/users/me", &json!({"full_name": "Ada Lovelace", "phone": "+61 2 5550 0100"}))
        .expect(200);
    assert_eq!(
        (changed.text("/full_name"), changed.text("/phone")),
        ("Ada Lovelace".into(), "+61 2 5550 0100".into())
    );
    assert_eq!(admin.get("/v1/users/me").expect(200).json, changed.json);
    let stored: Vec<u8> =
        stack.sql().rows("select phone_encrypted from users where id = $1", &[&organisation.user_id])[0]
            .get(0);
    assert!(!String::from_utf8_lossy(&stored).contains("5550"));
    assert!(admin.patch("/v1/users/me", &json!({"phone": ""})).expect(200)["phone"].is_null());
    admin.patch("/v1/users/me", &json!({"role": "admin"})).invalid(&["role"]);

    let member = organisation.member(stack, "technician").client;
    let own = member.get("/v1/users/me/audits").expect(200);
    let actions: Vec<&Value> = own.data().iter().map(|row| &row["action"]).collect();
    assert_eq!(actions, ["auth.login"]);
    let log = admin.get("/v1/users/me/audits?limit=100").expect(200).json.to_string();
    assert!(
        log.contains("user.update_profile") && !log.contains("Lovelace") && !log.contains("5550"),
        "{log}"
    );
}

#[test]
fn a_changed_password_ends_every_other_session() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let admin = &organisation.admin;
    let change = |client: &Client, current: &str, new: &str| {
        client.post("/v1/users/me/password", &json!({"current_password": current, "new_password": new}))
    };
    change(admin, "not the right one", NEW_PASSWORD).invalid(&["current_password"]);
    change(admin, PASSWORD, "passwordpasswordpassword").invalid(&["new_password"]);
    change(admin, PASSWORD, &format!("{} 1", organisation.email.split('@').next().unwrap()))
        .invalid(&["new_password"]);
    let tokens = change(admin, PASSWORD, NEW_PASSWORD).expect(200);
    admin.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    let refresh = json!({"refresh_token": organisation.refresh_token});
    stack.client().post("/v1/auth/refresh", &refresh).problem(401, "FIRE-401");
    stack.client().with_token(tokens.text("/access_token")).get("/v1/users/me").expect(200);
    let refresh = json!({"refresh_token": tokens.text("/refresh_token")});
    stack.client().post("/v1/auth/refresh", &refresh).expect(200);
    login(&organisation.email, PASSWORD).problem(401, "FIRE-401");
    login(&organisation.email, NEW_PASSWORD).expect(200);
}

#[test]
fn an_admin_hands_out_a_token_for_a_new_password() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let invited = invite(&organisation, "technician");
    let (path, email) = (user_path(&invited), invited.text("/email"));
    let joined = accept(&invited.text("/invitation/token"), PASSWORD).expect(200);
    let member = stack.client().with_token(joined.text("/access_token"));
    let reset = organisation.admin.request("POST", &format!("{path}/password-reset")).send().expect(201);
    member.get("/v1/users/me").expect(200);
    let body = json!({"token": reset.text("/token"), "password": NEW_PASSWORD});
    stack.client().post("/v1/auth/reset-password", &body).expect(204);
    stack.client().post("/v1/auth/reset-password", &body).problem(401, "FIRE-401");
    member.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    let refresh = json!({"refresh_token": joined.text("/refresh_token")});
    stack.client().post("/v1/auth/refresh", &refresh).problem(401, "FIRE-401");
    login(&email, NEW_PASSWORD).expect(200);
    let invited = invite(&organisation, "technician");
    let reset = format!("{}/password-reset", user_path(&invited));
    organisation.admin.request("POST", &reset).send().problem(409, "FIRE-409-NOT-JOINED");
}

#[test]
fn refusals_for_want_of_a_role_are_on_record_once_a_minute() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let member = organisation.member(stack, "technician");
    for _ in 0..5 {
        member.client.get("/v1/users").problem(403, "FIRE-403");
    }
    member.client.get(&format!("/v1/users/{}", member.user_id)).problem(403, "FIRE-403");
    let log = organisation.admin.get("/v1/audit?action=access.deny&status=failure&limit=100").expect(200);
    let of = |route: &str| log.data().iter().filter(|row| row["resource"]["id"] == route).count();
    // Two where a minute ended in between.
    assert!((1..=2).contains(&of("GET /v1/users")), "{}", log.json);
    assert!((1..=1).contains(&of("GET /v1/users/{user_id}")), "{}", log.json);
    assert_eq!(log.data()[0]["actor"], member.user_id.to_string());
}

#[test]
fn the_page_says_what_each_role_may_do() {
    let page = std::fs::read_to_string(crate::support::stack::repository_file("docs/api.md")).unwrap();
    let table = firemode_api::roles_table();
    assert!(page.contains(&table), "docs/api.md is to have this table:\n{table}");
}

#[test]
fn members_who_oversee_see_the_names_that_were_chosen() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let technician = organisation.member(stack, "technician");
    let manager = organisation.member(stack, "manager").client;
    let auditor = organisation.member(stack, "auditor").client;
    let of = |client: &Client| {
        let users = client.get("/v1/users?role=technician").expect(200);
        assert_eq!(users.data().len(), 1);
        users.data()[0].clone()
    };
    let seen = |name: Option<&str>| {
        json!({
            "id": technician.user_id, "name": name.unwrap_or("Technician 2"), "display_name": name, "role": "technician",
            "is_active": true,
        })
    };
    assert_eq!(of(&manager), seen(None));

    let own =
        technician.client.patch("/v1/users/me", &json!({"display_name": " Toni\u{a0} T. "})).expect(200);
    assert_eq!(own["display_name"], "Toni T.");
    for client in [&manager, &auditor] {
        assert_eq!(of(client), seen(Some("Toni T.")));
    }
    let to_admin = of(&organisation.admin);
    assert_eq!((&to_admin["display_name"], &to_admin["status"]), (&json!("Toni T."), &json!("active")));

    let path = format!("/v1/users/{}", technician.user_id);
    let tag = organisation.admin.get(&path).expect(200).header("etag").to_owned();
    let same = organisation.admin.patch(&path, &json!({"display_name": "Toni T."})).expect(200);
    assert_eq!(same.header("etag"), tag, "nothing has changed");
    organisation.admin.patch(&path, &json!({"display_name": "Team B"})).expect(200);
    assert_eq!(of(&auditor), seen(Some("Team B")));
    organisation.admin.patch(&path, &json!({"display_name": "x".repeat(201)})).invalid(&["display_name"]);
    technician.client.patch("/v1/users/me", &json!({"display_name": null})).expect(200);
    assert_eq!(of(&manager), seen(None));
    technician.client.get("/v1/users").problem(403, "FIRE-403");
    manager.get(&path).problem(403, "FIRE-403");
}
