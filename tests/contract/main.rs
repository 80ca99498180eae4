//! What a sandbox promises, tried on every backend: plain `python3 -c` programs, nothing of the guest.
//!
//! `promises.rs` says which test tries which promise; `bench.rs` is where they run, and the look from outside.
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "fakes and orphans are for the tests of containers alone")]
#[path = "../engines/mod.rs"]
mod engines;

mod bench;
mod ending;
mod forked;
mod limits;
mod promises;
mod streams;
mod walls;
