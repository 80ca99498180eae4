//! Is this entry the bridge itself? A bridge that starts itself starts itself again, and so on.
//!
//! Looks through wrappers (`npx`, `sh -c`, `docker run`, ...) at the program that really starts. Arguments of that program do
//! not count: a file server for a folder called `mcp-bridge` is not the bridge.

use std::path::Path;

use super::place::{Os, Place};
use super::words::split;
use crate::upstream::config::Transport;

/// What the bridge is called: as a program, a package, an image, and by people who name its entry.
const OWN_NAMES: &[&str] = &["mcp-bridge"];
/// Wrappers inside wrappers: more than anyone writes, and an end for what is made to have none.
const DEEPEST: usize = 8;

/// Why `name` with `transport` is taken for the bridge, if it is.
pub(super) fn recognise(name: &str, transport: &Transport, place: &Place) -> Option<&'static str> {
    if is_own(name) {
        return Some("this is the bridge itself, by its name");
    }
    let Transport::Stdio { command, args, .. } = transport else { return None };
    let words: Vec<String> = [command].into_iter().chain(args).cloned().collect();
    started_by(&words, place)
}

/// Why this command line is taken for one that starts the bridge, if it is.
pub(super) fn started_by(words: &[String], place: &Place) -> Option<&'static str> {
    let mut started = Vec::new();
    programs(words, place.os, DEEPEST, &mut started);
    if started.iter().any(|program| is_own(&bare(program))) {
        return Some("this is the bridge itself, by the program it starts");
    }
    let own = place.own_exe.as_deref()?;
    let same = |program: &String| place.program(program, &place.cwd).is_some_and(|path| same_file(&path, own));
    started.iter().any(same).then_some("this is the bridge itself: it is the same file")
}

/// Whether this serves what other servers offer: then its tools are probably those of servers that are listed here themselves.
pub(super) fn gathers(transport: &Transport, place: &Place) -> bool {
    let Transport::Stdio { command, args, .. } = transport else { return false };
    let words: Vec<String> = [command].into_iter().chain(args).cloned().collect();
    let mut started = Vec::new();
    programs(&words, place.os, DEEPEST, &mut started);
    let in_docker =
        words.windows(3).any(|three| ["mcp", "gateway", "run"].iter().zip(three).all(|(want, word)| want == word));
    (in_docker && bare(command) == "docker")
        || started.iter().any(|program| GATHERERS.contains(&bare(program).as_str()))
}

/// Programs that put many servers behind one.
const GATHERERS: &[&str] = &["mcporter", "agent-mcp-gateway", "metamcp", "mcphub", "mcp-hub", "mcpm", "mcpo"];

fn is_own(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase().replace('_', "-");
    OWN_NAMES.contains(&name.as_str())
}

/// The name alone: no folders, no ending, no version, no image registry or tag. A scope stays: `@other/mcp-bridge` is not ours.
fn bare(program: &str) -> String {
    if program.starts_with('@') {
        return program.to_owned();
    }
    let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
    let name = name.split(['@', ':', '=', '[', '<', '>', '~', '!', ' ']).next().unwrap_or(name);
    let endings = [".exe", ".cmd", ".bat", ".py", ".js", ".mjs", ".ts", ".sh"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name).to_owned()
}

