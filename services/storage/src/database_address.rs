//! Where the database is and how it is spoken to, as `database.url` says it. Connections and the check of a configuration ask
//! here, so that what one refuses the other does too.

mod parameters;
mod tls;

use firemode_runtime::data_dir::EmbeddedDatabase;
use firemode_runtime::settings::Settings;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, Error, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use self::parameters::TlsParameters;
use self::tls::{Identity, Trust};

/// A setting and what is wrong with it.
pub(crate) type Fault = (&'static str, String);

const URL: &str = "database.url";
const MIGRATION_URL: &str = "database.migration_url";

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
            let config = read(&place.url()).map_err(|fault| (URL, fault))?;
            return Ok(Self { config, tls: None });
        }
        Self::at(settings, &settings.database.url).map_err(|fault| (URL, fault))
    }

    /// The same database for whoever needs a connection that stays one and the same: migrations, backups and restores.
    ///
    /// # Errors
    /// As for [`Self::of`].
    pub(crate) fn of_migrations(settings: &Settings) -> Result<Self, Fault> {
        let url = &settings.database.migration_url;
        if url.expose_secret().is_empty() {
            return Self::of(settings);
        }
        if settings.uses_embedded_database() {
            return Err((
                MIGRATION_URL,
                "is set without database.url, whose database it is another address of".to_owned(),
            ));
        }
        Self::at(settings, url).map_err(|fault| (MIGRATION_URL, fault))
    }

    fn at(settings: &Settings, url: &SecretString) -> Result<Self, String> {
        let url = url.expose_secret();
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err("does not start with postgresql://".to_owned());
        }
        let (url, parameters) = TlsParameters::take_from(url)?;
        let mut config = read(&url)?;
        let identity = parameters.identity()?;
        let trust = parameters.trust(settings, Reach::of(&config)?)?;
        config.ssl_mode(match trust {
            None => SslMode::Disable,
            Some(Trust::Anybody) => SslMode::Prefer,
            Some(Trust::Issuer(_) | Trust::Name(_)) => SslMode::Require,
        });
        let tls = match trust {
            Some(trust) => Some(trust.connector(identity)?),
            None if identity.is_some() => {
                return Err("names a sslcert, which nobody is shown where nothing is encrypted".to_owned());
            }
            None => None,
        };
        Ok(Self { config, tls })
    }
}

fn read(url: &str) -> Result<Config, String> {
    // What the parser says may quote the URL, and with it the password.
    let wrong =
        |_| "is not of the form postgresql://user:password@host:port/name?sslmode=verify-full".to_owned();
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
    fn of(config: &Config) -> Result<Self, String> {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        if hosts.is_empty() && addresses.is_empty() {
            return Err("names no host".to_owned());
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

impl TlsParameters {
    /// What we show the other end; none where it does not ask for anything.
    fn identity(&self) -> Result<Option<Identity>, String> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Identity::read(certificate, key).map(Some),
            (Some(_), None) => Err("names a sslcert without its sslkey".to_owned()),
            (None, Some(_)) => Err("names a sslkey without its sslcert".to_owned()),
        }
    }

    /// Whom to trust at the other end; none where nothing is encrypted.
    fn trust(self, settings: &Settings, reach: Reach) -> Result<Option<Trust>, String> {
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
                return Err("has sslmode=verify-ca without sslrootcert: any public authority's certificate for any name would do; use \
                     verify-full, or name the authority's certificate".to_owned());
            }
            "verify-ca" => Some(Trust::Issuer(self.root_certificates)),
            "require" | "verify-full" => Some(Trust::Name(self.root_certificates)),
            _ => {
                return Err(
                    "has a sslmode that is none of disable, prefer, require, verify-ca and verify-full"
                        .to_owned(),
                );
            }
        };
        match trust {
            None | Some(Trust::Anybody) if has_roots => {
                Err(format!("names a sslrootcert, which sslmode={mode} does not look at; use verify-full"))
            }
            None | Some(Trust::Anybody) if !may_be_clear => Err(format!(
                "speaks over a network with sslmode={mode}, by which others can read and change what is said; production wants \
                 verify-full (and sslrootcert where the authority is your own), or database.allow_cleartext = true where the \
                 network is trusted"
            )),
            _ if reach == Reach::File => Ok(None),
            trust => Ok(trust),
        }
    }
}
