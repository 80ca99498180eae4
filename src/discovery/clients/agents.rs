//! Agents of the terminal: Gemini CLI, Antigravity, OpenCode, Copilot CLI, Amazon Q, Kiro.

use serde_json::{Map, Value};

use super::{Folded, Lookup, edited};
use crate::discovery::Scope;
use crate::discovery::expand::Dialect;
use crate::discovery::sources::{ANY, Base, LINUX, MACOS, Owner, ROW, Root, Source, WINDOWS, spot};
use crate::discovery::syntax::Syntax;
use crate::upstream::config::RemoteKind;

const GEMINI_ROW: Source = Source {
    id: "gemini",
    syntax: Syntax::Jsonc,
    dialect: Dialect::Gemini,
    bare_url: RemoteKind::Sse,
    owner: Owner::Gemini,
    fold: gemini,
    ..ROW
};

/// An administrator's settings stand above the user's, and defaults below.
pub(super) static GEMINI: &[Source] = &[
    Source {
        scope: Scope::Managed,
        rank: 24,
        spots: &[
            spot(ANY, Base::File("GEMINI_CLI_SYSTEM_SETTINGS_PATH"), ""),
            spot(LINUX, Base::System, "etc/gemini-cli/settings.json"),
            spot(MACOS, Base::System, "Library/Application Support/GeminiCli/settings.json"),
            spot(WINDOWS, Base::System, "ProgramData/gemini-cli/settings.json"),
        ],
        ..GEMINI_ROW
    },
    Source {
        scope: Scope::Project,
        rank: 46,
        spots: &[spot(ANY, Base::Repository, ".gemini/settings.json")],
        ..GEMINI_ROW
    },
    Source { rank: 75, spots: &[spot(ANY, Base::Home, ".gemini/settings.json")], ..GEMINI_ROW },
    Source {
        scope: Scope::Managed,
        rank: 76,
        spots: &[
            spot(ANY, Base::File("GEMINI_CLI_SYSTEM_DEFAULTS_PATH"), ""),
            spot(LINUX, Base::System, "etc/gemini-cli/system-defaults.json"),
            spot(MACOS, Base::System, "Library/Application Support/GeminiCli/system-defaults.json"),
            spot(WINDOWS, Base::System, "ProgramData/gemini-cli/system-defaults.json"),
        ],
        ..GEMINI_ROW
    },
    Source { rank: 77, spots: &[spot(ANY, Base::Home, ".gemini/extensions/*/gemini-extension.json")], ..GEMINI_ROW },
];

/// Of several ways to reach a server, `httpUrl` counts before `url`, and `url` before `command`.
fn gemini(entry: &Value, _: &Lookup) -> Folded {
    edited(entry, |members| {
        members.remove("trust");
        if let Some(url) = members.remove("httpUrl") {
            members.insert("url".into(), url);
            members.insert("type".into(), "http".into());
        }
        if members.contains_key("url") {
            members.remove("command");
            members.remove("args");
        }
    })
}

pub(super) static ANTIGRAVITY: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 47,
        spots: &[
            spot(ANY, Base::Repository, ".agents/mcp_config.json"),
            spot(ANY, Base::Repository, ".agent/mcp_config.json"),
            spot(ANY, Base::Repository, "_agents/mcp_config.json"),
            spot(ANY, Base::Repository, "_agent/mcp_config.json"),
        ],
        ..ANTIGRAVITY_ROW
    },
    Source {
        spots: &[
            spot(ANY, Base::Home, ".gemini/config/mcp_config.json"),
            spot(ANY, Base::Home, ".gemini/antigravity/mcp_config.json"),
        ],
        ..ANTIGRAVITY_ROW
    },
];

const ANTIGRAVITY_ROW: Source =
    Source { id: "antigravity", rank: 78, dialect: Dialect::Claude, fold: antigravity, ..ROW };

/// `serverUrl` counts before `command`, and `enabled` for nothing.
fn antigravity(entry: &Value, _: &Lookup) -> Folded {
    edited(entry, |members| {
        members.remove("enabled");
        if members.contains_key("serverUrl") {
            members.remove("command");
            members.remove("args");
        }
    })
}

const OPENCODE_ROW: Source = Source {
    id: "opencode",
    rank: 80,
    syntax: Syntax::Jsonc,
    root: Root::OpenCode,
    dialect: Dialect::OpenCode,
    fold: opencode,
    layered: true,
    ..ROW
};

/// From the highest layer to the lowest.
pub(super) static OPENCODE: &[Source] = &[
    Source {
        scope: Scope::Managed,
        spots: &[
            spot(LINUX, Base::System, "etc/opencode/opencode.jsonc"),
            spot(LINUX, Base::System, "etc/opencode/opencode.json"),
            spot(MACOS, Base::System, "Library/Application Support/opencode/opencode.jsonc"),
            spot(MACOS, Base::System, "Library/Application Support/opencode/opencode.json"),
            spot(WINDOWS, Base::System, "ProgramData/opencode/opencode.jsonc"),
            spot(WINDOWS, Base::System, "ProgramData/opencode/opencode.json"),
        ],
        ..OPENCODE_ROW
    },
    Source {
        scope: Scope::Project,
        rank: 49,
        spots: &[
            spot(ANY, Base::Repository, ".opencode/opencode.jsonc"),
            spot(ANY, Base::Repository, ".opencode/opencode.json"),
            spot(ANY, Base::Repository, "opencode.jsonc"),
            spot(ANY, Base::Repository, "opencode.json"),
        ],
        ..OPENCODE_ROW
    },
    Source {
        spots: &[
            spot(ANY, Base::Variable("OPENCODE_CONFIG_DIR", ".opencode"), "opencode.jsonc"),
            spot(ANY, Base::Variable("OPENCODE_CONFIG_DIR", ".opencode"), "opencode.json"),
            spot(ANY, Base::File("OPENCODE_CONFIG"), ""),
            spot(ANY, Base::Config, "opencode/opencode.jsonc"),
            spot(ANY, Base::Config, "opencode/opencode.json"),
            spot(ANY, Base::Config, "opencode/config.json"),
        ],
        ..OPENCODE_ROW
    },
];

