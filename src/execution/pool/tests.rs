//! The pool with sandboxes that cost nothing and a clock that stands still until everybody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, poll};
use tokio::time::sleep;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const OPTIONS: Options = Options { size: 4, launches: 4, idle: MINUTE, memory: 1 << 30 };

/// What the sandboxes of one test are like, and what became of them.
struct World {
    launch_takes: Duration,
    boot_takes: Duration,
    fails: bool,
    origin: &'static str,
    cost: Option<u64>,
    launches: u32,
    starting: usize,
    most_starting: usize,
    /// Those that exist, with what ends each.
    alive: BTreeMap<u32, oneshot::Sender<String>>,
}

type Shared = Arc<Mutex<World>>;

fn world() -> Shared {
    Arc::new(Mutex::new(World {
        launch_takes: Duration::from_millis(300),
        boot_takes: Duration::from_millis(50),
        fails: false,
        origin: "first",
        cost: None,
        launches: 0,
        starting: 0,
        most_starting: 0,
        alive: BTreeMap::new(),
    }))
}

struct Fake {
    id: u32,
    origin: &'static str,
    boot: std::pin::Pin<Box<tokio::time::Sleep>>,
    lost: oneshot::Receiver<String>,
    world: Shared,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.world.lock().unwrap().alive.remove(&self.id);
    }
}

impl Waits for Fake {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), String>> {
        if let Poll::Ready(reason) = self.poll_lost(context) {
            return Poll::Ready(Err(reason));
        }
        self.boot.poll_unpin(context).map(Ok)
    }

    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String> {
        self.lost.poll_unpin(context).map(|reason| reason.unwrap_or_default())
    }

    fn origin(&self) -> &str {
        self.origin
    }

    fn cost(&self) -> BoxFuture<'static, Option<u64>> {
        let cost = self.world.lock().unwrap().cost;
        async move { cost }.boxed()
    }

    fn destroy(self) -> BoxFuture<'static, ()> {
        // As an engine does it: not at once.
        async move {
            sleep(Duration::from_millis(10)).await;
            drop(self);
        }
        .boxed()
    }
}

/// Counts a launch for as long as it goes on.
struct Starting(Shared);

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.lock().unwrap().starting -= 1;
    }
}

async fn launch(world: Shared) -> Result<Fake, String> {
    let (takes, origin, id) = {
        let mut world = world.lock().unwrap();
        world.launches += 1;
        world.starting += 1;
        world.most_starting = world.most_starting.max(world.starting);
        (world.launch_takes, world.origin, world.launches)
    };
    let starting = Starting(world.clone());
    sleep(takes).await;
    drop(starting);
    let (end, lost) = oneshot::channel();
    let boot = {
        let mut world = world.lock().unwrap();
        if world.fails {
            return Err(format!("launch {id}"));
        }
        world.alive.insert(id, end);
        world.boot_takes
    };
    Ok(Fake { id, origin, boot: Box::pin(sleep(boot)), lost, world })
}

fn pool(options: Options, world: &Shared) -> Pool<Fake, String> {
    let world = world.clone();
    Pool::new(options, Box::new(move || launch(world.clone()).boxed()))
}

/// Lets everything happen that takes less than a second.
async fn second() {
    sleep(Duration::from_secs(1)).await;
}

async fn filled(options: Options, world: &Shared) -> Pool<Fake, String> {
    let pool = pool(options, world);
    pool.fill();
    second().await;
    assert_eq!(pool.counts().waiting, options.size);
    pool
}

fn alive(world: &Shared) -> BTreeSet<u32> {
    world.lock().unwrap().alive.keys().copied().collect()
}

async fn taken(pool: &Pool<Fake, String>) -> Taken<Fake> {
    pool.take().await.unwrap_or_else(|why| panic!("{why:?}"))
}

