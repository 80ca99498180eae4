//! What to do next: pure, from what is there to what is started, dropped and waited for.

use std::time::Duration;

/// After this many times the idle time nothing waits any more. With the default of ten minutes that is an hour: somebody who was
/// away for lunch finds one sandbox, a client that is open all night holds none.
const UNTIL_NONE: u32 = 6;
/// Bytes that a waiting sandbox is taken to cost until one was measured: two Pythons with asyncio, of 12 MB each.
pub(super) const GUESS: u64 = 24 << 20;

/// So long after one was taken nothing is launched in its place, if another waits: a launch takes both processors of a small machine
/// for some 20 ms, and a short run would have to share them. It is longer than such a run and short beside the launch.
const REST: Duration = Duration::from_millis(5);

/// How much there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Sandboxes that wait; 0 switches the pool off.
    pub size: usize,
    /// Sandboxes that start at the same time, those that runs wait for included.
    pub launches: usize,
    /// Without a run for so long, one is left waiting; after six times as long, none.
    pub idle: Duration,
    /// Bytes that all waiting sandboxes together may cost.
    pub memory: u64,
}

impl Options {
    /// How many wait, if one costs so many bytes: as many as were asked for and fit into the budget.
    pub fn fitting(&self, cost: Option<u64>) -> usize {
        let affordable = usize::try_from(self.memory / cost.unwrap_or(GUESS).max(1)).unwrap_or(usize::MAX);
        self.size.min(affordable)
    }
}

/// What is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scene {
    /// Since a run was asked for, or a client came; `None` while nobody has come.
    pub idle: Option<Duration>,
    pub waiting: usize,
    /// Of these, how many are not ready yet.
    pub booting: usize,
    pub starting: usize,
    /// Runs that wait for a sandbox.
    pub takers: usize,
    /// Since the first was taken after the last launch had begun.
    pub taken: Option<Duration>,
    /// Bytes that one costs, once it was measured.
    pub cost: Option<u64>,
    /// The last launch failed, and how long nothing is tried unasked.
    pub failing: Option<Duration>,
    /// One more is to be started, to see whether those that wait are out of date.
    pub renew: bool,
}

/// What to do, and when to look again though nothing has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Step {
    pub start: usize,
    /// The oldest ones.
    pub drop: usize,
    pub look: Option<Duration>,
}

/// How many are to wait.
pub(super) fn target(options: &Options, idle: Option<Duration>, cost: Option<u64>) -> usize {
    let most = options.fitting(cost);
    match idle {
        Some(idle) if idle < options.idle => most,
        Some(idle) if idle < options.idle.saturating_mul(UNTIL_NONE) => most.min(1),
        _ => 0,
    }
}

