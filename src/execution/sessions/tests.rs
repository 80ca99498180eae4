//! Sessions with sandboxes that cost nothing and a clock that stands still until everybody waits.

use std::collections::BTreeMap;

use futures::channel::oneshot;
use futures::{FutureExt, poll};
use tokio::time::{advance, sleep};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const OPTIONS: Options =
    Options { idle: Duration::from_secs(600), life: Duration::from_secs(3600), per_caller: 2, overall: 3 };

/// The sandboxes that exist, by number, with what ends each.
type World = Arc<Mutex<BTreeMap<u32, oneshot::Sender<String>>>>;

struct Fake {
    id: u32,
    lost: oneshot::Receiver<String>,
    world: World,
}

impl Fake {
    fn new(world: &World, id: u32) -> Self {
        let (end, lost) = oneshot::channel();
        assert!(world.lock().unwrap().insert(id, end).is_none());
        Self { id, lost, world: Arc::clone(world) }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.world.lock().unwrap().remove(&self.id);
    }
}

impl Lives for Fake {
    fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<String> {
        self.lost.poll_unpin(context).map(|reason| reason.unwrap_or_default())
    }

    fn cost(&self) -> BoxFuture<'static, Option<u64>> {
        std::future::ready(Some(u64::from(self.id))).boxed()
    }

    fn destroy(self) -> BoxFuture<'static, ()> {
        async move {
            sleep(SECOND).await;
            drop(self);
        }
        .boxed()
    }
}

fn name(text: &str) -> SessionName {
    text.parse().unwrap()
}

fn alive(world: &World) -> Vec<u32> {
    world.lock().unwrap().keys().copied().collect()
}

async fn enter(sessions: &Sessions<Fake>, session: &str) -> Turn<Fake> {
    sessions.enter(&Caller::stdio(), &name(session), SECOND).await.unwrap_or_else(|error| panic!("{error}"))
}

/// One run that succeeds: its number, the sandbox it had, and what it was told. A new sandbox has the number `fresh`.
async fn run(sessions: &Sessions<Fake>, world: &World, session: &str, fresh: u32) -> (u64, u32, Option<String>) {
    let mut turn = enter(sessions, session).await;
    let body = turn.take().unwrap_or_else(|| Fake::new(world, fresh));
    let (number, told, id) = (turn.begin(), turn.told(), body.id);
    turn.keep(body);
    (number, id, told)
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_name_and_caller_have_one_sandbox() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    assert_eq!(run(&sessions, &world, "a", 1).await, (1, 1, None));
    assert_eq!(run(&sessions, &world, "a", 9).await, (2, 1, None));
    assert_eq!(run(&sessions, &world, "b", 2).await, (1, 2, None));
    let mut turn = sessions.enter(&Caller::named("other"), &name("a"), SECOND).await.unwrap();
    assert!(turn.take().is_none(), "another caller's");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_is_idle_and_its_next_run_is_told_once() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    sleep(OPTIONS.idle - SECOND).await;
    assert_eq!(run(&sessions, &world, "a", 9).await, (2, 1, None), "each run begins the time anew");
    sleep(OPTIONS.idle + 2 * SECOND).await;
    assert!(alive(&world).is_empty() && sessions.list().await.is_empty());
    assert_eq!(run(&sessions, &world, "a", 2).await, (1, 2, Some("it was ended after 10 min without a run".into())));
    assert_eq!(run(&sessions, &world, "a", 9).await, (2, 2, None));
}

#[tokio::test(start_paused = true)]
async fn a_session_gets_only_so_old_but_not_under_a_run() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    for _ in 0..6 {
        sleep(OPTIONS.life / 7).await;
        assert_eq!(run(&sessions, &world, "a", 9).await.1, 1);
    }
    let mut turn = enter(&sessions, "a").await;
    let body = turn.take().unwrap();
    turn.begin();
    sleep(OPTIONS.life).await;
    assert_eq!(alive(&world), [1], "a run goes on in it");
    turn.keep(body);
    sleep(2 * SECOND).await;
    assert!(alive(&world).is_empty());
    assert_eq!(run(&sessions, &world, "a", 2).await.2.unwrap(), "it was as old as a session may get, 1 h");
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_that_dies_is_noticed_whether_somebody_looks_or_not() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    let die = |id| world.lock().unwrap().remove(&id).unwrap().send("its sandbox was gone".into()).unwrap();
    run(&sessions, &world, "a", 1).await;
    die(1);
    // At once: the watch has had no turn yet.
    assert_eq!(run(&sessions, &world, "a", 2).await, (1, 2, Some("its sandbox was gone".into())));
    die(2);
    sleep(2 * SECOND).await;
    assert!(sessions.list().await.is_empty());
    assert_eq!(run(&sessions, &world, "a", 3).await, (1, 3, Some("its sandbox was gone".into())));
}