/// Collects the programs, packages, scripts and images that a command line starts.
fn programs(words: &[String], os: Os, depth: usize, out: &mut Vec<String>) {
    let Some((program, args)) = words.split_first() else { return };
    out.push(program.clone());
    let Some(depth) = depth.checked_sub(1) else { return };
    let name = bare(program).to_ascii_lowercase();
    let inner = |words: &[String], out: &mut Vec<String>| programs(words, os, depth, out);
    match name.as_str() {
        "sh" | "bash" | "dash" | "zsh" | "ash" | "ksh" | "fish" => match args.iter().position(|arg| is_shell_c(arg)) {
            Some(at) => args.get(at + 1).into_iter().for_each(|text| script(text, os, depth, out)),
            None => inner(skip_options(args, &["-o", "-O"]), out),
        },
        "cmd" => {
            let at = args.iter().position(|arg| arg.eq_ignore_ascii_case("/c") || arg.eq_ignore_ascii_case("/k"));
            at.into_iter().for_each(|at| script(&args[at + 1..].join(" "), os, depth, out));
        }
        "powershell" | "pwsh" => {
            let is_text = |arg: &String| ["-command", "-c", "-file", "-f"].contains(&arg.to_ascii_lowercase().as_str());
            let at = args.iter().position(is_text);
            at.into_iter().for_each(|at| script(&args[at + 1..].join(" "), os, depth, out));
        }
        "env" => env(args, os, depth, out),
        "npx" | "bunx" | "uvx" | "pnpx" => package(args, os, depth, out),
        "npm" | "pnpm" | "yarn" | "bun" | "pipx" | "uv" | "cargo" | "deno" => {
            let verbs = ["exec", "x", "dlx", "run", "tool", "run-script"];
            let rest = skip_options(args, WITH_VALUE);
            let verb = rest.iter().take_while(|word| verbs.contains(&word.as_str())).count();
            package(if verb == 0 { rest } else { &rest[verb..] }, os, depth, out);
        }
        "docker" | "podman" | "nerdctl" => {
            let rest = skip_options(args, CONTAINER_WITH_VALUE);
            let verbs =
                rest.iter().take_while(|word| ["container", "run", "exec", "create"].contains(&word.as_str())).count();
            if verbs > 0 {
                let rest = skip_options(&rest[verbs..], CONTAINER_WITH_VALUE);
                // The image, and then what is started in it.
                out.extend(rest.first().cloned());
                inner(rest.get(1..).unwrap_or_default(), out);
            }
        }
        "nice" | "nohup" | "time" | "setsid" | "stdbuf" | "exec" | "sudo" | "doas" | "ionice" | "caffeinate"
        | "command" => {
            inner(skip_options(args, &["-n", "-u", "-c", "-i", "-o", "-e"]), out);
        }
        "timeout" => inner(skip_options(args, &["-k", "-s"]).get(1..).unwrap_or_default(), out),
        // Keepers of secrets and of environments, which start what follows `--` or, some of them, their own options.
        "op" | "doppler" | "infisical" | "dotenv" | "dotenvx" | "aws-vault" | "direnv" | "chamber" | "teller" => {
            if let Some(at) = args.iter().position(|arg| arg == "--") {
                inner(&args[at + 1..], out);
            }
        }
        "poetry" | "pdm" | "hatch" | "rye" | "pixi" | "conda" | "mamba" | "micromamba" | "mise" | "volta" | "fnm"
        | "corepack" | "flatpak" => {
            let verbs = ["run", "exec", "x"];
            let rest = skip_options(args, &[]);
            if rest.first().is_some_and(|verb| verbs.contains(&verb.as_str())) {
                inner(skip_options(&rest[1..], &["-n", "--name", "-p", "--prefix", "--using", "--command"]), out);
            }
        }
        "supergateway" | "mcp-proxy" | "mcpo" | "mcp-remote" => aggregator(args, os, depth, out),
        _ if is_interpreter(&name) => {
            if let Some(at) = args.iter().position(|arg| arg == "-m") {
                out.extend(args.get(at + 1).cloned());
            } else {
                out.extend(skip_options(args, &["-r", "--require", "--import", "-W", "-X"]).first().cloned());
            }
        }
        _ => {}
    }
}

fn is_interpreter(name: &str) -> bool {
    let version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    ["python", "node", "nodejs", "tsx", "ts-node", "ruby", "py"]
        .iter()
        .any(|known| name.strip_prefix(known).is_some_and(version))
}

/// `-c`, also within bundled flags such as `-lc`.
fn is_shell_c(arg: &str) -> bool {
    arg.starts_with('-') && !arg.starts_with("--") && arg.ends_with('c')
}

