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
mod guard;
mod raw;
#[path = "../support/real.rs"]
mod real;
mod rest;
mod rules;
mod sessions;
mod stateless;
mod ws;
