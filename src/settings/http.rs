//! The bridge over HTTP, as the variables say.

use std::net::{Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use super::environment::Environment;
use super::error::{Name, SettingsError};
use super::parse;

/// Connections and sessions: more than one machine serves.
const MOST: usize = 1_000_000;

/// When callers over HTTP must say who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpAuth {
    /// As soon as there is a token, or JWTs are configured.
    Auto,
    Required,
    Off,
}

/// JWTs of an authorization server, as this resource server takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwt {
    /// `iss`, exactly; its metadata is where clients log in.
    pub issuer: String,
    /// `aud` must be or contain it.
    pub audience: String,
    /// Where the keys are: the URL of a JWKS, or a file with a JWKS, a PEM public key, or a secret of 32 bytes and more.
    pub keys: String,
}

/// What `mcp-bridge start` is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    pub address: SocketAddr,
    pub auth: HttpAuth,
    /// Names of the bridge beside its own address and those of the loopback interface; no ports.
    pub hosts: Vec<String>,
    /// Origins of pages that may use it beside those on the loopback interface, e.g. `https://app.example.com`.
    pub origins: Vec<String>,
    /// What clients call it from outside, without a path, e.g. `https://bridge.example.com`.
    pub url: Option<String>,
    /// PEM files: certificate chain and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    pub jwt: Option<Jwt>,
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

impl Http {
    pub(super) fn read(env: &Environment) -> Result<Self, SettingsError> {
        let auth = [("auto", HttpAuth::Auto), ("required", HttpAuth::Required), ("off", HttpAuth::Off)];
        let connections = parse::number(env, "MCP_BRIDGE_HTTP_CONNECTIONS", 1..=MOST)?;
        let each = parse::optional(env, "MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS", count)?;
        let body = parse::bytes_at_least(env, "MCP_BRIDGE_HTTP_BODY", 1024)?;
        Ok(Self {
            address: parse::one(env, "MCP_BRIDGE_HTTP", address)?,
            auth: parse::choice(env, "MCP_BRIDGE_HTTP_AUTH", &auth)?,
            hosts: parse::each(env, "MCP_BRIDGE_HTTP_HOSTS", host)?,
            origins: parse::each(env, "MCP_BRIDGE_HTTP_ORIGINS", page)?,
            url: parse::optional(env, "MCP_BRIDGE_HTTP_URL", origin)?,
            tls: pair(env)?,
            jwt: Jwt::read(env)?,
            body: usize::try_from(body).unwrap_or(usize::MAX),
            connections,
            connections_each: each.unwrap_or(connections.div_ceil(2)),
            sessions: parse::number(env, "MCP_BRIDGE_HTTP_SESSIONS", 1..=MOST)?,
            session_idle: parse::duration(env, "MCP_BRIDGE_HTTP_SESSION_IDLE")?,
            rate: parse::decimal_or_off(env, "MCP_BRIDGE_HTTP_RATE", 0.001..=1e6)?,
            grace: parse::duration(env, "MCP_BRIDGE_HTTP_GRACE")?,
        })
    }
}

impl Jwt {
    /// One of the three without the others would let nobody in, or everybody.
    fn read(env: &Environment) -> Result<Option<Self>, SettingsError> {
        const NAMES: [&str; 3] =
            ["MCP_BRIDGE_HTTP_JWT_ISSUER", "MCP_BRIDGE_HTTP_JWT_AUDIENCE", "MCP_BRIDGE_HTTP_JWT_KEYS"];
        let all = [
            parse::optional(env, NAMES[0], url)?,
            parse::optional(env, NAMES[1], word)?,
            parse::optional(env, NAMES[2], place)?,
        ];
        let first = |there: bool| all.iter().position(|part| part.is_some() == there).map(|at| NAMES[at]);
        match (first(true), first(false)) {
            (Some(variable), Some(lacks)) => Err(lacking(env, variable, lacks)),
            _ => {
                let [issuer, audience, keys] = all;
                Ok(issuer.zip(audience).zip(keys).map(|((issuer, audience), keys)| Self { issuer, audience, keys }))
            }
        }
    }
}

