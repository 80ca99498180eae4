//! Holds the documents to the code: settings, error codes, exit codes, names, tables, links, messages.

#[path = "docs/exercised.rs"]
mod exercised;
#[path = "support/markdown.rs"]
mod markdown;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use markdown::{DOCUMENTS, blocks, read, repo, rows, section, spans};
use mcp_bridge::sandbox::SandboxError;
use mcp_bridge::settings::{DEGRADABLE, SOURCES, VARIABLES};
use mcp_bridge::upstream::UpstreamError;

/// Folders whose names begin codes; `request` is `execution`'s second enum.
const CODE_FAMILIES: [&str; 23] = [
    "access",
    "audit",
    "settings",
    "discovery",
    "install",
    "upstream",
    "gateway",
    "broker",
    "request",
    "execution",
    "sandbox",
    "guest",
    "catalog",
    "cli",
    "server",
    "http",
    "output",
    "telemetry",
    "control",
    "reload",
    "uploads",
    "chain",
    "direct",
];

fn is_code(text: &str) -> bool {
    text.split_once('.').is_some_and(|(family, name)| {
        CODE_FAMILIES.contains(&family)
            && !name.is_empty()
            && !matches!(name, "json" | "py") // a file's name
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    })
}

/// String literals of a source file that have the shape of a code, tests left out.
fn codes_of(source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = code.split("#[cfg(test)]\npub(super) mod tests {").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .filter(|literal| is_code(literal))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_guide_explains_every_error_code_and_no_other() {
    let mut paths = Vec::new();
    markdown::files(&repo().join("src"), &mut paths);
    let in_code: BTreeSet<String> = paths
        .iter()
        .filter(|path| {
            path.extension().is_some_and(|e| e == "rs")
                && !path.iter().any(|part| part == "tests" || part == "tests.rs")
        })
        .flat_map(|path| codes_of(&std::fs::read_to_string(path).expect("source")))
        .collect();
    assert!(in_code.len() > 60, "the search for codes found only {in_code:?}");

    let guide = read("GUIDE.md");
    let chapter =
        guide.split("\n## Error codes\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("chapter");
    let in_guide: Vec<String> =
        rows(chapter).iter().map(|row| row[0].trim_matches('`').to_owned()).filter(|code| is_code(code)).collect();
    let unique: BTreeSet<String> = in_guide.iter().cloned().collect();
    assert_eq!(unique.len(), in_guide.len(), "a code stands twice in GUIDE.md");
    let missing: Vec<_> = in_code.difference(&unique).collect();
    let invented: Vec<_> = unique.difference(&in_code).collect();
    assert!(missing.is_empty() && invented.is_empty(), "missing in GUIDE.md: {missing:?}; not in src: {invented:?}");
}

#[test]
fn codes_named_elsewhere_exist() {
    let guide = read("GUIDE.md");
    let known: BTreeSet<String> = spans(&guide).into_iter().filter(|span| is_code(span)).collect();
    for document in DOCUMENTS {
        for span in spans(&read(document)).into_iter().filter(|span| is_code(span)) {
            assert!(known.contains(&span), "{document} names {span}, which GUIDE.md does not explain");
        }
    }
}

/// The settings table of GUIDE.md. With `MCP_BRIDGE_TEST_BLESS=1` it is written instead of compared.
#[test]
fn the_guide_has_the_table_of_settings() {
    let mut table = String::from("| variable | default | accepts | meaning |\n|---|---|---|---|\n");
    for variable in VARIABLES {
        let default = if variable.default.is_empty() { String::new() } else { format!("`{}`", variable.default) };
        table += &format!("| `{}` | {default} | {} | {} |\n", variable.name, variable.accepts, variable.help);
    }
    let guide = read("GUIDE.md");
    let written = section(&guide, "settings");
    if std::env::var_os("MCP_BRIDGE_TEST_BLESS").is_some() {
        let old = format!("<!-- settings -->\n{written}");
        std::fs::write(repo().join("GUIDE.md"), guide.replace(&old, &format!("<!-- settings -->\n{table}")))
            .expect("write");
        return;
    }
    assert_eq!(written, table, "write it anew: MCP_BRIDGE_TEST_BLESS=1 cargo test --test docs");
}

/// The table of the embedded sandbox's filter. With `MCP_BRIDGE_TEST_BLESS=1` it is written instead of compared.
#[cfg(target_os = "linux")]
#[test]
fn security_has_the_table_of_the_filter() {
    use mcp_bridge::sandbox::embedded::seccomp::{Condition, Errno, Memory, Policy, Verdict};

    let condition = |word: &str, condition: &Condition, otherwise: Errno| {
        let names: Vec<&str> = condition.values.keys().map(String::as_str).collect();
        let otherwise = match otherwise {
            Errno::NotPermitted => "",
            Errno::NetworkUnreachable => ", else `ENETUNREACH`",
        };
        format!("; argument {} {word} {}{otherwise}", condition.argument, names.join(", "))
    };
    let mut table = String::from("| group | answer | calls | reason |\n|---|---|---|---|\n");
    for group in &Policy::ours().groups {
        let mut answer = match group.verdict {
            Verdict::Allow => "allowed",
            Verdict::Refuse => "refused",
            Verdict::Unknown => "unknown",
        }
        .to_owned();
        answer += match group.memory {
            None => "",
            Some(Memory::Counted) => ", with a memory cgroup",
            Some(Memory::Uncounted) => ", without a memory cgroup",
        };
        answer += if group.parents { ", to parents of sandboxes only" } else { "" };
        answer += &group.only.as_ref().map(|only| condition("is", only, group.otherwise)).unwrap_or_default();
        answer += &group.never.as_ref().map(|never| condition("is not", never, group.otherwise)).unwrap_or_default();
        table += &format!("| {} | {answer} | `{}` | {} |\n", group.name, group.calls.join(" "), group.reason);
    }
    let security = read("SECURITY.md");
    let written = section(&security, "filter");
    if std::env::var_os("MCP_BRIDGE_TEST_BLESS").is_some() {
        let old = format!("<!-- filter -->\n{written}");
        std::fs::write(repo().join("SECURITY.md"), security.replace(&old, &format!("<!-- filter -->\n{table}")))
            .expect("write");
        return;
    }
    assert_eq!(written, table, "write it anew: MCP_BRIDGE_TEST_BLESS=1 cargo test --test docs");
}

#[test]
fn variables_named_in_documents_exist() {
    for document in DOCUMENTS {
        let text = read(document);
        for (at, _) in text.match_indices("MCP_BRIDGE_") {
            let name: String =
                text[at..].chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
            let known = VARIABLES.iter().any(|v| v.name == name)
                || name == "MCP_BRIDGE_CHAIN"
                || name == "MCP_BRIDGE_"
                || name.starts_with("MCP_BRIDGE_TEST_");
            assert!(known, "{document} names {name}");
        }
    }
}

#[test]
fn the_guide_has_the_table_of_exit_codes() {
    let source = read("src/cli/exit.rs");
    let in_code: BTreeSet<i32> =
        source.lines().filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = ")?.1.parse().ok()).collect();
    assert!(in_code.len() >= 8, "{in_code:?}");
    let guide = read("GUIDE.md");
    let in_guide: BTreeSet<i32> =
        rows(section(&guide, "exit codes")).iter().map(|row| row[0].parse().expect("a number")).collect();
    assert_eq!(in_guide, in_code);
}

#[test]
fn the_architecture_has_the_table_of_folders() {
    // `("broker", &["catalog", …]),` as tests/tidy.rs writes it.
    let tidy = read("tests/tidy.rs");
    let table = tidy.split_once("const MAY_USE").and_then(|(_, rest)| rest.split_once("];")).expect("table").0;
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<String>>();
    let in_code: BTreeMap<String, BTreeSet<String>> = table
        .split("),")
        .map(quoted)
        .filter(|names| !names.is_empty())
        .map(|names| (names[0].clone(), names[1..].iter().cloned().collect()))
        .collect();
    let text = read("ARCHITECTURE.md");
    let in_text: BTreeMap<String, BTreeSet<String>> = rows(section(&text, "folders"))
        .iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), spans(&row[1]).into_iter().collect()))
        .collect();
    assert_eq!(in_text, in_code);
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = markdown::prose(&read(document));
        let folder = repo().join(document).parent().expect("folder").to_owned();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { repo().join(document) } else { folder.join(file) };
            assert!(path.exists(), "{document}: {target}");
            if !anchor.is_empty() {
                assert!(anchors(&path).contains(anchor), "{document}: {target}: no such heading");
            }
        }
    }
}

