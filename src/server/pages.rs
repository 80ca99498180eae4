//! A task's output in pages, as a resource: the tasks extension has no way of its own.

use rmcp::model::{JsonObject, MetaObject, ResourceContents, ResourceTemplate};
use serde_json::json;

use super::error::{ServerError, shown};
use super::tasks::{ROOM, Tasks};
use crate::execution::Page;

/// Bytes of one page: what a model reads at once; sixteen of them are kept.
const SIZE: usize = ROOM / 16;

const BEGINS: &str = "mcp-bridge://tasks/";
const MIDDLE: &str = "/output";
const PAGE: &str = "?page=";

/// The resource that is one page of a task's output.
pub(super) fn uri(task: &str, page: u64) -> String {
    format!("{BEGINS}{task}{MIDDLE}{PAGE}{page}")
}

/// The template of all of them.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(format!("{BEGINS}{{taskId}}{MIDDLE}{{?page}}"), "task-output")
        .with_title("What a task has written so far")
        .with_description("stdout and stderr of a run_python that became a task, in pages from 0; `_meta` says how many there are and whether it has ended")
        .with_mime_type("text/plain")
}

/// Task and page of such a URI; without a page it is the first.
fn parse(uri: &str) -> Option<(&str, u64)> {
    let (task, rest) = uri.strip_prefix(BEGINS)?.split_once('/')?;
    let rest = rest.strip_prefix(&MIDDLE[1..])?;
    let page = if rest.is_empty() { 0 } else { rest.strip_prefix(PAGE)?.parse().ok()? };
    Some((task, page))
}

/// Whether a URI is one of ours, well-formed or not.
pub(super) fn is_ours(uri: &str) -> bool {
    uri == super::CAPABILITIES || uri.starts_with(BEGINS)
}

/// What can be asked for, where nothing was found. `with_code`: programs can be run.
pub(super) fn accepted(with_code: bool) -> String {
    if with_code {
        format!("{}, {BEGINS}<taskId>{MIDDLE}{PAGE}<number>", super::CAPABILITIES)
    } else {
        "what `resources/list` names".into()
    }
}

/// Reads one page.
///
/// # Errors
/// The URI is none of these, the task is not known or forgotten, or the page is not kept any more.
pub(super) fn read(tasks: &Tasks, asked: &str) -> Result<ResourceContents, ServerError> {
    let Some((task, number)) = parse(asked) else {
        return Err(ServerError::NoResource { uri: shown(asked), accepted: accepted(true) });
    };
    let (live, complete) = tasks.output(task)?;
    let total = live.total();
    let text = match live.page(number, SIZE) {
        Page::Text(text) => text,
        Page::Gone { first } => return Err(ServerError::PageGone { id: shown(task), first }),
    };
    let mut meta = JsonObject::new();
    for (name, value) in [
        ("page", json!(number)),
        ("pages", json!(total.div_ceil(SIZE as u64))),
        ("bytes", json!(total)),
        ("complete", json!(complete)),
    ] {
        meta.insert(format!("mcp-bridge/{name}"), value);
    }
    Ok(ResourceContents::text(text, asked).with_meta(MetaObject(meta)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::execution::{Live, Stream};
    use crate::server::tasks::Run;

    #[tokio::test]
    async fn pages_are_read_and_one_that_is_gone_names_the_first_that_is_not() {
        let (tasks, live) = (Arc::new(Tasks::default()), Arc::new(Live::new(ROOM)));
        live.wrote(Stream::Stdout, &vec![b'x'; ROOM + SIZE + 1]);
        let (end, cancel) = (std::future::pending(), CancellationToken::new());
        let run = Run { end, live, input: Arc::default(), cancel, timeout: Duration::ZERO };
        let id = tasks.adopt(run, CancellationToken::new()).task_id;
        let page = |number: u64| read(&tasks, &uri(&id, number));
        let gone = page(0).unwrap_err();
        assert_eq!((gone.code(), gone), ("server.page_gone", ServerError::PageGone { id: id.clone(), first: 1 }));
        for (number, bytes) in [(1, SIZE - 1), (2, SIZE), (16, SIZE), (17, 1), (18, 0)] {
            let Ok(ResourceContents::TextResourceContents { text, meta, .. }) = page(number) else {
                panic!("page {number}")
            };
            assert_eq!(text.len(), bytes, "page {number}");
            assert_eq!(meta.expect("_meta").0["mcp-bridge/pages"], 18);
        }
    }

    #[test]
    fn a_uri_is_read_as_it_is_written() {
        assert_eq!(parse(&uri("a-b", 7)), Some(("a-b", 7)));
        assert_eq!(parse("mcp-bridge://tasks/x/output"), Some(("x", 0)));
        for wrong in [
            "mcp-bridge://capabilities",
            "mcp-bridge://tasks/x",
            "mcp-bridge://tasks/x/input",
            "mcp-bridge://tasks/x/output?page=",
            "mcp-bridge://tasks/x/output?page=-1",
            "mcp-bridge://tasks/x/output?page=99999999999999999999999",
            "mcp-bridge://tasks/x/outputs",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
