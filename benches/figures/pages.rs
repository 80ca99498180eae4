//! Where the figures are written: the whole table, the picture, and the short table between two marks of README.

use std::path::{Path, PathBuf};

use super::row::Row;
use super::{picture, table};

/// Paths below the repository.
const TABLE: &str = "benches/results.md";
const PICTURE: &str = "docs/figures.svg";
const README: &str = "README.md";
const OPEN: &str = "<!-- bench -->";
const CLOSE: &str = "<!-- /bench -->";

/// Writes all three; what cannot be written is said.
pub fn write(facts: &str, rows: &[Row], quick: bool) {
    let command =
        if quick { "cargo bench --bench figures -- write quick" } else { "cargo bench --bench figures -- write" };
    let quickly = if quick { " Few samples: a look, not a measurement." } else { "" };
    put(TABLE, &format!("# Figures\n\nWritten by `{command}`.{quickly}\n\n{}", text(facts, rows)));
    let picture = picture::svg(rows);
    if let Some(svg) = &picture {
        let _ = std::fs::create_dir_all(path(PICTURE).parent().unwrap_or(Path::new(".")));
        put(PICTURE, svg);
    }
    let image = picture.map_or(String::new(), |_| format!("![The figures as bars]({PICTURE})\n\n"));
    let short = format!(
        "{image}{}\nMeasured by `{command}`, each figure in turn with what it stands beside.{quickly} Milliseconds do not carry over \
         to another machine; ratios do. All figures, the machine and the bars that were missed: [{TABLE}]({TABLE}).\n",
        table::short(rows)
    );
    match std::fs::read_to_string(path(README)).ok().and_then(|page| between(&page, OPEN, CLOSE, &short)) {
        Some(page) => put(README, &page),
        None => eprintln!("{README} was not written: it has no {OPEN} … {CLOSE}"),
    }
}

/// All that is known: the machine, the bars that were missed, the table.
pub fn text(facts: &str, rows: &[Row]) -> String {
    let (all, missed) = table::missed(rows);
    let list: String = missed.iter().map(|line| format!("  - {line}\n")).collect();
    format!("{facts}- bars: {} of {all} held\n{list}\n{}", all - missed.len(), table::whole(rows))
}

/// The page with other text between two marks; `None` where they are not there in this order.
pub fn between(page: &str, open: &str, close: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(open)?;
    let (_, after) = rest.split_once(close)?;
    Some(format!("{before}{open}\n{text}{close}{after}"))
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn put(file: &str, text: &str) {
    if let Err(error) = std::fs::write(path(file), text) {
        eprintln!("{file} was not written: {error}");
    }
}
