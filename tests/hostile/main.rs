//! Programs that mean harm, and servers and clients that do not keep to the rules: through the real bridge, on real engines.

#[allow(dead_code, unused_imports, reason = "each test binary uses its own part")]
#[path = "../it/support/mod.rs"]
mod support;

#[path = "../support/markdown.rs"]
mod markdown;

mod case;
mod covered;
mod escape;
mod flood;
mod ground;
mod lessons;
mod network;
mod programs;
mod table;
