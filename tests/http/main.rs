//! The bridge over HTTP: real bytes, real clients, and people who mean no good.
#![cfg(target_os = "linux")]

mod attack;
mod auth;
mod bridge;
mod clients;
mod commands;
mod config_file;
mod conformance;
mod ending;
#[path = "../support/exact.rs"]
mod exact;
mod guard;
mod guide;
mod keys;
mod letters;
#[path = "../support/markdown.rs"]
mod markdown;
mod raw;
#[path = "../support/real.rs"]
mod real;
mod rest;
mod rules;
mod sessions;
mod stateless;
mod told;
mod watch;
mod ws;
