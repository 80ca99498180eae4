//! Files that belong to no client: our own folders, the file a user names, and `mcp.json` as FastMCP and others read it.

use crate::discovery::Scope;
use crate::discovery::expand::Dialect;
use crate::discovery::sources::{ANY, Base, ROW, Shape, Source, spot};
use crate::discovery::syntax::Syntax;

pub(super) static EXPLICIT: &[Source] = &[Source {
    id: "explicit",
    scope: Scope::Explicit,
    rank: 0,
    spots: &[spot(ANY, Base::Explicit, "")],
    shape: Shape::Lenient,
    dialect: Dialect::Neutral,
    // Its owner is the bridge.
    syntax: Syntax::Jsonc,
    ..ROW
}];

pub(super) static FOLDERS: &[Source] = &[
    Source {
        id: "mcp-folder",
        rank: 10,
        spots: &[spot(ANY, Base::Home, "MCPs/*.json"), spot(ANY, Base::Config, "mcp/servers/*.json")],
        shape: Shape::Lenient,
        dialect: Dialect::Neutral,
        ..ROW
    },
    Source {
        id: "mcp-folder",
        scope: Scope::Project,
        rank: 50,
        spots: &[spot(ANY, Base::Cwd, "mcp-servers/*.json")],
        shape: Shape::Lenient,
        dialect: Dialect::Neutral,
        ..ROW
    },
];

/// `fastmcp.json` is none of these: it describes one server to be run, in a form of its own.
pub(super) static FASTMCP: &[Source] = &[Source {
    id: "mcp-json",
    scope: Scope::Project,
    rank: 58,
    spots: &[spot(ANY, Base::Cwd, "mcp.json")],
    dialect: Dialect::Neutral,
    ..ROW
}];
