//! Puts the server together and runs it until it is told to stop.

use std::time::Duration;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer, Resource};
use firemode_runtime::listener::{self, ListenError};
use firemode_runtime::notify::{Notifier, READY, STOPPING};
use firemode_runtime::open_files;
use firemode_runtime::private_files;
use firemode_runtime::settings::{EvidencePlace, Settings};
use firemode_storage::StorageError;
use firemode_web::{Drain, Metrics, Routes, close_when_leaving, conventions_behind_api};
use serde_json::json;

use crate::state::State;
use crate::{classify, evidence, figures, memory, profiles, results, uploads};

/// Threads of one worker for work that would hold up its requests: merging, hashing, files.
const BLOCKING_THREADS: usize = 8;

/// Largest body of a classification, in bytes: a thousand faults with their contexts.
const CLASSIFY_BYTES_MAX: usize = 1 << 20;

/// The ingest process could not start or broke down.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// No socket to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A setting of the database or of the evidence store does not work.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A key does not work.
    #[error("receipts.signing_key holds no usable key")]
    Keys,
    /// The server itself failed.
    #[error("the server failed: {0}")]
    Server(#[from] std::io::Error),
}

/// Serves until SIGTERM or SIGINT, then lets requests finish. The database is asked only when a request needs it.
///
/// # Errors
/// See [`IngestError`].
pub async fn run(settings: Settings) -> Result<(), IngestError> {
    let notifier = Notifier::from_env();
    let listener = listener::inherited_or_bind(&settings.ingest.address(), "INGEST_PORT")?;
    let address = listener.local_addr()?;
    let (state, lanes) = State::new(settings)?;
    let state = web::Data::new(state);
    lanes.run(&state);
    let settings = &state.settings;
    let metrics = Metrics::of_process();
    figures::describe();
    let upkeep = actix_web::rt::spawn(metrics.clone().keep_up());
    close_evidence(settings);
    open_files::make_room_for(settings.server.connections_max);
    let sweeper = actix_web::rt::spawn(evidence::incoming::sweep_now_and_then(state.clone()));
    let drain = Drain::new(&settings.server);
    let (app_state, app_drain) = (state.clone(), drain.clone());
    let server = HttpServer::new(move || {
        let state = app_state.clone();
        App::new()
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(app_drain.clone()))
            .configure(move |server| routes(server, state))
            .wrap(from_fn(conventions_behind_api))
            .wrap(from_fn(close_when_leaving))
    })
    .on_connect(drain.count())
    .workers(settings.ingest.workers)
    .max_connections(settings.server.connections_max.div_ceil(settings.ingest.workers))
    .worker_max_blocking_threads(BLOCKING_THREADS)
    .keep_alive(Duration::from_secs(settings.server.keep_alive_seconds))
    .client_request_timeout(Duration::from_secs(settings.server.request_head_seconds_max))
    .disable_signals()
    .listen(listener)?
    .run();

    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    tracing::info!(%address, "listening");
    notifier.send(READY);
    let stop = drain.leave_when_asked(&handle, &settings.supervisor, || notifier.send(STOPPING));
    tokio::select! {
        stopped = stop => stopped?,
        ended = running => ended.map_err(std::io::Error::other)??,
    }
    upkeep.abort();
    sweeper.abort();
    Ok(())
}

/// Closes evidence of an earlier release to other users, beside the work.
fn close_evidence(settings: &Settings) {
    if let Ok(EvidencePlace::Folder(folder)) =
        EvidencePlace::parse(&settings.evidence.url, &settings.data_dir)
    {
        std::thread::spawn(move || private_files::close_evidence(&folder));
    }
}

/// Tells the server what serves what.
fn routes(server: &mut ServiceConfig, state: web::Data<State>) {
    let results_bytes_max = state.settings.ingest.results_bytes_max;
    let has_profiles = state.settings.ingest.profiles;
    server.app_data(state);
    let mut routes = Routes::new(server);
    let limited = |service: Resource, bytes_max| service.app_data(web::PayloadConfig::new(bytes_max));
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

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
