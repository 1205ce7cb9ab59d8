//! One fault at a time, under load, with somebody beside it: what was promised, and what was seen.

mod clock;
mod instance;
mod link;

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::afterwards::{Reader, all_agree};
use crate::appliance::{Appliance, Organisation};
use crate::fleet::Fleet;
use crate::http::{Client, Request};
use crate::load::{Acknowledged, Load};
use crate::proxy::Proxy;
use crate::tally::{Tally, get};
use clock::Clock;

/// Sessions that share the load.
const SESSIONS: usize = 12;

const WORKERS: u32 = 24;
const RATE: u32 = 80;

/// The organisation beside it, which has its own way to the appliance.
const NEIGHBOUR_WORKERS: u32 = 4;
const NEIGHBOUR_RATE: u32 = 20;

/// How long the load goes on before the fault and after it.
const MARGIN: Duration = Duration::from_secs(2);

/// After a fault results are acknowledged again so soon.
const RECOVERY_MAX: Duration = Duration::from_secs(60);

/// A fault that can be made.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// What happens.
    fault: &'static str,
    promised: &'static str,
    appliances: usize,
    /// It is in the client's own link, so that nobody else may notice anything.
    is_of_the_link: bool,
    /// The appliance sees a clock that can be set.
    has_own_clock: bool,
    /// Makes it, bears it, and takes it away again.
    strike: fn(&Trial) -> Struck,
}

/// Every fault there is.
pub(crate) const ALL: &[Fault] = &[
    link::LOSSY,
    link::STALLED,
    link::RESETTING,
    link::CUTTING,
    instance::DATABASE_STOPPED,
    instance::NO_DESCRIPTORS,
    instance::DIES,
    clock::JUMPS,
];

/// What a fault strikes.
struct Trial {
    fleet: Fleet,
    proxies: Vec<Proxy>,
    clock: Option<Clock>,
}

/// How a fault went, apart from what becomes of the load.
enum Struck {
    /// What is worth knowing of it.
    AsPromised(String),
    Otherwise(String),
    /// It could not be made here.
    NotMade(String),
}

/// A line of the table.
pub(crate) struct Seen {
    fault: &'static Fault,
    standing: Standing,
    words: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    NotHeld,
    NotRun,
}

impl Trial {
    /// The first appliance, which also runs the database.
    fn appliance(&self) -> &Appliance {
        self.fleet.first()
    }

    /// The status of `/health/ready`, asked without a detour.
    fn readiness(&self) -> u16 {
        let mut client = Client::new(self.appliance().address, None);
        client.send(&Request::new("GET", "/health/ready")).map_or(0, |answer| answer.status)
    }
}

impl Seen {
    /// A fault that could not be made is no fault of the product.
    pub(crate) fn is_failure(&self) -> bool {
        self.standing == Standing::NotHeld
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.standing {
            Standing::Held => "held",
            Standing::NotHeld => "NOT HELD",
            Standing::NotRun => "NOT RUN",
        };
        write!(
            f,
            "{word:9} {}: {}\n          promised: {}\n          seen: {}",
            self.fault.name, self.fault.fault, self.fault.promised, self.words
        )
    }
}

/// Makes a fault under load, and looks at what there is afterwards.
pub(crate) fn run(fault: &'static Fault) -> Seen {
    println!("\n{}: {}", fault.name, fault.fault);
    let clock = fault.has_own_clock.then(Clock::new).flatten();
    let env = clock.as_ref().map(Clock::env);
    let fleet = Fleet::start(fault.appliances, env.as_ref().map(|env| env.as_slice()).unwrap_or_default());
    let proxies = fleet.addresses().into_iter().map(Proxy::before).collect();
    let trial = Trial { fleet, proxies, clock };
    let organisation = Organisation::create(trial.appliance().address, "chaos", SESSIONS);
    let neighbour = Organisation::create(trial.appliance().address, "neighbour", SESSIONS);
    let counts = Reader::new(trial.appliance(), &organisation).changes();
    let through: Vec<_> = trial.proxies.iter().map(|proxy| proxy.address).collect();
    let begun = Instant::now();
    let load = Load::start(&through, &organisation, WORKERS, RATE);
    let beside = Load::start(&trial.fleet.addresses(), &neighbour, NEIGHBOUR_WORKERS, NEIGHBOUR_RATE);
    sleep(MARGIN);
    let struck = (fault.strike)(&trial);
    let recovery = recovery(&load.tally);
    sleep(MARGIN);
    let (tally, acknowledged) = load.stop();
    let (tally_beside, _) = beside.stop();
    crate::report(&tally, begun.elapsed());
    let mut words = vec![];
    let mut is_held = recovery.is_some();
    words.push(recovery.map_or("no recovery".to_owned(), |time| format!("recovery {} ms", time.as_millis())));
    is_held &= note(&mut words, "", &tally, false);
    is_held &= note(&mut words, "the neighbour's ", &tally_beside, fault.is_of_the_link);
    is_held &= everything_is_there(&trial, &organisation, &acknowledged, &counts, &mut words);
    let standing = match struck {
        Struck::NotMade(why) => {
            words = vec![why];
            Standing::NotRun
        }
        Struck::AsPromised(word) if is_held => {
            words.insert(0, word);
            Standing::Held
        }
        Struck::AsPromised(word) | Struck::Otherwise(word) => {
            words.insert(0, word);
            Standing::NotHeld
        }
    };
    Seen { fault, standing, words: words.join(", ") }
}

/// Notes what became of requests. Holds where none was answered wrongly or given up, and for the unharmed where none failed at all.
fn note(words: &mut Vec<String>, whose: &str, tally: &Tally, is_unharmed: bool) -> bool {
    let (failed, wrong) = (tally.failed(), get(&tally.wrong) + get(&tally.given_up));
    words.push(format!(
        "{whose}{} requests, {failed} attempts failed, {wrong} in a wrong way",
        get(&tally.requests)
    ));
    wrong == 0 && get(&tally.acknowledged) > 0 && (!is_unharmed || failed == 0)
}

fn everything_is_there(
    trial: &Trial,
    organisation: &Organisation,
    acknowledged: &Acknowledged,
    counts: &[u64],
    words: &mut Vec<String>,
) -> bool {
    let alive: Vec<_> = trial.fleet.iter().filter(|appliance| appliance.is_running()).collect();
    alive.iter().for_each(|appliance| appliance.wait_until_settled(Duration::ZERO));
    let mut readers: Vec<_> = alive.iter().map(|appliance| Reader::new(appliance, organisation)).collect();
    let is_there = readers[0].nothing_is_lost(acknowledged, counts) & all_agree(&mut readers, acknowledged);
    let results = acknowledged.results.len();
    let evidence = acknowledged.evidence.len();
    let word = if is_there { "all of it there once" } else { "NOT all of it there once" };
    words.push(format!("{results} results and {evidence} pieces of evidence acknowledged, {word}"));
    is_there
}

/// Time from now until a result is acknowledged that was sent later.
fn recovery(tally: &Tally) -> Option<Duration> {
    let ended = Instant::now();
    while ended.elapsed() < RECOVERY_MAX {
        if let Some(acknowledged) = tally.acknowledged_of_begun_after(0, ended) {
            return Some(acknowledged - ended);
        }
        sleep(Duration::from_millis(5));
    }
    None
}
