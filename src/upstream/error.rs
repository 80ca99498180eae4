//! What can go wrong with an upstream; each with a stable code, a kind and one thing to do.

use std::time::Duration;

use serde_json::Value;

/// The four kinds a caller can act on (a breaker that is open is the gateway's fifth).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The server could not be started, reached or kept.
    Connection,
    /// It did not answer in time.
    Timeout,
    /// The server refused the tool's name or its arguments.
    InvalidTool,
    /// The server answered, with an error or with something that is not an answer.
    Backend,
}

/// Why an upstream did not give what was asked. Cheap to clone: every waiter of a failed start gets one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    #[error("there is no server `{server}`; known: {}", listed(.known))]
    UnknownServer { server: String, known: Vec<String> },

    #[error("server `{server}`: command `{command}` not found {searched}")]
    CommandNotFound { server: String, command: String, searched: &'static str },

    #[error("server `{server}`: command `{command}` could not be started: {reason}")]
    SpawnFailed { server: String, command: String, reason: String },

    #[error("server `{server}` did not answer `initialize` within {} s; {}", .limit.as_secs_f64(), last_words(.stderr))]
    StartTimeout { server: String, limit: Duration, stderr: String },

    /// The process or connection ended. `called`: a call was on its way, and may have happened.
    #[error("server `{server}` {how} {}; {}", moment(*.called, *.ready), last_words(.stderr))]
    Exited { server: String, how: String, ready: bool, called: bool, stderr: String },

    #[error("server `{server}`: the handshake failed: {reason}")]
    Handshake { server: String, reason: String },

    /// The last start failed and the next one is not due yet.
    #[error("{cause} (next try in {} s)", whole_seconds(*.next_try))]
    BackingOff { cause: Box<UpstreamError>, next_try: Duration },

    /// The deadline of a call passed. `sent`: the server had it already, so it may have happened.
    #[error("server `{server}`: `{tool}` was not answered before its deadline, {:.1} s after the call{}", .waited.as_secs_f64(), unless_sent(*.sent))]
    CallTimeout { server: String, tool: String, waited: Duration, sent: bool },

    #[error("server `{server}` did not answer `tools/list` within {} s", .limit.as_secs_f64())]
    ListTimeout { server: String, limit: Duration },

    /// A JSON-RPC error, as the server sent it.
    #[error("server `{server}` answered `{method}` with error {error_code}: {message}")]
    Protocol { server: String, method: String, error_code: i32, message: String, data: Option<Box<Value>> },

    #[error("server `{server}` sent an answer of {bytes} bytes; the limit is {limit}")]
    TooLarge { server: String, bytes: u64, limit: u64 },

    #[error("server `{server}` answered `{method}` with something that is not a result: {found}")]
    BadAnswer { server: String, method: String, found: String },

    /// The request was never sent: the server leaves its input unread.
    #[error("server `{server}` does not read its input: more than {limit} bytes are waiting for it")]
    NotReading { server: String, limit: usize },

    #[error("server `{server}`: remote servers are not supported yet")]
    RemoteUnsupported { server: String },

    #[error("server `{server}`: the bridge is shutting down")]
    ShuttingDown { server: String },
}

