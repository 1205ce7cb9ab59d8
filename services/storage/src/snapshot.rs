//! PostgreSQL's snapshots as tokens carry them.

use std::fmt;

/// Which transactions had ended at a moment: the text `xmin:xmax:xip_list` of `pg_snapshot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The oldest transaction that was open.
    oldest_open: u64,
    /// The first that had not begun.
    next: u64,
    /// Those that were open, in order.
    open: Vec<u64>,
}

impl Snapshot {
    /// Reads PostgreSQL's text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (oldest_open, next) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let open = numbers(parts.next()?)?;
        (oldest_open <= next && open.is_sorted() && parts.next().is_none()).then_some(Self {
            oldest_open,
            next,
            open,
        })
    }

    /// True when it names transactions that this later moment has not seen begin: it is from another history.
    pub fn is_ahead_of(&self, later: &Self) -> bool {
        self.next > later.next
    }

    /// The text with each number as its distance from the one before. A token stays small beside hundreds of writers.
    pub fn compact(&self) -> String {
        let mut last = self.oldest_open;
        let distances: Vec<String> =
            self.open.iter().map(|&id| (id - std::mem::replace(&mut last, id)).to_string()).collect();
        format!("{}:{}:{}", self.oldest_open, self.next - self.oldest_open, distances.join(","))
    }

    /// Reads [`Self::compact`].
    pub fn parse_compact(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let oldest_open: u64 = parts.next()?.parse().ok()?;
        let next = oldest_open.checked_add(parts.next()?.parse().ok()?)?;
        let mut last = oldest_open;
        let mut open = Vec::new();
        for distance in numbers(parts.next()?)? {
            last = last.checked_add(distance)?;
            open.push(last);
        }
        parts.next().is_none().then_some(Self { oldest_open, next, open })
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open: Vec<String> = self.open.iter().map(u64::to_string).collect();
        write!(f, "{}:{}:{}", self.oldest_open, self.next, open.join(","))
    }
}

fn numbers(list: &str) -> Option<Vec<u64>> {
    list.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_form_says_the_same() {
        for text in ["3:3:", "100:120:100,104,119", "9000000000:9000000001:9000000000"] {
            let snapshot = Snapshot::parse(text).expect("it is PostgreSQL's text");
            assert_eq!(snapshot.to_string(), text);
            assert_eq!(Snapshot::parse_compact(&snapshot.compact()), Some(snapshot));
        }
        let writers: Vec<String> = (0..400).map(|n| (7_000_000_000u64 + 3 * n).to_string()).collect();
        let busy = Snapshot::parse(&format!("7000000000:7000001200:{}", writers.join(",")));
        assert!(busy.expect("it is PostgreSQL's text").compact().len() < 900);
    }

    #[test]
    fn what_is_no_snapshot_is_refused() {
        for text in ["", "1", "1:2", "5:4:", "1:9:4,2", "1:2:3:4", "a:b:c", "1:2:x"] {
            assert_eq!(Snapshot::parse(text), None, "{text}");
        }
        for text in ["1:18446744073709551615:", "1:1:18446744073709551615", "1:2", "1:2::"] {
            assert_eq!(Snapshot::parse_compact(text), None, "{text}");
        }
    }
}
