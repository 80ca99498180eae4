//! Our side towards a server's own requests: it may ask whether we live, and put questions to the client on whose behalf it is called.

use std::sync::Arc;

use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientResult, CustomResult, ErrorCode, ErrorData, Extensions, Implementation,
    ProtocolVersion, RequestId, ServerNotification, ServerRequest,
};
use rmcp::service::{InboundStreamOrigin, NotificationContext, RequestContext, RoleClient, Service};

use super::client::{ClientError, ClientHandle};
use super::tap::Tap;

pub(super) struct Answerer {
    pub(super) tap: Arc<Tap>,
}

impl Answerer {
    /// Whose question it is, and which request's. A question that came within the answer to a request is its client's; any other one is clear only where
    /// a single client's requests are on their way, or none is and there is only one client.
    fn client(&self, method: &str, extensions: &Extensions) -> Result<(Option<RequestId>, ClientHandle), ErrorData> {
        let nobody = || ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method.to_owned(), None);
        if let Some(InboundStreamOrigin::OutboundRequest(id)) = extensions.get() {
            return Ok((Some(id.clone()), self.tap.flights.of_request(id).ok_or_else(nobody)?));
        }
        match self.tap.flights.only() {
            Ok((id, client)) => Ok((Some(id), client)),
            Err(true) => {
                let message = format!("{method} cannot be passed on: it is not clear which client it is for");
                Err(ErrorData::new(ErrorCode::INVALID_REQUEST, message, None))
            }
            Err(false) => Ok((None, self.tap.audience().only_client(&self.tap.server).ok_or_else(nobody)?)),
        }
    }
}

impl Service<RoleClient> for Answerer {
    async fn handle_request(
        &self,
        request: ServerRequest,
        context: RequestContext<RoleClient>,
    ) -> Result<ClientResult, ErrorData> {
        match request {
            ServerRequest::PingRequest(_) => Ok(ClientResult::empty(())),
            ServerRequest::CustomRequest(question) => self.answer(question.method, context).await,
            other => self.answer(method_of(&other), context).await,
        }
    }

    async fn handle_notification(
        &self,
        _: ServerNotification,
        _: NotificationContext<RoleClient>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        info.protocol_version = ProtocolVersion::LATEST_WITH_INITIALIZE;
        info.client_info = Implementation::new("mcp-bridge", env!("CARGO_PKG_VERSION"));
        info.capabilities =
            serde_json::from_value::<ClientCapabilities>(self.tap.audience().capabilities()).unwrap_or_default();
        info
    }
}

impl Answerer {
    async fn answer(&self, method: String, context: RequestContext<RoleClient>) -> Result<ClientResult, ErrorData> {
        if !super::tap::is_question(&method) {
            return Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method, None));
        }
        let (request, client) = self.client(&method, &context.extensions)?;
        let _asks = request.map(|id| self.tap.flights.asks(id));
        let params = self.tap.theirs.params(&context.id);
        let answer = context.ct.run_until_cancelled(client.0.request(&method, params)).await;
        let answer = answer.unwrap_or(Err(ClientError::Gone)).map_err(|error| refusal(&error))?;
        let value = serde_json::from_str(answer.get()).unwrap_or_default();
        Ok(ClientResult::CustomResult(CustomResult(value)))
    }
}

fn refusal(error: &ClientError) -> ErrorData {
    match error {
        ClientError::Answered { code, message, data } => {
            let code = i32::try_from(*code).map_or(ErrorCode::INTERNAL_ERROR, ErrorCode);
            ErrorData::new(code, message.clone(), data.clone())
        }
        ClientError::Unable { .. } => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, error.to_string(), None),
        ClientError::Gone => ErrorData::new(ErrorCode::INTERNAL_ERROR, error.to_string(), None),
    }
}

fn method_of(request: &ServerRequest) -> String {
    let wire = serde_json::to_value(request).unwrap_or_default();
    wire["method"].as_str().unwrap_or("unknown").to_owned()
}
