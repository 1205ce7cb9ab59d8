//! Puts the server together and runs it until it is told to stop.

use std::time::Duration;

use actix_web::http::header::STRICT_TRANSPORT_SECURITY;
use actix_web::middleware::{Condition, DefaultHeaders, from_fn};
use actix_web::{App, HttpServer, web};
use firemode_runtime::listener;
use firemode_runtime::notify::{Notifier, READY, STOPPING};
use firemode_runtime::open_files;
use firemode_runtime::settings::Settings;
use firemode_web::{Drain, Metrics, close_when_leaving, conventions};

use crate::error::ApiError;
use crate::ingest_client::IngestClient;
use crate::state::{Ready, State};
use crate::{access, handlers, limits, maintenance, readiness, routes, snapshots};

/// Threads of one worker for work that would hold up its requests: passwords and documents.
const BLOCKING_THREADS: usize = 8;

/// Serves until SIGTERM or SIGINT, then lets requests finish.
///
/// The socket answers at once; routes that need the database answer 503 with Retry-After until it is migrated.
///
/// # Errors
/// See [`ApiError`].
pub async fn run(settings: Settings) -> Result<(), ApiError> {
    let notifier = Notifier::from_env();
    let listener = listener::inherited_or_bind(&settings.server.address(), "PORT")?;
    let address = listener.local_addr()?;
    let server_settings = settings.server.clone();
    let supervisor_settings = settings.supervisor.clone();
    open_files::make_room_for(server_settings.connections_max);
    let drain = Drain::new(&server_settings);
    let state = web::Data::new(State::new(settings)?);
    let metrics = Metrics::of_process();
    handlers::metrics::describe();
    crate::auth::reencryption::describe();
    let background = [
        actix_web::rt::spawn(metrics.clone().keep_up()),
        actix_web::rt::spawn(readiness::open_when_migrated(state.clone())),
        actix_web::rt::spawn(crate::auth::revocations::keep_fresh(state.clone())),
        actix_web::rt::spawn(crate::auth::reencryption::keep_current(state.clone())),
        actix_web::rt::spawn(maintenance::sweep_now_and_then(state.clone())),
        actix_web::rt::spawn(snapshots::keep_current(state.clone())),
    ];

    if listener::is_successor() {
        readiness::wait_until_serving(&state).await;
    }
    let has_cors = state.settings.cors.origins().next().is_some();
    let https_only_seconds = server_settings.https_only_seconds;
    let (app_state, app_drain) = (state.clone(), drain.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(app_state.clone())
            .app_data(web::Data::new(metrics.clone()))
            .app_data(web::Data::new(app_drain.clone()))
            .app_data(web::Data::new(IngestClient::new(&app_state.settings.ingest)))
            .app_data(web::PayloadConfig::new(app_state.settings.server.json_bytes_max))
            .configure(routes::register)
            .wrap(from_fn(limits::count_user))
            .wrap(from_fn(access::check))
            .wrap(from_fn(limits::slow_body::bound_body))
            .wrap(from_fn(limits::admit))
            .wrap(Condition::new(has_cors, limits::cors::cors(&app_state.settings.cors)))
            .wrap(from_fn(conventions))
            .wrap(Condition::new(https_only_seconds > 0, https_only(https_only_seconds)))
            .wrap(from_fn(close_when_leaving))
    })
    .on_connect(drain.count())
    .workers(server_settings.workers)
    .max_connections(server_settings.connections_max.div_ceil(server_settings.workers))
    .worker_max_blocking_threads(BLOCKING_THREADS)
    .keep_alive(Duration::from_secs(server_settings.keep_alive_seconds))
    .client_request_timeout(Duration::from_secs(server_settings.request_head_seconds_max))
    .disable_signals()
    .listen(listener)?
    .run();

    let handle = server.handle();
    let running = actix_web::rt::spawn(server);
    tracing::info!(%address, "listening");
    notifier.send(READY);
    let stop = drain.leave_when_asked(&handle, &supervisor_settings, || {
        notifier.send(STOPPING);
        state.readiness.set(Ready::Stopping);
    });
    tokio::select! {
        stopped = stop => stopped?,
        ended = running => ended.map_err(std::io::Error::other)??,
    }
    background.iter().for_each(actix_web::rt::task::JoinHandle::abort);
    Ok(())
}

/// Tells browsers to use HTTPS alone. What terminates TLS stands before this server.
fn https_only(seconds: u64) -> DefaultHeaders {
    DefaultHeaders::new().add((STRICT_TRANSPORT_SECURITY, format!("max-age={seconds}; includeSubDomains")))
}
