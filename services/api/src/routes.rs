//! Every route of the public server: its method, its path, who may call it, and what serves it.
//!
//! The server's routing, the access check and the OpenAPI document are all made from this table.

use actix_web::dev::ServiceRequest;
use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use firemode_domain::role::Role;
use firemode_web::{Problem, Routed, Routes};
use utoipa::OpenApi;

use crate::handlers;

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteRule {
    /// Nothing, and it answers even while the database is not there.
    Always,
    /// No token.
    Public,
    /// The documentation: no token where it is public, else that of an admin.
    Docs,
    /// The metrics token, at any time, or the token of an admin.
    Metrics,
    /// A token with one of these roles.
    Roles(&'static [Role]),
}

impl RouteRule {
    /// The roles that may call the route, where it asks for one.
    pub(crate) fn roles(self) -> Option<&'static [Role]> {
        match self {
            Self::Always | Self::Public | Self::Docs => None,
            Self::Metrics => Some(&[Role::Admin]),
            Self::Roles(roles) => Some(roles),
        }
    }
}

const ANYONE: &[Role] = &[Role::Admin, Role::Manager, Role::Technician, Role::Auditor];
const WRITERS: &[Role] = &[Role::Admin, Role::Manager, Role::Technician];
const MANAGERS: &[Role] = &[Role::Admin, Role::Manager];
const OVERSEERS: &[Role] = &[Role::Admin, Role::Manager, Role::Auditor];
const ADMINS: &[Role] = &[Role::Admin];

macro_rules! routes {
    ($($access:expr => { $($method:ident $path:literal $($handler:ident)::+;)+ })+) => {
        /// Method, path and access of every route.
        pub(crate) const TABLE: &[(Method, &str, RouteRule)] = &[
            $($((routes!(@method $method), $path, $access),)+)+
        ];

        /// Adds each row to the server's routing.
        pub(crate) fn register(server: &mut ServiceConfig) {
            let mut routes = Routes::new(server);
            $($(routes.add(routes!(@method $method), $path, |service| service.to($($handler)::+));)+)+
            routes.finish();
        }

        #[derive(OpenApi)]
        #[openapi(paths($($($($handler)::+,)+)+))]
        pub(crate) struct Documented;
    };
    (@method get) => { Method::GET };
    (@method post) => { Method::POST };
    (@method put) => { Method::PUT };
    (@method patch) => { Method::PATCH };
    (@method delete) => { Method::DELETE };
    (@method options) => { Method::OPTIONS };
}