#[tokio::test(start_paused = true)]
async fn it_costs_nothing_until_somebody_comes_and_then_fills() {
    let world = world();
    let pool = pool(OPTIONS, &world);
    sleep(HOUR).await;
    assert_eq!(world.lock().unwrap().launches, 0);
    pool.fill();
    second().await;
    assert_eq!(pool.counts(), Counts { waiting: 4, ready: 4, ..Counts::default() });
    assert_eq!(world.lock().unwrap().most_starting, OPTIONS.launches / 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_is_handed_over_at_once_and_another_takes_its_place() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    let one = taken(&pool).now_or_never().expect("at once");
    assert!(one.prepared);
    assert_eq!(pool.counts().waiting, 3);
    second().await;
    assert_eq!((pool.counts().waiting, world.lock().unwrap().launches), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn none_is_ever_handed_over_twice() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    let mut seen = BTreeSet::new();
    for round in 0..50 {
        // One at a time, and in bursts that drain it.
        for Taken { sandbox, .. } in join_all((0..1 + round % 7).map(|_| taken(&pool))).await {
            assert!(seen.insert(sandbox.id), "{} was used before", sandbox.id);
            sandbox.destroy().await;
        }
    }
    assert_eq!(pool.counts().used, seen.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_burst_launches_together_up_to_the_cap_and_refills() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    let burst = join_all((0..10).map(|_| taken(&pool))).await;
    let ids: BTreeSet<u32> = burst.iter().map(|one| one.sandbox.id).collect();
    assert_eq!(ids.len(), 10);
    assert_eq!(burst.iter().filter(|one| one.prepared).count(), 4);
    assert_eq!(world.lock().unwrap().most_starting, OPTIONS.launches);
    second().await;
    assert_eq!(pool.counts().waiting, 4);
}

#[tokio::test(start_paused = true)]
async fn without_a_pool_every_run_has_its_own_launch_and_nothing_waits() {
    let world = world();
    let pool = pool(Options { size: 0, ..OPTIONS }, &world);
    pool.fill();
    second().await;
    assert_eq!(world.lock().unwrap().launches, 0);
    let one = taken(&pool).await;
    assert!(!one.prepared);
    second().await;
    assert_eq!((alive(&world), world.lock().unwrap().launches), (BTreeSet::from([one.sandbox.id]), 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_still_boots_is_taken_before_another_is_launched() {
    let world = world();
    world.lock().unwrap().boot_takes = MINUTE / 2;
    let pool = pool(OPTIONS, &world);
    pool.fill();
    second().await;
    let one = taken(&pool).now_or_never().expect("at once");
    assert!(!one.prepared);
}

#[tokio::test(start_paused = true)]
async fn idle_it_shrinks_to_one_then_to_none_and_comes_back_with_the_next_run() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    sleep(MINUTE).await;
    assert_eq!((pool.counts().waiting, alive(&world)), (1, BTreeSet::from([4])), "the youngest stays");
    sleep(5 * MINUTE).await;
    assert_eq!((pool.counts().waiting, alive(&world).len()), (0, 0));
    sleep(10 * HOUR).await;
    assert_eq!(world.lock().unwrap().launches, 4, "nothing was done meanwhile");
    let _one = taken(&pool).await;
    second().await;
    assert_eq!(pool.counts().waiting, 4);
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_reach_the_run_that_asks_and_end() {
    let world = world();
    world.lock().unwrap().fails = true;
    let pool = pool(OPTIONS, &world);
    pool.fill();
    sleep(MINUTE / 2).await;
    // Two at once, then one after 1, 2, 4, 8 and 16 s.
    let tried = world.lock().unwrap().launches;
    assert!((4..=7).contains(&tried), "{tried}");
    let why = pool.take().await.err();
    assert_eq!(why, Some(Untaken::Launch(format!("launch {}", tried + 1))), "an attempt of its own");
    world.lock().unwrap().fails = false;
    assert!(!taken(&pool).await.prepared);
    second().await;
    assert_eq!(pool.counts().waiting, 4);
}

#[tokio::test(start_paused = true)]
async fn an_idle_pool_that_fails_hardly_tries() {
    let world = world();
    world.lock().unwrap().fails = true;
    let pool = pool(Options { idle: 24 * HOUR, ..OPTIONS }, &world);
    pool.fill();
    sleep(24 * HOUR).await;
    let tried = world.lock().unwrap().launches;
    assert!(tried <= 24 * 12 + 12, "{tried}");
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_an_earlier_launch_is_not_that_of_a_later_run() {
    let world = world();
    world.lock().unwrap().fails = true;
    let pool = pool(Options { size: 1, ..OPTIONS }, &world);
    pool.fill();
    sleep(Duration::from_millis(100)).await;
    let mut run = Box::pin(taken(&pool));
    assert!(poll!(run.as_mut()).is_pending());
    sleep(Duration::from_millis(250)).await;
    world.lock().unwrap().fails = false;
    assert_eq!(run.await.sandbox.id, 2);
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_is_noticed_and_replaced() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    world.lock().unwrap().alive.remove(&2).expect("alive").send("it ended".into()).expect("heard");
    sleep(5 * MINUTE / 10).await;
    assert_eq!((alive(&world), pool.counts().failed), (BTreeSet::from([1, 3, 4, 5]), 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_is_never_handed_over_though_nobody_had_time_to_notice() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    for id in 1..=4 {
        world.lock().unwrap().alive.remove(&id).expect("alive").send("the engine restarts".into()).expect("heard");
    }
    let one = taken(&pool).await;
    assert_eq!((one.sandbox.id, one.prepared), (5, false));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(pool.counts().waiting, 4);
}

#[tokio::test(start_paused = true)]
async fn sandboxes_that_keep_dying_are_not_relaunched_without_end() {
    let world = world();
    let pool = pool(Options { idle: 24 * HOUR, ..OPTIONS }, &world);
    pool.fill();
    for _ in 0..3600 {
        let ends: Vec<_> = std::mem::take(&mut world.lock().unwrap().alive).into_values().collect();
        ends.into_iter().for_each(|end| drop(end.send("somebody cleans up".into())));
        second().await;
    }
    let tried = world.lock().unwrap().launches;
    assert!(tried < 100, "{tried} launches in an hour");
}

#[tokio::test(start_paused = true)]
async fn what_is_out_of_date_goes_as_soon_as_something_newer_is_there() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    pool.renew();
    second().await;
    assert_eq!((alive(&world).len(), pool.counts().dropped), (4, 1), "nothing new: one was swapped");
    world.lock().unwrap().origin = "second";
    pool.renew();
    second().await;
    assert_eq!(pool.counts().waiting, 4);
    for _ in 0..4 {
        assert_eq!(taken(&pool).await.sandbox.origin, "second");
    }
    // The image is replaced while nobody tells the pool: the next refill shows it.
    second().await;
    world.lock().unwrap().origin = "third";
    assert_eq!(taken(&pool).await.sandbox.origin, "second");
    second().await;
    for _ in 0..4 {
        assert_eq!(taken(&pool).await.sandbox.origin, "third");
    }
}

#[tokio::test(start_paused = true)]
async fn a_launch_that_was_overtaken_by_something_newer_is_not_used() {
    let world = world();
    let pool = pool(Options { size: 1, ..OPTIONS }, &world);
    world.lock().unwrap().launch_takes = Duration::from_secs(30);
    pool.fill();
    second().await;
    {
        let mut world = world.lock().unwrap();
        world.origin = "second";
        world.launch_takes = Duration::from_millis(300);
    }
    // The launch that is under way would be the first run's; another is made for the second, and is there before it.
    let runs = join_all((0..2).map(|_| taken(&pool))).await;
    assert!(runs.iter().all(|run| run.sandbox.origin == "second"));
    sleep(MINUTE / 2).await;
    assert_eq!(pool.counts(), Counts { waiting: 1, ready: 1, used: 2, dropped: 1, ..Counts::default() });
    assert!(!alive(&world).contains(&1), "the old one was launched and is gone");
    assert_eq!(taken(&pool).await.sandbox.origin, "second");
}

#[tokio::test(start_paused = true)]
async fn the_budget_holds_as_soon_as_it_is_known_what_one_costs() {
    let world = world();
    world.lock().unwrap().cost = Some(100 << 20);
    let pool = pool(Options { memory: 250 << 20, ..OPTIONS }, &world);
    pool.fill();
    second().await;
    assert_eq!((pool.counts().waiting, alive(&world).len()), (2, 2));
    let launches = world.lock().unwrap().launches;
    sleep(MINUTE / 2).await;
    assert_eq!(world.lock().unwrap().launches, launches, "and is not forgotten");
}

#[tokio::test(start_paused = true)]
async fn what_was_launched_for_a_run_that_was_cancelled_waits_for_the_next() {
    let world = world();
    let pool = pool(Options { size: 1, ..OPTIONS }, &world);
    let mut run = Box::pin(pool.take());
    assert!(poll!(run.as_mut()).is_pending());
    sleep(Duration::from_millis(100)).await;
    drop(run);
    second().await;
    assert_eq!(pool.counts(), Counts { waiting: 1, ready: 1, ..Counts::default() });
    assert!(taken(&pool).await.prepared);
}

#[tokio::test(start_paused = true)]
async fn at_the_end_nothing_is_left_and_runs_that_wait_hear_it() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    let used: Vec<_> = join_all((0..4).map(|_| taken(&pool))).await;
    let mut run = Box::pin(pool.take());
    assert!(poll!(run.as_mut()).is_pending());
    sleep(Duration::from_millis(100)).await;
    assert!(world.lock().unwrap().starting > 0);
    pool.settled().await;
    assert_eq!(run.await.err(), Some(Untaken::Closed));
    assert_eq!(pool.take().await.err(), Some(Untaken::Closed));
    assert_eq!((alive(&world).len(), world.lock().unwrap().starting), (used.len(), 0), "only what runs have taken");
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_until_the_last_one_is_gone() {
    let world = world();
    let pool = filled(OPTIONS, &world).await;
    pool.settled().await;
    assert_eq!(alive(&world), BTreeSet::new());
}