impl UpstreamError {
    /// The stable code, e.g. `upstream.start_timeout`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownServer { .. } => "upstream.unknown_server",
            Self::CommandNotFound { .. } => "upstream.command_not_found",
            Self::SpawnFailed { .. } => "upstream.spawn_failed",
            Self::StartTimeout { .. } => "upstream.start_timeout",
            Self::Exited { .. } => "upstream.exited",
            Self::Handshake { .. } => "upstream.handshake",
            Self::BackingOff { cause, .. } => cause.code(),
            Self::CallTimeout { .. } => "upstream.call_timeout",
            Self::ListTimeout { .. } => "upstream.list_timeout",
            Self::Protocol { .. } => "upstream.protocol",
            Self::TooLarge { .. } => "upstream.too_large",
            Self::BadAnswer { .. } => "upstream.bad_answer",
            Self::NotReading { .. } => "upstream.not_reading",
            Self::RemoteUnsupported { .. } => "upstream.remote_unsupported",
            Self::ShuttingDown { .. } => "upstream.shutting_down",
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownServer { .. } => "use one of the known names; `mcp-bridge servers` lists them".into(),
            Self::CommandNotFound { server, command, .. } => {
                format!("install `{command}`, or correct `command` in the entry of `{server}`")
            }
            Self::SpawnFailed { server, .. } => format!("correct `command` and `cwd` in the entry of `{server}`"),
            Self::StartTimeout { server, .. } => {
                format!("run the command of `{server}` in a terminal and see what it waits for")
            }
            Self::Exited { called: true, .. } => {
                "check whether the call took effect before repeating it; the server is started again on the next use"
                    .into()
            }
            Self::Exited { server, .. } => {
                format!("run the command of `{server}` in a terminal; its `args` and `env` may be incomplete")
            }
            Self::Handshake { server, .. } => {
                format!("check that the command of `{server}` is an MCP server that speaks over stdio")
            }
            Self::BackingOff { cause, .. } => cause.hint(),
            Self::CallTimeout { sent: true, .. } => {
                "allow more time, or ask for less; check whether the call took effect before repeating it".into()
            }
            Self::CallTimeout { .. } => "the server was still starting: repeat the call, or allow more time".into(),
            Self::ListTimeout { server, .. } => format!("try again; if it stays so, restart `{server}`"),
            Self::Protocol { error_code: INVALID_PARAMS, .. } => {
                "compare the tool's name and the arguments with its input schema".into()
            }
            Self::Protocol { .. } => "the message is the server's own: act on it, or look into the server's log".into(),
            Self::TooLarge { .. } => "ask the tool for less: a filter, a page, a range".into(),
            Self::BadAnswer { server, .. } => format!("report it to the makers of `{server}`"),
            Self::NotReading { server, .. } => format!("call `{server}` with fewer or smaller calls at a time"),
            Self::RemoteUnsupported { server } => {
                format!("use a local (`command`) server in place of `{server}` for now")
            }
            Self::ShuttingDown { .. } => "start the bridge again".into(),
        }
    }

    /// Which of the four kinds it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::CallTimeout { .. } | Self::ListTimeout { .. } | Self::StartTimeout { .. } => Kind::Timeout,
            Self::Protocol { error_code: INVALID_PARAMS | METHOD_NOT_FOUND, .. } => Kind::InvalidTool,
            Self::Protocol { .. } | Self::TooLarge { .. } | Self::BadAnswer { .. } => Kind::Backend,
            Self::BackingOff { cause, .. } => cause.kind(),
            Self::UnknownServer { .. }
            | Self::CommandNotFound { .. }
            | Self::SpawnFailed { .. }
            | Self::Exited { .. }
            | Self::Handshake { .. }
            | Self::NotReading { .. }
            | Self::RemoteUnsupported { .. }
            | Self::ShuttingDown { .. } => Kind::Connection,
        }
    }

    /// Whether a call that ended so may have taken effect. `false` is a promise: it never left, or was refused unread.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Exited { called, .. } => *called,
            Self::CallTimeout { sent, .. } => *sent,
            Self::TooLarge { .. } | Self::BadAnswer { .. } => true,
            Self::Protocol { error_code, .. } => !matches!(*error_code, METHOD_NOT_FOUND | INVALID_PARAMS),
            _ => false,
        }
    }
}

/// JSON-RPC 2.0: "Method not found".
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0: "Invalid params"; MCP servers use it for an unknown tool too.
const INVALID_PARAMS: i32 = -32602;

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn last_words(stderr: &str) -> String {
    if stderr.is_empty() { "it wrote nothing to stderr".into() } else { format!("its last words: {stderr}") }
}

fn moment(called: bool, ready: bool) -> &'static str {
    match (called, ready) {
        (true, _) => "while a call was on its way, which may have happened",
        (false, true) => "after it had started",
        (false, false) => "before answering `initialize`",
    }
}

fn unless_sent(sent: bool) -> &'static str {
    if sent { "; it may have happened" } else { " (the server was still starting; nothing was sent)" }
}

/// Rounded up, so that waiting as long as the text says is always enough.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
