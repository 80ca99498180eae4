//! The table of settings: the only place where a variable's name, default and meaning are written down.

use super::http_variables::HTTP;

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    pub name: &'static str,
    /// What an unset variable means, in the variable's own syntax. Empty: see `help`.
    pub default: &'static str,
    /// What is accepted, for error messages and tables.
    pub accepts: &'static str,
    pub help: &'static str,
}

impl Variable {
    /// Whether this is a file or a folder; what is a URL or a path is too.
    pub fn is_path(&self) -> bool {
        self.accepts.ends_with("a path") || self.accepts.starts_with("the path") || self.accepts == "a folder"
    }
}

const MEMORY: &str = "48m or more: a number of bytes, or a number with k, m or g (512m, 1g, 1.5GiB)";
const FOLDER: &str = "4k or more: a number of bytes, or a number with k, m or g (64m, 1g, 1.5GiB)";
pub(super) const OUTPUT: &str = "1k or more: a number of bytes, or a number with k, m or g (100k, 64m, 1.5MiB)";
pub(super) const DURATION: &str = "seconds above 0, or a number with ms, s, m or h (30, 30s, 1.5m)";
const BYTES: &str = "a number of bytes, or a number with k, m or g (64m, 1g, 1.5GiB)";
const FLAG: &str = "1, true, yes, on, or 0, false, no, off";

/// Every setting, in the order in which `mcp-bridge settings` prints them.
pub const VARIABLES: &[Variable] = &joined::<{ GENERAL.len() + HTTP.len() }>();

const fn joined<const N: usize>() -> [Variable; N] {
    let mut all = [UNDECLARED; N];
    let mut n = 0;
    while n < N {
        all[n] = if n < GENERAL.len() { GENERAL[n] } else { HTTP[n - GENERAL.len()] };
        n += 1;
    }
    all
}

