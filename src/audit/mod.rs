//! The audit trail: a line for each run and each use of a server, also of those that were refused.
//!
//! An [`Account`] is on whose behalf something is used; it writes each [`Record`] to the log (target `audit`) and, where there is one,
//! to the [`Trail`]: a file of JSON lines, each sealed with a hash over itself and the one before. Writing is one thread's work; an answer
//! waits until its line is [`Written`], a tenth of a second at most. Must never know what is recorded beyond its record, nor stop a run. Called by `gateway`, `broker`,
//! `execution` and `cli`.

mod account;
mod canonical;
mod clock;
mod error;
mod files;
mod line;
mod record;
mod redact;
mod state;
mod tail;
#[cfg(test)]
mod tests;
mod trail;
mod verify;
mod writer;

pub use account::Account;
pub use canonical::sha256_of;
pub use error::AuditError;
pub use record::{Kind, Passed, Record};
pub use redact::redacted_members;
pub use trail::{Health, Options, Trail, Written};
pub use verify::{Fault, Verified, verify};
