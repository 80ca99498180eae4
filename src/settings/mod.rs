//! Every `MCP_BRIDGE_*` variable, declared once.
//!
//! [`VARIABLES`] is the declaration: name, default, what is accepted, what it does. `--help`, `mcp-bridge settings` and
//! GUIDE's table are made from it; [`Settings::read`] turns an [`Environment`] into values. Must never guess: a value that
//! cannot be read stops the start. The process environment is read here and nowhere else. Called by `cli`.

mod environment;
mod error;
mod guard;
mod http;
mod http_variables;
mod keys;
mod parse;
mod survival;
#[cfg(test)]
mod tests;
mod uploads;
mod variables;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

pub use environment::{Environment, Written, WrittenIn, no_color};
pub use error::{Name, SettingsError};
pub use guard::Guard;
pub use http::{Http, HttpAuth, Jwt, address};
pub use keys::{ADDRESS, CONFIG, keys, variable_of};
pub use parse::{clamp_timeout, parse_bytes, parse_seconds};
pub use survival::Survival;
pub use uploads::Uploads;
pub use variables::{VARIABLES, Variable};

/// What runs programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    Auto,
    Podman,
    Docker,
    /// Linux namespaces, with no engine.
    Embedded,
}

/// Whether embedded sandboxes are forked from one that is prepared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// Where that works, once the first run has shown that it is wanted.
    Auto,
    /// Each run waits for it, and is refused where it does not work.
    Always,
    Off,
}

/// What may be given up by name: `sandbox::NEGOTIABLE`, which `tests/docs.rs` holds this to.
pub const DEGRADABLE: [&str; 6] = ["memory", "swap", "pids", "cpus", "seccomp", "unknown"];

/// Whose config files may be read: the words of `discovery::CLIENTS`, which `tests/docs.rs` holds this to, and all of them.
pub const SOURCES: [&str; 20] = [
    "auto",
    "folders",
    "claude",
    "codex",
    "cursor",
    "vscode",
    "windsurf",
    "gemini",
    "antigravity",
    "opencode",
    "copilot",
    "zed",
    "cline",
    "roo",
    "continue",
    "goose",
    "lmstudio",
    "amazonq",
    "kiro",
    "fastmcp",
];

/// How a report is written for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    Toon,
    Compact,
    Json,
}

/// Where logins to servers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStore {
    /// The keyring where there is one that works, a file otherwise.
    Auto,
    Keyring,
    File,
}

/// What clients are offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expose {
    /// `run_python`.
    Code,
    /// The servers' own tools, prompts and resources.
    Tools,
    Both,
    /// Both while the definitions of the tools are small.
    Auto,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// All settings of one bridge, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub runtime: Runtime,
    pub image: String,
    /// A folder that is the embedded sandbox's root file system.
    pub rootfs: Option<PathBuf>,
    /// The host's interpreter for the embedded sandbox.
    pub python: Option<PathBuf>,
    pub fork: Fork,
    /// Deadline of a run that names none. At most [`Settings::max_timeout`].
    pub timeout: Duration,
    pub max_timeout: Duration,
    /// Bytes of memory of a sandbox, swap included.
    pub memory: u64,
    pub pids: u32,
    pub cpus: f64,
    /// `UID:GID`, both numbers.
    pub container_user: String,
    /// Bytes of the tmpfs on `/tmp`.
    pub tmp_size: u64,
    /// Bytes of the tmpfs on `/workspace`.
    pub workspace_size: u64,
    pub open_files: u64,
    /// Promises that the operator lets an engine break, by name.
    pub allow_degraded: Vec<String>,
    /// How long a Podman machine that we started may idle before it is stopped.
    pub runtime_idle_timeout: Duration,
    pub output_mode: OutputMode,
    /// Bytes kept of each of stdout, stderr and the result.
    pub output_limit: u64,
    /// Bytes of output after which a program is ended.
    pub output_flood: u64,
    /// Tool calls one run may make.
    pub max_calls: u64,
    /// Runs at the same time; as many again times eight may wait.
    pub max_runs: usize,
    /// Sandboxes that wait for runs.
    pub pool: usize,
    /// Without a run for so long, one waits; after six times as long, none.
    pub pool_idle: Duration,
    /// Bytes of memory that waiting sandboxes together may cost.
    pub pool_memory: u64,
    /// Sandboxes that start at the same time.
    pub pool_launches: usize,
    /// Sessions of all callers; 0: none.
    pub sessions: usize,
    pub sessions_per_caller: usize,
    /// Without a run for so long, a session ends.
    pub session_idle: Duration,
    /// So old a session ends, when no run has it.
    pub session_life: Duration,
    /// Age at which a run becomes a task, for clients that take tasks.
    pub task_after: Duration,
    /// How long a server may take to start and list its tools.
    pub start_timeout: Duration,
    /// Deadline of one tool call that names none.
    pub call_timeout: Duration,
    /// Of calls to a server whose entry says nothing else.
    pub survival: Survival,
    /// A config file that wins over every discovered one (`MCP_SERVERS_CONFIG`).
    pub servers_config: Option<PathBuf>,
    /// Changes of config files are noticed.
    pub hot_reload: bool,
    /// Clients whose config files are read, by words of [`SOURCES`].
    pub sources: Vec<String>,
    pub trust_project: bool,
    pub allow_self_server: bool,
    pub state_dir: PathBuf,
    pub uploads: Uploads,
    pub token_store: TokenStore,
    pub log_level: String,
    pub log_format: LogFormat,
    /// For `mcp-bridge start`.
    pub http: Http,
    pub expose: Expose,
    /// Tokens that definitions of tools may cost, where that decides.
    pub expose_limit: usize,
    /// Prefixes of servers whose tools do not begin with the server's name.
    pub prefixes: BTreeMap<String, String>,
    pub guard: Guard,
}

