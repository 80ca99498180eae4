//! One request being worked on, while the client hears of it and is asked.
//!
//! A client of the older era is asked by requests of ours, and answers meanwhile. One of the newer era (2026-07-28) is asked by the
//! answer to its request (`input_required`, SEP-2322): the work is parked, the client calls again with what it was asked for, and the
//! work goes on where it was.

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use rmcp::model::{CustomRequest, ErrorData, ProgressToken, ProtocolVersion, ServerRequest};
use rmcp::service::{PeerRequestOptions, RequestContext, ServiceError};
use rmcp::{Peer, RoleServer};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fields::Fields;
use super::letter::told;
use super::line::{Question, Said};
use super::logs::Level;
use crate::upstream::ClientError;

/// The `result` of a request, as the client is to get it.
pub(super) type Outcome = Result<Box<RawValue>, ErrorData>;

/// Something that is worked on, and may have questions.
pub(super) struct Work {
    pub outcome: BoxFuture<'static, Outcome>,
    pub said: mpsc::Receiver<Said>,
    /// Ends it; it still has an outcome.
    pub cancel: CancellationToken,
    /// Whether it is the use of one server, whose progress and other notifications are then the request's.
    pub is_direct: bool,
}

/// How far it came.
pub(super) enum Spoken {
    Ended(Outcome),
    /// The client must answer these first.
    Asks(Work, Vec<Question>),
}

/// What this request wants to hear.
pub(super) struct Ears<'a> {
    pub context: &'a RequestContext<RoleServer>,
    pub is_direct: bool,
    /// Log lines of this level and above; `None`: all.
    pub level: Option<Level>,
    pub wants_logs: bool,
}

/// Whether a request is of the newer era, in which clients are asked by answers only.
pub(super) fn is_stateless(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// Works until the end, or until a client of the newer era must be asked. Everything told is on its way when this resolves.
pub(super) async fn converse(ears: &Ears<'_>, mut work: Work) -> Spoken {
    let mut asking = FuturesUnordered::new();
    let mut cancelled = false;
    let mut teller = Teller { ears, token: ears.context.meta.get_progress_token(), reached: f64::NEG_INFINITY };
    loop {
        tokio::select! {
            biased;
            Some(said) = work.said.recv() => match said {
                Said::Note { method, params } => teller.tell(&method, params).await,
                Said::Question(question) if is_stateless(ears.context) => {
                    let mut questions = vec![question];
                    while let Ok(said) = work.said.try_recv() {
                        match said {
                            Said::Note { method, params } => teller.tell(&method, params).await,
                            Said::Question(question) => questions.push(question),
                        }
                    }
                    return Spoken::Asks(work, questions);
                }
                Said::Question(question) => asking.push(ask(ears.context.peer.clone(), question)),
            },
            Some(()) = asking.next() => {}
            outcome = &mut work.outcome => {
                while let Ok(Said::Note { method, params }) = work.said.try_recv() {
                    teller.tell(&method, params).await;
                }
                // What nobody waits for any more is withdrawn, which the answer need not wait for.
                tokio::spawn(async move { while asking.next().await.is_some() {} });
                return Spoken::Ended(outcome);
            }
            () = ears.context.ct.cancelled(), if !cancelled => {
                cancelled = true;
                work.cancel.cancel();
            }
        }
    }
}

struct Teller<'a> {
    ears: &'a Ears<'a>,
    token: Option<ProgressToken>,
    /// The progress told last: the protocol wants it to increase.
    reached: f64,
}

impl Teller<'_> {
    async fn tell(&mut self, method: &str, params: Option<Box<RawValue>>) {
        let params = match method {
            "notifications/progress" if self.ears.is_direct => match self.progress(params.as_deref()) {
                Some(params) => Some(params),
                None => return,
            },
            "notifications/message" if !self.ears.wants(params.as_deref()) => return,
            "notifications/message" => text(params),
            _ if !self.ears.is_direct => return,
            _ => text(params),
        };
        notify(&self.ears.context.peer, method, params).await;
    }

    /// The same progress with the client's own token, where it asked for any and this is new.
    fn progress(&mut self, params: Option<&RawValue>) -> Option<String> {
        #[derive(Deserialize)]
        struct Progress {
            progress: f64,
        }
        let (token, params) = (serde_json::to_string(self.token.as_ref()?).ok()?, params?.get());
        let Progress { progress } = serde_json::from_str(params).ok()?;
        if progress <= self.reached {
            return None;
        }
        self.reached = progress;
        let mut fields = Fields::of(params)?;
        fields.set(r#""progressToken""#, &token);
        Some(fields.object())
    }
}

impl Ears<'_> {
    fn wants(&self, log: Option<&RawValue>) -> bool {
        self.wants_logs && Level::of(log) >= self.level
    }
}

/// Sends a notification, its params letter by letter. A client that is gone misses it.
pub(super) async fn notify(peer: &Peer<RoleServer>, method: &str, params: Option<String>) {
    let _ = peer.send_notification(told(method, params)).await;
}

/// What there is of params.
pub(super) fn text(params: Option<Box<RawValue>>) -> Option<String> {
    params.filter(|params| params.get() != "null").map(|params| Box::<str>::from(params).into())
}

/// Asks a client of the older era. When nobody waits for the answer any more, the question is withdrawn.
pub(super) async fn ask(peer: Peer<RoleServer>, mut question: Question) {
    let request = CustomRequest::new(question.method.clone(), question.params_value());
    let sent =
        peer.send_request_with_option(ServerRequest::CustomRequest(request), PeerRequestOptions::no_options()).await;
    let mut handle = match sent {
        Ok(handle) => handle,
        Err(error) => return drop(question.reply.send(Err(refused(error)))),
    };
    let answer = tokio::select! {
        answer = &mut handle.rx => answer.unwrap_or(Err(ServiceError::TransportClosed)),
        () = question.reply.closed() => {
            // A client that is gone need not be told.
            let _ = handle.cancel(Some("the question is withdrawn".into())).await;
            return;
        }
    };
    let answer = answer
        .map_err(refused)
        .and_then(|result| serde_json::value::to_raw_value(&result).map_err(|_| ClientError::Gone));
    let _ = question.reply.send(answer);
}

fn refused(error: ServiceError) -> ClientError {
    match error {
        ServiceError::McpError(error) => {
            ClientError::Answered { code: error.code.0.into(), message: error.message.into_owned(), data: error.data }
        }
        _ => ClientError::Gone,
    }
}
