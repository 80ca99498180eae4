//! What a server says without being asked: that its lists changed, how a call gets on, a line for the log.

use std::sync::atomic::Ordering;

use rmcp::model::ProgressToken;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Tap;
use crate::upstream::audience::News;
use crate::upstream::listing::Listing;

#[derive(Deserialize)]
struct Updated {
    uri: String,
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