impl Settings {
    /// Everything that is wrong: each setting that cannot be used is taken as not set, and the rest read again.
    pub fn errors(env: &Environment) -> Vec<SettingsError> {
        let (mut env, mut errors) = (env.clone(), Vec::new());
        while let Err(error) = Self::read(&env) {
            // What is not set is not wrong: this ends.
            if env.get(error.variable()).is_none() {
                break;
            }
            env = env.without(error.variable());
            errors.push(error);
        }
        errors
    }

    /// Reads every variable; unset ones take their default from [`VARIABLES`].
    ///
    /// # Errors
    /// The first value that cannot be understood, a contradiction between two of them, or a `MCP_BRIDGE_` name that does
    /// not exist (a typing error would otherwise be a limit silently not set).
    pub fn read(env: &Environment) -> Result<Self, SettingsError> {
        reject_unknown(env)?;
        let timeout = parse::duration(env, "MCP_BRIDGE_TIMEOUT")?;
        let max_timeout = parse::duration(env, "MCP_BRIDGE_MAX_TIMEOUT")?;
        if timeout > max_timeout && env.get("MCP_BRIDGE_TIMEOUT").is_some() {
            return Err(SettingsError::Contradiction {
                name: Name::new(env, "MCP_BRIDGE_TIMEOUT"),
                value: env.get("MCP_BRIDGE_TIMEOUT").unwrap_or_default().to_owned(),
                other: Name::new(env, "MCP_BRIDGE_MAX_TIMEOUT"),
                other_value: format!("{}", max_timeout.as_secs_f64()),
            });
        }
        Ok(Self {
            runtime: parse::choice(
                env,
                "MCP_BRIDGE_RUNTIME",
                &[
                    ("auto", Runtime::Auto),
                    ("podman", Runtime::Podman),
                    ("docker", Runtime::Docker),
                    ("embedded", Runtime::Embedded),
                ],
            )?,
            image: parse::text(env, "MCP_BRIDGE_IMAGE")?,
            rootfs: parse::path(env, "MCP_BRIDGE_ROOTFS"),
            python: parse::path(env, "MCP_BRIDGE_PYTHON"),
            fork: parse::choice(
                env,
                "MCP_BRIDGE_FORK",
                &[("auto", Fork::Auto), ("always", Fork::Always), ("off", Fork::Off)],
            )?,
            timeout: timeout.min(max_timeout),
            max_timeout,
            memory: parse::bytes_at_least(env, "MCP_BRIDGE_MEMORY", MEMORY_FLOOR)?,
            pids: parse::number(env, "MCP_BRIDGE_PIDS", PIDS_FLOOR..=4_194_304)?,
            cpus: parse::cpus(env, "MCP_BRIDGE_CPUS")?,
            container_user: parse::user(env, "MCP_BRIDGE_CONTAINER_USER")?,
            tmp_size: parse::bytes_at_least(env, "MCP_BRIDGE_TMP_SIZE", 4096)?,
            workspace_size: parse::bytes_at_least(env, "MCP_BRIDGE_WORKSPACE_SIZE", 4096)?,
            open_files: parse::number(env, "MCP_BRIDGE_OPEN_FILES", 32..=1_048_576)?,
            allow_degraded: parse::names(env, "MCP_BRIDGE_ALLOW_DEGRADED", &DEGRADABLE)?,
            runtime_idle_timeout: parse::duration(env, "MCP_BRIDGE_RUNTIME_IDLE_TIMEOUT")?,
            output_mode: parse::choice(
                env,
                "MCP_BRIDGE_OUTPUT_MODE",
                &[("toon", OutputMode::Toon), ("compact", OutputMode::Compact), ("json", OutputMode::Json)],
            )?,
            output_limit: parse::bytes_at_least(env, "MCP_BRIDGE_OUTPUT_LIMIT", 1024)?,
            output_flood: parse::bytes_at_least(env, "MCP_BRIDGE_OUTPUT_FLOOD", 1024)?,
            max_calls: parse::number(env, "MCP_BRIDGE_MAX_CALLS", 1..=u64::MAX)?,
            max_runs: parse::number(env, "MCP_BRIDGE_MAX_RUNS", 1..=1024)?,
            pool: parse::number(env, "MCP_BRIDGE_POOL", 0..=256)?,
            pool_idle: parse::duration(env, "MCP_BRIDGE_POOL_IDLE")?,
            pool_memory: parse::bytes_at_least(env, "MCP_BRIDGE_POOL_MEMORY", 1)?,
            pool_launches: parse::number(env, "MCP_BRIDGE_POOL_LAUNCHES", 1..=64)?,
            sessions: parse::number(env, "MCP_BRIDGE_SESSIONS", 0..=1024)?,
            sessions_per_caller: parse::number(env, "MCP_BRIDGE_SESSIONS_PER_CALLER", 1..=1024)?,
            session_idle: parse::duration(env, "MCP_BRIDGE_SESSION_IDLE")?,
            session_life: parse::duration(env, "MCP_BRIDGE_SESSION_LIFE")?,
            task_after: parse::duration(env, "MCP_BRIDGE_TASK_AFTER")?,
            start_timeout: parse::duration(env, "MCP_BRIDGE_START_TIMEOUT")?,
            call_timeout: parse::duration(env, "MCP_BRIDGE_CALL_TIMEOUT")?,
            survival: Survival::read(env)?,
            servers_config: env.get("MCP_SERVERS_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from),
            hot_reload: parse::flag(env, "MCP_BRIDGE_HOT_RELOAD")?,
            sources: parse::names(env, "MCP_BRIDGE_SOURCES", &SOURCES)?,
            trust_project: parse::flag(env, "MCP_BRIDGE_TRUST_PROJECT")?,
            allow_self_server: parse::flag(env, "MCP_BRIDGE_ALLOW_SELF_SERVER")?,
            state_dir: env.get("MCP_BRIDGE_STATE_DIR").map_or_else(|| env.default_state_dir(), PathBuf::from),
            uploads: Uploads::read(env)?,
            token_store: parse::choice(
                env,
                "MCP_BRIDGE_TOKEN_STORE",
                &[("auto", TokenStore::Auto), ("keyring", TokenStore::Keyring), ("file", TokenStore::File)],
            )?,
            log_level: parse::log_level(env, "MCP_BRIDGE_LOG_LEVEL")?,
            log_format: parse::choice(
                env,
                "MCP_BRIDGE_LOG_FORMAT",
                &[("text", LogFormat::Text), ("json", LogFormat::Json)],
            )?,
            http: Http::read(env)?,
            expose: parse::choice(
                env,
                "MCP_BRIDGE_EXPOSE",
                &[("code", Expose::Code), ("tools", Expose::Tools), ("both", Expose::Both), ("auto", Expose::Auto)],
            )?,
            expose_limit: parse::number(env, "MCP_BRIDGE_EXPOSE_LIMIT", 1..=usize::MAX)?,
            prefixes: parse::pairs(env, "MCP_BRIDGE_PREFIXES")?,
            guard: Guard::read(env)?,
        })
    }
}

/// The image that nobody chose.
pub fn default_image() -> &'static str {
    variables::variable("MCP_BRIDGE_IMAGE").default
}

/// Python with asyncio loaded takes about 30 MiB; below this a run dies before its first line.
pub const MEMORY_FLOOR: u64 = 48 << 20;
/// Supervisor, worker and two to spare.
const PIDS_FLOOR: u32 = 4;

fn reject_unknown(env: &Environment) -> Result<(), SettingsError> {
    for name in env.names_with_prefix("MCP_BRIDGE_") {
        // Test harnesses and the loop marker share the prefix but are no settings.
        if name == crate::chain::VARIABLE || name.starts_with("MCP_BRIDGE_TEST_") {
            continue;
        }
        if !VARIABLES.iter().any(|v| v.name == name) {
            return Err(SettingsError::Unknown { variable: name.to_owned() });
        }
    }
    Ok(())
}
