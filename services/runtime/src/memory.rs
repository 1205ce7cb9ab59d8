//! The memory that this process takes.

use std::io;

const STATUS_FILE: &str = "/proc/self/status";

/// Resident memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub rss_bytes: Option<u64>,
    /// At its highest.
    pub rss_bytes_highest: Option<u64>,
}

impl Memory {
    /// Asks the kernel, which answers from memory.
    ///
    /// # Errors
    /// There is no such file, as on other systems than Linux.
    pub fn now() -> io::Result<Self> {
        Ok(Self::parse(&std::fs::read_to_string(STATUS_FILE)?))
    }

    fn parse(status: &str) -> Self {
        Self { rss_bytes: bytes_of(status, "VmRSS:"), rss_bytes_highest: bytes_of(status, "VmHWM:") }
    }
}

/// A line of the file reads `VmRSS:     12345 kB`, where kB means 1024 bytes.
fn bytes_of(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kibibytes_become_bytes_and_a_missing_line_nothing() {
        let memory = Memory::parse("Name:\tfiremode\nVmRSS:\t   10240 kB\n");
        assert_eq!(memory, Memory { rss_bytes: Some(10 << 20), rss_bytes_highest: None });
    }
}
