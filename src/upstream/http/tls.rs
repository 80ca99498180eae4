//! The certificates of a connection that the HTTP client does not make: a WebSocket's.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::Connector;

use crate::upstream::config;

/// The system's roots and those of the entry, and the entry's own certificate. The error is one of the entry, or that the system
/// has no roots at all.
pub(in crate::upstream) fn tls_config(files: &config::Access) -> Result<Connector, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = &files.ca {
        roots.add_parsable_certificates(certificates(file)?);
    }
    if roots.is_empty() {
        return Err(
            "there are no certificates to trust: install the system's (`ca-certificates`), or name a file by `tls.ca`"
                .into(),
        );
    }
    let builder = ClientConfig::builder().with_root_certificates(roots);
    let config = match &files.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|_| unreadable(key, "a key"))?;
            let chain = certificates(certificate)?;
            builder
                .with_client_auth_cert(chain, key_der)
                .map_err(|error| format!("{}: {error}", certificate.display()))?
        }
    };
    Ok(Connector::Rustls(Arc::new(config)))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(file).map_err(|_| unreadable(file, "certificates"))?.collect();
    found.ok().filter(|all| !all.is_empty()).ok_or_else(|| unreadable(file, "certificates"))
}

fn unreadable(file: &Path, wanted: &str) -> String {
    format!("{} cannot be read as {wanted} in PEM form", file.display())
}