#[tokio::test(start_paused = true)]
async fn one_at_a_time_in_the_order_of_coming() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    let caller = Caller::stdio();
    let name = name("a");
    let mut first = enter(&sessions, "a").await;
    first.begin();
    let mut waiting: Vec<_> =
        (0..MOST_WAITING).map(|_| Box::pin(sessions.enter(&caller, &name, 60 * SECOND))).collect();
    for one in &mut waiting {
        assert!(poll!(one.as_mut()).is_pending());
    }
    let error = sessions.enter(&caller, &name, SECOND).now_or_never().unwrap().err().unwrap();
    assert_eq!(
        (error.code(), error),
        ("execution.session_busy", Unentered::Crowded { name: name.clone(), waiting: 8 })
    );
    // One who goes makes room, and nobody is passed over.
    drop(waiting.remove(3));
    waiting.push(Box::pin(sessions.enter(&caller, &name, 60 * SECOND)));
    assert!(poll!(waiting[7].as_mut()).is_pending());
    first.keep(Fake::new(&world, 1));
    for mut one in waiting {
        let mut turn = one.as_mut().now_or_never().expect("its turn").unwrap();
        let body = turn.take().expect("the session's sandbox");
        turn.begin();
        turn.keep(body);
    }
    assert_eq!(sessions.list().await[0].runs, 9);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_it_may() {
    let (sessions, _world) = (Sessions::<Fake>::new(OPTIONS), World::default());
    let first = enter(&sessions, "a").await;
    let begun = Instant::now();
    let late = sessions.enter(&Caller::stdio(), &name("a"), 7 * SECOND).await.err().unwrap();
    assert_eq!((late.code(), begun.elapsed()), ("execution.session_busy", 7 * SECOND));
    assert!(late.to_string().contains("all of this call's 7 s"), "{late}");
    drop(first);
    drop(enter(&sessions, "a").await);
}

#[tokio::test(start_paused = true)]
async fn past_the_cap_the_callers_own_sessions_are_named() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "old", 1).await;
    advance(5 * SECOND).await;
    run(&sessions, &world, "new", 2).await;
    let full = sessions.enter(&Caller::stdio(), &name("third"), SECOND).await.err().unwrap();
    assert_eq!(
        full.to_string(),
        "session \"third\" was not begun: there are 2 sessions of this caller already, the most that may be"
    );
    assert!(full.hint().contains("\"old\" (idle 5 s), \"new\" (idle 0 s)"), "{}", full.hint());
    // Those that exist go on; another caller has places of its own, as far as there are any.
    assert_eq!(run(&sessions, &world, "old", 9).await.0, 2);
    let other = Caller::named("other");
    let turn = sessions.enter(&other, &name("x"), SECOND).await.unwrap();
    let full = sessions.enter(&Caller::named("third"), &name("y"), SECOND).await.err().unwrap();
    assert_eq!(full.code(), "execution.sessions_full");
    assert!(full.to_string().contains("there are 3 sessions already") && full.hint().contains("MCP_BRIDGE_SESSIONS"));
    // A place that was taken and not used is free again.
    drop(turn);
    drop(sessions.enter(&Caller::named("third"), &name("y"), SECOND).await.unwrap());
    let off = Sessions::<Fake>::new(Options { overall: 0, ..OPTIONS });
    assert_eq!(off.enter(&other, &name("x"), SECOND).await.err().unwrap().code(), "execution.sessions_off");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_stopped_ends_the_session_and_says_why() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    let mut turn = enter(&sessions, "a").await;
    drop(turn.take());
    turn.begin();
    turn.lose("its last run reached its time limit".into());
    assert!(sessions.list().await.is_empty());
    assert_eq!(run(&sessions, &world, "a", 2).await, (1, 2, Some("its last run reached its time limit".into())));
    // A run that was dropped in the middle.
    let mut turn = enter(&sessions, "a").await;
    let body = turn.take();
    turn.begin();
    drop((turn, body));
    assert_eq!(run(&sessions, &world, "a", 3).await, (1, 3, Some("its last run was withdrawn".into())));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_never_began_leaves_the_session_as_it_was() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    drop(enter(&sessions, "a").await);
    assert_eq!(run(&sessions, &world, "a", 9).await, (2, 1, None));
    drop(enter(&sessions, "never").await);
    assert_eq!(sessions.list().await.len(), 1);
    // What was not told in a run that did not begin is told in the next.
    sessions.end(&name("a"));
    drop(enter(&sessions, "a").await);
    assert_eq!(run(&sessions, &world, "a", 2).await, (1, 2, Some(ENDED_BY_HAND.into())));
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_anew_and_tells_nothing() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    let mut turn = enter(&sessions, "a").await;
    turn.reset();
    assert!(turn.take().is_none());
    assert_eq!((turn.begin(), turn.told()), (1, None));
    turn.keep(Fake::new(&world, 2));
    sleep(2 * SECOND).await;
    assert_eq!(alive(&world), [2]);
}

