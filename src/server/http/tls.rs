//! The bridge's own certificate.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::start::StartError;
use crate::regular;

/// Bytes of a file in PEM form: a chain of certificates has some thousands.
const MOST: u64 = 1 << 20;

/// Whether a bridge could speak TLS with these.
///
/// # Errors
/// One of them cannot be read, or they do not belong together.
pub fn check_tls(certificate: &Path, key: &Path) -> Result<(), StartError> {
    crate::tls::ready();
    acceptor(certificate, key).map(drop)
}

/// Reads a certificate chain and its key, both PEM.
///
/// # Errors
/// One of them cannot be read, or they do not belong together.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, StartError> {
    let failed = |file: &Path, reason: &str| StartError::Tls { file: PathBuf::from(file), reason: reason.to_owned() };
    let read = |file: &Path| regular::read(file, MOST).map_err(|error| failed(file, &error.to_string()));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|_| failed(certificate, "it cannot be read as certificates in PEM form"))?;
    if chain.is_empty() {
        return Err(failed(certificate, "it holds no certificate"));
    }
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| failed(key, "it cannot be read as a key in PEM form"))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(|error| failed(certificate, &format!("it does not go with the key: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
