//! What a server says without being asked: that its lists changed, how a call gets on, a line for the log.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use rmcp::model::ProgressToken;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::Tap;
use crate::upstream::audience::News;
use crate::upstream::listing::Listing;

#[derive(Deserialize)]
struct Updated {
    uri: String,
}

/// By URI, and whether the server has said that it will.
pub(super) type Subscribed = watch::Sender<HashMap<String, bool>>;

#[derive(Deserialize)]
struct Acknowledged {
    notifications: Agreed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Agreed {
    #[serde(default)]
    resource_subscriptions: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    task_id: String,
}

#[derive(Deserialize)]
struct Progressed {
    #[serde(rename = "progressToken")]
    token: ProgressToken,
}

impl Tap {
    /// How often the server said that its tools changed.
    pub(in crate::upstream) fn list_changes(&self) -> u64 {
        self.list_changes[0].load(Ordering::Acquire)
    }

    /// The same of what is listed otherwise.
    pub(in crate::upstream) fn changes_of(&self, listing: Listing) -> u64 {
        let which = if listing == Listing::Prompts { 1 } else { 2 };
        self.list_changes[which].load(Ordering::Acquire)
    }

    /// What was not heard may have been a change.
    pub(in crate::upstream) fn missed_changes(&self) {
        News::LISTS.iter().enumerate().for_each(|(which, news)| self.changed(which, news));
    }

    /// The server is asked to tell of this resource. `agreed`: it has said that it will.
    pub(in crate::upstream) fn subscribed(&self, uri: &str, agreed: bool) {
        self.subscribed.send_modify(|all| {
            all.insert(uri.to_owned(), agreed);
        });
    }

    pub(in crate::upstream) fn unsubscribed(&self, uri: &str) {
        self.subscribed.send_modify(|all| {
            all.remove(uri);
        });
    }

    pub(in crate::upstream) fn is_subscribed(&self, uri: &str) -> bool {
        self.subscribed.borrow().contains_key(uri)
    }

    /// Waits until the server has said that it will tell of this resource.
    pub(in crate::upstream) async fn agrees(&self, uri: &str) {
        // The sender is our own: it is there.
        let _ = self.subscribed.subscribe().wait_for(|all| all.get(uri).is_some_and(|agreed| *agreed)).await;
    }

    /// A stream is there. What was told before it was there again, nobody heard.
    fn acknowledged(&self, agreed: Agreed) {
        for uri in agreed.resource_subscriptions {
            let mut was_there = false;
            self.subscribed.send_if_modified(|all| {
                was_there = all.get_mut(&uri).is_some_and(|agreed| std::mem::replace(agreed, true));
                !was_there
            });
            if was_there {
                self.audience.tell(&self.server, &News::ResourceUpdated { uri });
            }
        }
    }

    /// The server knows nothing any more of what it was asked for.
    pub(super) fn began_anew(&self) {
        self.subscribed.send_modify(HashMap::clear);
        self.missed_changes();
    }

    fn changed(&self, which: usize, news: &News) {
        self.list_changes[which].fetch_add(1, Ordering::AcqRel);
        tracing::debug!(server = self.server, ?news, "the server's lists changed");
        self.audience.tell(&self.server, news);
    }

    /// A notification, to whom it concerns.
    pub(super) fn notified(&self, method: &str, params: Option<&RawValue>) {
        let text = params.map_or("", RawValue::get);
        let shown = || match tracing::enabled!(tracing::Level::DEBUG) {
            true => self.secrets.redact(text.to_owned()),
            false => String::new(),
        };
        match method {
            "notifications/tools/list_changed" => self.changed(0, &News::ToolsChanged),
            "notifications/prompts/list_changed" => self.changed(1, &News::PromptsChanged),
            "notifications/resources/list_changed" => self.changed(2, &News::ResourcesChanged),
            "notifications/resources/updated" => {
                if let Ok(Updated { uri }) = serde_json::from_str(text) {
                    self.audience.tell(&self.server, &News::ResourceUpdated { uri });
                }
            }
            "notifications/subscriptions/acknowledged" => {
                if let Ok(Acknowledged { notifications }) = serde_json::from_str(text) {
                    self.acknowledged(notifications);
                }
            }
            "notifications/tasks" => {
                if let (Ok(Told { task_id: id }), Some(params)) = (serde_json::from_str(text), params) {
                    self.audience.tell(&self.server, &News::Task { id, params: params.to_owned() });
                }
            }
            // Of the older era, whose tasks are waited for here: no client knows of them.
            "notifications/tasks/status" => tracing::debug!(server = self.server, params = shown(), "a task"),
            "notifications/message" => {
                tracing::debug!(server = self.server, params = shown(), "log message");
                let Some(params) = params else { return };
                match self.flights.only() {
                    Ok((_, client)) => client.0.notify(method, Some(params.to_owned())),
                    Err(false) => self.audience.tell(&self.server, &News::Log(params.to_owned())),
                    // It may be about one client's call, and is not for the others.
                    Err(true) => {}
                }
            }
            "notifications/progress" => {
                tracing::debug!(server = self.server, params = shown(), "progress");
                if let Ok(Progressed { token }) = serde_json::from_str(text)
                    && let Some(client) = self.flights.of_token(&token)
                {
                    client.0.notify(method, params.map(ToOwned::to_owned));
                }
            }
            // What is not known here may be known to the client.
            other => {
                tracing::debug!(server = self.server, method = other, "a notification of a kind that is not ours");
                let client = match self.flights.only() {
                    Ok((_, client)) => Some(client),
                    Err(true) => None,
                    Err(false) => self.audience.only_client(&self.server),
                };
                if let Some(client) = client {
                    client.0.notify(other, params.map(ToOwned::to_owned));
                }
            }
        }
    }
}