/// Headings as GitHub makes anchors of them.
fn anchors(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).expect("document");
    let heading = |line: &str| line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase());
    let anchor = |title: String| {
        let kept = title.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_');
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    text.lines().filter_map(heading).map(anchor).collect()
}

/// `mcp-bridge <command>` wherever a document shows it.
#[test]
fn commands_shown_exist() {
    let mut shown = BTreeSet::new();
    for document in DOCUMENTS {
        let text = read(document);
        let in_shell = blocks(&text).into_iter().filter(|block| block.language == "sh").map(|block| block.text);
        let lines: Vec<String> =
            in_shell.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        for line in lines.into_iter().chain(spans(&text)) {
            let Some(rest) = line.strip_prefix("mcp-bridge ") else { continue };
            let words =
                rest.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            let mut words: Vec<String> = words.map(str::to_owned).collect();
            words.truncate(if words.first().is_some_and(|word| word == "image") { 2 } else { 1 });
            shown.insert(words);
        }
    }
    assert!(shown.len() >= 9, "{shown:?}");
    for mut words in shown {
        if !words.iter().any(|word| word.starts_with("--")) {
            words.push("--help".into());
        }
        let status = Command::new(env!("CARGO_BIN_EXE_mcp-bridge")).args(&words).output().expect("run").status;
        assert!(status.success(), "a document shows `mcp-bridge {}`", words.join(" "));
    }
}

