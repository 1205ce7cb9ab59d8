//! Kills processes under load, stops them so that they hang, and replaces them under load, and counts what clients notice.
//!
//! `cargo test --test chaos -- [--kills 20] [--hangs 5] [--reloads 5] [--rate 240] [--workers 48] [--appliances 1]`
//!
//! `cargo test --test chaos -- --fault all`, or the name of one: other faults, each under load with an organisation beside it, and what was
//! promised and seen of each. FIREMODE_BINARY names another executable than the debug build.
//!
//! With several appliances, all on one database, kills and reloads go round them, and a request that failed at one is sent again
//! to the next, under its key.
//!
//! Ends with 1 where a connection was refused, or a request failed in another way than a cut connection or a 503 with
//! `Retry-After`, or at all during a reload. The same where an acknowledged result or piece of evidence is not there afterwards
//! (for evidence: the row, and bytes with the hash of what was sent), or is there twice, or its receipt does not verify. The
//! same where two appliances show a session differently, or answer a key differently.
#![expect(clippy::unwrap_used, reason = "in a test, what is not there ends the test")]
#![expect(clippy::print_stdout, reason = "its report is its purpose")]

mod afterwards;
mod appliance;
mod faults;
mod fleet;
mod http;
mod load;
mod network;
mod proxy;
mod tally;
mod uploads;

use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use afterwards::{Reader, all_agree};
use appliance::{Appliance, Organisation};
use fleet::Fleet;
use load::{Acknowledged, Load};
use nix::sys::signal::Signal;
use tally::{Tally, get};

/// Sessions that share the load, so that no document grows without bound.
const SESSIONS: usize = 60;

/// Everything is ready for so long before the next kill: long enough for the backoff to start again.
const SETTLED: Duration = Duration::from_millis(3_000);

/// Longest time in which a killed child has to serve again.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

struct Options {
    kills: u32,
    hangs: u32,
    reloads: u32,
    rate: u32,
    workers: u32,
    appliances: u32,
    fault: Option<String>,
}

fn main() -> ExitCode {
    let options = options();
    let is_sound = match &options.fault {
        Some(name) => make_faults(name),
        None => kills_and_reloads(&options),
    };
    println!("\n{}", if is_sound { "sound" } else { "NOT SOUND" });
    ExitCode::from(u8::from(!is_sound))
}

/// Makes the fault of this name, or all, and prints the table.
fn make_faults(name: &str) -> bool {
    network::enter();
    network::bring_up();
    let chosen: Vec<_> = faults::ALL.iter().filter(|fault| name == "all" || name == fault.name).collect();
    assert!(!chosen.is_empty(), "there is no fault {name}");
    let seen: Vec<_> = chosen.into_iter().map(faults::run).collect();
    println!();
    seen.iter().for_each(|seen| println!("{seen}"));
    !seen.iter().any(faults::Seen::is_failure)
}

fn kills_and_reloads(options: &Options) -> bool {
    let fleet = Fleet::start(options.appliances as usize, &[]);
    let organisation = Organisation::create(fleet.first().address, "chaos", SESSIONS);
    let counts = Reader::new(fleet.first(), &organisation).changes();
    let mut acknowledged = Acknowledged::default();
    let mut sound = true;
    for (signal, times) in [(Signal::SIGKILL, options.kills), (Signal::SIGSTOP, options.hangs)] {
        for child in ["api", "ingest", "worker"] {
            sound &= strike(&fleet, &organisation, (child, signal, times), options, &mut acknowledged);
        }
    }
    sound &= reloads(&fleet, &organisation, options, &mut acknowledged);
    fleet.iter().for_each(|appliance| appliance.wait_until_settled(Duration::ZERO));
    // Connections of before the last reload are gone.
    let mut readers: Vec<_> = fleet.iter().map(|appliance| Reader::new(appliance, &organisation)).collect();
    sound &= readers[0].nothing_is_lost(&acknowledged, &counts);
    sound &= all_agree(&mut readers, &acknowledged);
    sound
}

