//! Editors and desktop programs whose files differ little: Cursor, VS Code and its relatives, Windsurf, Zed, Cline, Roo Code, LM Studio.

use serde_json::Value;

use super::{Folded, Lookup, edited};
use crate::discovery::Scope;
use crate::discovery::expand::Dialect;
use crate::discovery::sources::{ANY, Base, LINUX, MACOS, ROW, Root, Source, UNIX, Unit, WINDOWS, spot};
use crate::discovery::syntax::Syntax;
use crate::upstream::config::RemoteKind;

pub(super) static CURSOR: &[Source] = &[
    Source {
        id: "cursor",
        scope: Scope::Project,
        rank: 42,
        spots: &[spot(ANY, Base::Repository, ".cursor/mcp.json")],
        syntax: Syntax::Jsonc,
        dialect: Dialect::Editor,
        ..ROW
    },
    Source {
        id: "cursor",
        rank: 71,
        spots: &[spot(ANY, Base::Home, ".cursor/mcp.json")],
        syntax: Syntax::Jsonc,
        dialect: Dialect::Editor,
        ..ROW
    },
];

const VSCODE_ROW: Source = Source { id: "vscode", rank: 72, syntax: Syntax::Jsonc, dialect: Dialect::Editor, ..ROW };

pub(super) static VSCODE: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 43,
        spots: &[spot(ANY, Base::Repository, ".vscode/mcp.json")],
        root: Root::Keys(&["servers"]),
        ..VSCODE_ROW
    },
    Source {
        scope: Scope::Project,
        rank: 43,
        spots: &[
            spot(ANY, Base::Repository, ".devcontainer/devcontainer.json"),
            spot(ANY, Base::Repository, ".devcontainer.json"),
        ],
        root: Root::Keys(&["customizations", "vscode", "mcp", "servers"]),
        ..VSCODE_ROW
    },
    Source {
        scope: Scope::Project,
        rank: 43,
        spots: &[spot(ANY, Base::Cwd, "*.code-workspace")],
        root: Root::Keys(&["settings", "mcp", "servers"]),
        ..VSCODE_ROW
    },
    Source {
        spots: &[spot(ANY, Base::Editors, "mcp.json"), spot(ANY, Base::Editors, "profiles/*/mcp.json")],
        root: Root::Keys(&["servers"]),
        ..VSCODE_ROW
    },
    // The form before `mcp.json`.
    Source {
        rank: 73,
        spots: &[spot(ANY, Base::Editors, "settings.json")],
        root: Root::Keys(&["mcp", "servers"]),
        ..VSCODE_ROW
    },
];

pub(super) static WINDSURF: &[Source] = &[Source {
    id: "windsurf",
    rank: 74,
    spots: &[
        spot(ANY, Base::Home, ".codeium/windsurf/mcp_config.json"),
        spot(ANY, Base::Home, ".codeium/windsurf-next/mcp_config.json"),
        // The plug-in for JetBrains' editors.
        spot(ANY, Base::Home, ".codeium/mcp_config.json"),
    ],
    syntax: Syntax::Jsonc,
    dialect: Dialect::Editor,
    ..ROW
}];

const ZED_ROW: Source = Source {
    id: "zed",
    rank: 100,
    syntax: Syntax::Jsonc,
    root: Root::Keys(&["context_servers"]),
    unit: Unit::Seconds,
    fold: zed,
    ..ROW
};

pub(super) static ZED: &[Source] = &[
    Source { scope: Scope::Project, rank: 44, spots: &[spot(ANY, Base::Repository, ".zed/settings.json")], ..ZED_ROW },
    Source {
        spots: &[
            spot(LINUX, Base::Variable("FLATPAK_XDG_CONFIG_HOME", ".config"), "zed/settings.json"),
            spot(LINUX, Base::Config, "zed/settings.json"),
            spot(MACOS, Base::Home, ".config/zed/settings.json"),
            spot(WINDOWS, Base::Roaming, "Zed/settings.json"),
        ],
        ..ZED_ROW
    },
];

/// `settings` alone configures a server that an extension brings; `source` says which of the two it is.
fn zed(entry: &Value, _: &Lookup) -> Folded {
    let extension = ["command", "url"].iter().all(|key| entry.get(*key).is_none())
        && (entry.get("settings").is_some() || entry.get("source").and_then(Value::as_str) == Some("extension"));
    if extension {
        return Folded::Foreign("it comes with an extension of Zed, which alone knows its program".into());
    }
    edited(entry, |members| {
        members.remove("source");
        members.remove("settings");
    })
}

pub(super) static CLINE: &[Source] = &[Source {
    id: "cline",
    rank: 101,
    spots: &[
        spot(ANY, Base::Editors, "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
        spot(ANY, Base::Variable("CLINE_DIR", ".cline"), "data/settings/cline_mcp_settings.json"),
    ],
    syntax: Syntax::Jsonc,
    unit: Unit::Seconds,
    bare_url: RemoteKind::Sse,
    ..ROW
}];

pub(super) static ROO: &[Source] = &[
    Source {
        id: "roo",
        scope: Scope::Project,
        rank: 45,
        spots: &[spot(ANY, Base::Repository, ".roo/mcp.json")],
        syntax: Syntax::Jsonc,
        dialect: Dialect::Editor,
        unit: Unit::Seconds,
        ..ROW
    },
    Source {
        id: "roo",
        rank: 102,
        spots: &[spot(ANY, Base::Editors, "globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json")],
        syntax: Syntax::Jsonc,
        dialect: Dialect::Editor,
        unit: Unit::Seconds,
        ..ROW
    },
];

pub(super) static LMSTUDIO: &[Source] = &[Source {
    id: "lmstudio",
    rank: 105,
    spots: &[spot(ANY, Base::Home, ".lmstudio/mcp.json"), spot(UNIX, Base::Home, ".cache/lm-studio/mcp.json")],
    syntax: Syntax::Jsonc,
    ..ROW
}];
