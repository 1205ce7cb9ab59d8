//! TLS to the database: whose certificate will do.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Names the system's own authorities in the place of a file, as for PostgreSQL's programs.
const SYSTEM: &str = "system";

/// Whose certificate will do. Authorities stand in a file; without one they are the system's.
#[derive(Debug)]
pub(super) enum Trust {
    /// Anybody's: it keeps out those who only listen.
    Anybody,
    /// One by these authorities, with any name in it.
    Issuer(Option<String>),
    /// One by these authorities for the host's name.
    Name(Option<String>),
}

impl Trust {
    /// What connects so.
    ///
    /// # Errors
    /// There are no certificates of authorities where they should be, or what we show does not fit.
    pub(super) fn connector(self, identity: Option<Identity>) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider supports the default protocol versions");
        let lenient = |chain| Arc::new(LenientVerifier { chain, algorithms });
        let config = match self {
            Self::Anybody => builder.dangerous().with_custom_certificate_verifier(lenient(None)),
            Self::Issuer(file) => {
                let chain = chain_verifier(authorities(file.as_deref())?, provider)?;
                builder.dangerous().with_custom_certificate_verifier(lenient(Some(chain)))
            }
            Self::Name(file) => builder.with_root_certificates(authorities(file.as_deref())?),
        };
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(Identity { certificates, key }) => config
                .with_client_auth_cert(certificates, key)
                .map_err(|error| format!("names a sslcert and a sslkey that do not fit: {error}"))?,
        };
        Ok(MakeRustlsConnect::new(config))
    }
}

/// What we show the other end.
#[derive(Debug)]
pub(super) struct Identity {
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a certificate, with those between it and its authority, and its key.
    ///
    /// # Errors
    /// They cannot be read.
    pub(super) fn read(certificate: &str, key: &str) -> Result<Self, String> {
        let certificates = in_file("sslcert", certificate)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| format!("names the sslkey {key}, which cannot be read: {error}"))?;
        Ok(Self { certificates, key })
    }
}

fn chain_verifier(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, String> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())
}

fn authorities(file: Option<&str>) -> Result<RootCertStore, String> {
    let (certificates, where_from) = match file.filter(|file| *file != SYSTEM) {
        Some(file) => (in_file("sslrootcert", file)?, format!("sslrootcert ({file})")),
        None => (
            rustls_native_certs::load_native_certs().certs,
            "the system (package ca-certificates)".to_owned(),
        ),
    };
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!(
            "wants TLS that is verified, and {where_from} has no certificates of authorities"
        ));
    }
    Ok(roots)
}

fn in_file(parameter: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| format!("names the {parameter} {file}, which cannot be read: {error}"))
}

/// Looks at less than the whole certificate.
#[derive(Debug)]
struct LenientVerifier {
    /// Whose certificate it has to be; none: anybody's.
    chain: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for LenientVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // The name is what is looked at last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
