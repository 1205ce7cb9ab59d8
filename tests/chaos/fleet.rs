//! Appliances on one database.

use std::net::SocketAddr;

use crate::appliance::Appliance;

/// Evidence of all of them is in the place that they share. The embedded database takes as many connections as the appliance may
/// use that runs it: enough for the others too.
const FIRST: [(&str, &str); 2] = [SHARED_EVIDENCE, ("DATABASE_POOL_SIZE", "100")];
const OTHERS: [(&str, &str); 2] = [SHARED_EVIDENCE, ("DATABASE_POOL_SIZE", "20")];
const SHARED_EVIDENCE: (&str, &str) = ("FIREMODE__EVIDENCE__URL", "postgres:");

/// Running appliances; the database is the first one's.
pub(crate) struct Fleet(Vec<Appliance>);

impl Fleet {
    pub(crate) fn start(size: usize, env: &[(&str, &str)]) -> Self {
        if size == 1 {
            return Self(vec![Appliance::start(env)]);
        }
        let first = Appliance::start(&[FIRST.as_slice(), env].concat());
        let others: Vec<_> = (1..size).map(|_| first.beside(&[OTHERS.as_slice(), env].concat())).collect();
        Self([first].into_iter().chain(others).collect())
    }

    pub(crate) fn first(&self) -> &Appliance {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Appliance> {
        self.0.iter()
    }

    /// The one whose turn it is, and its number.
    pub(crate) fn turn(&self, round: usize) -> (usize, &Appliance) {
        let number = round % self.0.len();
        (number, &self.0[number])
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.iter().map(|appliance| appliance.address).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // The database goes last.
        while self.0.pop().is_some() {}
    }
}
