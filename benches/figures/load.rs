//! Load on one HTTP server: so many calls a second, or as many as it takes.

use std::io::Result;
use std::thread;
use std::time::{Duration, Instant};

use super::http::Connection;
use super::samples::Samples;

/// Connections at the same time: enough that one slow answer holds up few of the thousand calls of a second.
const PACED: usize = 16;
/// Enough to keep two cores busy, few enough that the answers' time is not waiting in line alone.
const FLAT_OUT: usize = 32;

/// Milliseconds of each of `count` calls that come at this pace, from the moment a call was due: one that waits for a connection waits
/// for the server (this is what keeps a slow server from slowing its own load; see Gil Tene's "coordinated omission").
pub fn paced(port: u16, tool: &str, per_second: f64, count: usize) -> Result<Samples> {
    let begun = Instant::now() + Duration::from_millis(50);
    let due = |n: usize| begun + Duration::from_secs_f64(n as f64 / per_second);
    each(PACED, port, |connection, first| {
        let mut took = Samples::default();
        for n in (first..count).step_by(PACED) {
            thread::sleep(due(n).saturating_duration_since(Instant::now()));
            connection.call(tool, n)?;
            took.push(due(n).elapsed().as_secs_f64() * 1e3);
        }
        Ok(took)
    })
    .map(together)
}

/// Calls a second, with the next one sent as soon as the last is answered.
pub fn flat_out(port: u16, tool: &str, time: Duration) -> Result<f64> {
    let counts = each(FLAT_OUT, port, |connection, _| {
        let until = Instant::now() + time;
        let mut count = 0;
        while Instant::now() < until {
            connection.call(tool, count)?;
            count += 1;
        }
        Ok(count)
    })?;
    Ok(counts.into_iter().sum::<usize>() as f64 / time.as_secs_f64())
}

fn together(all: Vec<Samples>) -> Samples {
    all.into_iter().fold(Samples::default(), |mut whole, part| {
        whole.absorb(part);
        whole
    })
}

/// The same work on so many connections, which are open before it begins; the first failure is that of all.
fn each<T: Send>(
    connections: usize,
    port: u16,
    work: impl Fn(&mut Connection, usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let open = (0..connections).map(|_| Connection::open(port)).collect::<Result<Vec<_>>>()?;
    thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = open
            .into_iter()
            .enumerate()
            .map(|(number, mut connection)| scope.spawn(move || work(&mut connection, number)))
            .collect();
        started.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
