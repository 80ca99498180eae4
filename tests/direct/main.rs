//! Servers' own tools, prompts and resources through the bridge: nothing lost, in every pairing of eras.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#[path = "../it/support/mod.rs"]
mod support;

#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../http/raw.rs"]
mod raw;

/// Where `raw` looks for it.
mod bridge {
    pub use crate::support::PATIENCE;
}

mod anew;
mod ask;
mod clients;
mod eras;
#[path = "../support/exact.rs"]
mod exact;
mod letters;
mod lists;
mod malformed;
mod matrix;
mod names;
mod news;
mod pass;
mod real;
mod rules;
mod tasks;
mod ways;
mod web;
