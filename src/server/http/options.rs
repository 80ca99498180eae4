//! What the operator has decided about HTTP, as plain data.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// When callers must say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// As soon as there is a token, or JWTs are configured.
    WhenPossible,
    Always,
    Never,
}

/// JWTs of an authorization server, as this resource server takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtOptions {
    /// `iss`, exactly; its metadata is where clients log in.
    pub issuer: String,
    /// `aud` must be or contain it.
    pub audience: String,
    /// Where the keys are: the URL of a JWKS, or a file with a JWKS, a PEM public key, or a secret of 32 bytes and more.
    pub keys: String,
}

/// Everything that HTTP is told.
#[derive(Clone, Debug)]
pub struct Options {
    pub address: SocketAddr,
    pub demand: Demand,
    /// Names of this bridge beside its own address and those of the loopback interface; no ports.
    pub hosts: Vec<String>,
    /// Origins of pages that may use it beside those on the loopback interface, e.g. `https://app.example.com`.
    pub origins: Vec<String>,
    /// PEM files: certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// What clients call it from outside, without a path, e.g. `https://bridge.example.com`.
    pub public_url: Option<String>,
    pub jwt: Option<JwtOptions>,
    /// The file of tokens; see [`super::TokenFile`].
    pub tokens: PathBuf,
    /// Bytes of one body.
    pub body: usize,
    pub connections: usize,
    /// Of them, from one address.
    pub connections_each: usize,
    pub sessions: usize,
    /// Unused for so long, a session ends.
    pub session_idle: Duration,
    /// Requests a second from one address.
    pub rate: Option<f64>,
    /// How long what is under way may go on after the bridge was told to end.
    pub grace: Duration,
}
