//! What a server's answers to our greeting mean when it is not one that we understand.

use std::time::Duration;

use rmcp::model::{ErrorCode, ProtocolVersion};
use rmcp::service::ClientInitializeError;

use super::UpstreamError;
use super::lifeline::Lifeline;
use super::trouble::Trouble;

/// How long an error waits for the process to be seen as ended, so that it can name the exit status.
pub(super) const AUTOPSY: Duration = Duration::from_secs(1);

/// Why the handshake did not come about, as the person at the entry can use it.
pub(super) async fn handshake_failed(
    server: &str,
    error: &ClientInitializeError,
    lifeline: &Lifeline,
    trouble: Option<Trouble>,
    is_remote: bool,
) -> UpstreamError {
    let server = server.to_owned();
    if let Some(too_large @ Trouble::TooLarge(_)) = trouble {
        return too_large.explain(&server, false);
    }
    // Of a handshake, and of the fallback of one, the last message is the one that failed.
    let error = match error {
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => fallback.as_ref(),
        other => other,
    };
    let reason = match error {
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } if is_remote => {
            let ended = || Trouble::Broken("it was closed during the handshake".into());
            let ended = lifeline.how_it_ended().map_or_else(ended, Trouble::Broken);
            return trouble.unwrap_or(ended).explain(&server, false);
        }
        ClientInitializeError::ConnectionClosed(_) | ClientInitializeError::TransportError { .. } => {
            let how = lifeline.ending(AUTOPSY).await.unwrap_or_else(|| "closed its output".into());
            let stderr = Some(lifeline.last_words.text());
            return UpstreamError::Exited { server, how, ready: false, called: false, stderr };
        }
        ClientInitializeError::JsonRpcError(error) => {
            format!("the server answered `initialize` with error {}: {}", error.code.0, error.message)
        }
        ClientInitializeError::ConflictInitResponseId(wanted, found)
        | ClientInitializeError::UncorrelatedErrorResponse { expected: wanted, received: found } => {
            format!("the server answered request {found}; `initialize` was request {wanted}")
        }
        ClientInitializeError::ExpectedInitResult(_) => {
            "the server's answer to `initialize` lacks protocolVersion, capabilities or serverInfo".into()
        }
        other => other.to_string(),
    };
    UpstreamError::Handshake { server, reason }
}

/// The last draft before the first revision: what it says to us is the same, and the official SDKs take it too.
const DRAFT: &str = "2024-10-07";

/// Whether we know how a server talks that chose this revision.
pub(super) fn known_version(server: &str, chosen: &ProtocolVersion) -> Result<(), UpstreamError> {
    if ProtocolVersion::KNOWN_VERSIONS.contains(chosen) || chosen.as_str() == DRAFT {
        return Ok(());
    }
    // A server may say anything; a revision is a date.
    let found = chosen.as_str().chars().take(40).collect();
    let known = ProtocolVersion::KNOWN_VERSIONS.iter().map(ProtocolVersion::as_str).collect();
    Err(UpstreamError::UnknownVersion { server: server.to_owned(), found, known })
}

/// Servers of the newer era only answer `initialize` like any method they do not know.
pub(super) fn knows_no_initialize(error: &ClientInitializeError) -> bool {
    matches!(
        error,
        ClientInitializeError::JsonRpcError(error)
            if matches!(error.code, ErrorCode::METHOD_NOT_FOUND | ErrorCode::UNSUPPORTED_PROTOCOL_VERSION)
    )
}
