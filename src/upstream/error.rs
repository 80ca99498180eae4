//! What can go wrong with an upstream; each with a stable code, a kind and one thing to do.

use std::time::Duration;

use serde_json::Value;

/// The five kinds a caller can act on.
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
    /// The server was not asked, as it failed too often of late: the gateway's word, never an upstream's.
    BreakerOpen,
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

    #[error("server `{server}` did not answer `initialize` within {} s{}", .limit.as_secs_f64(), last_words(.stderr))]
    StartTimeout { server: String, limit: Duration, stderr: Option<String> },

    /// The process or connection ended. `called`: a call was on its way, and may have happened.
    #[error("server `{server}` {how} {}{}", moment(*.called, *.ready), last_words(.stderr))]
    Exited { server: String, how: String, ready: bool, called: bool, stderr: Option<String> },

    #[error("server `{server}`: the handshake failed: {reason}")]
    Handshake { server: String, reason: String },

    /// It answered `initialize` with a revision of the protocol that nobody here has heard of.
    #[error("server `{server}` speaks the MCP revision {found:?}; this bridge speaks {}", .known.join(", "))]
    UnknownVersion { server: String, found: String, known: Vec<&'static str> },

    /// The last start failed and the next one is not due yet.
    #[error("{cause} (next try in {} s)", whole_seconds(*.next_try))]
    BackingOff { cause: Box<UpstreamError>, next_try: Duration },

    /// The deadline of a call passed. `sent`: the server had it already, so it may have happened.
    #[error("server `{server}`: `{tool}` was not answered before its deadline, {:.1} s after the call{}", .waited.as_secs_f64(), unless_sent(*.sent))]
    CallTimeout { server: String, tool: String, waited: Duration, sent: bool },

    #[error("server `{server}` did not answer `tools/list` within {} s", .limit.as_secs_f64())]
    ListTimeout { server: String, limit: Duration },

    #[error("server `{server}` did not answer `ping` within {} s, although nothing was asked of it", .limit.as_secs_f64())]
    PingTimeout { server: String, limit: Duration },

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

    /// No connection could be made: nothing was sent.
    #[error("server `{server}` cannot be reached: {reason}")]
    Unreachable { server: String, reason: String },

    /// The connection broke. `called`: a call was on its way, and may have happened.
    #[error("the connection to server `{server}` broke{}: {reason}", while_called(*.called))]
    Interrupted { server: String, reason: String, called: bool },

    /// An HTTP status that is no answer of the protocol.
    #[error("server `{server}` answered with HTTP status {status}{}{}", explained(.body, .retry_after), if_unclear(*.called, *.status, .retry_after))]
    HttpStatus { server: String, status: u16, body: String, retry_after: Option<String>, called: bool },

    /// The server wants to know who we are (401), or does not let us (403). `challenge`: its `WWW-Authenticate`, or what it said.
    #[error("server `{server}` refused {} with HTTP status {status}{}", shown(*.proof), challenged(.challenge))]
    Unauthorized { server: String, status: u16, challenge: Option<String>, proof: Proof },

    /// What a login left could not be read or renewed; the server was not asked.
    #[error("server `{server}` was not asked, as the login to it could not be used: {reason}")]
    LoginUnusable { server: String, reason: String },

    /// The user's own command that prints headers; the server was not asked.
    #[error("server `{server}` was not asked, as its `headersHelper` {reason}")]
    HelperFailed { server: String, reason: String },

    #[error("server `{server}` answered with something that is not MCP: {found}")]
    NotMcp { server: String, found: String, called: bool },

    /// Our own side of a remote entry: its address, its headers, its certificates.
    #[error("server `{server}` cannot be asked: {reason}")]
    UnusableAddress { server: String, reason: String },

    #[error("server `{server}` leads back to this bridge, which would call itself without end")]
    Circle { server: String },
    /// The server wants input before it answers, and got none.
    #[error("server `{server}` needs input to answer `{method}`, and got none: {reason}")]
    Unanswered { server: String, method: String, reason: String },

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
            Self::PingTimeout { .. } => "upstream.ping_timeout",
            Self::Protocol { .. } => "upstream.protocol",
            Self::TooLarge { .. } => "upstream.too_large",
            Self::BadAnswer { .. } => "upstream.bad_answer",
            Self::NotReading { .. } => "upstream.not_reading",
            Self::Unreachable { .. } => "upstream.unreachable",
            Self::Interrupted { .. } => "upstream.interrupted",
            Self::HttpStatus { .. } => "upstream.http_status",
            Self::Unauthorized { .. } => "upstream.unauthorized",
            Self::LoginUnusable { .. } => "upstream.login_unusable",
            Self::HelperFailed { .. } => "upstream.helper_failed",
            Self::UnknownVersion { .. } => "upstream.unknown_version",
            Self::NotMcp { .. } => "upstream.not_mcp",
            Self::UnusableAddress { .. } => "upstream.unusable_address",
            Self::Circle { .. } => "upstream.circle",
            Self::Unanswered { .. } => "upstream.unanswered",
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
            Self::StartTimeout { server, stderr: None, .. } => {
                format!("check that the server behind `url` in the entry of `{server}` is up and speaks MCP")
            }
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
                format!("check that `{server}` is an MCP server, and of the transport its entry says")
            }
            Self::BackingOff { cause, .. } => cause.hint(),
            Self::CallTimeout { sent: true, .. } => {
                "allow more time, or ask for less; check whether the call took effect before repeating it".into()
            }
            Self::CallTimeout { .. } => "the server was still starting: repeat the call, or allow more time".into(),
            Self::ListTimeout { server, .. } => format!("try again; if it stays so, restart `{server}`"),
            Self::PingTimeout { server, .. } => format!("nothing: `{server}` is ended and started again"),
            Self::Protocol { error_code: INVALID_PARAMS, .. } => {
                "compare the tool's name and the arguments with its input schema".into()
            }
            Self::Protocol { .. } => "the message is the server's own: act on it, or look into the server's log".into(),
            Self::TooLarge { .. } => "ask the tool for less: a filter, a page, a range".into(),
            Self::BadAnswer { server, .. } => format!("report it to the makers of `{server}`"),
            Self::NotReading { server, .. } => format!("call `{server}` with fewer or smaller calls at a time"),
            Self::Unreachable { server, .. } => {
                format!("check that the server runs and that `url` in the entry of `{server}` is right")
            }
            Self::Interrupted { called: true, .. } => {
                "check whether the call took effect before repeating it; the next use connects again".into()
            }
            Self::Interrupted { .. } => "try again: the next use connects again".into(),
            // 421, "Misdirected Request": what the Python SDK says to a foreign `Host`.
            Self::HttpStatus { server, status: 421, .. } => host_not_allowed(server),
            Self::HttpStatus { status: 429 | 503, .. } => "wait, then try again with fewer calls at a time".into(),
            Self::HttpStatus { server, .. } => {
                format!("check `url` and `type` in the entry of `{server}`, and the server's own log")
            }
            Self::Unauthorized { server, proof: Proof::Header, .. } => {
                format!(
                    "correct `Authorization` in `headers` in the entry of `{server}`: expired, mistyped, or without the rights this needs"
                )
            }
            Self::Unauthorized { server, proof: Proof::Helper, .. } => {
                format!(
                    "run `headersHelper` of the entry of `{server}` in a terminal and see whether what it prints is still valid"
                )
            }
            Self::LoginUnusable { server, .. } => {
                format!("try again; if it stays so, log in again: mcp-bridge login {server}")
            }
            Self::HelperFailed { server, .. } => {
                format!(
                    "run `headersHelper` of the entry of `{server}` in a terminal: it must print a JSON object of strings, and end"
                )
            }
            Self::UnknownVersion { server, .. } => format!("update `{server}`, or this bridge"),
            Self::Unauthorized { server, status: 401, .. } => {
                format!("run `mcp-bridge login {server}`, or put a valid token into `headers` in its entry")
            }
            Self::Unauthorized { server, challenge: Some(challenge), .. } if scopes(challenge).is_some() => {
                let scopes = scopes(challenge).unwrap_or_default();
                format!("log in again with what it asks for: mcp-bridge login {server} --scopes \"{scopes}\"")
            }
            Self::Unauthorized { server, challenge: Some(said), .. } if speaks_of_hosts(said) => {
                host_not_allowed(server)
            }
            Self::Unauthorized { server, .. } => {
                format!(
                    "log in again (`mcp-bridge login {server}`) with the rights this needs, or use a token that has them"
                )
            }
            Self::NotMcp { server, .. } => {
                format!(
                    "check that `url` in the entry of `{server}` is the address of its MCP endpoint (often `/mcp` or `/sse`)"
                )
            }
            Self::UnusableAddress { server, .. } => format!("correct the entry of `{server}`"),
            Self::Circle { server } => {
                format!("take `{server}` out of the file that `mcp-bridge servers` names, or switch it off there")
            }
            Self::Unanswered { .. } => "use a client that can be asked, or give the tool all it needs".into(),
            Self::ShuttingDown { .. } => "start the bridge again".into(),
        }
    }

    /// Which of the kinds it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::CallTimeout { .. }
            | Self::ListTimeout { .. }
            | Self::StartTimeout { .. }
            | Self::PingTimeout { .. } => Kind::Timeout,
            Self::Protocol { error_code: INVALID_PARAMS | METHOD_NOT_FOUND, .. } => Kind::InvalidTool,
            Self::Protocol { .. }
            | Self::TooLarge { .. }
            | Self::BadAnswer { .. }
            | Self::NotMcp { .. }
            | Self::Unanswered { .. } => Kind::Backend,
            Self::BackingOff { cause, .. } => cause.kind(),
            Self::UnknownServer { .. }
            | Self::CommandNotFound { .. }
            | Self::SpawnFailed { .. }
            | Self::Exited { .. }
            | Self::Handshake { .. }
            | Self::NotReading { .. }
            | Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::HttpStatus { .. }
            | Self::Unauthorized { .. }
            | Self::LoginUnusable { .. }
            | Self::HelperFailed { .. }
            | Self::UnknownVersion { .. }
            | Self::UnusableAddress { .. }
            | Self::Circle { .. }
            | Self::ShuttingDown { .. } => Kind::Connection,
        }
    }

    /// Whether trying again may help without anybody doing anything: a connection that broke, an answer that did not come.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::BackingOff { cause, .. } => cause.is_passing(),
            Self::StartTimeout { .. }
            | Self::Exited { .. }
            | Self::CallTimeout { .. }
            | Self::ListTimeout { .. }
            | Self::PingTimeout { .. }
            | Self::NotReading { .. }
            | Self::Unreachable { .. }
            | Self::LoginUnusable { .. }
            | Self::Interrupted { .. }
            | Self::HttpStatus { status: 429 | 502 | 503 | 504, .. } => true,
            _ => false,
        }
    }

    /// Whether a call that ended so may have taken effect. `false` is a promise: it never left, or was refused unread.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Exited { called, .. } | Self::Interrupted { called, .. } | Self::NotMcp { called, .. } => *called,
            Self::HttpStatus { status, called, retry_after, .. } => *called && unclear(*status, retry_after),
            Self::CallTimeout { sent, .. } => *sent,
            Self::TooLarge { .. } | Self::BadAnswer { .. } => true,
            Self::Protocol { error_code, .. } => !matches!(*error_code, METHOD_NOT_FOUND | INVALID_PARAMS),
            _ => false,
        }
    }
}

