//! What it takes to reach one MCP server: plain data, made by `discovery`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use super::policy::{CircuitBreaker, Overrides, Policy, Retry};

/// A value that must not be shown: environment values, headers, tokens. `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that hands it to the upstream.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How to talk to an upstream. `Debug` shows neither arguments nor values nor more of an address than its host.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    /// A child process that speaks MCP on its stdin and stdout.
    Stdio {
        command: String,
        args: Vec<String>,
        /// Added to the allow-listed environment of the bridge.
        env: BTreeMap<String, Secret>,
        /// Working directory; the bridge's own when `None`.
        cwd: Option<PathBuf>,
    },
    /// A server that runs elsewhere, or at least by itself.
    Remote {
        /// `http`, `https`, `ws` or `wss`; or a Unix socket: `unix:///run/x.sock`, `unix:///run/x.sock:/mcp`,
        /// `http+unix://%2Frun%2Fx.sock/mcp`.
        url: String,
        headers: BTreeMap<String, Secret>,
        kind: RemoteKind,
        access: Access,
    },
}

/// What a remote server asks for beyond fixed headers.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Access {
    /// A shell command that prints headers as a JSON object of strings. Run before the first request, and once more when the
    /// server refuses with 401.
    pub headers_helper: Option<String>,
    /// A PEM file of certificates to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with our certificate, and one with its key (the same file, if it holds both).
    pub certificate: Option<(PathBuf, PathBuf)>,
    pub oauth: OAuth,
}

/// What is known of us at the authorization server, where `mcp-bridge login` cannot find it out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct OAuth {
    /// An id that was given out by hand; without one the bridge registers itself.
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
    /// Where the bridge's client ID metadata document is published; used where the authorization server takes such ids.
    pub client_metadata_url: Option<String>,
    /// The port of 127.0.0.1 that the browser is sent back to; any free one when `None`.
    pub callback_port: Option<u16>,
    /// What is asked for, separated by blanks; chosen from what the server names when `None`.
    pub scopes: Option<String>,
    /// The server may name an authorization server at a private address though its own is public.
    pub allow_private: bool,
}

impl Transport {
    /// What in the entry of a remote server proves who we are, so that no login is used: the name of the key.
    pub(super) fn own_proof(&self) -> Option<&'static str> {
        let Self::Remote { headers, access, .. } = self else { return None };
        let header = headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
        header.then_some("headers.Authorization").or(access.headers_helper.is_some().then_some("headersHelper"))
    }

    /// As an entry's `type` says it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stdio { .. } => "stdio",
            Self::Remote { kind: RemoteKind::WebSocket, .. } => "ws",
            Self::Remote { url, .. } if url.starts_with("ws") => "ws",
            Self::Remote { kind: RemoteKind::Sse, .. } => "sse",
            Self::Remote { kind: RemoteKind::StreamableHttp | RemoteKind::Unstated, .. } => "http",
        }
    }

    /// What would be started or contacted, whole, for the person who is asked to approve it. Arguments may hold secrets: never log this.
    pub fn command_line(&self) -> String {
        match self {
            Self::Stdio { command, args, env, cwd } => {
                let mut text = format!("{command} {}", args.join(" ")).trim_end().to_owned();
                if !env.is_empty() {
                    text.push_str(&format!("  (with {})", env.keys().cloned().collect::<Vec<_>>().join(", ")));
                }
                if let Some(cwd) = cwd {
                    text.push_str(&format!("  (in {})", cwd.display()));
                }
                text
            }
            Self::Remote { url, access: Access { headers_helper: Some(command), .. }, .. } => {
                format!("{url}  (with headers printed by: {command})")
            }
            Self::Remote { url, .. } => url.clone(),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, args, env, cwd } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", &format_args!("[{} not shown]", args.len()))
                .field("env", env)
                .field("cwd", cwd)
                .finish(),
            Self::Remote { url, headers, kind, access: _ } => f
                .debug_struct("Remote")
                .field("url", &host_of(url))
                .field("headers", headers)
                .field("kind", kind)
                .finish_non_exhaustive(),
        }
    }
}

/// The part of an address that may be shown: scheme and host. User, path and query are where people put tokens.
pub fn host_of(url: &str) -> String {
    match url.parse::<http::Uri>() {
        Ok(uri) => match (uri.scheme_str(), uri.host()) {
            (Some(scheme), Some(host)) => format!("{scheme}://{host}/…"),
            _ => "…".into(),
        },
        Err(_) => "…".into(),
    }
}

/// Whether every server gets this variable of the bridge's environment; what it holds is no secret.
pub fn is_public_variable(name: &str) -> bool {
    super::stdio::is_inherited(name) || matches!(name, "PWD" | "OLDPWD" | "HOSTNAME")
}

/// Whether this can be the `url` of a remote server; the error is the end of the sentence "the address ...".
pub fn check_address(url: &str) -> Result<(), String> {
    super::http::Address::parse(url).map(drop)
}

/// The transport a remote entry asks for; `Unstated` when it gives only a `url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteKind {
    StreamableHttp,
    Sse,
    WebSocket,
    Unstated,
}

/// One upstream, ready to be connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerConfig {
    /// The name as the user wrote it; unique among the servers in use.
    pub name: String,
    pub transport: Transport,
    /// Longest wait for one tool call where the caller gives none.
    pub call_timeout: Option<Duration>,
    /// A sentence about the server from its config file, if there is one.
    pub description: Option<String>,
    pub era: Era,
    /// What its entry says about keeping calls alive.
    pub survival: Overrides,
    /// What variables in its entry became, where that may be a secret: errors and log lines show none of it.
    pub expanded: Vec<Secret>,
}

impl ServerConfig {
    /// Whether a connection made by the one serves the other: they differ, if at all, in what is no part of it.
    pub fn is_reached_like(&self, other: &Self) -> bool {
        let alike = Self {
            call_timeout: other.call_timeout,
            description: other.description.clone(),
            survival: other.survival.clone(),
            ..self.clone()
        };
        alike == *other
    }
}

/// How a conversation with a server begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Era {
    /// Found out: HTTP servers are asked with `server/discover` first, all others with `initialize` first.
    #[default]
    Any,
    /// `initialize`, as until the revision of 2025-11-25.
    Initialize,
    /// `server/discover`, as since the revision of 2026-07-28.
    Discover,
}
