//! SECURITY.md has a table of the programs in `tests/cases/escape`, made from their first lines.

use crate::case::{self, Case};
use crate::markdown;

/// `idea (where it is known from)`; what follows in the comment is for whoever reads the program.
fn idea(case: &Case) -> &str {
    assert!(case.idea.ends_with(')') && case.idea.contains(" ("), "{}: no `# IDEA (KNOWN FROM)` line", case.name);
    &case.idea
}

fn row(case: &Case) -> String {
    let but = case.exceptions.iter().map(|it| format!("; {}: {} ({})", it.backend, it.expected.in_words(), it.reason));
    let outcome = format!("{}{}", case.expected.in_words(), but.collect::<String>());
    format!("| `{}` | {} | {} |\n", case.name, idea(case).replace('|', "\\|"), outcome.replace('|', "\\|"))
}

/// With `MCP_BRIDGE_TEST_BLESS=1` it is written instead of compared.
#[test]
fn security_has_the_table_of_escapes() {
    let cases = case::all("escape");
    // What was promised for the first release with it.
    assert!(cases.len() >= 60, "only {} programs", cases.len());
    let mut table =
        String::from("| program | idea and where it is known from | what must come of it |\n|---|---|---|\n");
    table.extend(cases.iter().map(row));
    let text = markdown::read("SECURITY.md");
    let written = markdown::section(&text, "escapes");
    if std::env::var_os("MCP_BRIDGE_TEST_BLESS").is_some() {
        let old = format!("<!-- escapes -->\n{written}");
        let new = format!("<!-- escapes -->\n{table}");
        std::fs::write(markdown::repo().join("SECURITY.md"), text.replace(&old, &new)).expect("write");
        return;
    }
    assert_eq!(written, table, "write it anew: MCP_BRIDGE_TEST_BLESS=1 cargo test --test hostile table");
}