#[test]
fn what_may_be_given_up_is_what_the_sandbox_can_do_without() {
    assert_eq!(DEGRADABLE, mcp_bridge::sandbox::NEGOTIABLE);
    let accepts =
        VARIABLES.iter().find(|variable| variable.name == "MCP_BRIDGE_ALLOW_DEGRADED").expect("listed").accepts;
    assert_eq!(accepts.replace(" or ", ", "), format!("{}, with commas between", DEGRADABLE.join(", ")));
}

#[test]
fn the_clients_that_can_be_chosen_are_those_that_are_read() {
    let clients = mcp_bridge::discovery::CLIENTS;
    let words: Vec<&str> = ["auto"].into_iter().chain(clients.iter().map(|client| client.word)).collect();
    assert_eq!(words, SOURCES);
    let variable = VARIABLES.iter().find(|variable| variable.name == "MCP_BRIDGE_SOURCES").expect("listed");
    assert_eq!(variable.accepts.replace(" or ", ", "), format!("{}, with commas between", SOURCES.join(", ")));
    let mut default: Vec<&str> = variable.default.split(',').collect();
    let mut by_default: Vec<&str> =
        clients.iter().filter(|client| client.by_default).map(|client| client.word).collect();
    default.sort_unstable();
    by_default.sort_unstable();
    assert_eq!(default, by_default);
    let guide = read("GUIDE.md");
    for client in clients {
        assert!(guide.contains(&format!("| `{}` | ", client.word)), "GUIDE.md has no row for {}", client.word);
    }
}

/// `<!-- says: code -->` blocks of the Troubleshooting chapter: the message as the program words it.
#[test]
fn troubleshooting_quotes_messages_as_they_are() {
    let text = |s: &str| s.to_owned();
    let sandbox: Vec<SandboxError> = vec![
        SandboxError::EngineMissing {
            tried: text(
                "unix:///run/user/1000/podman/podman.sock, unix:///var/run/docker.sock, and the program podman",
            ),
        },
        SandboxError::EngineNotRunning {
            engine: "docker",
            endpoint: text("unix:///var/run/docker.sock"),
            reason: text("nothing listens on the socket"),
        },
        SandboxError::NoPermission { engine: "docker", endpoint: text("unix:///var/run/docker.sock") },
        SandboxError::ImageMissing { image: text("python:3.14-slim"), engine: "podman" },
        SandboxError::ImagePullFailed { image: text("python:3.14-slim"), reason: text("no such host") },
        SandboxError::Nothing {
            engine: Box::new(SandboxError::EngineMissing {
                tried: text("unix:///var/run/docker.sock, and the program podman"),
            }),
            embedded: Box::new(SandboxError::PythonMissing {
                looked: text("python3 and python3.14 to python3.9 in `/usr/bin:/bin`"),
            }),
        },
        SandboxError::NamespacesOff { found: text("user.max_user_namespaces is 0"), remedy: "" },
        SandboxError::ProcRefused { found: text("parts of /proc are covered here, as in a container") },
        SandboxError::KernelTooOld { step: text("mount_setattr"), needed: "Linux 5.12", found: text("5.10") },
        SandboxError::PythonUnusable {
            path: "/tmp/venv/bin/python3".into(),
            reason: text("needs /tmp/venv/bin/python3, and every sandbox has a /tmp of its own"),
        },
        SandboxError::Weakened { what: "swap", warning: text("docker (cgroup version 1) has no such control here") },
    ];
    let upstream = [
        UpstreamError::CommandNotFound { server: text("git"), command: text("uvx"), searched: "on PATH" },
        UpstreamError::Exited {
            server: text("git"),
            how: text("exited with status 1"),
            ready: false,
            called: false,
            stderr: Some(text("fatal: not a git repository")),
        },
    ];
    let said: BTreeMap<&str, String> = sandbox
        .iter()
        .map(|error| (error.code(), error.to_string()))
        .chain(upstream.iter().map(|error| (error.code(), error.to_string())))
        .collect();
    let mut seen = BTreeSet::new();
    for block in blocks(&read("GUIDE.md")) {
        let Some(code) = block.comment.strip_prefix("says: ").filter(|code| *code != "run") else { continue };
        assert_eq!(Some(block.text.trim()), said.get(code).map(String::as_str), "GUIDE.md:{}", block.line);
        seen.insert(code.to_owned());
    }
    assert_eq!(seen.len(), said.len(), "GUIDE.md quotes {seen:?}");
}
