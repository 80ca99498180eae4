//! The test bridge: the real binary, a home of its own, real engines.

mod client;
mod engine;
mod home;

pub use client::Client;
pub use engine::{Engine, every_engine};
pub use home::{Home, repo, server_json, stub_server, test_servers};
