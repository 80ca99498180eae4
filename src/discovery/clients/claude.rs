//! Claude Code and Claude Desktop. Plugins and extensions, which are found through indexes, are in `plugins` and `extensions`.

use crate::discovery::Scope;
use crate::discovery::expand::Dialect;
use crate::discovery::sources::{ANY, Base, LINUX, MACOS, Owner, ROW, Root, Shape, Source, Spot, WINDOWS, spot};

/// The older file, where there is one, is read instead of the newer.
pub(in crate::discovery) const USER_FILES: &[Spot] =
    &[spot(ANY, Base::ClaudeHome, ".config.json"), spot(ANY, Base::ClaudeState, ".claude.json")];

pub(super) static SOURCES: &[Source] = &[
    Source {
        id: "claude-code",
        scope: Scope::Managed,
        rank: 20,
        spots: &[spot(ANY, Base::ClaudeManaged, "managed-mcp.json")],
        owner: Owner::ClaudeCode,
        ..ROW
    },
    // Addresses only, which an administrator adds to what the user has.
    Source {
        id: "claude-code",
        scope: Scope::Managed,
        rank: 21,
        spots: &[spot(ANY, Base::ClaudeManaged, "managed-settings.json")],
        root: Root::Keys(&["managedMcpServers"]),
        owner: Owner::ClaudeCode,
        fold: managed,
        ..ROW
    },
    Source {
        id: "claude-code",
        scope: Scope::Local,
        rank: 30,
        spots: USER_FILES,
        first_only: true,
        root: Root::Workspace,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code",
        scope: Scope::Project,
        rank: 40,
        spots: &[spot(ANY, Base::Up, ".mcp.json")],
        shape: Shape::Required,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code-file",
        scope: Scope::Project,
        rank: 51,
        spots: &[spot(ANY, Base::Cwd, "claude_code_config.json")],
        shape: Shape::Required,
        dialect: Dialect::Claude,
        ..ROW
    },
    Source {
        id: "claude-desktop-file",
        scope: Scope::Project,
        rank: 52,
        spots: &[spot(ANY, Base::Cwd, "claude_desktop_config.json")],
        ..ROW
    },
    Source {
        id: "claude-code",
        rank: 60,
        spots: USER_FILES,
        first_only: true,
        dialect: Dialect::Claude,
        owner: Owner::ClaudeCode,
        ..ROW
    },
    Source {
        id: "claude-code-file",
        rank: 61,
        spots: &[
            spot(MACOS, Base::Support, "Claude Code/claude_code_config.json"),
            spot(MACOS, Base::Support, "Claude/claude_code_config.json"),
        ],
        dialect: Dialect::Claude,
        ..ROW
    },
    Source { id: "claude-desktop", rank: 90, spots: DESKTOP_FILES, ..ROW },
];

const DESKTOP_FILES: &[Spot] = &[
    spot(MACOS, Base::Support, "Claude/claude_desktop_config.json"),
    spot(WINDOWS, Base::Roaming, "Claude/claude_desktop_config.json"),
    spot(WINDOWS, Base::Local, "Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json"),
    // Builds for Linux disagree about the folder's name.
    spot(LINUX, Base::Config, "Claude/claude_desktop_config.json"),
    spot(LINUX, Base::Home, ".config/Claude/claude_desktop_config.json"),
    spot(LINUX, Base::Home, ".config/claude/claude_desktop_config.json"),
];

/// Only addresses by https count here; a command is refused by its owner.
fn managed(entry: &serde_json::Value, _: &super::Lookup) -> super::Folded {
    let url = entry.get("url").and_then(serde_json::Value::as_str);
    if url.is_some_and(|url| url.starts_with("https://")) {
        super::Folded::plain(entry.clone())
    } else {
        super::Folded::Foreign("Claude Code takes only https addresses from managed settings".into())
    }
}
