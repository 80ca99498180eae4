//! Whatever the documents promise is done by a test: error codes, flags, endpoints, metrics, variables, members of the audit trail.
//!
//! A name counts where it stands in the code of a test, these files left out. A list of names would do, so nobody writes one: each
//! stands where it is provoked.

use std::collections::BTreeSet;
use std::process::Command;

use mcp_bridge::settings::VARIABLES;

use super::markdown::{files, read, repo, rows};

/// The code of all tests, without comments: `tests/`, and the tests within `src`.
fn tests() -> String {
    let mut paths = Vec::new();
    files(&repo().join("tests"), &mut paths);
    files(&repo().join("src"), &mut paths);
    let mut code = String::new();
    for path in paths {
        let name = path.strip_prefix(repo()).expect("ours").to_string_lossy().into_owned();
        if !(name.ends_with(".rs") || name.ends_with(".py")) || name.starts_with("tests/docs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file");
        let whole = name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("/tests.rs");
        let part = if whole { text.as_str() } else { module_of_tests(&text) };
        let lines = part.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.for_each(|line| code.extend([line, "\n"]));
    }
    code
}

/// What follows `#[cfg(test)] mod tests {`, also where that is for some systems only.
fn module_of_tests(text: &str) -> &str {
    let begins = |at: usize, attribute: &str| {
        let mut lines = text[at + attribute.len()..].lines();
        lines.next();
        lines.next().is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    let found = ["#[cfg(test)]", "#[cfg(all(test, "]
        .iter()
        .flat_map(|attribute| text.match_indices(attribute).map(|(at, _)| at).filter(|at| begins(*at, attribute)));
    found.min().map_or("", |at| &text[at..])
}

/// Whether a name stands there by itself, not as a part of a longer one.
fn has(code: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| !code[..at].ends_with(part) && !code[at + name.len()..].starts_with(part))
}

#[track_caller]
fn all_are_in_tests<S: AsRef<str>>(what: &str, least: usize, names: impl IntoIterator<Item = S>) {
    let names: BTreeSet<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    assert!(names.len() >= least, "the search for {what} found only {names:?}");
    let code = tests();
    let missing: Vec<_> = names.iter().filter(|name| !has(&code, name)).collect();
    assert!(missing.is_empty(), "no test has these {what}: {missing:#?}");
}

#[test]
fn every_error_code_is_provoked() {
    let guide = read("GUIDE.md");
    let chapter =
        guide.split("\n## Error codes\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("chapter");
    let codes = rows(chapter).into_iter().map(|row| row[0].trim_matches('`').to_owned());
    all_are_in_tests("error codes", 200, codes);
}

#[test]
fn every_variable_is_set() {
    all_are_in_tests("variables", 80, VARIABLES.iter().map(|variable| variable.name));
}

#[test]
fn every_metric_is_read() {
    let mut paths = Vec::new();
    files(&repo().join("src/server/http"), &mut paths);
    let text: String = paths.iter().map(|path| std::fs::read_to_string(path).expect("source")).collect();
    let name = |(at, _): (usize, &str)| -> String {
        text[at..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()
    };
    all_are_in_tests("metrics", 9, text.match_indices("mcp_bridge_").map(name));
}

#[test]
fn every_member_and_outcome_of_the_trail_is_looked_at() {
    let record = read("src/audit/record.rs");
    let quoted = |text: &str| text.split('"').nth(1).map(str::to_owned);
    let members = record.match_indices("put(\"").filter_map(|(at, _)| quoted(&record[at..]));
    let outcomes = ["\"ok\"", "\"tool_error\"", "\"denied\"", "\"cancelled\""].map(str::to_owned);
    all_are_in_tests("members and outcomes", 15, members.map(|name| format!("\"{name}\"")).chain(outcomes));
}

/// Their names are everyday words: one counts on a line that is plainly of the trail, by the word `kind` or by what the trail decided.
#[test]
fn every_kind_of_line_of_the_trail_is_looked_at() {
    let record = read("src/audit/record.rs");
    let words = record.split_once("fn word(self)").expect("the kinds").1;
    let words = words.split_once("\n    }\n").expect("their end").0.lines();
    let kinds: Vec<&str> = words.filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1)).collect();
    assert!(kinds.len() >= 7, "{kinds:?}");
    let code = tests();
    let of_the_trail = |line: &&str| ["kind", "\"allow\"", "\"deny\""].iter().any(|word| line.contains(word));
    let lines: Vec<&str> = code.lines().filter(of_the_trail).collect();
    let is_looked_at = |kind: &&str| lines.iter().any(|line| line.contains(&format!("\"{kind}\"")));
    let missing: Vec<_> = kinds.iter().filter(|kind| !is_looked_at(kind)).collect();
    assert!(missing.is_empty(), "no test looks at these lines of the trail: {missing:?}");
}

