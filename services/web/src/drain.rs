//! How a server leaves without losing a request.
//!
//! The framework's own graceful stop closes idle connections and drops those that were accepted and not yet looked at; a
//! request on its way would be lost with them. So before that stop comes a time in which nothing new is accepted, every
//! answer says `Connection: close`, and connections stay until their clients have taken leave, or the time is over.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use actix_web::rt::net::TcpStream;
use actix_web::{Error, web};
use firemode_runtime::settings::{ServerSettings, SupervisorSettings};
use firemode_runtime::shutdown::{self, Leave};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::TcpUserTimeout;
use tokio::time::{Instant, sleep};

use crate::connections::{Busy, Connection, Connections};
use crate::in_flight::Held;

/// How often open connections are counted.
const POLL: Duration = Duration::from_millis(20);

/// Until a connection that was accepted in the last moment is counted.
const SETTLE: Duration = Duration::from_millis(100);

/// The open connections of a server, and whether it is leaving.
#[derive(Debug, Clone)]
pub(crate) struct Drain(Arc<DrainState>);

#[derive(Debug)]
struct DrainState {
    leaving: AtomicBool,
    connections: Arc<Connections>,
    /// With more than these open, none is kept for a next request.
    kept_max: usize,
    stalled_max: Duration,
}

impl DrainState {
    fn lets_none_wait(&self) -> bool {
        self.leaving.load(Ordering::Acquire) || self.connections.count() > self.kept_max
    }
}

impl Drain {
    /// For a server with these bounds on its connections; `each_max` is that of one address.
    pub(crate) fn new(settings: &ServerSettings, each_max: Option<usize>) -> Self {
        Self(Arc::new(DrainState {
            leaving: AtomicBool::new(false),
            connections: Connections::new(settings.connections_max, each_max),
            kept_max: settings.connections_max / 4 * 3,
            stalled_max: Duration::from_secs(settings.stalled_seconds_max),
        }))
    }

    /// For `HttpServer::on_connect`.
    pub(crate) fn count(&self) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static {
        let state = self.0.clone();
        move |stream, extensions| {
            if let Some(stream) = stream.downcast_ref::<TcpStream>() {
                drop_when_stalled(stream, state.stalled_max);
                extensions.insert(state.connections.opened(stream));
            }
        }
    }

    /// Waits for a signal that asks this process to stop, and then leaves; `begin` is called in between, to say so.
    ///
    /// A second signal finds a process that is leaving already. It only shortens the time: a process that was taken over from has
    /// long enough for anything, until everything stops.
    ///
    /// # Errors
    /// The signal handlers cannot be installed.
    pub(crate) async fn leave_when_asked(
        &self,
        server: &ServerHandle,
        settings: &SupervisorSettings,
        begin: impl FnOnce(),
    ) -> io::Result<()> {
        let reason = shutdown::requested().await?;
        tracing::info!(signal = reason.signal(), "stopping: no new connections, requests may finish");
        begin();
        self.0.leaving.store(true, Ordering::Release);
        tokio::select! {
            () = self.leave(server, reason.leave(settings)) => {}
            again = shutdown::requested() => self.leave(server, again?.leave(settings)).await,
        }
        Ok(())
    }

    /// Serves on for a moment, so that probes of readiness learn that it ends; then accepts nothing more, waits
    /// until every connection is closed or the time is over, and stops the server.
    async fn leave(&self, server: &ServerHandle, leave: Leave) {
        let deadline = Instant::now() + leave.time_max;
        sleep(leave.notice).await;
        server.pause().await;
        sleep(SETTLE).await;
        while self.0.connections.count() > 0 && Instant::now() < deadline {
            sleep(POLL).await;
        }
        server.stop(false).await;
    }
}

/// A client that acknowledges nothing, or reads nothing of its answer, for so long loses the connection. The kernel cuts it
/// (tcp(7), TCP_USER_TIMEOUT), because the framework waits for ever for a client that does not read.
fn drop_when_stalled(stream: &TcpStream, after: Duration) {
    let milliseconds = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = setsockopt(stream, TcpUserTimeout, &milliseconds) {
        tracing::debug!(%error, "a connection has no bound on how long its client may stall");
    }
}

/// The middleware that knows which connections are idle. It says `Connection: close` once the [`Drain`] in the application's data has
/// begun, and while so many connections are open that none can be spared for waiting.
///
/// # Errors
/// Those of the service within.
pub(crate) async fn tend_connection<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Held<B, Option<Busy>>>, Error> {
    let drain = request.app_data::<web::Data<Drain>>().cloned();
    let busy = request.conn_data::<Arc<Connection>>().map(Connection::work);
    let mut response = next.call(request).await?;
    if drain.is_some_and(|drain| drain.0.lets_none_wait()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response.map_body(|_, body| Held::new(body, busy)))
}
