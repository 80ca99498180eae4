//! The command line as a person types it: every command, every flag, and what is said to a word that cannot be used.
#![cfg(target_os = "linux")]

#[allow(dead_code, unused_imports, unused_macros, reason = "each test binary uses its own part")]
#[path = "../it/support/mod.rs"]
mod support;

mod files;
mod flags;
mod programs;
mod refusals;
mod settings;
mod shell;
mod start;
