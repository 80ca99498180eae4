//! The bridge over HTTP: real bytes, real clients, and people who mean no good.
#![cfg(target_os = "linux")]

mod attack;
mod auth;
mod bridge;
mod cancels;
mod clients;
mod commands;
mod config_file;
mod conformance;
mod draining;
mod ending;
#[path = "../support/exact.rs"]
mod exact;
mod guard;
mod guessing;
mod guide;
mod headers;
mod json;
mod keys;
mod letters;
#[path = "../support/markdown.rs"]
mod markdown;
mod raw;
#[path = "../support/real.rs"]
mod real;
mod rest;
mod revoked;
mod rules;
mod sessions;
mod slow;
mod smuggling;
mod stateless;
mod told;
mod unheard;
mod watch;
mod withheld;
mod ws;
mod ws_abuse;