routes! {
    // The server tries one route after the other, so that the one with the load comes first.
    RouteRule::Roles(WRITERS) => {
        post "/v1/tests/sessions/{session_id}/results" handlers::proxied::results;
    }
    RouteRule::Always => {
        get "/" handlers::root::index;
        get "/health" handlers::health::health;
        get "/health/live" handlers::health::live;
        get "/health/ready" handlers::health::ready;
    }
    RouteRule::Docs => {
        get "/openapi.json" handlers::root::openapi_json;
        get "/docs" handlers::root::docs;
        get "/docs/errors" handlers::root::errors;
        get "/docs/{file}" handlers::root::docs_file;
    }
    RouteRule::Metrics => {
        get "/metrics" handlers::metrics::metrics;
    }
    RouteRule::Public => {
        post "/v1/auth/register" handlers::auth::register;
        post "/v1/auth/login" handlers::auth::login;
        post "/v1/auth/refresh" handlers::auth::tokens::refresh;
        post "/v1/auth/accept-invitation" handlers::auth::accept_invitation;
        post "/v1/auth/reset-password" handlers::auth::reset_password;
        get "/v1/receipts/keys" handlers::receipts::keys;
        options "/v1/evidence/uploads" handlers::evidence::uploads::options;
        get "/v1/evidence/{evidence_id}/linked" handlers::evidence::link::linked;
    }
    RouteRule::Roles(ANYONE) => {
        post "/v1/auth/logout" handlers::auth::tokens::logout;
        get "/v1/users/me" handlers::users::me::me;
        patch "/v1/users/me" handlers::users::me::update_me;
        get "/v1/users/me/audits" handlers::users::me::audits;
        post "/v1/users/me/password" handlers::users::me::change_password;
        post "/v1/users/me/totp" handlers::users::totp::begin;
        delete "/v1/users/me/totp" handlers::users::totp::remove_own;
        post "/v1/users/me/totp/confirm" handlers::users::totp::confirm;
        get "/v1/buildings" handlers::buildings::list;
        get "/v1/buildings/{building_id}" handlers::buildings::get;
        get "/v1/buildings/{building_id}/assets" handlers::assets::list;
        get "/v1/buildings/{building_id}/assets/{asset_id}" handlers::assets::get;
        get "/v1/buildings/{building_id}/assets/{asset_id}/baseline" handlers::baselines::get;
        get "/v1/buildings/{building_id}/assets/{asset_id}/baseline/versions" handlers::baselines::versions;
        get "/v1/buildings/{building_id}/baseline" handlers::baselines::completeness;
        get "/v1/buildings/{building_id}/measures" handlers::measures::list;
        get "/v1/buildings/{building_id}/measures/{measure_id}" handlers::measures::get;
        get "/v1/jobs" handlers::jobs::list;
        get "/v1/jobs/{job_id}" handlers::jobs::get;
        get "/v1/organisation" handlers::organisation::get;
        get "/v1/classifications/{audit_log_id}" handlers::classifications::receipt;
        get "/v1/classifications/{audit_log_id}/replay" handlers::classifications::replay;
        get "/v1/rules" handlers::rules::list;
        get "/v1/rules/schema" handlers::rules::schema;
        get "/v1/rules/uncovered" handlers::rules::uncovered;
        get "/v1/rules/impact/{job_id}" handlers::rule_impacts::impact_report;
        get "/v1/rules/{rule_code}" handlers::rules::get;
        get "/v1/rules/{rule_code}/versions" handlers::rules::versions;
        get "/v1/rules/id/{rule_id}" handlers::rules::get_version;
        get "/v1/tests/sessions" handlers::sessions::list;
        get "/v1/tests/sessions/changes" handlers::sessions::feed::changes;
        get "/v1/tests/sessions/{session_id}" handlers::sessions::get;
        get "/v1/tests/sessions/{session_id}/history" handlers::sessions::history::history;
        get "/v1/tests/sessions/{session_id}/sync" handlers::sessions::sync::sync;
        get "/v1/tests/sessions/{session_id}/offline_bundle" handlers::sessions::bundle::offline_bundle;
        get "/v1/tests/sessions/{session_id}/evidence" handlers::evidence::list;
        get "/v1/defects" handlers::defects::list;
        get "/v1/defects/{defect_id}" handlers::defects::get;
        get "/v1/defects/{defect_id}/history" handlers::defects::history::list;
        get "/v1/defects/{defect_id}/observations" handlers::defects::observations::list;
        get "/v1/reports/compliance" handlers::reports::compliance;
        get "/v1/reports/trends" handlers::reports::trends;
        get "/v1/reports/defects" handlers::reports::defects;
        get "/v1/reports/sync" handlers::reports::sync;
        get "/v1/evidence" handlers::evidence::list_of_organisation;
        get "/v1/evidence/{evidence_id}" handlers::evidence::get;
        get "/v1/evidence/{evidence_id}/content" handlers::evidence::content::content;
        get "/v1/evidence/{evidence_id}/link" handlers::evidence::link::link;
        get "/v1/evidence/{evidence_id}/verify" handlers::evidence::verify;
    }
    RouteRule::Roles(WRITERS) => {
        post "/v1/buildings/{building_id}/assets" handlers::assets::create::create;
        patch "/v1/buildings/{building_id}/assets/{asset_id}" handlers::assets::update;
        post "/v1/tests/sessions" handlers::sessions::create;
        patch "/v1/tests/sessions/{session_id}" handlers::sessions::update;
        post "/v1/tests/sessions/{session_id}/items" handlers::sessions::items::add_items;
        post "/v1/defects" handlers::defects::opening::open;
        patch "/v1/defects/{defect_id}" handlers::defects::changes::update;
        post "/v1/defects/{defect_id}/observations" handlers::defects::observations::add;
        post "/v1/defects/{defect_id}/transitions" handlers::defects::transitions::transition;
        post "/v1/evidence" handlers::proxied::evidence;
        post "/v1/evidence/uploads" handlers::evidence::uploads::create;
        get "/v1/evidence/uploads/{upload_id}" handlers::evidence::uploads::show;
        patch "/v1/evidence/uploads/{upload_id}" handlers::evidence::uploads::append;
        delete "/v1/evidence/uploads/{upload_id}" handlers::evidence::uploads::terminate;
        post "/v1/evidence/{evidence_id}/flag" handlers::evidence::flag;
        post "/v1/classify" handlers::proxied::classify;
        post "/v1/rules/classify_faults" handlers::proxied::classify_faults;
    }
    RouteRule::Roles(MANAGERS) => {
        post "/v1/buildings" handlers::buildings::create;
        patch "/v1/buildings/{building_id}" handlers::buildings::update;
        delete "/v1/buildings/{building_id}" handlers::buildings::deactivate;
        delete "/v1/buildings/{building_id}/assets/{asset_id}" handlers::assets::deactivate;
        post "/v1/buildings/{building_id}/measures" handlers::measures::create;
        patch "/v1/buildings/{building_id}/measures/{measure_id}" handlers::measures::update;
        delete "/v1/buildings/{building_id}/measures/{measure_id}" handlers::measures::delete;
        put "/v1/buildings/{building_id}/assets/{asset_id}/baseline" handlers::baselines::set;
        post "/v1/defects/withdrawals" handlers::defects::withdrawals::withdraw_history;
        post "/v1/defects/{defect_id}/interim_measures" handlers::defects::interim_measures::add;
        post "/v1/rules" handlers::rules::create;
        post "/v1/rules/impact" handlers::rule_impacts::impact;
        put "/v1/rules/id/{rule_id}/activate" handlers::rules::activate;
        put "/v1/rules/id/{rule_id}/deactivate" handlers::rules::deactivate;
        post "/v1/evidence/{evidence_id}/unflag" handlers::evidence::unflag;
        post "/v1/tests/sessions/{session_id}/late/accept" handlers::sessions::late::accept_late;
        post "/v1/tests/sessions/{session_id}/late/reject" handlers::sessions::late::reject_late;
    }
    RouteRule::Roles(OVERSEERS) => {
        get "/v1/audit" handlers::audit::list;
        get "/v1/reports/technicians" handlers::reports::technicians;
        get "/v1/exports/{kind}" handlers::exports::export;
        get "/v1/users" handlers::users::list;
    }
    RouteRule::Roles(ADMINS) => {
        patch "/v1/organisation" handlers::organisation::update;
        post "/v1/buildings/{building_id}/parties/{party_id}/erase" handlers::parties::erase;
        post "/v1/auth/revoke" handlers::auth::tokens::revoke;
        post "/v1/auth/revoke-all" handlers::auth::tokens::revoke_all;
        post "/v1/users" handlers::users::invitations::invite;
        get "/v1/users/{user_id}" handlers::users::get;
        patch "/v1/users/{user_id}" handlers::users::update;
        post "/v1/users/{user_id}/erase" handlers::users::erasure::erase;
        post "/v1/users/{user_id}/invitation" handlers::users::invitations::invite_again;
        delete "/v1/users/{user_id}/invitation" handlers::users::invitations::withdraw;
        post "/v1/users/{user_id}/password-reset" handlers::users::invitations::reset_password;
        delete "/v1/users/{user_id}/totp" handlers::users::totp::remove_of_user;
    }
}

/// What the route of a request asks of its caller.
///
/// # Errors
/// 404 where there is no such route, 405 where its path does not take the method.
pub(crate) fn access_of(request: &ServiceRequest) -> Result<RouteRule, Problem> {
    Routed::of(request).row().map(|row| TABLE[row].2)
}
