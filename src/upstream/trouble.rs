//! What goes wrong between us and a server reached over a network, as seen by its transport, and what that means for a call.

use super::error::Proof;
use super::{MAX_LINE, UpstreamError};

/// Text of a server's that errors repeat, in characters: a sentence fits, a page of HTML does not.
const SHOWN: usize = 300;

/// Seen by a transport while it sent one message or waited for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// No connection: nothing left.
    Unreachable(String),
    /// The connection broke when the message had left, or may have.
    Broken(String),
    /// An HTTP status that is no answer of the protocol. `body`: how the server explained it.
    Status { status: u16, body: String, retry_after: Option<String> },
    /// 401 or 403. `challenge`: the server's `WWW-Authenticate`; of a 403 without one, what it said.
    Denied { status: u16, challenge: Option<String>, proof: Proof },
    /// The login could not be used or renewed: nothing left.
    Login(String),
    /// The user's command that prints headers; the end of the sentence "`headersHelper` ...".
    Helper(String),
    /// The answer to a greeting, of so many bytes.
    TooLarge(u64),
    /// What came back is not MCP.
    NotMcp(String),
    /// Our own side: headers that could not be made, an address that cannot be used.
    Unusable(String),
}

/// What a refusal says where it names nothing by which access could be gained.
pub(super) fn said(body: &str) -> Option<String> {
    let said: String = body.trim().chars().take(SHOWN).collect();
    Some(said).filter(|said| !said.is_empty())
}

impl Trouble {
    pub(super) fn status(status: u16, body: &str, retry_after: Option<String>) -> Self {
        Self::Status { status, body: body.trim().chars().take(SHOWN).collect(), retry_after }
    }

    /// Whether this connection is of no more use, so that the next call should make a new one.
    pub(super) fn ends_the_connection(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Login(_)
            | Self::Broken(_)
            | Self::Denied { .. }
            | Self::Unusable(_)
            | Self::Helper(_) => true,
            // A session that the server no longer knows is a 404 by the specification; some servers say 400.
            Self::Status { status, .. } => matches!(status, 400 | 404 | 405 | 410),
            Self::NotMcp(_) | Self::TooLarge(_) => false,
        }
    }

    /// As an error about `server`. `called`: the message was a call, which may have happened.
    pub(super) fn explain(self, server: &str, called: bool) -> UpstreamError {
        let server = server.to_owned();
        match self {
            Self::Unreachable(reason) => UpstreamError::Unreachable { server, reason },
            Self::Broken(reason) => UpstreamError::Interrupted { server, reason, called },
            Self::Status { status, body, retry_after } => {
                UpstreamError::HttpStatus { server, status, body, retry_after, called }
            }
            Self::Denied { status, challenge, proof } => {
                UpstreamError::Unauthorized { server, status, challenge, proof }
            }
            Self::Login(reason) => UpstreamError::LoginUnusable { server, reason },
            Self::Helper(reason) => UpstreamError::HelperFailed { server, reason },
            Self::TooLarge(bytes) => {
                let reason = format!("the server's answer is too large: {bytes} bytes; the limit is {MAX_LINE}");
                UpstreamError::Handshake { server, reason }
            }
            Self::NotMcp(found) => UpstreamError::NotMcp { server, found, called },
            Self::Unusable(reason) => UpstreamError::UnusableAddress { server, reason },
        }
    }
}