/// Each command of a shell text: `a && b; c | d`.
fn script(text: &str, os: Os, depth: usize, out: &mut Vec<String>) {
    for command in text.split([';', '&', '|', '\n', '(', ')', '`']) {
        let words = split(command, os != Os::Windows)
            .unwrap_or_else(|| command.split_whitespace().map(str::to_owned).collect());
        let start = words.iter().position(|word| !is_assignment(word)).unwrap_or(words.len());
        programs(&words[start..], os, depth, out);
    }
}

fn env(args: &[String], os: Os, depth: usize, out: &mut Vec<String>) {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        match word.as_str() {
            "-S" | "--split-string" => {
                after.first().into_iter().for_each(|text| script(text, os, depth, out));
                return;
            }
            "-u" | "--unset" | "-C" | "--chdir" => rest = after.get(1..).unwrap_or_default(),
            word if word.starts_with('-') || is_assignment(word) => rest = after,
            _ => break,
        }
    }
    programs(rest, os, depth, out);
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// Runners of packages: those named by an option (`--from x`), and the first word that is none, which may be a program in turn.
fn package(args: &[String], os: Os, depth: usize, out: &mut Vec<String>) {
    const NAMING: &[&str] = &["-p", "--package", "--from", "--with", "--bin", "--spec", "--git", "--path"];
    let rest = skip_options(args, WITH_VALUE);
    let options = &args[..args.len() - rest.len()];
    for (at, option) in options.iter().enumerate() {
        match option.split_once('=') {
            Some((name, value)) if NAMING.contains(&name) => out.push(value.to_owned()),
            _ if NAMING.contains(&option.as_str()) => out.extend(options.get(at + 1).cloned()),
            _ if ["-c", "--call"].contains(&option.as_str()) => {
                options.get(at + 1).into_iter().for_each(|text| script(text, os, depth, out));
            }
            _ => {}
        }
    }
    programs(rest, os, depth, out);
}

/// Programs that serve another one: its command line is an option's value, or follows `--`.
fn aggregator(args: &[String], os: Os, depth: usize, out: &mut Vec<String>) {
    if let Some(at) = args.iter().position(|arg| arg == "--stdio") {
        args.get(at + 1).into_iter().for_each(|text| script(text, os, depth, out));
    } else {
        programs(skip_options(args, &["--port", "--host", "--sse-port", "-e", "--env", "--cwd"]), os, depth, out);
    }
}

const WITH_VALUE: &[&str] = &[
    "-p",
    "--package",
    "--from",
    "--with",
    "--bin",
    "--spec",
    "-c",
    "--call",
    "--python",
    "--registry",
    "--index-url",
    "--index",
    "--directory",
    "--project",
    "--env-file",
    "--cache",
    "--prefix",
    "-w",
    "--manifest-path",
    "--features",
    "-C",
    "--git",
    "--path",
];
const CONTAINER_WITH_VALUE: &[&str] = &[
    "-e",
    "--env",
    "--env-file",
    "-v",
    "--volume",
    "--mount",
    "-p",
    "--publish",
    "--name",
    "--network",
    "--net",
    "-w",
    "--workdir",
    "-u",
    "--user",
    "--entrypoint",
    "-l",
    "--label",
    "--memory",
    "-m",
    "--cpus",
    "--platform",
    "--pull",
    "-h",
    "--hostname",
    "--add-host",
    "--tmpfs",
    "--cap-add",
    "--cap-drop",
    "--security-opt",
    "--gpus",
    "--restart",
    "--runtime",
    "-H",
    "--host",
    "--context",
    "--shm-size",
    "--ulimit",
    "--device",
    "--dns",
    "--pid",
    "--ipc",
    "--userns",
    "--log-level",
    "--pids-limit",
];

/// What follows the options; `with_value` are those whose value is the next word.
fn skip_options<'a>(args: &'a [String], with_value: &[&str]) -> &'a [String] {
    let mut rest = args;
    while let Some((word, after)) = rest.split_first() {
        if word == "--" {
            return after;
        }
        if !word.starts_with('-') {
            break;
        }
        rest = if with_value.contains(&word.as_str()) { after.get(1..).unwrap_or_default() } else { after };
    }
    rest
}

fn same_file(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
            return (one.dev(), one.ino()) == (other.dev(), other.ino());
        }
    }
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
