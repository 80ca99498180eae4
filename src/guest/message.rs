//! What frames say, as types. Shapes are in `PROTOCOL.md`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::exact::{self, Passed};

/// Kinds of frames, by stream.
pub(super) mod kind {
    pub const START: u8 = b'S';
    pub const UPLOAD: u8 = b'U';
    pub const PIECE: u8 = b'P';
    pub const REPLY: u8 = b'R';
    pub const AWAITING: u8 = b'A';
    pub const BEGUN: u8 = b'B';
    pub const CALL: u8 = b'C';
    pub const CANCEL: u8 = b'X';
    pub const FINISHED: u8 = b'F';
    pub const HELLO: u8 = b'H';
    pub const STDOUT: u8 = b'O';
    pub const STDERR: u8 = b'E';
    pub const DRAINED: u8 = b'D';
    pub const EXITED: u8 = b'Z';
}

/// Reads a message. Every message is an object; serde alone would take a list of the fields' values for one too.
pub(super) fn read<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, serde_json::Error> {
    if payload.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde::de::Error::custom("it is not a JSON object"));
    }
    serde_json::from_slice(payload)
}

/// Reads a request.
pub(super) fn request(payload: &[u8]) -> Result<Request, serde_json::Error> {
    let mut request: Request = read(payload)?;
    if let Operation::CallTool(call) = &mut request.operation {
        call.written = std::str::from_utf8(payload).ok().and_then(exact::written);
    }
    Ok(request)
}

/// A server as the program may name it.
#[derive(Clone, Debug, Serialize)]
pub struct ServerName {
    pub name: String,
    pub alias: String,
}

/// The program and what it may know.
#[derive(Clone, Debug, Serialize)]
pub struct Start {
    pub version: u32,
    pub run: String,
    /// Name of the program in tracebacks.
    pub filename: String,
    pub code: String,
    pub servers: Vec<ServerName>,
    pub requested: Option<Vec<String>>,
    /// Largest JSON encoding of the last expression's value, in bytes.
    pub result_limit: u64,
    pub workspace: String,
    /// The worker keeps its variables and waits for another program after this one.
    pub session: bool,
}

/// A file for the next program; its bytes follow in pieces.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Upload<'a> {
    /// One part of a path.
    pub name: &'a str,
    pub folder: &'a str,
    pub size: usize,
}

/// How much a look-up in the docs tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    Name,
    #[default]
    Summary,
    Full,
}

/// Something the program asks of the host.
#[derive(Clone, Debug, Deserialize)]
pub struct Request {
    pub id: u64,
    #[serde(flatten)]
    pub operation: Operation,
}

/// A tool call as the program wrote it.
#[derive(Clone, Debug, Deserialize)]
pub struct ToolCall {
    /// Name or alias.
    pub server: String,
    /// Alias or name; `""`: the server's only tool.
    pub tool: String,
    /// `tool` is the original name.
    #[serde(default)]
    pub exact: bool,
    #[serde(default)]
    pub args: Vec<Value>,
    #[serde(default)]
    pub kwargs: Map<String, Value>,
    /// `args` and `kwargs` as they were written, where their trees say a number differently.
    #[serde(skip)]
    pub written: Option<Passed>,
}

/// The operations of the pipe.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Operation {
    CallTool(ToolCall),
    ListServers {
        #[serde(default)]
        detailed: bool,
    },
    LoadedServers,
    DescribeServer {
        server: String,
    },
    ListTools {
        server: String,
    },
    QueryToolDocs {
        server: String,
        #[serde(default)]
        tool: Option<String>,
        #[serde(default)]
        detail: Detail,
    },
    SearchToolDocs {
        query: String,
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        detail: Detail,
        #[serde(default)]
        server: Option<String>,
    },
    CapabilitySummary,
    SaveTool {
        name: String,
        source: String,
        #[serde(default)]
        description: Option<String>,
    },
    ListSavedTools,
    LoadSavedTool {
        name: String,
    },
}

/// A request that was not carried out, as the program's exception.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Name of the Python exception.
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Stable code of the host's error.
    pub code: &'static str,
}

/// The reply to a request that was not carried out. A value is not serialized: see `Guest::reply`.
#[derive(Debug, Serialize)]
pub(super) struct Refused<'a> {
    pub id: u64,
    pub error: &'a Refusal,
}

/// The worker's last word.
#[derive(Debug, Deserialize)]
pub struct Finished {
    pub outcome: Outcome,
    /// Kept as text: its nesting is the program's choice, and must not be able to fail the report.
    #[serde(default)]
    pub result: Option<Box<RawValue>>,
    #[serde(default)]
    pub has_result: bool,
    /// `result` is the value's `repr`.
    #[serde(default)]
    pub result_repr: bool,
    #[serde(default)]
    pub error: Option<ProgramError>,
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Ok,
    Error,
    /// A file for it could not be written, and the program was not run.
    Refused,
}

/// An exception of the program.
#[derive(Clone, Debug, Deserialize)]
pub struct ProgramError {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub traceback: Option<String>,
    #[serde(default)]
    pub hint: Option<String>,
}

/// The supervisor's first word.
#[derive(Clone, Debug, Deserialize)]
pub struct Hello {
    pub version: u32,
    #[serde(default)]
    pub python: String,
    /// The image's standard library has compiled files.
    #[serde(default)]
    pub compiled: bool,
    /// PID 1 is out of the program's reach: its descriptors cannot be opened through `/proc`.
    #[serde(default)]
    pub sealed: bool,
}

/// The supervisor's last word: how the worker ended. `Drained` has the counters alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Exited {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The host hung up.
    pub hangup: bool,
    /// Processes the kernel killed for memory, where the sandbox can read it.
    pub oom_kills: Option<u64>,
    /// Forks refused by the limit on processes, where the sandbox can read it.
    pub pids_denied: Option<u64>,
}
