//! Where the processor's time goes.

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::Whole;
use firemode_runtime::memory::Memory;
use firemode_runtime::settings::SupervisorSettings;
use firemode_web::{Params, Problem};
use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::{download, format, take_turn};
use crate::state::IngestState;

/// Samples of each second of processor time; no divisor of the intervals in which a program does its own work.
const SAMPLES_PER_SECOND: i32 = 99;

/// A sample that finds a thread in one of these is left out: reading its stack could wait for a lock that it holds itself.
const NOT_SAMPLED: [&str; 4] = ["libc", "libgcc", "pthread", "vdso"];

const SECONDS_DEFAULT: u64 = 10;
const SECONDS_MAX: i64 = 60;

/// The sampler takes so much for its table of stacks and the names of functions, and keeps it (load/RESULTS.md).
const SAMPLER_BYTES: u64 = 192 << 20;

/// Set once the sampler has that memory.
static SAMPLER: OnceLock<()> = OnceLock::new();

body! {
    /// What the profile is to cover.
    #[derive(Debug)]
    pub(crate) struct WantedProfile {
        /// How long.
        seconds: Option<Whole<1, SECONDS_MAX>>,
    }
}

/// `GET /debug/pprof/profile?seconds=N`: what all threads do in the next seconds (1 to 60, else 10), sampled.
///
/// 503 while another profile is taken, or where the sampler would bring the process near its memory ceiling.
pub(crate) async fn processor(
    Params(wanted): Params<WantedProfile>,
    state: web::Data<IngestState>,
) -> Result<HttpResponse, Problem> {
    let seconds = wanted.seconds.map_or(SECONDS_DEFAULT, |seconds| seconds.get().unsigned_abs());
    let _turn = take_turn()?;
    // The first one of a process reads the executable's symbols, which takes long enough to hold up other requests.
    let sampling =
        web::block(move || begin(&state.settings.supervisor)).await.map_err(Problem::internal)??;
    tracing::info!(seconds, "taking a profile of the processor's time");
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let profile = web::block(move || {
        // Looking up the names of functions takes time that is not to be in the profile.
        sampling.report().build().map_err(Problem::internal).and_then(|report| format::encode(&report))
    });
    Ok(download("profile", profile.await.map_err(Problem::internal)??))
}

fn begin(supervisor: &SupervisorSettings) -> Result<ProfilerGuard<'static>, Problem> {
    let ceiling = supervisor.ingest_memory_bytes_max / 100 * supervisor.memory_soft_percent;
    let bytes = Memory::now().map_err(Problem::internal)?.rss_bytes.unwrap_or_default() + SAMPLER_BYTES;
    if SAMPLER.get().is_none() && ceiling > 0 && bytes > ceiling {
        let detail = format!(
            "A first profile needs {} MiB, and the process would be replaced for taking more than {} MiB; raise \
             supervisor.ingest_memory_bytes_max.",
            SAMPLER_BYTES >> 20,
            ceiling >> 20
        );
        return Err(Problem::unavailable(detail));
    }
    let sampler = ProfilerGuardBuilder::default().frequency(SAMPLES_PER_SECOND).blocklist(&NOT_SAMPLED);
    let sampling = sampler.build().map_err(Problem::internal)?;
    SAMPLER.get_or_init(|| ());
    Ok(sampling)
}
