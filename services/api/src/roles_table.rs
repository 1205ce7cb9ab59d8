//! What each role may do, as a table for people. It is made from the table of routes, so it cannot say anything else.

use std::fmt::Write as _;

use firemode_domain::role::Role;

use crate::routes::TABLE;

const ROLES: [Role; 4] = [Role::Admin, Role::Manager, Role::Technician, Role::Auditor];

/// A table in Markdown: a row for each route that asks for a token, a column for each role.
pub fn roles_table() -> String {
    let mut table =
        String::from("| route | admin | manager | technician | auditor |\n|---|---|---|---|---|\n");
    let mut rows: Vec<(String, String)> = TABLE
        .iter()
        .filter_map(|(method, path, access)| {
            let allowed = access.roles()?;
            let cell = |role: &Role| if allowed.contains(role) { " yes |" } else { " |" };
            let cells: String = ROLES.iter().map(cell).collect();
            Some((format!("{path} {method}"), format!("| `{method} {path}` |{cells}")))
        })
        .collect();
    rows.sort();
    for (_, row) in rows {
        writeln!(table, "{row}").expect("writing to a string cannot fail");
    }
    table
}
