//! The service of one client: rmcp checks and dispatches its requests, the bridge answers them, and results go out as they were left.

use std::sync::Arc;

use rmcp::model::{ClientNotification, ClientRequest, ErrorData, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, Service};
use rmcp::{RoleServer, ServerHandler};
use serde_json::value::RawValue;

use super::Bridge;
use super::converse::is_stateless;
use super::era::{for_era, is_cacheable};
use super::letter::{Letter, sealed};
use super::session::Ear;
use crate::upstream::Listener;

/// What serves one client, over a transport that writes results as [`render`](super::letter::render) does.
pub(super) struct Wire {
    bridge: Bridge,
    /// Kept as long as the connection: with it, news of servers end.
    _ear: Arc<dyn Listener>,
}

impl Wire {
    pub fn new(bridge: Bridge) -> Self {
        let ear: Arc<dyn Listener> = Arc::new(Ear {
            session: Arc::clone(&bridge.session),
            runs: Arc::clone(&bridge.runs),
            caller: bridge.caller.clone(),
            tasks: Arc::clone(&bridge.tasks),
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
        if let ClientRequest::SubscriptionsListenRequest(listen) = &request {
            // Before rmcp looks for each of them among all.
            let more = listen.params.notifications.resource_subscriptions.as_ref().map_or(0, Vec::len);
            self.bridge.session.has_room(more).map_err(|error| error.about_parameter())?;
        }
        let (stateless, cacheable) = (is_stateless(&context), is_cacheable(&request));
        let about_task = matches!(request, ClientRequest::GetTaskRequest(_));
        let letter = Letter::default();
        context.extensions.insert(letter.clone());
        // Apart, for rmcp moves a request's work several times, and that of the largest method is the size of all.
        let typed = Box::pin(Service::handle_request(&self.bridge, request, context)).await?;
        // What is said of a task is the extension's, which is the same in both eras.
        let dressed = |raw: Box<RawValue>| {
            if about_task { Box::<str>::from(raw).into() } else { for_era(raw, stateless, cacheable) }
        };
        Ok(letter.take().map_or(typed, |raw| sealed(dressed(raw))))
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
