//! Fenced blocks of a Markdown text, with the comment that stands before each.
#![allow(dead_code)]

use std::path::{Path, PathBuf};

/// The documents of the repository.
pub const DOCUMENTS: [&str; 6] =
    ["README.md", "GUIDE.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"];

pub fn repo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(document: &str) -> String {
    let path = repo().join(document);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One fenced block.
#[derive(Clone, Debug)]
pub struct Block {
    pub language: String,
    pub text: String,
    /// Of the opening fence, 1-based.
    pub line: usize,
    /// What the HTML comment directly before the fence says; empty when there is none.
    pub comment: String,
}

pub fn blocks(text: &str) -> Vec<Block> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if let Some(language) = lines[at].strip_prefix("```") {
            let end = (at + 1..lines.len()).find(|&i| lines[i] == "```").expect("every fence is closed");
            let text = lines[at + 1..end].iter().map(|line| format!("{line}\n")).collect();
            let comment = comment_before(&lines[..at]);
            found.push(Block { language: language.to_owned(), text, line: at + 1, comment });
            at = end;
        }
        at += 1;
    }
    found
}

fn comment_before(lines: &[&str]) -> String {
    if !lines.last().is_some_and(|line| line.ends_with("-->")) {
        return String::new();
    }
    let Some(start) = lines.iter().rposition(|line| line.starts_with("<!--")) else { return String::new() };
    let whole = lines[start..].join("\n");
    whole.trim_start_matches("<!--").trim_end_matches("-->").trim().to_owned()
}

/// The text between `<!-- name -->` and `<!-- /name -->`.
pub fn section<'t>(text: &'t str, name: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap_or_else(|| panic!("no <!-- {name} -->"));
    rest.split_once(&format!("<!-- /{name} -->")).unwrap_or_else(|| panic!("no <!-- /{name} -->")).0
}

/// Rows of the tables in a text, without heads and rules; cells trimmed.
pub fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_rule = |line: &str| line.starts_with('|') && line.chars().all(|c| "|-: ".contains(c));
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let is_head = lines.get(at + 1).is_some_and(|next| is_rule(next));
        if line.starts_with('|') && !is_rule(line) && !is_head {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            found.push(cells);
        }
    }
    found
}

/// Every `code span` of a text, fenced blocks left out.
pub fn spans(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The text without fenced blocks and `code spans`.
pub fn prose(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.extend(line.split('`').step_by(2));
            kept.push('\n');
        }
    }
    kept
}

/// Every file below a folder.
pub fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}
