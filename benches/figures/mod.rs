//! The groups of figures, and the run through them.

mod bare;
mod bridge;
mod bytes;
mod calls;
mod client;
mod cold;
mod crowd;
mod direct;
mod echo;
mod embedded;
mod engine;
mod gateway;
mod http;
mod load;
mod machine;
mod pages;
mod picture;
mod ping;
mod place;
mod plain;
mod prepared;
mod proc;
mod process;
mod row;
mod samples;
mod soak;
mod start;
mod table;
mod user;
mod venv;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use row::Row;

/// How much is measured: enough for a p99, or little for a look.
#[derive(Clone, Copy)]
pub struct Effort {
    pub quick: bool,
    /// Runs in a row on the embedded sandbox and on engines, where somebody asks for a number.
    pub runs: Option<usize>,
    pub engine_runs: Option<usize>,
}

impl Effort {
    pub fn of(self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// So many rounds; fewer, but two at least, where they take longer than so many seconds. So the whole ends in time on a slow
    /// machine too, and the table says how many there were.
    pub fn rounds(self, full: usize, quick: usize, seconds: u64) -> impl Iterator<Item = usize> {
        let until = Instant::now() + Duration::from_secs(if self.quick { seconds / 4 } else { seconds });
        (0..self.of(full, quick)).take_while(move |round| *round < 2 || Instant::now() < until)
    }
}

/// The rows of each of these; what goes wrong with one of them, which its panic tells, leaves the others standing.
pub fn each<T>(
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> String,
    rows: impl Fn(&T) -> Vec<Row>,
) -> Vec<Row> {
    let rows_of = |one: T| match catch_unwind(AssertUnwindSafe(|| rows(&one))) {
        Ok(rows) => rows,
        Err(_) => {
            BROKEN.store(true, Ordering::Relaxed);
            vec![Row::new(format!("{}: DID NOT COME TO ITS END", name(&one)), "-", samples::Samples::default())]
        }
    };
    all.into_iter().flat_map(rows_of).collect()
}

/// Something did not come to its end: the table is not whole.
static BROKEN: AtomicBool = AtomicBool::new(false);

/// Measures one group of rows.
type Group = fn(Effort) -> Vec<Row>;

const GROUPS: [(&str, Group); 9] = [
    ("prepared", prepared::rows),
    ("calls", calls::rows),
    ("bytes", bytes::rows),
    ("crowd", crowd::rows),
    ("start", start::rows),
    ("cold", cold::rows),
    ("embedded", embedded::rows),
    ("gateway", gateway::rows),
    ("soak", soak::rows),
];

pub fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.first().map(String::as_str) {
        Some(echo::COMMAND) => return echo::serve(),
        Some(bare::COMMAND) => return bare::serve(),
        Some(http::COMMAND) => return http::serve(),
        _ => {}
    }
    let is = |name: &str| words.iter().any(|word| word == name);
    let named = |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.parse().ok());
    let effort = Effort { quick: is("quick"), runs: named("runs="), engine_runs: named("engine-runs=") };
    let known = |word: &String| {
        ["quick", "write"].contains(&word.as_str())
            || GROUPS.iter().any(|(name, _)| name == word)
            || ["runs=", "engine-runs="].iter().any(|name| word.starts_with(name))
    };
    if let Some(word) = words.iter().find(|word| !known(word)) {
        let names: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
        eprintln!("`{word}` is none of: write, quick, runs=N, engine-runs=N, {}", names.join(", "));
        std::process::exit(2);
    }
    let all = !GROUPS.iter().any(|(name, _)| is(name));
    let before = machine::load();
    let mut rows = Vec::new();
    for (name, group) in GROUPS.into_iter().filter(|(name, _)| all || is(name)) {
        let begun = Instant::now();
        rows.extend(each([name], |name| format!("group `{name}`"), |_| group(effort)));
        eprintln!("measured: {name}, {:.0} s", begun.elapsed().as_secs_f64());
        if is("write") {
            // After each group, so that nothing is lost.
            pages::write(&machine::facts(&before), &rows, effort.quick);
        }
    }
    println!("{}", pages::text(&machine::facts(&before), &rows));
    if BROKEN.load(Ordering::Relaxed) {
        std::process::exit(1);
    }
}
