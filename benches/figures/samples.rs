//! Measured values and what is said of them.

use std::time::Instant;

/// Values of one figure, in the row's unit and in the order they were taken.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// Runs `work` and keeps how many milliseconds it took.
    pub fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let value = work();
        self.push(begun.elapsed().as_secs_f64() * 1e3);
        value
    }

    /// Runs `work`, which moves so many bytes, and keeps how many megabytes a second that was.
    pub fn speed<T>(&mut self, bytes: u64, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let value = work();
        self.push(bytes as f64 / 1e6 / begun.elapsed().as_secs_f64());
        value
    }

    /// Takes over what others measured of the same figure.
    pub fn absorb(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The same values in another unit.
    pub fn map(&self, change: impl Fn(f64) -> f64) -> Self {
        self.0.iter().copied().map(change).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// NaN without samples, like the two below.
    pub fn first(&self) -> f64 {
        self.0.first().copied().unwrap_or(f64::NAN)
    }

    pub fn last(&self) -> f64 {
        self.0.last().copied().unwrap_or(f64::NAN)
    }

    pub fn greatest(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The smallest sample that at least `share` of all do not exceed; NaN without samples.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    }
}

impl Extend<f64> for Samples {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        self.0.extend(values);
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Three digits that mean something.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size.is_nan() => "-".into(),
        0.0 => "0".into(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        size if size >= 0.001 => format!("{value:.3}"),
        _ => format!("{value:.5}"),
    }
}
