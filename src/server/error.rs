//! What a client asked for that is not there; each with a stable code and one thing to do.

use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde_json::json;

use super::tasks::KEPT_FOR;
use crate::chain::ChainError;
use crate::direct::Missed;
use crate::output::human_bytes;
use crate::uploads::UploadError;

/// Letters of an id that are said back: ours have 36, and a client may have sent anything.
const SHOWN: usize = 60;

/// Why a finished task was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It was kept as long as was promised.
    Expired,
    /// Newer results needed its place.
    Crowded { results: usize, bytes: usize },
}

/// A request about a task that cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error("there is no task {id:?} in this connection")]
    UnknownTask { id: String },
    #[error("task {id:?} had ended and was forgotten: {}", because(why))]
    ForgottenTask { id: String, why: Forgotten },
    #[error("this page of task {id:?} is not kept any more; the first that is, is {first}")]
    PageGone { id: String, first: u64 },
    #[error("there is no method {method:?} here")]
    NoMethod { method: String },
    #[error("the parameters of {method:?} cannot be read: {reason}")]
    Parameters { method: String, reason: String },
    #[error("there is no tool {name:?}{}", meant(.nearest))]
    NoTool { name: String, nearest: Option<String> },
    #[error("the tools of server {:?} are not known: {}", .0.server, .0.error)]
    Away(Missed),
    #[error("there is no prompt {name:?}")]
    NoPrompt { name: String },
    #[error("the cursor {cursor:?} is not one that was given out")]
    NoPage { cursor: String },
    #[error(
        "nothing waits under this `requestState`: it was waited for longer than {waits} s, has gone on, or belongs to another request"
    )]
    NotParked { waits: u64 },
    #[error("{most} calls wait for answers of clients, which is as many as may")]
    TooManyParked { most: usize },
    #[error("{most} resources are watched, which is as many as one client may")]
    TooManyWatched { most: usize },
    #[error("there is no resource {uri:?}; accepted is {accepted}")]
    NoResource { uri: String, accepted: String },
    #[error(transparent)]
    Upload(#[from] UploadError),
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

fn because(why: &Forgotten) -> String {
    match why {
        Forgotten::Expired => format!("a result is kept for {} s", KEPT_FOR.as_secs()),
        Forgotten::Crowded { results, bytes } => {
            format!("the newest {results} results are kept, {} of them", human_bytes(*bytes as u64))
        }
    }
}

impl ServerError {
    /// The stable code, e.g. `server.task_unknown`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownTask { .. } => "server.task_unknown",
            Self::ForgottenTask { .. } => "server.task_forgotten",
            Self::PageGone { .. } => "server.page_gone",
            Self::NoMethod { .. } => "server.method_unknown",
            Self::Parameters { .. } => "server.parameters",
            Self::NoTool { .. } => "server.tool_unknown",
            Self::Away(missed) => missed.code,
            Self::NoPrompt { .. } => "server.prompt_unknown",
            Self::NoPage { .. } => "server.cursor_unknown",
            Self::NotParked { .. } => "server.not_waiting",
            Self::TooManyParked { .. } => "server.too_many_waiting",
            Self::TooManyWatched { .. } => "server.too_many_watched",
            Self::NoResource { .. } => "server.resource_unknown",
            Self::Upload(error) => error.code(),
        }
    }

    /// One thing to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownTask { .. } => {
                "use the `taskId` of a `tools/call` of this connection; tasks end with it".into()
            }
            Self::ForgottenTask { .. } => "run the program again, and ask for its result sooner".into(),
            Self::PageGone { first, .. } => format!("read page {first}; the report has the beginning"),
            Self::NoMethod { .. } => {
                "look at the capabilities that `initialize` or `server/discover` answers with".into()
            }
            Self::Parameters { .. } => "send them as the revision of MCP that was agreed on has them".into(),
            Self::NoTool { .. } => "`tools/list` names what there is".into(),
            Self::Away(missed) => missed.hint.clone(),
            Self::NoPrompt { .. } => "`prompts/list` names what there is".into(),
            Self::NoPage { .. } => "ask for the list without a cursor".into(),
            Self::NotParked { .. } => {
                "make the call again from the beginning, after looking whether it took effect".into()
            }
            Self::TooManyParked { .. } => "answer or give up what is open, then call again".into(),
            Self::TooManyWatched { .. } => "unsubscribe from what is not needed, then ask again".into(),
            Self::Upload(error) => error.hint(),
            Self::NoResource { .. } => "`resources/list` and `resources/templates/list` name what there is".into(),
        }
    }

    /// The same, for the wire: about a parameter.
    pub(super) fn about_parameter(&self) -> ErrorData {
        ErrorData::invalid_params(self.sentence(), self.data())
    }

    /// The same, for the wire: about a method that is not there.
    pub(super) fn about_method(&self) -> ErrorData {
        ErrorData::new(ErrorCode::METHOD_NOT_FOUND, self.sentence(), self.data())
    }

    /// The same, for the wire: about a resource.
    pub(super) fn about_resource(&self) -> ErrorData {
        let mut data = self.data();
        if let (Some(data), Self::NoResource { uri, .. }) = (&mut data, self) {
            data["uri"] = uri.as_str().into();
        }
        ErrorData::resource_not_found(self.sentence(), data)
    }

    fn sentence(&self) -> String {
        format!("{self}; {}", self.hint())
    }

    fn data(&self) -> Option<serde_json::Value> {
        Some(json!({"code": self.code(), "hint": self.hint()}))
    }
}

/// A request that has come through the wrong bridges, for the wire.
pub(super) fn about_chain(error: &ChainError) -> ErrorData {
    let data = json!({"code": error.code(), "hint": error.hint()});
    ErrorData::invalid_request(format!("{error}; {}", error.hint()), Some(data))
}

/// As much of what a client sent as an error repeats.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
