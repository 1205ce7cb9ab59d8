//! What a URL says behind its `?`. Of the parameters that PostgreSQL's own programs know, each is honoured or refused by its name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

/// What our driver understands as it is.
const OF_DRIVER: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// What PostgreSQL calls otherwise than our driver.
const OTHER_NAMES: &[(&str, &str)] = &[("keepalives_count", "keepalives_retries")];

/// What PostgreSQL's programs know and FireMode does not. A name that is none of PostgreSQL's is not repeated to anybody: it may be a part
/// of a password.
const REFUSED: &[&str] = &[
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
];

/// PostgreSQL keeps 63 bytes of it, of which FireMode needs some for the name of each process.
const APPLICATION_NAME_BYTES_MAX: usize = 30;

/// What a URL says of TLS. PostgreSQL's own programs know more of it than our driver, which never sees these.
#[derive(Debug, Default)]
pub(super) struct TlsParameters {
    pub(super) mode: Option<String>,
    pub(super) root_certificates: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
}

impl TlsParameters {
    fn place(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.root_certificates,
            "sslcert" => &mut self.certificate,
            "sslkey" => &mut self.key,
            _ => return None,
        })
    }

    /// Takes them out of a URL, and sees that the driver understands the rest. As it reads a URL: user and password end at the first `@`,
    /// and parameters begin after the first `?` behind that.
    ///
    /// # Errors
    /// What is wrong with a parameter.
    pub(super) fn take_from(url: &str) -> Result<(String, Self), String> {
        let mut parameters = Self::default();
        let host = url.find('@').map_or(0, |at| at + 1);
        let Some(start) = url[host..].find('?').map(|question| host + question) else {
            return Ok((url.to_owned(), parameters));
        };
        let mut others: Vec<(&str, &str)> = Vec::new();
        for pair in url[start + 1..].split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name);
            let is_again = match parameters.place(&name) {
                Some(place) => place.replace(decoded(value).into_owned()).is_some(),
                None => {
                    let name = known_to_driver(&name, value)?;
                    let is_again = others.iter().any(|(other, _)| *other == name);
                    others.push((name, value));
                    is_again
                }
            };
            if is_again {
                return Err(format!("says {name} twice"));
            }
        }
        let others: Vec<String> = others.iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok((format!("{}?{}", &url[..start], others.join("&")), parameters))
    }
}

/// What the driver calls a parameter that it understands, with a value that it takes.
fn known_to_driver(name: &str, value: &str) -> Result<&'static str, String> {
    let other_name = OTHER_NAMES.iter().find(|(of_postgres, _)| *of_postgres == name).map(|(_, name)| *name);
    let known = other_name.or_else(|| OF_DRIVER.iter().copied().find(|known| *known == name));
    let Some(known) = known else {
        return Err(match REFUSED.iter().find(|refused| **refused == name) {
            Some(name) => format!("has the parameter {name}, which FireMode does not support"),
            None => "has a parameter that PostgreSQL does not know".to_owned(),
        });
    };
    if known == "application_name" && decoded(value).len() > APPLICATION_NAME_BYTES_MAX {
        return Err(format!(
            "has an application_name of more than {APPLICATION_NAME_BYTES_MAX} bytes; FireMode adds a name for each process to it"
        ));
    }
    let is_taken = format!("postgresql://localhost/?{known}={value}").parse::<Config>().is_ok();
    if is_taken { Ok(known) } else { Err(format!("has a value for {name} that cannot be used")) }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(query: &str) -> String {
        TlsParameters::take_from(&format!("postgresql://u:p@h/d?{query}")).expect_err("it is refused")
    }

    #[test]
    fn each_parameter_of_postgresql_is_honoured_or_refused_by_its_name() {
        // What the documentation of libpq 18 lists.
        const KNOWN: &str = "host hostaddr port dbname user password passfile require_auth channel_binding connect_timeout \
            client_encoding options application_name fallback_application_name keepalives keepalives_idle keepalives_interval \
            keepalives_count tcp_user_timeout replication gssencmode sslmode requiressl sslnegotiation sslcompression sslcert sslkey \
            sslkeylogfile sslpassword sslcertmode sslrootcert sslcrl sslcrldir sslsni requirepeer ssl_min_protocol_version \
            ssl_max_protocol_version min_protocol_version max_protocol_version krbsrvname gsslib gssdelegation scram_client_key \
            scram_server_key service servicefile target_session_attrs load_balance_hosts oauth_issuer oauth_client_id \
            oauth_client_secret oauth_scope";
        for name in KNOWN.split_ascii_whitespace() {
            // No value is right for all of them: what is wrong with it is said by name too.
            match TlsParameters::take_from(&format!("postgresql://u:p@h/d?{name}=1")) {
                Ok((url, tls)) => {
                    let is_kept = url.ends_with("=1") || format!("{tls:?}").contains("Some(\"1\")");
                    assert!(is_kept, "{name} is honoured");
                }
                Err(message) => assert!(message.contains(name), "{name}: {message}"),
            }
        }
    }

    #[test]
    fn what_may_be_a_part_of_a_password_is_not_repeated() {
        let message =
            TlsParameters::take_from("postgresql://u:p@ss?w0rd=secret@h/d").expect_err("it is refused");
        assert_eq!(message, "has a parameter that PostgreSQL does not know");
        assert_eq!(fault("connect_timeout=soon"), "has a value for connect_timeout that cannot be used");
        assert_eq!(fault("sslcert=a&sslcert=b"), "says sslcert twice");
        assert_eq!(fault("keepalives_count=1&keepalives_retries=2"), "says keepalives_retries twice");
    }

    #[test]
    fn names_of_postgresql_become_those_of_the_driver() {
        let (url, _) =
            TlsParameters::take_from("postgresql://u@h/d?keepalives_count=4&sslmode=require").unwrap();
        assert_eq!(url, "postgresql://u@h/d?keepalives_retries=4");
    }
}
