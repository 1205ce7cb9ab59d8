//! The start and the end of a server process, the same for both servers.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::rt::task::JoinHandle;
use actix_web::{App, Error, HttpServer, web};
use firemode_runtime::listener::{self, ListenError};
use firemode_runtime::notify::{Notifier, READY, STOPPING};
use firemode_runtime::open_files;
use firemode_runtime::pulse::{self, Heart, Pulse};
use firemode_runtime::settings::{Role, ServerSettings, Settings, SupervisorSettings};
use firemode_storage::StorageError;

use crate::drain::{Drain, tend_connection};
use crate::in_flight::InFlight;
use crate::metrics::Metrics;

/// Threads of one worker for work that would hold up its requests: passwords, documents, hashing, files.
const BLOCKING_THREADS: usize = 8;

/// Connections over the bound for a moment, until one that was closed for them is gone.
const CONNECTIONS_SPARE: usize = 64;

/// Handles of a socket: the server's, and one to close it by.
const HANDLES_OF_CONNECTION: usize = 2;

/// A server could not start or broke down.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No socket to listen on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A setting of the database, the store or a key does not work.
    #[error("{0}")]
    Storage(#[from] StorageError),
    /// A key does not work.
    #[error("{0} holds no usable key")]
    Keys(&'static str),
    /// The server itself failed.
    #[error("the server failed: {0}")]
    Server(#[from] std::io::Error),
}

/// A server that has its socket and does not answer yet.
pub struct Server {
    notifier: Notifier,
    listener: TcpListener,
    address: SocketAddr,
    metrics: Metrics,
    in_flight: InFlight,
    /// Connections that one address may have.
    address_connections_max: Option<usize>,
    settings: ServerSettings,
    supervisor: SupervisorSettings,
}

impl Server {
    /// Takes the socket that the supervisor hands down, or binds one; `variable` is what changes the port. Only clients of the API are
    /// known by their addresses.
    ///
    /// # Errors
    /// There is no socket to listen on.
    pub fn bind(
        address: &str,
        variable: &'static str,
        settings: &Settings,
        role: Role,
    ) -> Result<Self, ServerError> {
        let notifier = Notifier::from_env();
        let listener = listener::inherited_or_bind(address, variable)?;
        let address = listener.local_addr()?;
        open_files::make_room_for(settings.server.connections_max.saturating_mul(HANDLES_OF_CONNECTION));
        let proxy_hops = (role == Role::Api).then_some(settings.server.trusted_proxy_hops);
        Ok(Self {
            notifier,
            listener,
            address,
            metrics: Metrics::of_process(),
            in_flight: InFlight::new(&settings.in_flight(role), proxy_hops),
            address_connections_max: (proxy_hops == Some(0))
                .then(|| settings.server.address_connections_max()),
            settings: settings.server.clone(),
            supervisor: settings.supervisor.clone(),
        })
    }

    /// Serves until SIGTERM or SIGINT, then lets requests finish. `stopping` is called in between, and the tasks in `background` end
    /// with the server.
    ///
    /// # Errors
    /// The server failed.
    pub async fn run<T, B>(
        self,
        workers: usize,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
        background: Vec<JoinHandle<()>>,
        stopping: impl FnOnce(),
    ) -> Result<(), ServerError>
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let Self {
            notifier,
            listener,
            address,
            metrics,
            in_flight,
            address_connections_max,
            settings,
            supervisor,
        } = self;
        let upkeep = actix_web::rt::spawn(metrics.clone().keep_up());
        let drain = Drain::new(&settings, address_connections_max);
        let app_drain = drain.clone();
        let pulse = Pulse::default();
        let beating = actix_web::rt::spawn(keep_beating(pulse.join("main")));
        pulse.answer()?;
        let server = HttpServer::new(move || {
            actix_web::rt::spawn(keep_beating(pulse.join("server")));
            app()
                .app_data(web::Data::new(metrics.clone()))
                .app_data(web::Data::new(app_drain.clone()))
                .app_data(web::Data::new(in_flight.clone()))
                .wrap(from_fn(tend_connection))
        })
        .on_connect(drain.count())
        // An answer that is written in pieces would wait for an acknowledgement of the first.
        .tcp_nodelay(true)
        .workers(workers)
        // With so many the server would accept nothing more; an idle connection makes room before.
        .max_connections(settings.connections_max.saturating_add(CONNECTIONS_SPARE))
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .keep_alive(Duration::from_secs(settings.keep_alive_seconds))
        .client_request_timeout(Duration::from_secs(settings.request_head_seconds_max))
        .disable_signals()
        .listen(listener)?
        .run();

        let handle = server.handle();
        let running = actix_web::rt::spawn(server);
        tracing::info!(%address, "listening");
        notifier.send(READY);
        let stop = drain.leave_when_asked(&handle, &supervisor, || {
            notifier.send(STOPPING);
            stopping();
        });
        tokio::select! {
            stopped = stop => stopped?,
            ended = running => ended.map_err(std::io::Error::other)??,
        }
        background.iter().chain([&upkeep, &beating]).for_each(JoinHandle::abort);
        Ok(())
    }
}

/// Says, from the thread that it runs on, that this thread gets to its work.
async fn keep_beating(heart: Heart) {
    loop {
        heart.beat();
        tokio::time::sleep(pulse::BEAT).await;
    }
}
