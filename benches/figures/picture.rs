//! The chief rows as a picture: horizontal bars on a logarithmic axis of milliseconds, ours beside the references.
//!
//! SVG by hand, because that is a hundred lines and a crate for charts is thirty crates. It brings its own background, so that it
//! reads the same on a light and on a dark page.

use std::fmt::Write;

use super::row::Row;
use super::samples::{Samples, number};

/// All lengths in pixels: a width that fits a README, and lines that can be read there.
const WIDTH: f64 = 860.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 70.0;
const LINE: f64 = 20.0;
const THICK: f64 = 13.0;
const HEAD: f64 = 64.0;
const GAP: f64 = 12.0;

const PAPER: &str = "#ffffff";
const INK: &str = "#1f2328";
const FAINT: &str = "#d0d7de";
const OURS: &str = "#0969da";
const THEIRS: &str = "#afb8c1";

/// One bar: its words, its value, how far its p99 reaches, and whether it is ours.
struct Line {
    label: String,
    value: f64,
    p99: f64,
    ours: bool,
}

/// The picture; `None` when no chief row is in milliseconds.
pub fn svg(rows: &[Row]) -> Option<String> {
    let groups: Vec<Vec<Line>> = rows.iter().filter(|row| row.chief && row.unit == "ms").map(lines).collect();
    let values = || groups.iter().flatten().flat_map(|line| [line.value, line.p99]);
    let low = values().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values().fold(0.0, f64::max).log10().ceil();
    if !(low.is_finite() && high.is_finite() && low < high) {
        return None;
    }
    let scale = Scale { low, high };
    let count: usize = groups.iter().map(Vec::len).sum();
    let bottom = HEAD + count as f64 * LINE + groups.len() as f64 * GAP;
    let height = bottom + 12.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"12\" fill=\"{INK}\">\n<rect width=\"{WIDTH}\" height=\"{height}\" rx=\"6\" fill=\"{PAPER}\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"600\">Milliseconds, p50 (thin: to p99); logarithmic</text>\n"
    );
    for decade in low as i32..=high as i32 {
        let (at, label) = (scale.at(10f64.powi(decade)), number(10f64.powi(decade)));
        let label = if label.contains('.') { label.trim_end_matches('0').trim_end_matches('.') } else { &label };
        let _ = writeln!(
            text,
            "<path d=\"M{at:.1} {} V{bottom:.1}\" stroke=\"{FAINT}\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
            HEAD - 8.0,
            HEAD - 14.0
        );
    }
    let mut y = HEAD;
    for group in &groups {
        for line in group {
            line.draw(&mut text, y, &scale);
            y += LINE;
        }
        y += GAP;
    }
    text.push_str("</svg>\n");
    Some(text)
}

/// Where a value lies between two powers of ten.
struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (value.log10() - self.low) / (self.high - self.low)
    }
}

fn lines(row: &Row) -> Vec<Line> {
    let line = |label: &str, samples: &Samples, ours| {
        let (label, value, p99) = (label.replace('`', ""), samples.median(), samples.quantile(0.99));
        Line { label, value, p99, ours }
    };
    let beside = row.beside.iter().map(|one| line(&one.name, &one.samples, false));
    let all = std::iter::once(line(&row.name, &row.ours, true)).chain(beside);
    // A logarithm needs something above nothing.
    all.filter(|line| line.value > 0.0 && line.p99 > 0.0).collect()
}

impl Line {
    fn draw(&self, text: &mut String, y: f64, scale: &Scale) {
        let (start, end, tail) = (LEFT, scale.at(self.value), scale.at(self.p99));
        let (color, weight) = if self.ours { (OURS, "600") } else { (THEIRS, "400") };
        let middle = y + LINE / 2.0;
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" font-weight=\"{weight}\">{}</text>\
             <rect x=\"{start}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{THICK}\" fill=\"{color}\"/>\
             <path d=\"M{end:.1} {middle:.1} H{tail:.1}\" stroke=\"{color}\" stroke-width=\"2\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            middle + 4.0,
            escaped(&self.label),
            middle - THICK / 2.0,
            (end - start).max(1.0),
            tail + 6.0,
            middle + 4.0,
            number(self.value),
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
