//! Who may use what, and how much of it: pure functions over rules.
//!
//! A [`View`] is the rules as one caller meets them; search, docs, lists, direct calls, programs, resources and prompts all ask it, so
//! that what is forbidden looks absent everywhere. [`Access`] holds the rules in force. Must never do I/O beyond reading the rules'
//! file, and never know a connection. Called by `broker`, `execution`, `server` and `cli`.

#[cfg(test)]
pub(crate) mod any;
mod error;
mod identity;
mod in_force;
mod pattern;
#[cfg(test)]
mod properties;
mod quota;
mod rate;
mod read;
mod rules;
#[cfg(test)]
mod tests;
mod uri;
mod view;

pub use error::{AccessError, LimitError, Place};
pub use identity::{AGENT_ID, is_name, is_seen, is_subject, take_agent_id};
pub use in_force::{Access, Stranger, strangers};
pub use quota::{Limits, Quotas, Running};
pub use rate::Rate;
pub use read::{OWN, load, read};
pub use rules::{DEFAULT, ITSELF, Rules};
pub use view::{Decision, Ruled, View};