/// Sends a child a signal, so many times.
fn strike(
    fleet: &Fleet,
    organisation: &Organisation,
    (child, signal, times): (&str, Signal, u32),
    options: &Options,
    acknowledged: &mut Acknowledged,
) -> bool {
    println!("\n{signal} to {child}, {times} times, under {} requests a second", options.rate);
    println!("  promised      {}", promised(signal));
    let begun = Instant::now();
    let load = Load::start(&fleet.addresses(), organisation, options.workers, options.rate);
    sleep(Duration::from_secs(2));
    let recoveries = (0..times as usize)
        .map(|round| {
            let (number, appliance) = fleet.turn(round);
            strike_and_recover(number, appliance, child, signal, &load.tally)
        })
        .collect();
    let (tally, done) = load.stop();
    report(&tally, begun.elapsed());
    report_recovery(recoveries);
    acknowledged.extend(done);
    get(&tally.refused) + get(&tally.wrong) + get(&tally.given_up) == 0
}

fn promised(signal: Signal) -> &'static str {
    match signal {
        Signal::SIGSTOP => {
            "503 with Retry-After within 2 s, served again within 5 s, nothing lost or done twice"
        }
        _ => "no connection is refused, served again in seconds, nothing lost or done twice",
    }
}

fn reloads(
    fleet: &Fleet,
    organisation: &Organisation,
    options: &Options,
    acknowledged: &mut Acknowledged,
) -> bool {
    println!("\nreload, {} times, under {} requests a second", options.reloads, options.rate);
    println!("  promised      no request fails");
    let begun = Instant::now();
    let load = Load::start(&fleet.addresses(), organisation, options.workers, options.rate);
    let mut sound = true;
    for round in 0..options.reloads as usize {
        sleep(Duration::from_secs(3));
        let (reloaded, words) = fleet.turn(round).1.command(&["reload"]);
        println!("  firemode reload: {words}");
        sound &= reloaded;
    }
    sleep(Duration::from_secs(3));
    let (tally, done) = load.stop();
    report(&tally, begun.elapsed());
    acknowledged.extend(done);
    sound && tally.failed() + get(&tally.given_up) == 0
}

fn options() -> Options {
    let mut options =
        Options { kills: 20, hangs: 5, reloads: 5, rate: 240, workers: 48, appliances: 1, fault: None };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next();
        if name == "--fault" {
            options.fault = value;
            continue;
        }
        let value = value.and_then(|value| value.parse().ok());
        let value = value.unwrap_or_else(|| panic!("{name} wants a number"));
        match name.as_str() {
            "--kills" => options.kills = value,
            "--hangs" => options.hangs = value,
            "--reloads" => options.reloads = value,
            "--rate" => options.rate = value,
            "--workers" => options.workers = value,
            "--appliances" => options.appliances = value.max(1),
            _ => panic!("there is no {name}"),
        }
    }
    options
}

/// Sends a child of one appliance a signal; gives the time until that appliance acknowledges a result that was sent afterwards, which
/// takes all of its processes.
fn strike_and_recover(
    number: usize,
    appliance: &Appliance,
    child: &str,
    signal: Signal,
    tally: &Tally,
) -> Duration {
    appliance.wait_until_settled(SETTLED);
    let killed = appliance.signal_child(child, signal);
    loop {
        let first = tally.acknowledged_of_begun_after(number, killed);
        if let Some(acknowledged) = first {
            return acknowledged - killed;
        }
        assert!(killed.elapsed() < RECOVERY_MAX, "nothing is acknowledged after {signal} to {child}");
        sleep(Duration::from_millis(5));
    }
}

fn report(tally: &Tally, time: Duration) {
    let rate = get(&tally.requests) as f64 / time.as_secs_f64();
    println!("  requests      {} in {:.0} s, {rate:.0} a second", get(&tally.requests), time.as_secs_f64());
    println!("  acknowledged  {}", get(&tally.acknowledged));
    println!("  failed        {} attempts", tally.failed());
    println!("    refused     {}", get(&tally.refused));
    println!("    cut         {}", get(&tally.cut));
    println!("    503 or 504  {} with Retry-After", get(&tally.unavailable));
    println!("    other       {}", get(&tally.wrong));
    println!("  retried       {}, {} found their work done", get(&tally.retried), get(&tally.replayed));
    println!("  given up      {}", get(&tally.given_up));
    for example in tally.examples.lock().unwrap().iter() {
        println!("    for example   {example}");
    }
}

fn report_recovery(mut times: Vec<Duration>) {
    times.sort();
    let (Some(median), Some(max)) = (times.get(times.len() / 2), times.last()) else { return };
    println!("  recovery      p50 {} ms, max {} ms", median.as_millis(), max.as_millis());
}
