//! What servers list beside tools: prompts, resources and templates of resources, each as it was sent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ClientRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::UpstreamError;
use super::connection::{Connection, MAX_PAGES};
use super::error::METHOD_NOT_FOUND;
use super::request::Failure;

/// One kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    Prompts,
    Resources,
    Templates,
}

impl Listing {
    /// The request that lists it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// Under which key of the result it stands.
    pub fn key(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// Which capability a server declares that has it.
    fn capability(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources | Self::Templates => "resources",
        }
    }
}

/// The lists of one connection, each with the number of changes it already knows of.
pub(super) type Lists = [tokio::sync::Mutex<Option<(u64, Arc<Vec<Value>>)>>; 3];

impl Connection {
    /// A list, from the last time unless the server said that it changed.
    pub(super) async fn items(&self, listing: Listing, limit: Duration) -> Result<Arc<Vec<Value>>, UpstreamError> {
        if self.capabilities().is_some_and(|declared| declared.get(listing.capability()).is_none()) {
            return Ok(Arc::default());
        }
        let mut known = self.lists[listing as usize].lock().await;
        // Read before listing: a change that comes while the list is made asks for another one.
        let changes = self.changes_of(listing);
        if let Some((_, items)) = known.as_ref().filter(|(seen, _)| *seen == changes) {
            return Ok(items.clone());
        }
        let items = Arc::new(self.list_items(listing, limit).await?);
        *known = Some((changes, items.clone()));
        Ok(items)
    }

    /// The last list, if there was one and the server did not say since that it changed.
    pub(super) fn known_items(&self, listing: Listing) -> Option<Arc<Vec<Value>>> {
        let known = self.lists[listing as usize].try_lock().ok()?;
        known.as_ref().filter(|(seen, _)| *seen == self.changes_of(listing)).map(|(_, items)| items.clone())
    }

    async fn list_items(&self, listing: Listing, limit: Duration) -> Result<Vec<Value>, UpstreamError> {
        let (deadline, method) = (Instant::now() + limit, listing.method());
        let (mut items, mut cursors) = (Vec::new(), HashSet::new());
        let mut cursor: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let params = cursor.as_ref().map_or_else(|| json!({}), |cursor| json!({"cursor": cursor}));
            let request: ClientRequest = serde_json::from_value(json!({"method": method, "params": params}))
                .map_err(|_| self.bad_answer(method, ""))?;
            let result = match self.line.request(request, deadline).await {
                Ok((result, _)) => result,
                Err(Failure::DeadlinePassed) => return Err(self.list_timeout(limit)),
                // Some servers declare resources and know no templates.
                Err(Failure::Refused(error)) if error.code.0 == METHOD_NOT_FOUND => break,
                Err(failure) => return Err(self.explain(failure, method).await),
            };
            let page = page(&result, listing).ok_or_else(|| self.bad_answer(method, result.get()))?;
            items.extend(page.0);
            match page.1 {
                Some(next) if cursors.insert(next.clone()) => cursor = Some(next),
                _ => break,
            }
        }
        Ok(items)
    }
}

/// One page: its items, and the cursor of the next.
fn page(result: &RawValue, listing: Listing) -> Option<(Vec<Value>, Option<String>)> {
    #[derive(Deserialize)]
    struct Next {
        #[serde(rename = "nextCursor", default)]
        next: Option<Value>,
    }
    let mut all: std::collections::HashMap<String, &RawValue> = serde_json::from_str(result.get()).ok()?;
    let list: Vec<&RawValue> = serde_json::from_str(all.remove(listing.key())?.get()).ok()?;
    // Each on its own: one that is malformed must not lose the others.
    let items = list.into_iter().filter_map(|item| serde_json::from_str(item.get()).ok());
    let items = items.filter(Value::is_object).collect();
    let next: Next = serde_json::from_str(result.get()).ok()?;
    let next = next.next.and_then(|next| next.as_str().filter(|next| !next.is_empty()).map(str::to_owned));
    Some((items, next))
}
