//! Puts the server together and runs it until it is told to stop.

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, Resource};
use firemode_runtime::private_files;
use firemode_runtime::settings::{EvidencePlace, Role, Settings};
use firemode_web::wire::IngestHealth;
use firemode_web::{BodyLimit, Routes, Server, ServerError, conventions_behind_api, take_place};

use crate::state::IngestState;
use crate::{classify, evidence, figures, memory, profiles, results, uploads};

/// Largest body of a classification, in bytes: a thousand faults with their contexts.
const CLASSIFY_BYTES_MAX: usize = 1 << 20;

/// Serves until SIGTERM or SIGINT, then lets requests finish. The database is asked only when a request needs it.
///
/// # Errors
/// See [`ServerError`].
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let server = Server::bind(&settings.ingest.address(), "INGEST_PORT", &settings, Role::Ingest)?;
    let workers = settings.ingest.workers;
    let (state, lanes, classifications) = IngestState::new(settings)?;
    let state = web::Data::new(state);
    lanes.run(&state);
    classifications.run(state.clone());
    figures::describe();
    close_evidence(&state.settings);
    let keeper = state.clone();
    let background = vec![
        actix_web::rt::spawn(async move { keeper.documents.keep_copies(&keeper.database).await }),
        actix_web::rt::spawn(watch_history(state.clone())),
    ];
    let app = move || {
        let state = state.clone();
        App::new()
            .configure(move |server| routes(server, state))
            .wrap(from_fn(take_place))
            .wrap(from_fn(conventions_behind_api))
    };
    server.run(workers, app, background, || {}).await
}

/// Forgets what is kept of a database that is not the one it was. Documents say themselves of which one they are.
async fn watch_history(state: web::Data<IngestState>) {
    state.database.watch_history(|| state.visits.forget()).await;
}

/// Closes evidence of an earlier release to other users, beside the work.
fn close_evidence(settings: &Settings) {
    if let Ok(EvidencePlace::Folder(folder)) =
        EvidencePlace::parse(&settings.evidence.url, &settings.data_dir)
    {
        std::thread::spawn(move || private_files::close_evidence(&folder));
    }
}

/// Adds each route to the server's routing.
fn routes(server: &mut ServiceConfig, state: web::Data<IngestState>) {
    let results_bytes_max = state.settings.ingest.results_bytes_max;
    let has_profiles = state.settings.ingest.profiles;
    server.app_data(state);
    let mut routes = Routes::new(server);
    let limited = |service: Resource, bytes_max| service.app_data(BodyLimit(bytes_max));
    // First, because the server tries one route after the other and this one carries the load.
    routes.add(Method::POST, "/v1/tests/sessions/{session_id}/results", |service| {
        limited(service, results_bytes_max).to(results::submit)
    });
    routes.add(Method::GET, "/health", |service| service.to(health));
    routes.add(Method::GET, "/memory", |service| service.to(memory::report));
    routes.add(Method::GET, "/metrics", |service| service.to(figures::report));
    routes.add(Method::POST, "/v1/evidence", |service| {
        limited(service, evidence::JSON_BYTES_MAX).to(evidence::upload)
    });
    routes.add(Method::POST, "/v1/evidence/uploads", |service| service.to(uploads::create));
    let upload = "/v1/evidence/uploads/{upload_id}";
    routes.add(Method::GET, upload, |service| service.to(uploads::show));
    routes.add(Method::PATCH, upload, |service| service.to(uploads::append));
    routes.add(Method::DELETE, upload, |service| service.to(uploads::terminate));
    routes
        .add(Method::POST, "/v1/classify", |service| limited(service, CLASSIFY_BYTES_MAX).to(classify::one));
    routes.add(Method::POST, "/v1/rules/classify_faults", |service| {
        limited(service, CLASSIFY_BYTES_MAX).to(classify::many)
    });
    if has_profiles {
        routes.add(Method::GET, "/debug/pprof/profile", |service| service.to(profiles::processor));
        routes.add(Method::GET, "/debug/pprof/heap", |service| service.to(profiles::heap));
    }
    routes.finish();
}

async fn health(state: web::Data<IngestState>) -> HttpResponse {
    HttpResponse::Ok().json(IngestHealth { status: "ok".into(), write_fault: state.database.write_fault() })
}
