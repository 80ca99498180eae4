//! MCP over HTTP: Streamable HTTP by rmcp's worker, with requests and answers of our own beneath it, so that results stay the
//! text the server sent, and that every failure is known for what it was.

mod access;
mod address;
mod answers;
mod client;
mod helper;
mod post;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{StreamableHttpClientTransportConfig, StreamableHttpError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::tap::Tap;
use super::trouble::Trouble;
pub(super) use access::Access;
pub(super) use address::Address;
pub(super) use client::{Client, media_type, reader};
pub(super) use helper::{HELPER_TIME, Helper};
pub(super) use tls::tls_config;

/// POSTs at a time on one connection. The gateway decides how many calls a server gets; this must never be less.
const MOST_POSTS: usize = 4096;
/// A stream that broke after the server numbered its events is taken up again so often, with pauses of 0.2, 0.4, ... s.
const RESUMES: usize = 5;
const FIRST_RESUME: Duration = Duration::from_millis(200);

/// A connection by Streamable HTTP; nothing is sent before the handshake. `stop` ends what is still on its way: rmcp's worker
/// waits for the answers of a handshake whatever becomes of its transport. `life` is let go when the worker has ended.
pub(super) fn transport(
    client: Client,
    tap: Arc<Tap>,
    stop: CancellationToken,
    life: watch::Sender<Option<String>>,
) -> StreamableHttpClientTransport<post::Poster> {
    let mut config = StreamableHttpClientTransportConfig::with_uri(client.address().url.as_str());
    config = config.max_concurrent_requests(MOST_POSTS).max_sse_event_size(super::MAX_LINE);
    let mut resume = ExponentialBackoff::default();
    resume.base_duration = FIRST_RESUME;
    resume.max_times = Some(RESUMES);
    config.retry_config = Arc::new(resume);
    StreamableHttpClientTransport::with_client(post::Poster { client, tap, stop, _life: Arc::new(life) }, config)
}

/// What an error of rmcp's worker means that is about the session and not about the connection: others go on with it, in another.
pub(super) fn session_trouble(error: &(dyn std::error::Error + 'static)) -> Option<Trouble> {
    match error.downcast_ref::<StreamableHttpError<reqwest::Error>>()? {
        StreamableHttpError::SessionExpired | StreamableHttpError::ReinitializationFailed(_) => {
            Some(Trouble::status(404, "it does not know the session, and gives no other", None))
        }
        StreamableHttpError::SessionRecoveryTimeout => {
            Some(Trouble::Broken("the session in which the server was asked is over".into()))
        }
        _ => None,
    }
}

/// What an error of the HTTP client means, in words that hold no address: its query may be a secret.
fn trouble(error: reqwest::Error) -> Trouble {
    let connecting = error.is_connect();
    let builder = error.is_builder();
    let reason = causes(&error.without_url());
    match (builder, connecting) {
        (true, _) => Trouble::Unusable(reason),
        (_, true) => Trouble::Unreachable(reason),
        _ => Trouble::Broken(reason),
    }
}

/// An error with what caused it, from the outside in. The outermost words of a library say least.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if texts.iter().all(|known| !known.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ")
}