fn place(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000`; a port alone is one of 127.0.0.1.
pub fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
        return Some(SocketAddr::from(([127, 0, 0, 1], port)));
    }
    if let Some(port) = text.strip_prefix("localhost:") {
        return Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)));
    }
    // Names are looked up where they stand: a name of this machine is one of its addresses.
    text.parse().ok().or_else(|| text.to_socket_addrs().ok()?.next())
}

/// A name or an address. The ports of requests are not looked at, so one that is named here would fit none.
fn host(text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !text.is_empty() && text.chars().all(fits);
    (is_name || text.parse::<Ipv6Addr>().is_ok()).then(|| text.to_ascii_lowercase())
}

/// An issuer: it may have a path.
fn url(text: &str) -> Option<String> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let has_host = !place.is_empty() && !place.starts_with('/');
    word(text).filter(|_| has_host)
}

/// An origin, or `null`: what pages from files say.
fn page(text: &str) -> Option<String> {
    if text == "null" { Some(text.to_owned()) } else { origin(text) }
}

/// `https://app.example.com`, with a port or without, and no path.
fn origin(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    (!place.is_empty() && place.chars().all(fits)).then(|| text.to_ascii_lowercase())
}

fn count(text: &str) -> Option<usize> {
    text.parse().ok().filter(|count| (1..=MOST).contains(count))
}

fn word(text: &str) -> Option<String> {
    let plain = !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    plain.then(|| text.to_owned())
}

fn pair(env: &Environment) -> Result<Option<(PathBuf, PathBuf)>, SettingsError> {
    const NAMES: [&str; 2] = ["MCP_BRIDGE_HTTP_TLS_CERT", "MCP_BRIDGE_HTTP_TLS_KEY"];
    match NAMES.map(|name| parse::path(env, name)) {
        [Some(certificate), Some(key)] => Ok(Some((certificate, key))),
        [None, None] => Ok(None),
        [certificate, _] => {
            let [there, lacks] = if certificate.is_some() { NAMES } else { [NAMES[1], NAMES[0]] };
            Err(lacking(env, there, lacks))
        }
    }
}

fn lacking(env: &Environment, there: &'static str, lacks: &'static str) -> SettingsError {
    let name = Name::new(env, there);
    SettingsError::Lacks { lacks: name.beside(lacks), name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, means) in [
            ("8000", "127.0.0.1:8000"),
            (":8000", "127.0.0.1:8000"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:0", "[::1]:0"),
        ] {
            assert_eq!(address(text), means.parse().ok(), "{text}");
        }
        for text in ["", "70000", "127.0.0.1", "::1", "http://127.0.0.1:80", "127.0.0.1:99999"] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    #[test]
    fn one_address_has_half_of_the_connections_unless_it_is_said() {
        fn each(pairs: &[(&str, &str)]) -> Result<usize, SettingsError> {
            Http::read(&pairs.iter().copied().collect()).map(|http| http.connections_each)
        }
        let (all, one) = ("MCP_BRIDGE_HTTP_CONNECTIONS", "MCP_BRIDGE_HTTP_CONNECTIONS_PER_ADDRESS");
        assert_eq!(each(&[]), Ok(1024));
        assert_eq!(each(&[(all, "1")]), Ok(1));
        assert_eq!(each(&[(all, "101")]), Ok(51));
        assert_eq!(each(&[(all, "10"), (one, "10")]), Ok(10));
        for wrong in ["0", "-1", "many", "1000001"] {
            assert_eq!(each(&[(one, wrong)]).unwrap_err().code(), "settings.invalid", "{wrong}");
        }
    }

    #[test]
    fn a_name_of_the_bridge_has_no_port() {
        for (text, good) in [
            ("bridge.example.com", true),
            ("10.0.0.1", true),
            ("fd00::1", true),
            ("bridge.example.com:443", false),
            ("10.0.0.1:80", false),
            ("[fd00::1]:443", false),
        ] {
            assert_eq!(host(text).is_some(), good, "{text}");
        }
        for (text, good) in
            [("https://login.example.com/realms/x", true), ("login", false), ("https://", false), ("ftp://x", false)]
        {
            assert_eq!(url(text).is_some(), good, "{text}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_an_error() {
        let env = |name: &str| [(name, "/x.pem")].into_iter().collect::<Environment>();
        for name in ["MCP_BRIDGE_HTTP_TLS_CERT", "MCP_BRIDGE_HTTP_TLS_KEY"] {
            assert_eq!(Http::read(&env(name)).unwrap_err().code(), "settings.lacks");
        }
    }
}
