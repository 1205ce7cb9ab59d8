//! What was known at a moment is what was answered then, whatever was changed later.

use std::collections::HashSet;

use firemode_domain::classification::Rule;
use firemode_storage::fault_sites::{self, FaultSite, SiteKey};
use firemode_storage::rules;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::server::Server;

const ITEM_CODE: &str = "EXT-PRESSURE";

/// An organisation with an asset.
struct World {
    server: Server,
    organisation_id: Uuid,
    user_id: Uuid,
    building_id: Uuid,
    asset_id: Uuid,
    /// The first one is the asset's.
    measures: [Uuid; 2],
    rule_id: Uuid,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let organisation_id = server.organisation();
        let [user_id, building_id, asset_id, first, second, rule_id] =
            std::array::from_fn(|_| Uuid::now_v7());
        let world = Self {
            server,
            organisation_id,
            user_id,
            building_id,
            asset_id,
            measures: [first, second],
            rule_id,
        };
        world.change(
            "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role)
             values ($2, $1, 'a@example.org', 'x', 'x', 'admin')",
            &[&user_id],
        );
        world.change(
            "insert into buildings (id, organisation_id, site_name, site_address) values ($2, $1, 'x', 'x')",
            &[&building_id],
        );
        for measure_id in [first, second] {
            world.change(
                "insert into measures (id, organisation_id, building_id, name, standard_of_performance, maintenance_standard)
                 values ($2, $1, $3, 'x', 'x', 'x')",
                &[&measure_id, &building_id],
            );
        }
        world.change(
            "insert into assets (id, organisation_id, building_id, item_code, section, label, location, measure_id)
             values ($2, $1, $3, 'EXT-PRESSURE', 10, 'x', 'x', $4)",
            &[&asset_id, &building_id, &first],
        );
        world
    }

    /// Runs a statement whose first parameter is the organisation.
    fn change(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) {
        let organisation: [&(dyn ToSql + Sync); 1] = [&self.organisation_id];
        self.server.rows(sql, &[&organisation[..], params].concat());
    }

    fn default_jurisdiction(&self, jurisdiction: &str) {
        self.change("update organisations set default_jurisdiction = $2 where id = $1", &[&jurisdiction]);
    }

    /// As the API does it.
    fn correct_place(&self, jurisdiction: &str) {
        self.change(
            "with was as (
                 insert into corrected_places (id, organisation_id, building_id, jurisdiction, time_zone, corrected_by)
                 select gen_random_uuid(), $1, id, jurisdiction, time_zone, $3 from buildings where id = $2
             )
             update buildings set jurisdiction = $4 where organisation_id = $1 and id = $2",
            &[&self.building_id, &self.user_id, &jurisdiction],
        );
    }

    fn solve(&self, measure: usize, min: u16) {
        let limits = json!([{"min": min, "classification": "critical_defect"}]);
        let overrides =
            json!({"limits": {ITEM_CODE: {"pressure_measured": {"unit": "kPa", "limits": limits}}}});
        self.change(
            "update measures set performance_solution = $3 where organisation_id = $1 and id = $2",
            &[&self.measures[measure], &json!({"reference": "x", "overrides": overrides})],
        );
    }

    fn set_measure(&self, measure: usize) {
        self.change(
            "update assets set measure_id = $3 where organisation_id = $1 and id = $2",
            &[&self.asset_id, &self.measures[measure]],
        );
    }

    fn record_baseline(&self, value: u16) {
        let quantities: Value = json!({"pressure": {"value": value, "unit": "kPa"}});
        self.change(
            "insert into baselines (id, organisation_id, asset_id, quantities, source, valid_from, recorded_by)
             values (gen_random_uuid(), $1, $2, $3, 'x', '2020-01-01', $4)",
            &[&self.asset_id, &quantities, &self.user_id],
        );
    }

    fn make_rule(&self) {
        self.change(
            "insert into as1851_rules (id, organisation_id, rule_code, version, rule_schema, item_codes)
             select $2, $1, rule_code, '9.0.0', rule_schema, item_codes from as1851_rules
             where organisation_id is null and rule_code = 'AS1851-10-EXT-PRESSURE'",
            &[&self.rule_id],
        );
    }

    fn set_active(&self, is_active: bool) {
        let (database, id) = (&self.server.database, self.organisation_id);
        self.server.runtime.block_on(async {
            let tx = database.tenant(id).transaction().await.unwrap();
            rules::set_active(&tx, id, self.rule_id, is_active, self.user_id).await.unwrap();
            tx.commit().await.unwrap();
        });
    }

    /// What decides over a fault on the asset.
    fn known(&self, known_at: Option<OffsetDateTime>) -> (FaultSite, Vec<Rule>) {
        let organisation_id = self.organisation_id;
        let key = SiteKey {
            organisation_id,
            session_id: None,
            asset_id: Some(self.asset_id),
            at: OffsetDateTime::UNIX_EPOCH + time::Duration::days(20_000),
            known_at,
        };
        self.server.runtime.block_on(async {
            let tx = self.server.database.tenant(organisation_id).read().await.unwrap();
            let site = fault_sites::find_all(&tx, &HashSet::from([key])).await.unwrap().remove(&key).unwrap();
            let codes = [ITEM_CODE];
            let mut rules = match known_at {
                Some(at) => rules::for_items_as_known(&tx, organisation_id, &codes, at).await.unwrap(),
                None => rules::for_items(&tx, organisation_id, &codes).await.unwrap(),
            };
            rules.sort_by_key(|rule| rule.id);
            (site.unwrap(), rules)
        })
    }

    fn now(&self) -> OffsetDateTime {
        self.server.rows("select clock_timestamp()", &[])[0].get(0)
    }
}

#[test]
fn a_moment_knows_what_was_answered_then() {
    let world = World::new();
    let changes: [&dyn Fn(&World); 12] = [
        &|_| {},
        &|world| world.default_jurisdiction("NSW"),
        &|world| world.correct_place("QLD"),
        &|world| world.solve(0, 800),
        &|world| world.record_baseline(1000),
        &|world| world.solve(0, 700),
        &|world| world.set_measure(1),
        &|world| world.make_rule(),
        &|world| world.correct_place("VIC"),
        &|world| world.set_active(false),
        &|world| world.record_baseline(1200),
        &|world| world.set_active(true),
    ];
    let answered = changes.map(|change| {
        change(&world);
        (world.now(), world.known(None))
    });
    world.change("delete from measures where organisation_id = $1 and id = $2", &[&world.measures[0]]);
    world.default_jurisdiction("SA");
    for pair in answered.windows(2) {
        assert_ne!(pair[0].1, pair[1].1, "each change changes something");
    }
    for (moment, known) in answered {
        assert_eq!(world.known(Some(moment)), known);
    }
}
