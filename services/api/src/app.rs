//! Puts the server together and runs it until it is told to stop.

use actix_web::http::header::STRICT_TRANSPORT_SECURITY;
use actix_web::middleware::{Condition, DefaultHeaders, from_fn};
use actix_web::{App, web};
use firemode_runtime::listener;
use firemode_runtime::settings::{Role, Settings};
use firemode_web::{BodyLimit, Server, ServerError, conventions, take_place};

use crate::ingest_client::IngestClient;
use crate::state::{ApiState, Ready};
use crate::{access, auth, handlers, ingest_circuit, limits, open_transactions, readiness, routes};

/// Serves until SIGTERM or SIGINT, then lets requests finish.
///
/// The socket answers at once; routes that need the database answer 503 with Retry-After until it is migrated.
///
/// # Errors
/// See [`ServerError`].
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let server = Server::bind(&settings.server.address(), "PORT", &settings, Role::Api)?;
    let workers = settings.server.workers;
    let https_only_seconds = settings.server.https_only_seconds;
    let state = web::Data::new(ApiState::new(settings)?);
    handlers::metrics::describe();
    open_transactions::describe();
    ingest_circuit::describe();
    readiness::describe();
    let keeper = state.clone();
    let background = vec![
        actix_web::rt::spawn(readiness::open_when_migrated(state.clone())),
        actix_web::rt::spawn(auth::revocations::keep_fresh(state.clone())),
        actix_web::rt::spawn(async move { keeper.documents.keep_copies(&keeper.database).await }),
        actix_web::rt::spawn(open_transactions::watch(state.clone())),
        actix_web::rt::spawn(watch_history(state.clone())),
        actix_web::rt::spawn(ingest_circuit::watch(state.clone())),
    ];

    if listener::is_successor() {
        readiness::wait_until_serving(&state).await;
    }
    let app_state = state.clone();
    let app = move || {
        App::new()
            .app_data(app_state.clone())
            .app_data(web::Data::new(IngestClient::new(&app_state.settings.ingest)))
            .app_data(BodyLimit(app_state.settings.server.json_bytes_max))
            .configure(routes::register)
            .wrap(from_fn(limits::count_user))
            .wrap(from_fn(access::check))
            .wrap(from_fn(limits::slow_body::bound_body))
            .wrap(from_fn(take_place))
            .wrap(from_fn(limits::admit))
            .wrap(from_fn(limits::cors::check))
            .wrap(from_fn(conventions))
            .wrap(Condition::new(https_only_seconds > 0, https_only(https_only_seconds)))
    };
    server.run(workers, app, background, || state.readiness.set(Ready::Stopping)).await
}

/// Forgets what is kept of a database that is not the one it was. Documents and the list of revoked tokens say themselves of which one
/// they are.
async fn watch_history(state: web::Data<ApiState>) {
    state.database.watch_history(|| state.visits.forget()).await;
}

/// Tells browsers to use HTTPS alone. What terminates TLS stands before this server.
fn https_only(seconds: u64) -> DefaultHeaders {
    DefaultHeaders::new().add((STRICT_TRANSPORT_SECURITY, format!("max-age={seconds}; includeSubDomains")))
}
