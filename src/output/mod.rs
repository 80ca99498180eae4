//! What a client is told about a run: the report, cut to a budget, as TOON, JSON or plain text.
//!
//! Pure functions over data. Must never hold more of a stream than its limit, and never fail: every report has a text.
//! Called by `execution` (which fills a [`Report`] from [`Capture`]s) and `server` (which renders it).

mod cut;
mod report;
mod shrink;
mod text;

pub use cut::{Capture, human_bytes};
pub use report::{
    Calls, Cut, ErrorReport, FailedCall, FileReport, Report, SessionReport, Status, Truncated, Verdict, VerdictKind,
    output_schema,
};
pub use shrink::{json_len, shrink};
pub use text::{Mode, render, render_value};