pub(super) fn step(options: &Options, scene: &Scene) -> Step {
    let target = target(options, scene.idle, scene.cost);
    let asked = scene.takers.saturating_sub(scene.starting);
    let spare = scene.starting.saturating_sub(scene.takers);
    let missing = target.saturating_sub(scene.waiting + spare);
    let rest = scene.taken.filter(|since| *since < REST && scene.waiting > 0).map(|since| REST - since);
    let wanted = match scene.failing {
        _ if scene.takers > 0 || rest.is_some() => 0,
        // One is enough to find out whether it works again.
        Some(Duration::ZERO) => missing.min(1).saturating_sub(spare),
        Some(_) => 0,
        None => missing + usize::from(scene.renew && missing == 0 && scene.waiting > 0),
    };
    // Nobody waits for the stock: it leaves half of the launches, and of the processors that those need, to runs.
    let stock = wanted.min(options.launches.div_ceil(2).saturating_sub(spare + scene.booting));
    let free = options.launches.saturating_sub(scene.starting);
    let fades = [options.idle, options.idle.saturating_mul(UNTIL_NONE)];
    let fade =
        scene.idle.filter(|_| target > 0).and_then(|idle| fades.into_iter().find(|at| *at > idle).map(|at| at - idle));
    let retry = scene.failing.filter(|rest| missing > 0 && !rest.is_zero());
    Step {
        start: (asked + stock).min(free),
        drop: scene.waiting.saturating_sub(target),
        look: [fade, retry, rest].into_iter().flatten().min(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const OPTIONS: Options = Options { size: 4, launches: 6, idle: MINUTE, memory: 1 << 30 };
    const FRESH: Scene = Scene {
        idle: Some(Duration::ZERO),
        waiting: 0,
        booting: 0,
        starting: 0,
        takers: 0,
        taken: None,
        cost: None,
        failing: None,
        renew: false,
    };

    #[test]
    fn nothing_is_started_before_somebody_comes() {
        let scene = Scene { idle: None, ..FRESH };
        assert_eq!(step(&OPTIONS, &scene), Step::default());
    }

    #[test]
    fn the_stock_starts_together_up_to_half_of_the_cap() {
        assert_eq!(step(&OPTIONS, &FRESH).start, 3);
        assert_eq!(step(&OPTIONS, &Scene { starting: 3, ..FRESH }).start, 0);
        assert_eq!(step(&OPTIONS, &Scene { starting: 1, waiting: 1, booting: 1, ..FRESH }).start, 1);
        assert_eq!(step(&OPTIONS, &Scene { starting: 1, waiting: 1, ..FRESH }).start, 2);
        assert_eq!(step(&OPTIONS, &Scene { waiting: 4, booting: 4, ..FRESH }).start, 0);
        assert_eq!(step(&Options { launches: 1, ..OPTIONS }, &FRESH).start, 1);
    }

    #[test]
    fn a_run_that_was_just_served_has_the_processors_for_itself() {
        let since = |millis, waiting| Scene { taken: Some(Duration::from_millis(millis)), waiting, ..FRESH };
        let resting = step(&OPTIONS, &since(2, 3));
        assert_eq!((resting.start, resting.look), (0, Some(Duration::from_millis(3))));
        assert_eq!(step(&OPTIONS, &since(5, 3)).start, 1);
        assert_eq!(step(&OPTIONS, &since(0, 0)).start, 3, "the next run would find none");
    }

    #[test]
    fn runs_that_wait_have_the_whole_cap_and_the_stock_nothing_meanwhile() {
        let off = Options { size: 0, ..OPTIONS };
        for options in [OPTIONS, off] {
            assert_eq!(step(&options, &Scene { takers: 2, ..FRESH }).start, 2);
            assert_eq!(step(&options, &Scene { takers: 9, ..FRESH }).start, 6);
            assert_eq!(step(&options, &Scene { takers: 9, starting: 4, ..FRESH }).start, 2);
            assert_eq!(step(&options, &Scene { takers: 2, starting: 2, ..FRESH }).start, 0);
        }
    }

    #[test]
    fn the_budget_bounds_the_stock() {
        let stock = |memory, cost| target(&Options { memory, ..OPTIONS }, Some(Duration::ZERO), cost);
        assert_eq!(stock(100, Some(30)), 3);
        assert_eq!(stock(100, Some(101)), 0);
        assert_eq!(stock(100, Some(0)), 4);
        assert_eq!(stock(2 * GUESS, None), 2, "until it is known what one costs");
    }

    #[test]
    fn it_shrinks_to_one_and_then_to_none_and_looks_only_then() {
        let after = |idle| step(&OPTIONS, &Scene { idle: Some(idle), waiting: 4, ..FRESH });
        assert_eq!(after(Duration::ZERO), Step { start: 0, drop: 0, look: Some(MINUTE) });
        assert_eq!(after(MINUTE), Step { start: 0, drop: 3, look: Some(5 * MINUTE) });
        assert_eq!(after(6 * MINUTE), Step { start: 0, drop: 4, look: None });
    }

    #[test]
    fn after_a_failure_the_stock_rests_and_then_tries_one_but_a_run_is_never_kept_waiting() {
        let failing = |rest, takers, starting| {
            let failing = Some(Duration::from_secs(rest));
            step(&OPTIONS, &Scene { failing, takers, starting, ..FRESH })
        };
        assert_eq!(failing(5, 0, 0), Step { start: 0, drop: 0, look: Some(Duration::from_secs(5)) });
        assert_eq!(failing(5, 2, 0).start, 2);
        assert_eq!(failing(0, 0, 0).start, 1);
        assert_eq!(failing(0, 0, 1).start, 0);
    }

    #[test]
    fn a_full_stock_is_renewed_by_one_more() {
        let scene = Scene { renew: true, waiting: 4, ..FRESH };
        assert_eq!(step(&OPTIONS, &scene).start, 1);
        assert_eq!(step(&OPTIONS, &Scene { waiting: 0, idle: None, ..scene }).start, 0);
        assert_eq!(step(&OPTIONS, &Scene { waiting: 5, ..scene }).drop, 1, "and the oldest goes");
    }
}
