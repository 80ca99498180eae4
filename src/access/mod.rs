//! Who may call what: pure functions over rules.
//!
//! A [`View`] is the rules as one caller meets them; search, docs, lists, direct calls, programs, resources and prompts all ask it, so
//! that what is forbidden looks absent everywhere. Must never do I/O beyond reading the rules' file, and never know a connection.
//! Called by `broker`, `execution`, `server` and `cli`.

mod view;

pub use view::{Decision, Ruled, View};
