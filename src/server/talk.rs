//! A conversation with the MCP service: what a client's text means to rmcp, and pipes as a transport, one JSON-RPC message a line.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use futures::StreamExt;
use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{
    CallToolRequest, CallToolRequestMethod, CallToolRequestParams, ClientJsonRpcMessage, ClientRequest, ErrorData,
    GetExtensions, JsonRpcMessage, JsonRpcVersion2_0, RequestId, RequestMetaObject, ServerJsonRpcMessage,
};
use rmcp::service::{RequestContext, ServiceExt};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::{JsonRpcMessageCodec, JsonRpcMessageCodecError};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::Mutex;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};

use super::letter::render;
use super::wire::Wire;
use super::{Bridge, task_news};
use crate::exact::{self, Members};
use crate::execution::MAX_CODE;

/// Bytes of one message from a client over stdio. The largest program with every character escaped in two; what is longer is left
/// unread and never answered, so this stays clear of what a client may reasonably send and be told about.
pub(super) const LONGEST_LINE: usize = 4 * MAX_CODE;

pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Serves one client over a transport of messages until that ends.
///
/// # Errors
/// The client's handshake failed in a way that ends the connection.
pub(super) async fn converse(bridge: Bridge, transport: impl Transport<RoleServer> + 'static) -> Result<(), Fault> {
    Wire::new(bridge).serve(transport).await?.waiting().await?;
    Ok(())
}

/// What rmcp is to see of a client's message: nothing of a notification that is not MCP's, nor of what is no JSON.
///
/// # Errors
/// It is JSON that cannot be read as a message; this is the answer.
pub(super) fn read(text: &str) -> Result<Option<ClientJsonRpcMessage>, Box<ServerJsonRpcMessage>> {
    let mut message = typed(text)?;
    if let Some(JsonRpcMessage::Request(request)) = &mut message
        && let Some(written) = exact::written::<Written>(text)
    {
        request.request.extensions_mut().insert(Arc::new(written.params.arguments));
    }
    Ok(message)
}

/// The arguments of a request as its client wrote them: [`read`] leaves them in its extensions where a tree says a number differently.
#[derive(Deserialize)]
struct Written {
    params: exact::Params,
}

/// Them, for whoever handles the request.
pub(super) fn written(context: &RequestContext<RoleServer>) -> Option<&Members> {
    context.extensions.get::<Arc<Members>>().map(|members| &**members)
}

fn typed(text: &str) -> Result<Option<ClientJsonRpcMessage>, Box<ServerJsonRpcMessage>> {
    // rmcp tries one kind of message after another, which takes several times as long as the call of a small tool itself.
    if let Ok(call) = serde_json::from_str::<Call>(text) {
        return Ok(Some(call.into()));
    }
    let mut line = BytesMut::with_capacity(text.len() + 1);
    line.put_slice(text.as_bytes());
    line.put_u8(b'\n');
    let error = match JsonRpcMessageCodec::default().decode(&mut line) {
        Ok(message) => return Ok(message.map(|message| task_news::complete(message, text))),
        Err(JsonRpcMessageCodecError::Serde(error)) => error,
        Err(error) => serde::de::Error::custom(error),
    };
    if serde_json::from_str::<&RawValue>(text.trim()).is_err() {
        // An answer to noise could be answered by noise.
        tracing::debug!("what the client wrote is no JSON: {error}");
        return Ok(None);
    }
    #[derive(Deserialize)]
    struct Request {
        id: RequestId,
        #[serde(rename = "method")]
        _method: IgnoredAny,
    }
    let id = serde_json::from_str::<Request>(text).ok().map(|request| request.id);
    let refusal = ErrorData::invalid_request(format!("the message cannot be read as one of MCP: {error}"), None);
    Err(Box::new(JsonRpcMessage::error(refusal, id)))
}

/// The message that is sent most.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    #[serde(rename = "jsonrpc")]
    _version: JsonRpcVersion2_0,
    id: RequestId,
    #[serde(rename = "method")]
    _method: CallToolRequestMethod,
    params: CallToolRequestParams,
}

