//! The memory that this process takes.

use actix_web::HttpResponse;
use firemode_web::Problem;
use serde_json::json;

const STATUS_FILE: &str = "/proc/self/status";

/// `GET /memory`: resident memory now and at its highest, in bytes.
pub(crate) async fn report() -> Result<HttpResponse, Problem> {
    let status = tokio::fs::read_to_string(STATUS_FILE).await.map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(json!({
        "rss_bytes": bytes_of(&status, "VmRSS:"),
        "rss_bytes_highest": bytes_of(&status, "VmHWM:"),
    })))
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
        let status = "Name:\tfiremode\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!(bytes_of(status, "VmRSS:"), Some(10 << 20));
        assert_eq!(bytes_of(status, "VmHWM:"), Some(20 << 20));
        assert_eq!(bytes_of(status, "VmSwap:"), None);
    }
}
