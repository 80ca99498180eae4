//! One figure, what it stands beside, and what it is meant to hold.

use super::samples::{Samples, number};

/// One figure. All values in `unit`.
pub struct Row {
    pub name: String,
    pub unit: &'static str,
    pub ours: Samples,
    /// What it is compared with, measured in the same run, in turn with it.
    pub beside: Vec<Beside>,
    pub bars: Vec<Bar>,
    /// It is shown in README and in the picture.
    pub chief: bool,
}

/// A reference, in the unit of its row.
pub struct Beside {
    pub name: String,
    pub samples: Samples,
    pub bar: Option<Bar>,
}

/// What a figure is meant to hold. `p50` and `p99` are the figure's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bar {
    /// p50 is at most this many times the reference's.
    Times(f64),
    /// p50 is at most this much more than the reference's.
    Added(f64),
    /// p99 is at most this much more than the reference's.
    AddedTail(f64),
    /// p50 is at most this many times the reference's, and this much more.
    Line { times: f64, plus: f64 },
    /// p50 is less than the reference's.
    Below,
    /// p50 is at least this share of the reference's.
    Share(f64),
    /// p50 is at most this much.
    Most(f64),
    /// p50 is at least this much.
    Least(f64),
    /// p99 is at most this many times p50.
    Tail(f64),
    /// The last sample is at most this many times the first, and this much more.
    Flat { times: f64, plus: f64 },
}

impl Row {
    pub fn new(name: impl Into<String>, unit: &'static str, ours: Samples) -> Self {
        Self { name: name.into(), unit, ours, beside: Vec::new(), bars: Vec::new(), chief: false }
    }

    /// A reference; one that could not be measured is left out.
    pub fn beside(mut self, name: impl Into<String>, samples: &Samples) -> Self {
        if !samples.is_empty() {
            self.beside.push(Beside { name: name.into(), samples: samples.clone(), bar: None });
        }
        self
    }

    /// A bar against the reference named last; without that reference there is no bar.
    pub fn against(mut self, name: &str, samples: &Samples, bar: Bar) -> Self {
        if !samples.is_empty() {
            self.beside.push(Beside { name: name.to_owned(), samples: samples.clone(), bar: Some(bar) });
        }
        self
    }

    pub fn bar(mut self, bar: Bar) -> Self {
        self.bars.push(bar);
        self
    }

    pub fn chief(mut self, chief: bool) -> Self {
        self.chief = chief;
        self
    }
}

impl Bar {
    /// Whether it holds; what cannot be told does not hold.
    pub fn holds(self, ours: &Samples, reference: Option<&Samples>) -> bool {
        let p50 = ours.median();
        let theirs = reference.map_or(f64::NAN, Samples::median);
        match self {
            Self::Times(most) => p50 <= most * theirs,
            Self::Added(most) => p50 - theirs <= most,
            Self::AddedTail(most) => {
                let theirs = reference.map_or(f64::NAN, |reference| reference.quantile(0.99));
                ours.quantile(0.99) - theirs <= most
            }
            Self::Line { times, plus } => p50 <= times * theirs + plus,
            Self::Below => p50 < theirs,
            Self::Share(least) => p50 >= least * theirs,
            Self::Most(most) => p50 <= most,
            Self::Least(least) => p50 >= least,
            Self::Tail(most) => ours.quantile(0.99) <= most * p50,
            Self::Flat { times, plus } => ours.last() <= times * ours.first() + plus,
        }
    }

    fn words(self, unit: &str) -> String {
        match self {
            Self::Times(most) if most < 0.1 => format!("≤ 1/{:.0} of it", 1.0 / most),
            Self::Times(most) => format!("≤ {most} ×"),
            Self::Added(most) => format!("adds ≤ {most} {unit}"),
            Self::AddedTail(most) => format!("p99 adds ≤ {most} {unit}"),
            Self::Line { times, plus } => format!("≤ {times} × + {plus} {unit}"),
            Self::Below => "< reference".into(),
            Self::Share(least) => format!("≥ {:.0} % of it", least * 100.0),
            Self::Most(most) => format!("≤ {} {unit}", number(most)),
            Self::Least(least) => format!("≥ {} {unit}", number(least)),
            Self::Tail(most) => format!("p99 ≤ {most} × p50"),
            Self::Flat { times, plus } => format!("last ≤ {times} × first + {plus}"),
        }
    }

    /// The bar and whether it was held, in words.
    pub fn verdict(self, unit: &str, ours: &Samples, reference: Option<&Samples>) -> String {
        let held = if self.holds(ours, reference) { "held" } else { "**missed**" };
        format!("{}: {held}", self.words(unit))
    }
}
