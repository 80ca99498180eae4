//! The test bridge: the real binary, a home of its own, real engines.

mod client;
mod engine;
mod events;
mod home;
mod outcome;

#[allow(unused_imports)]
pub use client::{Client, PATIENCE, pump};
pub use engine::Engine;
#[allow(unused_imports)]
pub(crate) use engine::{every_engine, on_engine};
#[allow(unused_imports)]
pub use events::{Events, gone_within};
#[allow(unused_imports)]
pub use home::{Home, repo, server_json, stub_server, test_servers, test_servers_folder};
#[allow(unused_imports)]
pub use outcome::{Outcome, finish};
