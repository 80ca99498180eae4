//! `mcp-bridge health`: whether a bridge answers, for the health checks of containers, which have no curl.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde_json::Value;

use super::{Exit, paint};
use crate::settings::Settings;

/// Health checks have 30 s by default; one that takes so long is ill.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn health(settings: &Settings, target: Option<&str>) -> Exit {
    let Some((url, own)) = url(settings, target) else {
        let message = format!("{:?} is no place of a bridge", target.unwrap_or_default());
        let hint = "name a port of this machine, host:port, or a URL with http:// or https://";
        eprintln!("{}", paint::failure(&message, hint, "cli.health"));
        return Exit::Usage;
    };
    let certificate = settings.http.tls.as_ref().map(|(certificate, _)| certificate.as_path()).filter(|_| own);
    match ask(&url, certificate).await {
        Ok((status, word)) => {
            println!("{word}");
            if status.is_success() { Exit::Success } else { Exit::Error }
        }
        Err(reason) => {
            let hint = "start it with `mcp-bridge start`, name the address where it listens, or its file with --config";
            eprintln!("{}", paint::failure(&format!("no bridge answers at {url}: {reason}"), hint, "cli.health"));
            Exit::NoServer
        }
    }
}

/// Where to ask, and whether it is the bridge of these settings: a port of this machine, `host:port`, a URL, or where `start` would
/// listen.
fn url(settings: &Settings, target: Option<&str>) -> Option<(Url, bool)> {
    let scheme = if settings.http.tls.is_some() { "https" } else { "http" };
    let own = |place: &str| Some((Url::parse(&format!("{scheme}://{place}/health")).ok()?, true));
    match target {
        Some(url) if url.contains("://") => {
            let mut url = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
            if url.path() == "/" {
                url.set_path("/health");
            }
            Some((url, false))
        }
        // `8000` and `:8000` are ports of this machine; names stay, for a certificate may have them.
        Some(place) => match place.strip_prefix(':').unwrap_or(place).parse::<u16>() {
            Ok(port) => own(&format!("127.0.0.1:{port}")),
            // A URL would take such a number for an address.
            Err(_) if place.bytes().all(|b| b.is_ascii_digit() || b == b':') => None,
            Err(_) => own(&place.parse().map_or_else(|_| place.to_owned(), |address| here(address).to_string()))
                .filter(|(url, _)| url.path() == "/health"),
        },
        None => own(&here(settings.http.address).to_string()),
    }
}

/// A bridge that listens everywhere is asked here.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv6() { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]) } else { [127, 0, 0, 1].into() });
    }
    address
}

async fn ask(url: &Url, certificate: Option<&Path>) -> Result<(reqwest::StatusCode, String), String> {
    crate::tls::ready();
    // A proxy for the outside must not stand between a container and itself.
    let mut client = reqwest::Client::builder().timeout(PATIENCE).no_proxy();
    if let Some(certificate) = certificate {
        client = client.tls_backend_preconfigured(Pinned::to(certificate)?);
    } else if url.scheme() == "http" {
        // Without TLS, an image without certificates will do.
        client = client.tls_certs_only([]);
    }
    let client = client.build().map_err(|error| cause(&error))?;
    let answer = client.get(url.clone()).send().await.map_err(|error| cause(&error))?;
    let status = answer.status();
    let body: Value = serde_json::from_slice(&answer.bytes().await.map_err(|error| cause(&error))?).unwrap_or_default();
    Ok((status, body["status"].as_str().map_or_else(|| status.to_string(), str::to_owned)))
}

/// What lies at the bottom: what is above it only says that something failed.
fn cause(error: &reqwest::Error) -> String {
    let mut deepest: &dyn Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// Trusts the certificate in the bridge's own file and no other: who it is made for, and by whom, says nothing about this bridge.
#[derive(Debug)]
struct Pinned {
    leaf: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn to(file: &Path) -> Result<ClientConfig, String> {
        let leaf = CertificateDer::from_pem_file(file)
            .map_err(|error| format!("{} cannot be read as a certificate: {error}", file.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pinned = Arc::new(Self { leaf, provider: Arc::clone(&provider) });
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?;
        Ok(config.dangerous().with_custom_certificate_verifier(pinned).with_no_client_auth())
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        presented: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *presented == self.leaf {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General("it shows another certificate than the one of MCP_BRIDGE_HTTP_TLS_CERT".into()))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
