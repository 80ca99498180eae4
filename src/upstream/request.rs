//! One request of ours and its answer, as the server wrote it; or why there is none.

use std::io;
use std::sync::Arc;

use rmcp::model::{ClientRequest, ErrorData, GetExtensions, RequestId, RequestMetaObject, ServerResult};
use rmcp::service::{Peer, PeerRequestOptions, RequestHandle, RoleClient, ServiceError};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use super::asking::CAPABILITIES;
use super::exchanges::Answer;
use super::tap::Tap;
use super::trouble::Trouble;
use super::{http, through};
use crate::chain::Chain;

/// Where requests go, and where their answers are looked for.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) peer: Peer<RoleClient>,
    pub(super) tap: Arc<Tap>,
    /// The bridges above the server.
    pub(super) chain: Chain,
}

impl Line {
    /// Sends a request and waits for its answer, as the server wrote it and as far as rmcp had to understand it; when the deadline
    /// passes, or the caller no longer waits, the server is told.
    pub(super) async fn request(
        &self,
        request: ClientRequest,
        deadline: Instant,
    ) -> Result<(Box<RawValue>, ServerResult), Failure> {
        let mut options = PeerRequestOptions::no_options();
        options.meta = through::meta(&self.chain);
        // Over what the request says its client can, rmcp writes what the connection said; not over what is given here.
        let said = request.extensions().get::<RequestMetaObject>().and_then(|meta| meta.get(CAPABILITIES)).cloned();
        if let Some(said) = said {
            options.meta.get_or_insert_default().insert(CAPABILITIES.into(), said);
        }
        let sending = self.peer.send_request_with_option(request, options);
        let handle =
            timeout_at(deadline, sending).await.map_err(|_| Failure::DeadlinePassed)?.map_err(Failure::from)?;
        let mut pending = Pending { tap: &self.tap, id: handle.id.clone(), handle: Some(handle) };
        let news = timeout_at(deadline, pending.news()).await.map_err(|_| Failure::DeadlinePassed)?;
        pending.handle = None;
        let understood = news.map_err(Failure::from)?;
        match self.tap.take(&pending.id) {
            Some(Answer::Raw(text)) => Ok((text, understood)),
            Some(Answer::TooLarge(bytes)) => Err(Failure::TooLarge(bytes)),
            Some(Answer::Trouble(trouble)) => Err(Failure::Trouble(trouble)),
            None => Err(Failure::Closed),
        }
    }
}

/// Why a request has no result.
pub(super) enum Failure {
    DeadlinePassed,
    Refused(ErrorData),
    TooLarge(u64),
    Trouble(Trouble),
    NotReading,
    /// The connection broke before the server had the whole request.
    NotSent,
    Closed,
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::McpError(error) => Self::Refused(error),
            ServiceError::TransportSend(error) => match error.error.downcast_ref::<io::Error>() {
                Some(cause) if cause.kind() == io::ErrorKind::WouldBlock => Self::NotReading,
                Some(_) => Self::NotSent,
                // Sending a request over HTTP lasts until its answer begins: it may have arrived.
                None => http::session_trouble(error.error.as_ref()).map_or(Self::Closed, Self::Trouble),
            },
            _ => Self::Closed,
        }
    }
}

/// A request on its way. Dropped before its answer came, it sends `notifications/cancelled`.
struct Pending<'a> {
    tap: &'a Tap,
    id: RequestId,
    handle: Option<RequestHandle<RoleClient>>,
}

impl Pending<'_> {
    /// That there is an answer, which the tap has, or will be none.
    async fn news(&mut self) -> Result<ServerResult, ServiceError> {
        match &mut self.handle {
            Some(handle) => (&mut handle.rx).await.unwrap_or(Err(ServiceError::TransportClosed)),
            None => Err(ServiceError::TransportClosed),
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.tap.give_up(&self.id);
        if let (Some(handle), Ok(runtime)) = (self.handle.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(handle.cancel(Some("the caller no longer waits".into())));
        }
    }
}
