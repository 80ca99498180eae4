//! What it takes to reach one MCP server: plain data, made by `discovery`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

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
    /// A remote server. Read and listed now; not connected to yet.
    Remote { url: String, headers: BTreeMap<String, Secret>, kind: RemoteKind },
}

impl Transport {
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
            Self::Remote { url, headers, kind } => f
                .debug_struct("Remote")
                .field("url", &host_of(url))
                .field("headers", headers)
                .field("kind", kind)
                .finish(),
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

/// The transport a remote entry asks for; `Unstated` when it gives only a `url`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteKind {
    StreamableHttp,
    Sse,
    WebSocket,
    Unstated,
}

/// One upstream, ready to be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// The name as the user wrote it; unique among the servers in use.
    pub name: String,
    pub transport: Transport,
    /// Longest wait for one tool call where the caller gives none.
    pub call_timeout: Option<Duration>,
    /// A sentence about the server from its config file, if there is one.
    pub description: Option<String>,
}