#[test]
fn every_endpoint_is_asked() {
    let router = read("src/server/http/router.rs");
    let arms = router.lines().filter_map(|line| {
        let (path, rest) = line.trim().strip_prefix("(\"")?.split_once("\", \"")?;
        let (method, _) = rest.split_once("\") =>")?;
        Some((method.to_owned(), path.to_owned()))
    });
    let others = ["/health", "/.well-known/oauth-protected-resource"].map(|path| ("GET".to_owned(), path.to_owned()));
    let endpoints: Vec<(String, String)> = arms.chain(others).collect();
    assert!(endpoints.len() >= 11, "{endpoints:?}");
    let (code, guide) = (tests(), read("GUIDE.md"));
    for (method, path) in endpoints {
        assert!(code.contains(&format!("\"{method}\", \"{path}\"")), "no test asks {method} {path}");
        assert!(guide.contains(&format!("{path}`")), "GUIDE.md does not name {path}");
    }
}

/// The flags of every command, as `--help` lists them, in each of its forms.
fn flags(command: &[String], found: &mut Vec<(String, String)>) {
    let output = Command::new(env!("CARGO_BIN_EXE_mcp-bridge")).args(command).arg("--help").output().expect("run");
    let help = String::from_utf8(output.stdout).expect("UTF-8");
    let part = |title: &str| help.split(&format!("\n{title}:\n")).nth(1).unwrap_or_default().split("\n\n").next();
    for line in part("Commands").into_iter().flat_map(str::lines) {
        match line.strip_prefix("  ").and_then(|line| line.split(' ').next()) {
            Some(word) if !word.is_empty() && word != "help" => flags(&[command, &[word.to_owned()]].concat(), found),
            _ => {}
        }
    }
    for line in help.split("\nOptions:\n").nth(1).unwrap_or_default().lines().map(str::trim_start) {
        let forms = line.split("  ").next().unwrap_or_default().split([',', ' ']).filter(|word| word.starts_with('-'));
        for form in forms.filter(|form| line.starts_with('-') && !["-h", "--help", "-V", "--version"].contains(form)) {
            found.push((command.join(" "), form.to_owned()));
        }
    }
}

/// String literals of one line of code.
fn literals(line: &str) -> Vec<String> {
    let (mut found, mut open, mut escaped) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match (&mut open, c) {
            (Some(text), _) if escaped => text.push(c),
            (Some(_), '\\') | (None, '\\') => {}
            (Some(_), '"') => found.extend(open.take()),
            (Some(text), _) => text.push(c),
            (None, '"') => open = Some(String::new()),
            (None, _) => {}
        }
        escaped = c == '\\' && !escaped;
    }
    found
}

/// A literal that begins with the command and has the flag: a line that is typed.
#[test]
fn every_flag_is_typed() {
    let mut all = Vec::new();
    flags(&[], &mut all);
    assert!(all.len() >= 50, "{all:?}");
    // What goes with every command is typed with one of them.
    let everywhere: Vec<String> = all.iter().filter(|(command, _)| command.is_empty()).map(|it| it.1.clone()).collect();
    all.retain(|(command, flag)| command.is_empty() || !everywhere.contains(flag));
    let typed: Vec<Vec<String>> = tests()
        .lines()
        .flat_map(literals)
        .map(|literal| literal.split_whitespace().map(str::to_owned).collect())
        .collect();
    let is_typed = |(command, flag): &&(String, String)| {
        let words: Vec<&str> = command.split_whitespace().collect();
        typed.iter().any(|line| {
            line.len() > words.len() && words.iter().zip(line).all(|(one, two)| one == two) && line.contains(flag)
        })
    };
    let missing: Vec<_> = all.iter().filter(|flag| !is_typed(flag)).collect();
    assert!(missing.is_empty(), "no test types these: {missing:#?}");
}
