//! Faults of the link between clients and the API.

use std::thread::sleep;
use std::time::Duration;

use super::{Fault, Struck, Trial};
use crate::network::Loss;
use crate::proxy::Link;

/// How long each lasts.
const LENGTH: Duration = Duration::from_secs(15);

const READY: u16 = 200;

pub(super) const LOSSY: Fault = Fault {
    name: "lossy-link",
    fault: "a fifth of all packets is lost, each way, between clients and the API",
    promised: "results, evidence and reads get through, each once; readiness stays true; others notice nothing",
    appliances: 1,
    is_of_the_link: true,
    has_own_clock: false,
    strike: lose_packets,
};

pub(super) const STALLED: Fault =
    link("stalled-link", "the link between clients and the API swallows everything for 15 s", stall);

pub(super) const RESETTING: Fault = link(
    "resetting-link",
    "one of twelve pieces on the link is lost and its connection reset, for 15 s",
    reset,
);

pub(super) const CUTTING: Fault = link(
    "cutting-link",
    "one of twelve pieces of answers ends in the middle, and its connection with it, for 15 s",
    cut,
);

const fn link(name: &'static str, fault: &'static str, strike: fn(&Trial) -> Struck) -> Fault {
    let promised =
        "what is sent again under its key is done once; readiness stays true; others notice nothing";
    Fault { name, fault, promised, appliances: 1, is_of_the_link: true, has_own_clock: false, strike }
}

fn lose_packets(trial: &Trial) -> Struck {
    let loss = match Loss::at(trial.proxies[0].address) {
        Ok(loss) => loss,
        Err(why) => return Struck::NotMade(why),
    };
    sleep(LENGTH);
    let is_ready = trial.readiness() == READY;
    let packets = loss.packets();
    judge(is_ready, format!("{packets} packets lost"))
}

fn stall(trial: &Trial) -> Struck {
    fail(trial, Link::Stalled)
}

fn reset(trial: &Trial) -> Struck {
    fail(trial, Link::Resetting)
}

fn cut(trial: &Trial) -> Struck {
    fail(trial, Link::Cutting)
}

fn fail(trial: &Trial, link: Link) -> Struck {
    trial.proxies[0].set(link);
    sleep(LENGTH);
    let is_ready = trial.readiness() == READY;
    trial.proxies[0].set(Link::Sound);
    judge(is_ready, "ready all the time".to_owned())
}

fn judge(is_ready: bool, words: String) -> Struck {
    if is_ready {
        Struck::AsPromised(words)
    } else {
        Struck::Otherwise("it said that it is not ready".to_owned())
    }
}