/// What a request showed of who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Nothing,
    /// `Authorization` as the entry has it.
    Header,
    /// What `headersHelper` printed.
    Helper,
    /// The token of a login.
    Login,
}

/// JSON-RPC 2.0: "Method not found".
pub(super) const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0: "Invalid params"; MCP servers use it for an unknown tool too.
const INVALID_PARAMS: i32 = -32602;

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

/// `None` for a server that is no process of ours.
fn last_words(stderr: &Option<String>) -> String {
    match stderr.as_deref() {
        None => String::new(),
        Some("") => "; it wrote nothing to stderr".into(),
        Some(words) => format!("; its last words: {words}"),
    }
}

fn moment(called: bool, ready: bool) -> &'static str {
    match (called, ready) {
        (true, _) => "while a call was on its way, which may have happened",
        (false, true) => "after it had started",
        (false, false) => "before answering `initialize`",
    }
}

fn while_called(called: bool) -> &'static str {
    if called { " while a call was on its way, which may have happened" } else { "" }
}

fn explained(body: &str, retry_after: &Option<String>) -> String {
    let words = if body.is_empty() { String::new() } else { format!(": {body}") };
    match retry_after {
        Some(after) => format!("{words} (it asks to wait: {after})"),
        None => words,
    }
}

/// Whether a call answered by this status may have taken effect. 4xx refuses it (RFC 9110, 15.5). So does 503 of a server that says
/// when to come back (15.6.4); without that it may be a proxy's word for a server that broke off.
fn unclear(status: u16, retry_after: &Option<String>) -> bool {
    status >= 500 && !(status == 503 && retry_after.is_some())
}

