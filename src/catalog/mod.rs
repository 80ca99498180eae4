//! Tools as the model sees them: Python names, signatures, docs, search, and how a Python call becomes arguments.
//!
//! Pure functions over data: nothing here does I/O or knows a protocol. It must never send a call, fetch a schema, or
//! let a server's schema stop one from being made because the schema itself is broken. Called by `broker` (what a
//! program asks for) and `server` (what a client asks for).
//!
//! The way in is [`ServerCatalog`]; [`ToolIndex`] searches many of them. Names become Python names in [`alias`],
//! schemas become types in `python_type` and signatures in `stub`, calls become arguments in `arguments`.

pub mod alias;
mod arguments;
mod error;
mod python_literal;
mod python_type;
mod repeats;
mod schema;
mod search;
mod server_catalog;
mod stub;
mod tool;
mod validation;
mod words;

#[cfg(test)]
mod tests;

pub use arguments::Bound;
pub use error::BindError;
pub use search::ToolIndex;
pub use server_catalog::{Detail, ServerCatalog, capability_summary};
pub use tool::{CompiledTool, Parameter, ToolDefinition};
