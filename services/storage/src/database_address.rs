//! Where the database is and how it is spoken to, as `database.url` says it. Connections and the check of a configuration ask
//! here, so that what one refuses the other does too.

mod tls;

use std::borrow::Cow;

use firemode_runtime::data_dir::EmbeddedDatabase;
use firemode_runtime::settings::Settings;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::tls::Trust;

/// A setting and what is wrong with it.
pub(crate) type Fault = (&'static str, String);

/// The setting that most faults are about.
const URL: &str = "database.url";

/// A database that can be connected to.
pub(crate) struct Address {
    pub(crate) config: Config,
    /// None where nothing is encrypted.
    pub(crate) tls: Option<MakeRustlsConnect>,
}

/// What carries a connection's messages, for as long as it is polled.
type Carrier = BoxFuture<'static, Result<(), Error>>;

impl Address {
    /// A connection of one's own.
    pub(crate) async fn connect(&self) -> Result<(Client, Carrier), Error> {
        match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Ok((client, connection.boxed()))
            }
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Ok((client, connection.boxed()))
            }
        }
    }

    /// The database of these settings, and how they want it spoken to.
    ///
    /// # Errors
    /// What is wrong with the settings, without anything of the URL but names of parameters.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Fault> {
        if settings.uses_embedded_database() {
            let place =
                EmbeddedDatabase::of(&settings.data_dir).map_err(|error| ("data_dir", error.to_string()))?;
            let config = read(&place.url())?;
            return Ok(Self { config, tls: None });
        }
        let (url, parameters) = TlsParameters::take_from(settings.database.url.expose_secret())?;
        let mut config = read(&url)?;
        let trust = parameters.trust(settings, Reach::of(&config)?)?;
        config.ssl_mode(match trust {
            None => SslMode::Disable,
            Some(Trust::Anybody) => SslMode::Prefer,
            Some(Trust::Issuer(_) | Trust::Name(_)) => SslMode::Require,
        });
        let tls = trust.map(|trust| trust.connector().map_err(fault)).transpose()?;
        Ok(Self { config, tls })
    }
}

fn fault(message: impl Into<String>) -> Fault {
    (URL, message.into())
}

fn read(url: &str) -> Result<Config, Fault> {
    // What the parser says may quote the URL, and with it the password.
    let wrong = |_| {
        fault(
            "is not of the form postgresql://user:password@host:port/name?sslmode=verify-full, or has a parameter that FireMode does \
             not know",
        )
    };
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(fault("does not start with postgresql://"));
    }
    url.parse().map_err(wrong)
}

/// How far what is said to the database goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Through sockets of the file system, which no TLS is spoken over.
    File,
    /// Not beyond this machine.
    Loopback,
    /// Over a network.
    Network,
}

impl Reach {
    fn of(config: &Config) -> Result<Self, Fault> {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        if hosts.is_empty() && addresses.is_empty() {
            return Err(fault("names no host"));
        }
        if addresses.is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
            return Ok(Self::File);
        }
        let is_near = |host: &Host| match host {
            Host::Tcp(name) => {
                name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
            Host::Unix(_) => true,
        };
        // Addresses that are given besides are called in place of the names.
        let all_near = if addresses.is_empty() {
            hosts.iter().all(is_near)
        } else {
            addresses.iter().all(std::net::IpAddr::is_loopback)
        };
        Ok(if all_near { Self::Loopback } else { Self::Network })
    }
}

/// What a URL says of TLS. PostgreSQL's own programs know more of it than our driver, which never sees these.
#[derive(Debug, Default)]
struct TlsParameters {
    mode: Option<String>,
    root_certificates: Option<String>,
}

impl TlsParameters {
    /// Takes them out of a URL. As the driver reads it: user and password end at the first `@`, and parameters begin after the first
    /// `?` behind that.
    fn take_from(url: &str) -> Result<(String, Self), Fault> {
        let mut parameters = Self::default();
        let host = url.find('@').map_or(0, |at| at + 1);
        let Some(start) = url[host..].find('?').map(|question| host + question) else {
            return Ok((url.to_owned(), parameters));
        };
        let mut others = Vec::new();
        for pair in url[start + 1..].split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match decoded(name).as_ref() {
                "sslmode" => &mut parameters.mode,
                "sslrootcert" => &mut parameters.root_certificates,
                _ => {
                    others.push(pair);
                    continue;
                }
            };
            if place.replace(decoded(value).into_owned()).is_some() {
                return Err(fault("says sslmode or sslrootcert twice"));
            }
        }
        Ok((format!("{}?{}", &url[..start], others.join("&")), parameters))
    }

    /// Whom to trust at the other end; none where nothing is encrypted.
    fn trust(self, settings: &Settings, reach: Reach) -> Result<Option<Trust>, Fault> {
        let is_exposed = settings.is_production() && reach == Reach::Network;
        let may_be_clear = !is_exposed || settings.database.allow_cleartext;
        let has_roots = self.root_certificates.is_some();
        let mode = match self.mode.as_deref() {
            Some(mode) => mode,
            None if has_roots || !may_be_clear => "verify-full",
            None if is_exposed => "prefer",
            None => "disable",
        };
        let trust = match mode {
            "disable" => None,
            "prefer" => Some(Trust::Anybody),
            "verify-ca" if !has_roots => {
                return Err(fault(
                    "has sslmode=verify-ca without sslrootcert: any public authority's certificate for any name would do; use \
                     verify-full, or name the authority's certificate",
                ));
            }
            "verify-ca" => Some(Trust::Issuer(self.root_certificates)),
            "require" | "verify-full" => Some(Trust::Name(self.root_certificates)),
            _ => {
                return Err(fault(
                    "has a sslmode that is none of disable, prefer, require, verify-ca and verify-full",
                ));
            }
        };
        match trust {
            None | Some(Trust::Anybody) if has_roots => Err(fault(format!(
                "names a sslrootcert, which sslmode={mode} does not look at; use verify-full"
            ))),
            None | Some(Trust::Anybody) if !may_be_clear => Err(fault(format!(
                "speaks over a network with sslmode={mode}, by which others can read and change what is said; production wants \
                 verify-full (and sslrootcert where the authority is your own), or database.allow_cleartext = true where the \
                 network is trusted"
            ))),
            _ if reach == Reach::File => Ok(None),
            trust => Ok(trust),
        }
    }
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}
