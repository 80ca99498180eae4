//! The Markdown that rows become: the whole table, and the short one of the chief rows.

use std::fmt::Write;

use super::row::{Beside, Row};
use super::samples::{Samples, number};

/// The table of all rows: a line for each figure and, below it, one for each of its references.
pub fn whole(rows: &[Row]) -> String {
    let mut text = String::from(
        "| figure | n | p50 | p95 | p99 | figure ÷ reference | figure − reference | bar |\n|---|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let bars: Vec<String> = row.bars.iter().map(|bar| bar.verdict(row.unit, &row.ours, None)).collect();
        let _ = writeln!(
            text,
            "| **{}** ({}) | {} | {} | | | {} |",
            row.name,
            row.unit,
            row.ours.len(),
            spread(&row.ours),
            bars.join("; ")
        );
        for Beside { name, samples, bar } in &row.beside {
            let (ours, theirs) = (row.ours.median(), samples.median());
            let verdict = bar.map(|bar| bar.verdict(row.unit, &row.ours, Some(samples))).unwrap_or_default();
            let (n, ratio, added) = (samples.len(), ratio(ours / theirs), number(ours - theirs));
            let _ = writeln!(text, "| — {name} | {n} | {} | {ratio} | {added} | {verdict} |", spread(samples));
        }
    }
    text
}

/// The table of the chief rows: one line each.
pub fn short(rows: &[Row]) -> String {
    let mut text =
        String::from("| figure | mcp-bridge: p50 (p99) | beside it in the same run: p50 | bars |\n|---|--:|---|---|\n");
    for row in rows.iter().filter(|row| row.chief) {
        let beside: Vec<String> =
            row.beside.iter().map(|one| format!("{} {}", one.name, number(one.samples.median()))).collect();
        let own = row.bars.iter().map(|bar| bar.verdict(row.unit, &row.ours, None));
        let others = row.beside.iter().filter_map(|one| {
            Some(format!("{}, {}", one.bar?.verdict(row.unit, &row.ours, Some(&one.samples)), one.name))
        });
        let bars: Vec<String> = own.chain(others).collect();
        let (p50, p99) = (number(row.ours.median()), number(row.ours.quantile(0.99)));
        let ours = if row.ours.len() < 2 { p50 } else { format!("{p50} ({p99})") };
        let _ =
            writeln!(text, "| {} ({}) | {ours} | {} | {} |", row.name, row.unit, beside.join("; "), bars.join("; "));
    }
    text
}

/// How many bars there are, and the names of those that were missed.
pub fn missed(rows: &[Row]) -> (usize, Vec<String>) {
    let mut all = 0;
    let mut missed = Vec::new();
    for row in rows {
        let own = row.bars.iter().map(|bar| (*bar, None));
        let others = row.beside.iter().filter_map(|one| Some((one.bar?, Some(one))));
        for (bar, beside) in own.chain(others) {
            all += 1;
            let samples = beside.map(|one| &one.samples);
            if !bar.holds(&row.ours, samples) {
                let beside = beside.map_or(String::new(), |one| format!(", beside {}", one.name));
                missed.push(format!("{}{beside}: {}", row.name, bar.verdict(row.unit, &row.ours, samples)));
            }
        }
    }
    (all, missed)
}

fn ratio(value: f64) -> String {
    if value < 0.1 { format!("1/{}", number(1.0 / value)) } else { number(value) }
}

fn spread(samples: &Samples) -> String {
    let [median, p95, p99] = [0.5, 0.95, 0.99].map(|share| number(samples.quantile(share)));
    format!("{median} | {p95} | {p99}")
}
