//! One run, from admission to report.
//!
//! Every admitted run yields exactly one [`Report`]: a Python exception, a broken engine and a hostile guest are outcomes,
//! not Rust errors. Joins what does not know each other: `sandbox` (the walls), `guest` (the pipe) and `broker` (what the
//! program may ask). Must never render a report or read a config. Called by `server` and `cli`.

mod admission;
mod caller;
mod files;
mod in_session;
mod live;
mod on_behalf;
mod output;
mod pool;
mod prepared;
mod request;
mod run;
mod sessions;
mod verdict;

pub use admission::{Admission, Busy, Place};
pub use caller::Caller;
pub use live::{Live, News, Page, Stream};
pub use pool::{Counts, Options as PoolOptions};
pub use prepared::{FindBackend, LaunchError, Rehearsal, rehearse};
pub use request::{InSession, MAX_CODE, RequestError, RunRequest};
pub use run::{Executor, Parts};
pub use sessions::{Options as SessionOptions, Seen, SessionName};