impl From<Call> for ClientJsonRpcMessage {
    fn from(Call { id, mut params, .. }: Call) -> Self {
        // Where rmcp looks for it.
        let meta = params.meta.take();
        let mut call = CallToolRequest::new(params);
        if let Some(meta) = meta {
            call.extensions.insert::<RequestMetaObject>(meta);
        }
        JsonRpcMessage::request(ClientRequest::CallToolRequest(call), id)
    }
}

/// Pipes as a transport.
pub(super) struct Pipes<R, W> {
    lines: FramedRead<R, Lines>,
    write: Arc<Mutex<W>>,
    /// On its way to the client, before anything else is read.
    refusal: Option<BoxFuture<'static, io::Result<()>>>,
}

impl<R: AsyncRead, W> Pipes<R, W> {
    /// `longest`: bytes of a line that is read.
    pub fn new(read: R, write: W, longest: usize) -> Self {
        let lines = FramedRead::new(read, Lines(LinesCodec::new_with_max_length(longest)));
        Self { lines, write: Arc::new(Mutex::new(write)), refusal: None }
    }
}

impl<R, W> Transport<RoleServer> for Pipes<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let write = Arc::clone(&self.write);
        async move {
            let mut line = render(&message)?;
            line.push(b'\n');
            let mut write = write.lock().await;
            write.write_all(&line).await?;
            write.flush().await
        }
    }

    /// Can be given up at any time: nothing that was read is lost.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            if let Some(refusal) = &mut self.refusal {
                let refused = refusal.await;
                self.refusal = None;
                refused.ok()?;
            }
            let line = self.lines.next().await?.inspect_err(|error| tracing::error!("reading failed: {error}")).ok()?;
            match line.map(|line| read(line.trim_start_matches('\u{feff}'))) {
                Ok(Ok(Some(message))) => return Some(message),
                Ok(Ok(None)) => {}
                Ok(Err(refusal)) => self.refusal = Some(Box::pin(self.send(*refusal))),
                Err(error) => tracing::error!("a line of the client's is left out: {error}"),
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.write.lock().await.shutdown().await
    }
}

/// Lines, of which one that is too long or no text is left out; for the codec alone it would be the end.
struct Lines(LinesCodec);

impl Decoder for Lines {
    type Item = Result<String, LinesCodecError>;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        going_on(self.0.decode(buffer))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<Self::Item>> {
        going_on(self.0.decode_eof(buffer))
    }
}

fn going_on(line: Result<Option<String>, LinesCodecError>) -> io::Result<Option<Result<String, LinesCodecError>>> {
    match line {
        Err(LinesCodecError::Io(error)) if error.kind() != io::ErrorKind::InvalidData => Err(error),
        line => Ok(line.transpose()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_call_reads_the_same_by_its_own_way() {
        let text = r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"_meta":{"progressToken":7},"name":"t","arguments":{"n":1}}}"#;
        let ours: ClientJsonRpcMessage = serde_json::from_str::<Call>(text).expect("a call").into();
        let theirs: ClientJsonRpcMessage = serde_json::from_str(text).expect("a message");
        let wire = |message| serde_json::to_value(message).expect("JSON");
        assert_eq!(wire(ours), wire(theirs));
    }

    #[test]
    fn what_is_json_and_cannot_be_read_is_refused_with_the_requests_id() {
        let refused = |text: &str| {
            let refusal = read(text).map(|message| message.is_some());
            refusal.map_err(|refusal| serde_json::to_value(refusal).expect("JSON")["id"].take())
        };
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","arguments":{"n":1e400}}}"#;
        // An answer to an answer would be taken for that of a request of the client's own.
        let answer = r#"{"jsonrpc":"2.0","id":7,"result":{"half":"\ud800"}}"#;
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#, Ok(true)),
            ("noise", Ok(false)),
            ("{", Ok(false)),
            (call, Err(json!(7))),
            (answer, Err(Value::Null)),
            ("7", Err(Value::Null)),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }
}
