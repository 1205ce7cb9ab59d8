//! Starts the worker, its health and its figures, and ends them.

use std::rc::Rc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, rt, web};
use firemode_runtime::settings::{Role, Settings};
use firemode_web::{Routes, Server, ServerError, conventions_behind_api};
use serde_json::json;

use crate::engine::Engine;
use crate::figures;
use crate::lanes::LANES;
use crate::state::WorkerState;
use crate::work::reencryption;

/// Threads that answer requests for health and figures.
const THREADS: usize = 1;

/// Works until SIGTERM or SIGINT, then lets jobs end or gives them back. Jobs wait while the database is away.
///
/// # Errors
/// See [`ServerError`].
pub async fn run(settings: Settings) -> Result<(), ServerError> {
    let server = Server::bind(&settings.worker.address(), "WORKER_PORT", &settings, Role::Worker)?;
    let state = Rc::new(WorkerState::new(settings)?);
    figures::describe();
    reencryption::describe();
    let engine = Engine::new(Rc::clone(&state), state.database.clone(), LANES, &state.settings.worker);
    let working = rt::spawn(Rc::clone(&engine).run());
    let of_history = state.database.clone();
    // Nothing is kept in memory that another history would make wrong; the log says that it is another one.
    let watching = rt::spawn(async move { of_history.watch_history(|| {}).await });
    let database = web::Data::new(state.database.clone());
    let app = move || {
        let database = database.clone();
        App::new()
            .configure(move |server| {
                server.app_data(database);
                let mut routes = Routes::new(server);
                routes.add(Method::GET, "/health", |service| service.to(health));
                routes.add(Method::GET, "/metrics", |service| service.to(figures::report));
                routes.finish();
            })
            .wrap(from_fn(conventions_behind_api))
    };
    let leaving = Rc::clone(&engine);
    server.run(THREADS, app, Vec::new(), move || leaving.claim_nothing_more()).await?;
    engine.leave().await;
    // It ends by itself once it has nothing left to look for.
    working.abort();
    watching.abort();
    Ok(())
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