/// `timeout` is for starting and listing; only the newer form has one for calls.
fn opencode(entry: &Value, _: &Lookup) -> Folded {
    edited(entry, |members| {
        let timeout = members.remove("timeout");
        if let Some(execution) = timeout.as_ref().and_then(|timeout| timeout.get("execution")) {
            members.insert("timeout".into(), execution.clone());
        }
    })
}

/// The servers of both forms: those of the older one stand beside `servers`, and win.
pub(in crate::discovery) fn opencode_servers(mcp: &Map<String, Value>) -> Vec<(Vec<&str>, &String, &Value)> {
    let is_entry =
        |value: &Value| ["type", "command", "url"].iter().any(|key| value.get(*key).is_some_and(|v| !v.is_object()));
    let newer = mcp.get("servers").filter(|value| !is_entry(value)).and_then(Value::as_object);
    let older = mcp.iter().filter(|(name, _)| newer.is_none() || *name != "servers");
    let mut all: Vec<(Vec<&str>, &String, &Value)> = older.map(|(name, value)| (vec!["mcp"], name, value)).collect();
    for (name, value) in newer.into_iter().flatten() {
        if !all.iter().any(|(_, known, _)| *known == name) {
            all.push((vec!["mcp", "servers"], name, value));
        }
    }
    all
}

const COPILOT_ROW: Source = Source {
    id: "copilot",
    rank: 82,
    dialect: Dialect::Copilot,
    bare_url: RemoteKind::StreamableHttp,
    owner: Owner::Copilot,
    fold: copilot,
    ..ROW
};

pub(super) static COPILOT: &[Source] = &[
    Source {
        scope: Scope::Project,
        rank: 48,
        spots: &[spot(ANY, Base::Repository, ".mcp.json"), spot(ANY, Base::Repository, ".github/mcp.json")],
        one_a_folder: true,
        ..COPILOT_ROW
    },
    Source { spots: &[spot(ANY, Base::Variable("COPILOT_HOME", ".copilot"), "mcp-config.json")], ..COPILOT_ROW },
    Source {
        rank: 200,
        spots: &[
            spot(ANY, Base::Variable("COPILOT_HOME", ".copilot"), "installed-plugins/*/*/.mcp.json"),
            spot(ANY, Base::Variable("COPILOT_HOME", ".copilot"), "installed-plugins/*/*/mcp.json"),
        ],
        ..COPILOT_ROW
    },
];

/// `tools` lists what the model may use: `["*"]` is everything, and an empty list turns the server off.
fn copilot(entry: &Value, _: &Lookup) -> Folded {
    let tools = entry.get("tools").and_then(Value::as_array);
    let none = tools.is_some_and(Vec::is_empty);
    let all = tools.is_some_and(|tools| tools.iter().any(|tool| tool == "*"));
    let mut folded = edited(entry, |members| {
        if all || none {
            members.remove("tools");
        }
        for key in ["oauthPublicClient", "oauthGrantType", "oidc"] {
            members.remove(key);
        }
    });
    if let Folded::Entry { off, .. } = &mut folded
        && none
    {
        *off = Some("its list of `tools` is empty".into());
    }
    folded
}

pub(super) static AMAZONQ: &[Source] = &[
    Source {
        id: "amazonq",
        scope: Scope::Project,
        rank: 53,
        spots: &[spot(ANY, Base::Repository, ".amazonq/mcp.json")],
        fold: with_tools,
        ..ROW
    },
    Source {
        id: "amazonq",
        rank: 106,
        spots: &[
            spot(ANY, Base::Home, ".aws/amazonq/cli-agents/*.json"),
            spot(ANY, Base::Home, ".aws/amazonq/agents/*.json"),
            spot(ANY, Base::Home, ".aws/amazonq/mcp.json"),
        ],
        fold: with_tools,
        ..ROW
    },
];

pub(super) static KIRO: &[Source] = &[
    Source {
        id: "kiro",
        scope: Scope::Project,
        rank: 54,
        spots: &[spot(ANY, Base::Repository, ".kiro/settings/mcp.json")],
        dialect: Dialect::Claude,
        fold: with_tools,
        ..ROW
    },
    Source {
        id: "kiro",
        rank: 107,
        spots: &[spot(ANY, Base::Home, ".kiro/agents/*.json"), spot(ANY, Base::Home, ".kiro/settings/mcp.json")],
        dialect: Dialect::Claude,
        fold: with_tools,
        ..ROW
    },
    Source {
        id: "kiro",
        rank: 108,
        spots: &[spot(ANY, Base::Home, ".kiro/settings/mcp.json")],
        root: Root::Keys(&["powers", "mcpServers"]),
        dialect: Dialect::Claude,
        fold: with_tools,
        ..ROW
    },
];

/// Names given to tools within the client mean nothing elsewhere.
fn with_tools(entry: &Value, _: &Lookup) -> Folded {
    edited(entry, |members| {
        members.remove("toolAliases");
    })
}
