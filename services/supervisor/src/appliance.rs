//! The real child table.

use std::ffi::OsString;

use firemode_runtime::settings::{Settings, SupervisorSettings};

use crate::effects::sockets::Bound;
use crate::postgres::{self, EmbeddedPostgres};
use crate::spec::{ChildSpec, Kind, MemoryLimits, Probe, Program};

/// The listening sockets of the appliance.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) public: Bound,
    pub(crate) ingest: Bound,
    pub(crate) worker: Bound,
}

/// The appliance's children in the order of their start: database (where it is our own), migrations, the hot path, the worker,
/// the API. The API depends on nothing: it answers at once, and with 503 where it needs what is not there yet.
pub(crate) fn appliance(
    sockets: &Sockets,
    database: Option<&EmbeddedPostgres>,
    Settings { supervisor: settings, cors, .. }: &Settings,
) -> Vec<ChildSpec> {
    let mut table = database.map(EmbeddedPostgres::children).unwrap_or_default();
    let server = database.map(|_| postgres::SERVER);

    let mut migrate = own("migrate", Kind::OneShot, sockets);
    migrate.depends_on.extend(server);

    let behind = |name, bound: &Bound, bytes_max| {
        let mut child = own(name, Kind::Service, sockets);
        child.depends_on.extend(server);
        child.depends_on.push(migrate.name);
        child.probe = Some(Probe::Pulse);
        child.socket = Some(bound.socket.clone());
        child.hands_over = true;
        child.memory = memory(bytes_max, settings);
        child
    };
    let ingest = behind("ingest", &sockets.ingest, settings.ingest_memory_bytes_max);
    let worker = behind("worker", &sockets.worker, settings.worker_memory_bytes_max);

    let mut api = own("api", Kind::Service, sockets);
    api.probe = Some(Probe::Pulse);
    api.socket = Some(sockets.public.socket.clone());
    api.hands_over = true;
    api.stands_in = true;
    api.cors = Some(cors.clone());
    api.memory = memory(settings.api_memory_bytes_max, settings);

    table.extend([migrate, ingest, worker, api]);
    table
}

/// The limits under a ceiling; 0 means none.
fn memory(bytes_max: u64, settings: &SupervisorSettings) -> Option<MemoryLimits> {
    let soft_bytes = bytes_max / 100 * settings.memory_soft_percent;
    (bytes_max > 0).then_some(MemoryLimits { soft_bytes, bytes_max })
}

/// `firemode <name>`, with the ports that are really bound.
fn own(name: &'static str, kind: Kind, sockets: &Sockets) -> ChildSpec {
    let mut spec = ChildSpec::new(name, kind, Program::OwnExecutable, vec![name.into()]);
    let bound =
        [("PORT", &sockets.public), ("INGEST_PORT", &sockets.ingest), ("WORKER_PORT", &sockets.worker)];
    spec.env = bound.map(|(variable, bound)| (variable, port(bound))).into();
    spec
}

fn port(bound: &Bound) -> OsString {
    bound.address.port().to_string().into()
}
