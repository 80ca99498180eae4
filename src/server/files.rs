//! Files that were sent for programs, as resources of the caller who sent them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{ResourceContents, ResourceTemplate};

use super::Runs;
use super::error::ServerError;
use crate::execution::Caller;
use crate::uploads::SCHEME;

/// The template of all of them.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{SCHEME}{{digest}}"), "upload")
        .with_title("A file that was sent for a program")
        .with_description(
            "Under `files` of its run's report; a `resource_link` in `files` of run_python names it again",
        )
}

/// Whether such a file is meant.
pub(super) fn is_one(uri: &str) -> bool {
    uri.starts_with(SCHEME)
}

/// Reads one: as text where it is UTF-8, else in base64.
///
/// # Errors
/// None of this caller's is called so, or the folder cannot be read.
pub(super) async fn read(runs: &dyn Runs, caller: &Caller, uri: &str) -> Result<ResourceContents, ServerError> {
    let content = runs.upload(caller, uri).await?;
    Ok(match std::str::from_utf8(&content) {
        Ok(text) => ResourceContents::text(text, uri).with_mime_type("text/plain"),
        Err(_) => ResourceContents::blob(STANDARD.encode(&content), uri).with_mime_type("application/octet-stream"),
    })
}