const GENERAL: &[Variable] = &[
    Variable {
        name: "MCP_BRIDGE_RUNTIME",
        default: "auto",
        accepts: "auto, podman, docker or embedded",
        help: "What runs programs; auto takes a working Podman, then Docker, then the embedded Linux sandbox, which needs neither.",
    },
    Variable {
        name: "MCP_BRIDGE_IMAGE",
        default: "python:3.14-slim",
        accepts: "an image reference",
        help: "Image for sandboxes; any image with Python 3.9 or later works unchanged. The embedded sandbox takes the host's Python as long as the default was not pulled.",
    },
    Variable {
        name: "MCP_BRIDGE_ROOTFS",
        default: "",
        accepts: "a folder",
        help: "Embedded sandbox: a folder with a root file system that has Python, instead of an image or the host's Python.",
    },
    Variable {
        name: "MCP_BRIDGE_PYTHON",
        default: "",
        accepts: "the path of a Python 3.9 or later",
        help: "Embedded sandbox: the host's interpreter to use, instead of the `python3` on PATH.",
    },
    Variable {
        name: "MCP_BRIDGE_FORK",
        default: "auto",
        accepts: "auto, always or off",
        help: "Embedded sandbox: fork sandboxes from a clean Python that has imported everything, which saves most of a start; auto does so from the second run on and starts cold where it cannot, always refuses to.",
    },
    Variable {
        name: "MCP_BRIDGE_TIMEOUT",
        default: "30",
        accepts: DURATION,
        help: "Deadline of a run that names none.",
    },
    Variable {
        name: "MCP_BRIDGE_MAX_TIMEOUT",
        default: "120",
        accepts: DURATION,
        help: "Longest deadline a run may ask for; longer ones are cut to it, and the report says so.",
    },
    Variable {
        name: "MCP_BRIDGE_MEMORY",
        default: "512m",
        accepts: MEMORY,
        help: "Memory of a sandbox, with no swap beyond it; /tmp and /workspace count towards it.",
    },
    Variable {
        name: "MCP_BRIDGE_PIDS",
        default: "128",
        accepts: "a whole number from 4 to 4194304",
        help: "Processes and threads in a sandbox.",
    },
    Variable {
        name: "MCP_BRIDGE_CPUS",
        default: "1",
        accepts: "a number from 0.01 to 4096, such as 0.5 or 2",
        help: "Processors a sandbox may use.",
    },
    Variable {
        name: "MCP_BRIDGE_CONTAINER_USER",
        default: "65534:65534",
        accepts: "UID:GID as numbers, neither of them 0",
        help: "User and group inside the sandbox.",
    },
    Variable {
        name: "MCP_BRIDGE_TMP_SIZE",
        default: "64m",
        accepts: FOLDER,
        help: "Size of the sandbox's /tmp (memory-backed).",
    },
    Variable {
        name: "MCP_BRIDGE_WORKSPACE_SIZE",
        default: "128m",
        accepts: FOLDER,
        help: "Size of the sandbox's /workspace (memory-backed), the program's working directory.",
    },
    Variable {
        name: "MCP_BRIDGE_OPEN_FILES",
        default: "1024",
        accepts: "a whole number from 32 to 1048576",
        help: "Open files per process in the sandbox.",
    },
    Variable {
        name: "MCP_BRIDGE_ALLOW_DEGRADED",
        default: "",
        accepts: "memory, swap, pids, cpus, seccomp or unknown, with commas between",
        help: "Promises that may go unkept where the engine or the host cannot keep them; otherwise that is an error.",
    },
    Variable {
        name: "MCP_BRIDGE_RUNTIME_IDLE_TIMEOUT",
        default: "300",
        accepts: DURATION,
        help: "How long a Podman machine that the bridge started may stay idle before it is stopped (accepted, not in effect yet: the machine is started but not stopped).",
    },
    Variable {
        name: "MCP_BRIDGE_OUTPUT_MODE",
        default: "toon",
        accepts: "toon, compact or json",
        help: "How the text of a report is written.",
    },
    Variable {
        name: "MCP_BRIDGE_OUTPUT_LIMIT",
        default: "100k",
        accepts: OUTPUT,
        help: "Bytes kept of each of stdout, stderr and the result; the rest is counted and left out.",
    },
    Variable {
        name: "MCP_BRIDGE_OUTPUT_FLOOD",
        default: "128m",
        accepts: OUTPUT,
        help: "Bytes of output after which a program is ended.",
    },
    Variable {
        name: "MCP_BRIDGE_MAX_CALLS",
        default: "10000",
        accepts: "a whole number from 1",
        help: "Requests (tool calls and look-ups) one run may make.",
    },
    Variable {
        name: "MCP_BRIDGE_MAX_RUNS",
        default: "8",
        accepts: "a whole number from 1 to 1024",
        help: "Runs at the same time; eight times as many may wait, then the answer is \"busy\".",
    },
    Variable {
        name: "MCP_BRIDGE_POOL",
        default: "4",
        accepts: "a whole number from 0 to 256",
        help: "Sandboxes that wait with Python started, so that a run need not; 0 starts one when a run asks.",
    },
    Variable {
        name: "MCP_BRIDGE_POOL_IDLE",
        default: "10m",
        accepts: DURATION,
        help: "Without a run for so long, one sandbox is left waiting; after six times as long, none.",
    },
    Variable {
        name: "MCP_BRIDGE_POOL_MEMORY",
        default: "256m",
        accepts: BYTES,
        help: "Memory that waiting sandboxes together may take: fewer wait where one takes more.",
    },
    Variable {
        name: "MCP_BRIDGE_POOL_LAUNCHES",
        default: "4",
        accepts: "a whole number from 1 to 64",
        help: "Sandboxes that start at the same time, for runs and for the pool.",
    },
    Variable {
        name: "MCP_BRIDGE_SESSIONS",
        default: "16",
        accepts: "a whole number from 0 to 1024",
        help: "Sessions at the same time, of all callers; each keeps a sandbox. 0 turns sessions off.",
    },
    Variable {
        name: "MCP_BRIDGE_SESSIONS_PER_CALLER",
        default: "8",
        accepts: "a whole number from 1 to 1024",
        help: "Sessions of one caller at the same time.",
    },
    Variable {
        name: "MCP_BRIDGE_SESSION_IDLE",
        default: "10m",
        accepts: DURATION,
        help: "Without a run for so long, a session ends.",
    },
    Variable {
        name: "MCP_BRIDGE_SESSION_LIFE",
        default: "8h",
        accepts: DURATION,
        help: "A session as old as this ends when no run has it.",
    },
    Variable {
        name: "MCP_BRIDGE_TASK_AFTER",
        default: "10",
        accepts: DURATION,
        help: "Age at which a run becomes a task, for clients that take tasks; 1ms makes one of every run.",
    },
    Variable {
        name: "MCP_BRIDGE_START_TIMEOUT",
        default: "30",
        accepts: DURATION,
        help: "How long an MCP server may take to start and to list its tools.",
    },
    Variable {
        name: "MCP_BRIDGE_CALL_TIMEOUT",
        default: "30",
        accepts: DURATION,
        help: "Deadline of one tool call that names none; a call may name a longer one, within the run's.",
    },
    Variable {
        name: "MCP_BRIDGE_RETRY_ATTEMPTS",
        default: "3",
        accepts: "a whole number from 1 to 100",
        help: "Attempts in all that a failed call gets, where repeating it is safe; 1 repeats none.",
    },
    Variable {
        name: "MCP_BRIDGE_RETRY_WAIT_MIN",
        default: "1",
        accepts: DURATION,
        help: "Wait before a call's second attempt.",
    },
    Variable {
        name: "MCP_BRIDGE_RETRY_WAIT_MAX",
        default: "10",
        accepts: DURATION,
        help: "Longest wait before a further attempt; a shorter one than the least is raised to it.",
    },
    Variable {
        name: "MCP_BRIDGE_RETRY_BASE",
        default: "2",
        accepts: "a number from 1 to 1000",
        help: "Each wait is so many times the one before it.",
    },
    Variable {
        name: "MCP_BRIDGE_BREAKER_THRESHOLD",
        default: "5",
        accepts: "a whole number from 0, which is never",
        help: "Failures of a server in a row (no connection, no answer in time) after which calls to it are refused for a while.",
    },
    Variable {
        name: "MCP_BRIDGE_BREAKER_RECOVERY",
        default: "60",
        accepts: DURATION,
        help: "How long such calls are refused before the server is tried again.",
    },
    Variable {
        name: "MCP_BRIDGE_BREAKER_TRIALS",
        default: "1",
        accepts: "a whole number from 1",
        help: "Calls that are then let through to try it.",
    },
    Variable {
        name: "MCP_BRIDGE_HEALTH_INTERVAL",
        default: "60",
        accepts: "seconds, or a number with ms, s, m or h; 0 or off for never",
        help: "How often a server that is in use is asked whether it lives; one that died is started again.",
    },
    Variable {
        name: "MCP_BRIDGE_CONCURRENCY",
        default: "64",
        accepts: "a whole number from 1 to 100000",
        help: "Calls one server works on at a time; further ones wait, within their deadlines.",
    },
    Variable {
        name: "MCP_BRIDGE_MAX_RESULT",
        default: "64m",
        accepts: OUTPUT,
        help: "Largest result of a tool that is passed on, in bytes of JSON.",
    },
    Variable {
        name: "MCP_BRIDGE_RATE_LIMIT",
        default: "off",
        accepts: "calls a second, a number from 0.001 to 1000000; or off",
        help: "Calls a second to one server; further ones wait, within their deadlines.",
    },
    Variable {
        name: "MCP_BRIDGE_CONFIG",
        default: "",
        accepts: "a path",
        help: "The file of `--config`, for every command that is not given one: its servers and no others, and its keys where neither a flag nor a variable says more.",
    },
    Variable {
        name: "MCP_SERVERS_CONFIG",
        default: "",
        accepts: "a path",
        help: "A file of MCP servers that wins over every discovered one.",
    },
    Variable {
        name: "MCP_BRIDGE_HOT_RELOAD",
        default: "1",
        accepts: FLAG,
        help: "Notice changes of config files while the bridge serves; without it, SIGHUP has them read again.",
    },
    Variable {
        name: "MCP_BRIDGE_SOURCES",
        default: "claude,folders",
        accepts: "auto, folders, claude, codex, cursor, vscode, windsurf, gemini, antigravity, opencode, copilot, zed, cline, roo, continue, goose, lmstudio, amazonq, kiro or fastmcp, with commas between",
        help: "Clients whose config files are searched for MCP servers; auto is all of them.",
    },
    Variable {
        name: "MCP_BRIDGE_TRUST_PROJECT",
        default: "0",
        accepts: FLAG,
        help: "Start servers from the project's own files without an approval.",
    },
    Variable {
        name: "MCP_BRIDGE_ALLOW_SELF_SERVER",
        default: "0",
        accepts: FLAG,
        help: "Let the bridge list and start itself.",
    },
    Variable {
        name: "MCP_BRIDGE_STATE_DIR",
        default: "",
        accepts: "a path",
        help: "Where approvals, saved tools, images without an engine and the sockets of running bridges are kept. Default: the system's folder for application state.",
    },
    Variable {
        name: "MCP_BRIDGE_UPLOAD_FILE",
        default: "32m",
        accepts: BYTES,
        help: "Largest file that a run may be given.",
    },
    Variable { name: "MCP_BRIDGE_UPLOAD_RUN", default: "64m", accepts: BYTES, help: "Files of one run, together." },
    Variable {
        name: "MCP_BRIDGE_UPLOAD_TOTAL",
        default: "1g",
        accepts: BYTES,
        help: "Files that are kept for one caller, so that later runs can name them; older ones make room. A smaller one than MCP_BRIDGE_UPLOAD_RUN is raised to it.",
    },
    Variable {
        name: "MCP_BRIDGE_UPLOAD_KEEP",
        default: "24h",
        accepts: "seconds, or a number with ms, s, m or h; 0 or off for never",
        help: "How long a file is kept after its last use.",
    },
    Variable {
        name: "MCP_BRIDGE_TOKEN_STORE",
        default: "auto",
        accepts: "auto, keyring or file",
        help: "Where logins to servers are kept: keyring is the desktop's (Secret Service, on Linux), file is one that only you can read, in the state folder; auto takes the keyring where there is one that works.",
    },
    Variable {
        name: "MCP_BRIDGE_LOG_LEVEL",
        default: "info",
        accepts: "off, error, warn, info, debug, trace, or a filter such as info,mcp_bridge::upstream=debug",
        help: "What is logged (to stderr).",
    },
    Variable {
        name: "MCP_BRIDGE_LOG_FORMAT",
        default: "text",
        accepts: "text or json",
        help: "How log lines are written.",
    },
    Variable {
        name: "MCP_BRIDGE_EXPOSE",
        default: "code",
        accepts: "code, tools, both or auto",
        help: "What clients are offered: run_python, the servers' own tools, prompts and resources, both, or both while the definitions of the tools are small.",
    },
    Variable {
        name: "MCP_BRIDGE_EXPOSE_LIMIT",
        default: "10000",
        accepts: "a whole number from 1",
        help: "With auto: what the definitions of the tools may cost, in tokens of four bytes; the default is a twentieth of a context of 200,000.",
    },
    Variable {
        name: "MCP_BRIDGE_PREFIXES",
        default: "",
        accepts: "SERVER=PREFIX, with commas between; a prefix has letters, digits, _ and -, or is empty, and is no other server's",
        help: "What the names of a server's own tools and prompts begin with, instead of the server's name; empty: they are left as they are.",
    },
    Variable {
        name: "MCP_BRIDGE_ACCESS",
        default: "",
        accepts: "a path",
        help: "A file of access rules: which caller may use which servers, tools, resources and prompts, and how much. With it, what no rule gives is not there.",
    },
    Variable {
        name: "MCP_BRIDGE_CLIENT",
        default: "",
        accepts: "a name of at most 100 characters, without line feeds and other control characters",
        help: "The caller, as access rules name it, of a bridge that serves over stdin and stdout; without it, `default`.",
    },
    Variable {
        name: "MCP_BRIDGE_AGENT_ID",
        default: "0",
        accepts: FLAG,
        help: "Let a call say by its argument `agent_id` who makes it, where nothing else names the caller.",
    },
    Variable {
        name: "MCP_BRIDGE_AUDIT",
        default: "",
        accepts: "a path",
        help: "A file for the audit trail: a JSON line for each run and each use of a server, sealed against changes.",
    },
    Variable {
        name: "MCP_BRIDGE_AUDIT_ARGUMENTS",
        default: "0",
        accepts: FLAG,
        help: "Write the arguments themselves into the audit trail, redacted, and not only their hash.",
    },
    Variable {
        name: "MCP_BRIDGE_AUDIT_SIZE",
        default: "64m",
        accepts: FOLDER,
        help: "Size at which the audit trail's next file is begun.",
    },
    Variable {
        name: "MCP_BRIDGE_AUDIT_KEEP",
        default: "10",
        accepts: "a whole number from 0 to 100000",
        help: "Files of the audit trail that are kept besides the one that is written; the oldest are removed, which the trail says.",
    },
];

/// The declaration of `name`; names are literals of this crate, so a miss is a fault of ours that a test finds.
pub(super) fn variable(name: &'static str) -> &'static Variable {
    VARIABLES.iter().find(|v| v.name == name).unwrap_or(&UNDECLARED)
}

const UNDECLARED: Variable = Variable { name: "", default: "", accepts: "", help: "" };
