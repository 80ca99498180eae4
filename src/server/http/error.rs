//! Why a request over HTTP was refused; each with a status, a stable code and one thing to do.

use http::StatusCode;
use http::header::{
    ACCEPT, ALLOW, CONNECTION, HeaderName, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};

/// The paths there are, as the answer to an unknown one lists them.
pub const PATHS: &str = "/mcp, /sse, /messages, /ws, /tools, /tools/call, /health, /metrics";

/// A request that is not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    #[error("the Host {found:?} is not one of this bridge")]
    Host { found: String },
    #[error("the Origin {found:?} may not use this bridge")]
    Origin { found: String },
    #[error("the Transfer-Encoding is {found:?}, and only chunked is read, said once")]
    Framing { found: String },
    #[error("there is no token, or none that is known")]
    Unauthorized { challenge: String },
    #[error("too many wrong tokens are being answered")]
    Guessing,
    #[error("more than {limit} requests a second came from this address")]
    Rate { limit: String, wait: u64 },
    #[error("the bridge is ending")]
    Draining,
    #[error("there is nothing at {path}")]
    NoPath { path: String },
    #[error("{method} is not for {path}")]
    Method { method: String, path: &'static str, allow: &'static str },
    #[error("the body is of type {found:?}, not application/json")]
    MediaType { found: String },
    #[error("the answer would be application/json or text/event-stream, and the client accepts {found:?}")]
    NotAcceptable { found: String },
    #[error("the body is longer than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("too many long bodies are being read")]
    Room,
    #[error("the body did not come within {seconds} s")]
    Slow { seconds: u64 },
    #[error("the body is not JSON that can be used: {reason}")]
    Json { reason: String },
    #[error("it is not a JSON-RPC message: {reason}")]
    Message { reason: String },
    #[error("/ws wants a WebSocket: {reason}")]
    Upgrade { reason: &'static str },
    #[error("the MCP-Protocol-Version {found:?} is not one of {known}")]
    Version { found: String, known: String },
    #[error("{reason}")]
    Mismatch { reason: String },
    #[error("the request's _meta lacks {missing}")]
    Meta { missing: String },
    #[error("there is no session of this id")]
    NoSession,
    #[error("the request needs the Mcp-Session-Id that the answer to initialize gave")]
    SessionWanted,
    #[error("{limit} sessions are open")]
    Sessions { limit: usize },
    #[error("a request with the id {id} is under way")]
    IdInUse { id: String },
    #[error("{limit} requests of this session are under way")]
    Crowded { limit: usize },
    #[error("the conversation ended before the answer came")]
    Ended,
    /// `wait`: in so many seconds it may be asked again, and nothing of it has happened.
    #[error("{message}")]
    Tool { status: u16, code: &'static str, message: String, hint: String, wait: Option<u64> },
}

impl HttpError {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Host { .. } | Self::Origin { .. } => StatusCode::FORBIDDEN,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Guessing | Self::Rate { .. } | Self::Crowded { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining | Self::Room | Self::Sessions { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPath { .. } | Self::NoSession => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Upgrade { .. } => StatusCode::UPGRADE_REQUIRED,
            Self::Framing { .. }
            | Self::Json { .. }
            | Self::Message { .. }
            | Self::Version { .. }
            | Self::Mismatch { .. }
            | Self::Meta { .. }
            | Self::SessionWanted
            | Self::IdInUse { .. } => StatusCode::BAD_REQUEST,
            Self::Ended => StatusCode::BAD_GATEWAY,
            Self::Tool { status, .. } => StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY),
        }
    }

    /// The stable code, e.g. `http.host`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host { .. } => "http.host",
            Self::Origin { .. } => "http.origin",
            Self::Framing { .. } => "http.framing",
            Self::Unauthorized { .. } => "http.unauthorized",
            Self::Guessing => "http.guessing",
            Self::Rate { .. } => "http.rate",
            Self::Draining => "http.draining",
            Self::NoPath { .. } => "http.no_path",
            Self::Method { .. } => "http.method",
            Self::MediaType { .. } => "http.media_type",
            Self::NotAcceptable { .. } => "http.not_acceptable",
            Self::TooLarge { .. } => "http.too_large",
            Self::Room => "http.room",
            Self::Slow { .. } => "http.slow",
            Self::Json { .. } => "http.body",
            Self::Message { .. } | Self::Upgrade { .. } => "http.message",
            Self::Version { .. } => "http.version",
            Self::Mismatch { .. } => "http.header_mismatch",
            Self::Meta { .. } => "http.meta",
            Self::NoSession => "http.no_session",
            Self::SessionWanted => "http.session_wanted",
            Self::Sessions { .. } => "http.sessions",
            Self::IdInUse { .. } => "http.id_in_use",
            Self::Crowded { .. } => "http.crowded",
            Self::Ended => "http.ended",
            Self::Tool { code, .. } => code,
        }
    }

    /// The JSON-RPC code that says it best; -32020 is MCP's for headers that belie the body.
    pub(super) fn rpc_code(&self) -> i64 {
        match self {
            Self::Json { .. } => -32700,
            Self::Message { .. } | Self::IdInUse { .. } | Self::Version { .. } => -32600,
            Self::Meta { .. } => -32602,
            Self::Mismatch { .. } => -32020,
            _ => -32000,
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Host { .. } => "use the address it was started with, or add the name to MCP_BRIDGE_HTTP_HOSTS".into(),
            Self::Origin { .. } => "add the page's origin to MCP_BRIDGE_HTTP_ORIGINS".into(),
            Self::Framing { .. } => "send the body as it is, with a Content-Length, or in chunks".into(),
            Self::Unauthorized { .. } => "send `Authorization: Bearer TOKEN`; `mcp-bridge token add NAME` makes one".into(),
            Self::Guessing => "wait a second, and send less".into(),
            Self::Rate { wait, .. } => format!("wait {wait} s, and send less"),
            Self::Draining => "ask again when it has been started anew".into(),
            Self::NoPath { .. } => format!("there are {PATHS}; MCP clients use /mcp"),
            Self::Method { allow, .. } => format!("use {allow}"),
            Self::MediaType { .. } => "send `Content-Type: application/json`".into(),
            Self::NotAcceptable { .. } => "send `Accept: application/json, text/event-stream`".into(),
            Self::TooLarge { .. } => "send less, or raise MCP_BRIDGE_HTTP_BODY".into(),
            Self::Room => "wait a second; what is short is answered meanwhile".into(),
            Self::Slow { .. } => "send it in one go".into(),
            Self::Json { .. } => "send one JSON value, nested less than 128 deep, with no key twice in an object".into(),
            Self::Message { .. } => {
                "send {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": ..., \"params\": {...}}; an id is a whole number or a string".into()
            }
            Self::Upgrade { .. } => "use a WebSocket client with the subprotocol `mcp`, or POST to /mcp".into(),
            Self::Version { .. } => "send the version that the answer to initialize named".into(),
            Self::Mismatch { .. } => "send the same in headers and body, or a newer client".into(),
            Self::Meta { .. } => "a client of 2026-07-28 sends it with each request".into(),
            Self::NoSession | Self::SessionWanted => "send `initialize` first, without a session id".into(),
            Self::Sessions { .. } => "end some with DELETE, or raise MCP_BRIDGE_HTTP_SESSIONS".into(),
            Self::IdInUse { .. } => "give each request an id of its own".into(),
            Self::Crowded { .. } => "wait for answers before asking more".into(),
            Self::Ended => "ask again".into(),
            Self::Tool { hint, .. } => hint.clone(),
        }
    }

    pub(super) fn headers(&self) -> Vec<(HeaderName, String)> {
        match self {
            Self::Unauthorized { challenge } => vec![(WWW_AUTHENTICATE, challenge.clone())],
            Self::Rate { wait, .. } => vec![(RETRY_AFTER, wait.to_string())],
            Self::Guessing | Self::Draining | Self::Crowded { .. } | Self::Sessions { .. } => {
                vec![(RETRY_AFTER, "1".into())]
            }
            Self::Tool { wait: Some(wait), .. } => vec![(RETRY_AFTER, wait.to_string())],
            Self::Method { allow, .. } => vec![(ALLOW, (*allow).into())],
            Self::MediaType { .. } => vec![(ACCEPT, "application/json".into())],
            // RFC 6455, section 4.2.2, and RFC 9110, section 15.5.22.
            Self::Upgrade { .. } => vec![
                (CONNECTION, "upgrade".into()),
                (UPGRADE, "websocket".into()),
                (SEC_WEBSOCKET_VERSION, "13".into()),
            ],
            Self::Room => vec![(RETRY_AFTER, "1".into()), (CONNECTION, "close".into())],
            // The rest of the body is not read, so nothing can follow it.
            Self::Framing { .. } | Self::TooLarge { .. } | Self::Slow { .. } => vec![(CONNECTION, "close".into())],
            _ => Vec::new(),
        }
    }
}
