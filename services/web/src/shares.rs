//! What callers have under way: counted for each of them, and for all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Somebody who is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Known by a token.
    User(Uuid),
    /// What one client can choose its addresses from: an IPv4 address, or the first 64 bits of an IPv6 one.
    Network(IpAddr),
    /// The first 48 bits of an IPv6 address, which is what a provider gives to one customer at most.
    Site(Ipv6Addr),
}

impl Caller {
    /// A site of IPv6 holds many networks, and may have this many times the share of one.
    pub const SITE_WEIGHT: usize = 4;

    /// Those that an address counts for.
    pub fn of_address(address: IpAddr) -> impl Iterator<Item = Self> {
        let prefix = |address: Ipv6Addr, bits: u32| {
            Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (u128::BITS - bits)))
        };
        let (network, site) = match address.to_canonical() {
            IpAddr::V6(address) => (prefix(address, 64).into(), Some(prefix(address, 48))),
            address => (address, None),
        };
        [Self::Network(network)].into_iter().chain(site.map(Self::Site))
    }

    /// How many times the share of one caller it may have.
    pub fn weight(&self) -> usize {
        if matches!(self, Self::Site(_)) { Self::SITE_WEIGHT } else { 1 }
    }
}

/// Something that there is only so much of, for all callers together and for each.
#[derive(Debug)]
pub(crate) struct Shares {
    all_max: usize,
    each_max: usize,
    used: Mutex<Used>,
}

/// Only callers that have something are here, so this is as large as what is under way.
#[derive(Debug, Default)]
struct Used {
    all: usize,
    by_caller: HashMap<Caller, usize>,
}

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// The caller has its share.
    Each,
    /// All of it is in use.
    All,
    /// It is more than there is.
    Never,
}

/// What is taken of [`Shares`], until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: Arc<Shares>,
    callers: Vec<Caller>,
    amount: usize,
}

impl Shares {
    pub(crate) fn new(all_max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self { all_max, each_max: each_max.max(1), used: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Would so much more fit? A caller that has nothing else may take more than its share, or a large request never could.
    fn check(&self, used: &Used, share: &Share, more: usize) -> Result<(), Full> {
        if share.amount + more > self.all_max {
            return Err(Full::Never);
        }
        let is_over = |caller: &Caller| {
            let taken = used.by_caller.get(caller).copied().unwrap_or_default();
            taken > share.amount && taken + more > self.each_max * caller.weight()
        };
        if share.callers.iter().any(is_over) {
            Err(Full::Each)
        } else if used.all + more > self.all_max {
            Err(Full::All)
        } else {
            Ok(())
        }
    }
}

impl Used {
    fn add(&mut self, callers: &[Caller], amount: usize) {
        self.all += amount;
        for caller in callers {
            *self.by_caller.entry(*caller).or_default() += amount;
        }
    }

    fn subtract(&mut self, callers: &[Caller], amount: usize) {
        self.all -= amount;
        for caller in callers {
            if let Some(taken) = self.by_caller.get_mut(caller) {
                *taken -= amount;
                if *taken == 0 {
                    self.by_caller.remove(caller);
                }
            }
        }
    }
}

impl Share {
    /// Takes so much for callers, for each of them.
    pub(crate) fn take(of: &Arc<Shares>, callers: Vec<Caller>, amount: usize) -> Result<Self, Full> {
        let mut share = Self { of: Arc::clone(of), callers, amount: 0 };
        share.grow(amount)?;
        Ok(share)
    }

    /// Takes more.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Full> {
        let mut used = self.of.lock();
        self.of.check(&used, self, more)?;
        used.add(&self.callers, more);
        self.amount += more;
        Ok(())
    }

    /// Counts what is taken for somebody else from now on: who asks is known only later.
    pub(crate) fn hand_over(&mut self, caller: Caller) -> Result<(), Full> {
        let amount = self.amount;
        let theirs = Self::take_over(&self.of, caller, amount)?;
        *self = theirs;
        Ok(())
    }

    /// The room is there already, as somebody's.
    fn take_over(of: &Arc<Shares>, caller: Caller, amount: usize) -> Result<Self, Full> {
        let mut share = Self { of: Arc::clone(of), callers: vec![caller], amount: 0 };
        let mut used = of.lock();
        match of.check(&used, &share, amount) {
            Err(Full::Each) => return Err(Full::Each),
            _ => used.add(&share.callers, amount),
        }
        drop(used);
        share.amount = amount;
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.lock().subtract(&self.callers, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(number: u128) -> Vec<Caller> {
        vec![Caller::User(Uuid::from_u128(number))]
    }

    fn address(text: &str) -> Vec<Caller> {
        Caller::of_address(text.parse().expect("this is an address")).collect()
    }

    #[test]
    fn each_has_a_share_and_what_is_dropped_is_free() {
        let shares = Shares::new(10, 4);
        let first = Share::take(&shares, user(1), 3).expect("there is room");
        assert_eq!(Share::take(&shares, user(1), 2).err(), Some(Full::Each));
        let second = Share::take(&shares, user(1), 1).expect("it is the rest of the share");
        let _other = Share::take(&shares, user(2), 4).expect("another caller has a share too");
        assert_eq!(Share::take(&shares, user(3), 3).err(), Some(Full::All));
        drop((first, second));
        assert_eq!(shares.lock().all, 4);
        Share::take(&shares, user(3), 3).expect("there is room again");
        assert_eq!(shares.lock().by_caller.len(), 1, "whoever has nothing is forgotten");
    }

    #[test]
    fn one_alone_may_be_larger_than_a_share_and_never_than_all() {
        let shares = Shares::new(10, 4);
        let mut large = Share::take(&shares, user(1), 6).expect("it is alone");
        assert_eq!(Share::take(&shares, user(1), 1).err(), Some(Full::Each));
        large.grow(3).expect("it is alone still");
        assert_eq!(large.grow(2), Err(Full::Never));
    }

    #[test]
    fn what_was_taken_by_address_is_handed_over_to_the_user() {
        let shares = Shares::new(10, 4);
        let mut share = Share::take(&shares, address("192.0.2.1"), 4).expect("there is room");
        share.hand_over(user(1)[0]).expect("the user has nothing");
        assert_eq!(shares.lock().all, 4);
        let mut next = Share::take(&shares, address("192.0.2.1"), 4).expect("the address is free again");
        assert_eq!(next.hand_over(user(1)[0]), Err(Full::Each));
        drop((share, next));
        assert_eq!(shares.lock().all, 0);
    }

    #[test]
    fn a_site_of_ipv6_has_the_share_of_some_networks() {
        let shares = Shares::new(100, 4);
        let networks: Vec<Vec<Caller>> = (0..5).map(|n| address(&format!("2001:db8:1:{n}::1"))).collect();
        let taken: Vec<_> = networks.iter().map(|network| Share::take(&shares, network.clone(), 4)).collect();
        assert!(taken[..4].iter().all(Result::is_ok));
        assert_eq!(taken[4].as_ref().err(), Some(&Full::Each));
        assert!(Share::take(&shares, address("2001:db8:2::1"), 4).is_ok());
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_eq!(address("2001:db8:1:0:ffff::1"), networks[0]);
    }
}