#[tokio::test(start_paused = true)]
async fn a_person_can_end_a_session_and_the_run_that_has_it() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    assert_eq!((sessions.end(&name("b")), sessions.end(&name("a"))), (0, 1));
    sleep(2 * SECOND).await;
    assert!(alive(&world).is_empty());

    run(&sessions, &world, "a", 2).await;
    let mut turn = enter(&sessions, "a").await;
    let body = turn.take().unwrap();
    turn.begin();
    let (caller, a) = (Caller::stdio(), name("a"));
    let mut next = Box::pin(sessions.enter(&caller, &a, 60 * SECOND));
    assert!(poll!(next.as_mut()).is_pending());
    assert!(!turn.ended().is_cancelled());
    assert_eq!(sessions.end(&name("a")), 1);
    assert!(turn.ended().is_cancelled());
    // Even a run that was as good as over does not keep it.
    turn.keep(body);
    let mut turn = next.now_or_never().expect("the next has the turn").unwrap();
    assert!(turn.take().is_none() && !turn.ended().is_cancelled());
    assert_eq!((turn.begin(), turn.told()), (1, Some(ENDED_BY_HAND.into())));
}

#[tokio::test(start_paused = true)]
async fn a_list_has_what_lives() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "b", 1).await;
    advance(3 * SECOND).await;
    let mut turn = enter(&sessions, "a").await;
    turn.begin();
    advance(4 * SECOND).await;
    let seen = |name: &str, age, idle, memory| Seen {
        caller: Caller::stdio(),
        name: name.parse().unwrap(),
        age,
        idle,
        runs: 1,
        memory,
    };
    let expected = [seen("a", 4 * SECOND, None, None), seen("b", 7 * SECOND, Some(7 * SECOND), Some(1))];
    assert_eq!(sessions.list().await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_until_the_last_one_is_gone() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    let mut turn = enter(&sessions, "b").await;
    turn.begin();
    let begun = Instant::now();
    sessions.settled().await;
    assert!(alive(&world).is_empty());
    assert_eq!(begun.elapsed(), SECOND, "what takes its time to be destroyed is waited for, what idles is not");
    let refused = sessions.enter(&Caller::stdio(), &name("a"), SECOND).await.err();
    assert_eq!(refused.as_ref().map(Unentered::code), Some("execution.stopping"));
    // A run that ends now keeps nothing.
    turn.keep(Fake::new(&world, 2));
    sessions.settled().await;
    assert!(alive(&world).is_empty());
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_dropped_leave_nothing() {
    let (sessions, world) = (Sessions::new(OPTIONS), World::default());
    run(&sessions, &world, "a", 1).await;
    drop(sessions);
    assert!(alive(&world).is_empty());
}
