//! The files of clients to which the bridge can add itself, as data.

use serde_json::{Value, json};

use crate::discovery::sources::{ANY, Base, LINUX, MACOS, Spot, UNIX, WINDOWS, spot};
use crate::discovery::syntax::Syntax;

/// One client and its file for the user.
pub struct Target {
    /// What `mcp-bridge install` calls it.
    pub word: &'static str,
    pub title: &'static str,
    pub(super) spots: &'static [Spot],
    pub(in crate::discovery) syntax: Syntax,
    /// The way to the servers.
    pub(super) keys: &'static [&'static str],
    /// The servers are a list, and say their names.
    pub(super) list: bool,
    /// Our entry, for this program.
    pub(super) entry: fn(&str) -> Value,
}

const ROW: Target = Target {
    word: "",
    title: "",
    spots: &[],
    syntax: Syntax::Json,
    keys: &["mcpServers"],
    list: false,
    entry: |program| json!({"command": program, "args": ["serve"]}),
};

fn typed(program: &str) -> Value {
    json!({"type": "stdio", "command": program, "args": ["serve"]})
}

const CODE: &[Spot] = &[
    spot(LINUX, Base::Config, "Code/User/mcp.json"),
    spot(MACOS, Base::Support, "Code/User/mcp.json"),
    spot(WINDOWS, Base::Roaming, "Code/User/mcp.json"),
];
/// In whichever relative of VS Code the extension is used.
const CLINE: &[Spot] = &[
    spot(ANY, Base::Editors, "globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"),
    spot(ANY, Base::Variable("CLINE_DIR", ".cline"), "data/settings/cline_mcp_settings.json"),
];
const ROO: &[Spot] = &[spot(ANY, Base::Editors, "globalStorage/rooveterinaryinc.roo-cline/settings/mcp_settings.json")];

/// In the order in which they are listed.
pub static TARGETS: &[Target] = &[
    Target {
        word: "claude-code",
        title: "Claude Code",
        spots: &[spot(ANY, Base::ClaudeState, ".claude.json")],
        entry: typed,
        ..ROW
    },
    Target {
        word: "claude-desktop",
        title: "Claude Desktop",
        spots: &[
            spot(LINUX, Base::Config, "Claude/claude_desktop_config.json"),
            spot(MACOS, Base::Support, "Claude/claude_desktop_config.json"),
            spot(WINDOWS, Base::Local, "Packages/Claude_*/LocalCache/Roaming/Claude/claude_desktop_config.json"),
            spot(WINDOWS, Base::Roaming, "Claude/claude_desktop_config.json"),
        ],
        ..ROW
    },
    Target {
        word: "codex",
        title: "Codex",
        spots: &[spot(ANY, Base::Variable("CODEX_HOME", ".codex"), "config.toml")],
        syntax: Syntax::Toml,
        keys: &["mcp_servers"],
        ..ROW
    },
    Target {
        word: "cursor",
        title: "Cursor",
        spots: &[spot(ANY, Base::Home, ".cursor/mcp.json")],
        syntax: Syntax::Jsonc,
        ..ROW
    },
    Target {
        word: "vscode",
        title: "VS Code",
        spots: CODE,
        syntax: Syntax::Jsonc,
        keys: &["servers"],
        entry: typed,
        ..ROW
    },
    Target {
        word: "windsurf",
        title: "Windsurf",
        spots: &[spot(ANY, Base::Home, ".codeium/windsurf/mcp_config.json")],
        ..ROW
    },
    Target {
        word: "gemini",
        title: "Gemini CLI",
        spots: &[spot(ANY, Base::Home, ".gemini/settings.json")],
        syntax: Syntax::Jsonc,
        ..ROW
    },
    Target {
        word: "antigravity",
        title: "Antigravity",
        spots: &[
            spot(ANY, Base::Home, ".gemini/config/mcp_config.json"),
            spot(ANY, Base::Home, ".gemini/antigravity/mcp_config.json"),
        ],
        ..ROW
    },
    Target {
        word: "opencode",
        title: "OpenCode",
        spots: &[spot(ANY, Base::Config, "opencode/opencode.jsonc"), spot(ANY, Base::Config, "opencode/opencode.json")],
        syntax: Syntax::Jsonc,
        keys: &["mcp"],
        entry: |program| json!({"type": "local", "command": [program, "serve"], "enabled": true}),
        ..ROW
    },
    Target {
        word: "copilot",
        title: "Copilot CLI",
        spots: &[spot(ANY, Base::Variable("COPILOT_HOME", ".copilot"), "mcp-config.json")],
        entry: |program| json!({"type": "local", "command": program, "args": ["serve"], "tools": ["*"]}),
        ..ROW
    },
    Target {
        word: "zed",
        title: "Zed",
        spots: &[
            spot(LINUX, Base::Config, "zed/settings.json"),
            spot(MACOS, Base::Home, ".config/zed/settings.json"),
            spot(WINDOWS, Base::Roaming, "Zed/settings.json"),
        ],
        syntax: Syntax::Jsonc,
        keys: &["context_servers"],
        entry: |program| json!({"source": "custom", "command": program, "args": ["serve"], "env": {}}),
        ..ROW
    },
    Target { word: "cline", title: "Cline", spots: CLINE, ..ROW },
    Target { word: "roo", title: "Roo Code", spots: ROO, ..ROW },
    Target {
        word: "continue",
        title: "Continue",
        spots: &[spot(ANY, Base::Home, ".continue/config.yaml")],
        syntax: Syntax::Yaml,
        list: true,
        entry: |program| json!({"name": super::NAME, "command": program, "args": ["serve"]}),
        ..ROW
    },
    Target {
        word: "goose",
        title: "Goose",
        spots: &[
            spot(UNIX, Base::Config, "goose/config.yaml"),
            spot(WINDOWS, Base::Roaming, "Block/goose/config/config.yaml"),
        ],
        syntax: Syntax::Yaml,
        keys: &["extensions"],
        // A run of ours may take as long as a call of Goose may: its timeout is in seconds.
        entry: |program| json!({"enabled": true, "type": "stdio", "name": super::NAME, "cmd": program, "args": ["serve"], "timeout": 300}),
        ..ROW
    },
    Target { word: "lmstudio", title: "LM Studio", spots: &[spot(ANY, Base::Home, ".lmstudio/mcp.json")], ..ROW },
    Target { word: "amazonq", title: "Amazon Q", spots: &[spot(ANY, Base::Home, ".aws/amazonq/mcp.json")], ..ROW },
    Target { word: "kiro", title: "Kiro", spots: &[spot(ANY, Base::Home, ".kiro/settings/mcp.json")], ..ROW },
];