fn if_unclear(called: bool, status: u16, retry_after: &Option<String>) -> &'static str {
    if called && unclear(status, retry_after) { "; the call may have happened" } else { "" }
}

fn shown(proof: Proof) -> &'static str {
    match proof {
        Proof::Nothing => "access",
        Proof::Header => "the `Authorization` of its entry",
        Proof::Helper => "what `headersHelper` printed",
        Proof::Login => "the token of your login",
    }
}

fn challenged(challenge: &Option<String>) -> String {
    challenge.as_ref().map(|text| format!(" ({text})")).unwrap_or_default()
}

/// Servers that are meant for one machine look at the name they were reached by, and refuse others in their own words.
fn speaks_of_hosts(words: &str) -> bool {
    words.to_ascii_lowercase().contains("host")
}

fn host_not_allowed(server: &str) -> String {
    format!(
        "host not allowed: write a name that it accepts into `url` in the entry of `{server}`, or have the server accept this one"
    )
}

/// The scopes that a challenge names (RFC 6750, 3): only characters that a scope can have, as the words are meant to be copied into a shell.
fn scopes(challenge: &str) -> Option<&str> {
    let scopes = challenge.split("scope=\"").nth(1)?.split('"').next()?;
    let fits = |c: char| c.is_ascii_alphanumeric() || " :._/-".contains(c);
    (!scopes.trim().is_empty() && scopes.chars().all(fits)).then_some(scopes)
}

fn unless_sent(sent: bool) -> &'static str {
    if sent { "; it may have happened" } else { " (the server was still starting; nothing was sent)" }
}

/// Rounded up, so that waiting as long as the text says is always enough.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_a_challenge_can_be_copied_into_a_shell() {
        let named = r#"Bearer error="insufficient_scope", scope="files:read a.b/c", resource_metadata="x""#;
        assert_eq!(scopes(named), Some("files:read a.b/c"));
        for none in [r#"Bearer scope="""#, r#"Bearer scope="$(x)""#, r#"Bearer scope="a`b`""#, "Bearer", "scope=a"] {
            assert_eq!(scopes(none), None, "{none}");
        }
    }
}
