//! Rows and the Markdown they become.

use std::fmt::Write;

use super::samples::Samples;

/// One figure. All values in `unit`.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: Samples,
    /// What it is compared with, measured in the same run.
    pub reference: Option<(String, Samples)>,
    pub bar: Option<Bar>,
}

/// What the figure is meant to hold.
pub enum Bar {
    /// At most this many times the reference's median.
    Ratio(f64),
    /// At most this much more than the reference's median.
    Added(f64),
    /// At most this many times the reference's median, and this much more.
    Line { times: f64, plus: f64 },
    /// Less than the reference's median.
    Below,
    /// At most this much.
    Most(f64),
}

impl Row {
    fn verdict(&self) -> String {
        let Some(bar) = &self.bar else { return String::new() };
        let ours = self.ours.median();
        let reference = self.reference.as_ref().map_or(f64::NAN, |(_, samples)| samples.median());
        let (text, held) = match *bar {
            Bar::Ratio(most) => (format!("≤ {most:.2} ×"), ours <= most * reference),
            Bar::Added(most) => (format!("adds ≤ {most} {}", self.unit), ours - reference <= most),
            Bar::Line { times, plus } => {
                (format!("≤ {times} × + {plus} {}", self.unit), ours <= times * reference + plus)
            }
            Bar::Below => ("< reference".into(), ours < reference),
            Bar::Most(most) => (format!("≤ {most} {}", self.unit), ours <= most),
        };
        format!("{text}: {}", if held { "held" } else { "**missed**" })
    }
}

/// The table of all rows.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| figure | n | median | p95 | p99 | reference | median | p95 | p99 | ratio | added | bar |\n\
         |---|--:|--:|--:|--:|---|--:|--:|--:|--:|--:|---|\n",
    );
    for row in rows {
        let _ = write!(text, "| {} ({}) | {} |{} ", row.name, row.unit, row.ours.len(), spread(&row.ours));
        let _ = match row.reference.as_ref().filter(|(_, samples)| !samples.is_empty()) {
            None => write!(text, "| | | | | | "),
            Some((name, samples)) => {
                let (ours, theirs) = (row.ours.median(), samples.median());
                let (ratio, added) = (ours / theirs, number(ours - theirs));
                write!(text, "| {name} |{} | {ratio:.2} | {added} ", spread(samples))
            }
        };
        let _ = writeln!(text, "| {} |", row.verdict());
    }
    text
}

fn spread(samples: &Samples) -> String {
    let [median, p95, p99] = [0.5, 0.95, 0.99].map(|share| number(samples.quantile(share)));
    format!(" {median} | {p95} | {p99}")
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
