//! Where a request comes from, as far as that can be trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::dev::RequestHead;
use actix_web::http::header::X_FORWARDED_FOR;

/// The client's address.
///
/// Anybody can send an `X-Forwarded-For`. Each proxy adds the address that it was called from at the end, so with a number
/// of `hops` that are ours, the entry that many from the end was written by the first of them, and nothing before it counts.
/// A request with fewer entries did not come through all of them; then, and with no hops, it is the address of the
/// connection. `HttpRequest::head` and `ServiceRequest::head` give what this takes.
pub fn client_address(head: &RequestHead, hops: usize) -> IpAddr {
    let connection = head.peer_addr.map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.ip());
    forwarded(head, hops).unwrap_or(connection).to_canonical()
}

fn forwarded(head: &RequestHead, hops: usize) -> Option<IpAddr> {
    let before_last = hops.checked_sub(1)?;
    let lines: Vec<&[u8]> = head.headers.get_all(X_FORWARDED_FOR).map(|line| line.as_bytes()).collect();
    // What stands before is a client's, and may be any bytes.
    let entry = lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')).nth(before_last)?;
    let entry = std::str::from_utf8(entry).ok()?.trim();
    // Some proxies add the port.
    entry.parse().or_else(|_| entry.parse().map(|address: SocketAddr| address.ip())).ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    fn address(lines: &[&str], hops: usize) -> String {
        let peer = "10.0.0.9:4711".parse().expect("this is an address");
        let request = lines.iter().fold(TestRequest::default().peer_addr(peer), |request, line| {
            let line = HeaderValue::from_bytes(line.as_bytes()).expect("there is no control character");
            request.append_header((X_FORWARDED_FOR, line))
        });
        client_address(request.to_http_request().head(), hops).to_string()
    }

    #[test]
    fn without_trusted_hops_the_header_means_nothing() {
        assert_eq!(address(&["1.1.1.1"], 0), "10.0.0.9");
        assert_eq!(address(&[], 0), "10.0.0.9");
    }

    #[test]
    fn what_a_client_writes_before_the_trusted_entries_means_nothing() {
        assert_eq!(address(&["6.6.6.6, 1.1.1.1"], 1), "1.1.1.1");
        assert_eq!(address(&["6.6.6.6, 1.1.1.1, 10.0.0.1"], 2), "1.1.1.1");
        assert_eq!(address(&["6.6.6.6", "1.1.1.1,10.0.0.1"], 2), "1.1.1.1", "lines are one list");
        assert_eq!(address(&["nonsense, 1.1.1.1"], 1), "1.1.1.1");
        assert_eq!(address(&["\u{fc}, 1.1.1.1"], 1), "1.1.1.1");
        assert_eq!(address(&["\u{fc}", "6.6.6.6,\u{fc},1.1.1.1"], 1), "1.1.1.1");
    }

    #[test]
    fn an_entry_that_is_missing_or_no_address_gives_the_connection() {
        assert_eq!(address(&[], 1), "10.0.0.9");
        assert_eq!(address(&["1.1.1.1"], 2), "10.0.0.9");
        assert_eq!(address(&["unknown"], 1), "10.0.0.9");
        assert_eq!(address(&["1.1.1.1, \u{fc}"], 1), "10.0.0.9");
    }

    #[test]
    fn addresses_have_one_form() {
        assert_eq!(address(&["1.1.1.1:5000"], 1), "1.1.1.1");
        assert_eq!(address(&["[2001:db8::1]:5000"], 1), "2001:db8::1");
        assert_eq!(address(&["::ffff:1.1.1.1"], 1), "1.1.1.1");
    }
}
