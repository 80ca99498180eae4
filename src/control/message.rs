//! What passes: one question, then lines.

use serde::{Deserialize, Serialize};

/// What a command wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Question {
    List,
    End {
        session: String,
    },
    /// How the servers fare.
    Servers,
}

/// One session, as a list shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    pub session: String,
    /// Whose it is, as the transport tells callers apart.
    pub caller: String,
    pub age_s: f64,
    /// Since its last run; none while one has it.
    pub idle_s: Option<f64>,
    pub runs: u64,
    /// Bytes, where they can be told cheaply.
    pub memory: Option<u64>,
}

/// One server, as this bridge sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    pub server: String,
    /// `not started`, `starting`, `ready`, `failed`.
    pub state: String,
    /// `closed`, `open`, `half-open`.
    pub breaker: String,
    pub tools: Option<usize>,
    /// It is left alone for so long.
    pub next_try_s: Option<f64>,
    /// What went wrong last, cut.
    pub error: Option<String>,
}

/// One line of an answer. `Done` is the last of a whole one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Session(Session),
    Server(Server),
    /// How many were listed, or ended.
    Done {
        done: usize,
    },
    Refused {
        error: String,
    },
}
