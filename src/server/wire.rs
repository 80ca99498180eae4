//! Results as servers sent them, past rmcp's types.
//!
//! rmcp checks and dispatches every request; a handler that has a result of a server's puts it into the request's [`Letter`], and it is
//! sent in place of the typed one: through those types unknown fields would be lost and unknown content refused.

use std::sync::{Arc, OnceLock};

use rmcp::model::{ClientNotification, ClientRequest, CustomResult, ErrorData, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, RunningService, Service, ServiceExt};
use rmcp::transport::IntoTransport;
use rmcp::{RoleServer, ServerHandler};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Bridge;
use super::converse::is_stateless;
use super::session::Ear;
use crate::upstream::Listener;

/// Where a handler leaves a result that is to be sent as it is.
#[derive(Clone, Default)]
pub(super) struct Letter(Arc<OnceLock<Box<RawValue>>>);

/// Leaves `raw` as the result of the request; what rmcp is told of it is `placeholder`.
pub(super) fn leave<T>(context: &RequestContext<RoleServer>, raw: Box<RawValue>, placeholder: T) -> T {
    if let Some(Letter(letter)) = context.extensions.get() {
        // There is one handler for each request, and it leaves one result.
        let _ = letter.set(raw);
    }
    placeholder
}

/// What serves one client: to be given any transport.
pub struct Wire {
    bridge: Bridge,
    /// Kept as long as the connection: with it, news of servers end.
    _ear: Arc<dyn Listener>,
}

/// Serves one client over a transport of messages: pipes, a WebSocket, an HTTP session's channels.
///
/// # Errors
/// The handshake failed in a way that ends the connection.
pub async fn serve_messages<T, E, A>(
    bridge: Bridge,
    transport: T,
) -> Result<RunningService<RoleServer, Wire>, Box<dyn std::error::Error + Send + Sync>>
where
    T: IntoTransport<RoleServer, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    Ok(Wire::new(bridge).serve(transport).await?)
}

impl Wire {
    pub fn new(bridge: Bridge) -> Self {
        let ear: Arc<dyn Listener> = Arc::new(Ear {
            session: Arc::clone(&bridge.session),
            runs: Arc::clone(&bridge.runs),
            caller: bridge.caller.clone(),
            hears: bridge.direct.expose().has_direct(),
        });
        bridge.runs.shared().gateway().upstreams().audience().join(&ear);
        Self { bridge, _ear: ear }
    }

    /// Servers that start from now on are told what this client can be asked.
    fn meet(&self, request: &ClientRequest, context: &RequestContext<RoleServer>) {
        let capabilities = match request {
            ClientRequest::InitializeRequest(request) => Some(request.params.capabilities.clone()),
            _ if self.bridge.session.is_met() => return,
            _ => context.meta.client_capabilities(),
        };
        if let Some(capabilities) = capabilities.and_then(|known| serde_json::to_value(known).ok()) {
            self.bridge.session.meet();
            self.bridge.runs.shared().gateway().upstreams().audience().offers(&capabilities);
        }
    }
}

impl Service<RoleServer> for Wire {
    async fn handle_request(
        &self,
        request: ClientRequest,
        mut context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        self.meet(&request, &context);
        let (stateless, cacheable) = (is_stateless(&context), is_cacheable(&request));
        let about_task = matches!(request, ClientRequest::GetTaskRequest(_));
        let letter = Letter::default();
        context.extensions.insert(letter.clone());
        let typed = Service::handle_request(&self.bridge, request, context).await?;
        let Some(raw) = letter.0.get() else { return Ok(typed) };
        let result = serde_json::from_str(raw.get()).map_err(|_| {
            // Numbers and text that no JSON tree can hold, such as half a surrogate pair.
            ErrorData::internal_error("the server's result cannot be passed on: it is not well-formed JSON", None)
        })?;
        // What is said of a task is the extension's, which is the same in both eras.
        let result = if about_task { result } else { for_era(result, stateless, cacheable) };
        Ok(ServerResult::CustomResult(CustomResult(result)))
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Service::handle_notification(&self.bridge, notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.bridge)
    }
}

/// Results that clients of the newer era may keep for a while.
fn is_cacheable(request: &ClientRequest) -> bool {
    matches!(
        request,
        ClientRequest::ListToolsRequest(_)
            | ClientRequest::ListPromptsRequest(_)
            | ClientRequest::ListResourcesRequest(_)
            | ClientRequest::ListResourceTemplatesRequest(_)
            | ClientRequest::ReadResourceRequest(_)
    )
}

/// What the client's era wants of every result, where the server was of another one: 2026-07-28 has `resultType`, and says how long
/// lists may be kept; before, there was neither.
fn for_era(mut result: Value, stateless: bool, cacheable: bool) -> Value {
    let Value::Object(fields) = &mut result else { return result };
    if !stateless {
        if fields.get("resultType").is_some_and(|kind| kind == "complete") {
            ["resultType", "ttlMs", "cacheScope"].iter().for_each(|key| drop(fields.shift_remove(*key)));
        }
        return result;
    }
    let kind = fields.entry("resultType").or_insert_with(|| "complete".into());
    if cacheable && kind == "complete" {
        fields.entry("ttlMs").or_insert_with(|| 0.into());
        fields.entry("cacheScope").or_insert_with(|| "private".into());
    }
    result
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_result_is_dressed_for_the_clients_era() {
        let new = json!({"tools": [], "resultType": "complete"});
        let kept = json!({"tools": [], "resultType": "complete", "ttlMs": 5, "cacheScope": "public"});
        assert_eq!(
            [for_era(new.clone(), false, true), for_era(kept, false, true)],
            [json!({"tools": []}), json!({"tools": []})]
        );
        assert_eq!(
            for_era(new, true, true),
            json!({"tools": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private"})
        );
        assert_eq!(for_era(json!({"x": 1}), true, false), json!({"x": 1, "resultType": "complete"}));
        let asks = json!({"resultType": "input_required"});
        assert_eq!(for_era(asks.clone(), true, true), asks);
    }
}
