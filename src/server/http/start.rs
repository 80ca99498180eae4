//! The way into service: what must be right before the first connection is accepted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::auth::{DoorError, TokenFile};
use super::serve::serve;
use super::site::Site;
use super::tls;
use crate::server::Bridge;
use crate::settings::{Http, HttpAuth};

/// Why the bridge does not listen.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{address} cannot be listened at: {reason}")]
    Address { address: SocketAddr, reason: String },
    #[error("{address} can be reached by others, and anybody could call every tool there")]
    Open { address: SocketAddr },
    #[error("{file}: {reason}")]
    Tls { file: PathBuf, reason: String },
    #[error(transparent)]
    Door(#[from] DoorError),
}

impl StartError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "http.address",
            Self::Open { .. } => "http.open",
            Self::Tls { .. } => "http.tls",
            Self::Door(error) => error.code(),
        }
    }

    /// One thing to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Address { .. } => "choose another: --http 127.0.0.1:0 takes any free port".into(),
            Self::Open { .. } => {
                "make a token (`mcp-bridge token add NAME`) and do not set MCP_BRIDGE_HTTP_AUTH=off, or listen at 127.0.0.1".into()
            }
            Self::Tls { .. } => "name a certificate chain and its key, both in PEM form".into(),
            Self::Door(error) => error.hint(),
        }
    }
}

/// A bridge that listens and has not answered yet.
pub struct Listening {
    site: Arc<Site>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    /// The address it really has: another port where 0 was asked for.
    pub address: SocketAddr,
    /// Whether callers must say who they are.
    pub demands: bool,
    /// Cancel it to have the bridge end: what is under way may end first.
    pub draining: CancellationToken,
}

/// Listens. `tokens`: those that were given out by hand; `template`: the service that each conversation has one of, whose `closing`
/// ends everything.
///
/// # Errors
/// The address is taken, or open to anybody, or a certificate, a key or the tokens cannot be used.
pub async fn listen(mut settings: Http, tokens: TokenFile, template: Bridge) -> Result<Listening, StartError> {
    let address = settings.address;
    if !address.ip().to_canonical().is_loopback() && may_be_anybody(&settings, &tokens)? {
        return Err(StartError::Open { address });
    }
    crate::tls::ready();
    let tls = settings.tls.as_ref().map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
    let failed = |error: std::io::Error| StartError::Address { address, reason: error.to_string() };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    settings.address = address;
    let site = Site::new(settings, tokens, template)?;
    let (demands, draining) = (site.door.demands(), site.draining.clone());
    Ok(Listening { site, listener, tls, address, demands, draining })
}

fn may_be_anybody(settings: &Http, tokens: &TokenFile) -> Result<bool, DoorError> {
    Ok(match settings.auth {
        HttpAuth::Off => true,
        HttpAuth::Required => false,
        HttpAuth::Auto => settings.jwt.is_none() && tokens.list()?.is_empty(),
    })
}

impl Listening {
    /// Serves until it was told to end, and has ended.
    pub async fn serve(self) {
        serve(self.site, self.listener, self.tls).await;
    }
}
