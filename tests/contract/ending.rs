//! Endings: however a run ends, nothing of it is left.

use std::time::Duration;

use tokio::io::AsyncReadExt;

use crate::bench::{Bench, contract};
use crate::streams::both;

contract!(destroy_leaves_nothing_of_a_program_that_never_ends, async |bench: &Bench| {
    let stubborn = "
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
print('on', flush=True)
while True: pass";
    let mut sandbox = bench.launch(&bench.spec(stubborn)).await;
    sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
    assert!(!bench.traces().is_empty(), "the view from outside sees it");
    let ended = sandbox.handle.destroy().await.expect("destroyed");
    assert_eq!(ended.exit_code, None, "it did not end by itself");
    assert_eq!(bench.traces(), Vec::<String>::new(), "gone when destroy says so, not later");
});

contract!(killed_from_outside_it_leaves_nothing, async |bench: &Bench| {
    let mut sandbox =
        bench.launch(&bench.spec("import os\nos.fork()\nprint('on', flush=True)\nwhile True: pass")).await;
    sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
    bench.kill();
    // The streams end, though nobody has hung up.
    let mut rest = Vec::new();
    sandbox.program.read_to_end(&mut rest).await.expect("the end");
    sandbox.handle.destroy().await.expect("destroyed");
    bench.nothing_is_left().await;
});

contract!(dropping_a_sandbox_leaves_nothing, async |bench: &Bench| {
    drop(bench.launch(&bench.spec("while True: pass")).await);
    bench.nothing_is_left().await;
});

contract!(giving_up_a_launch_half_way_leaves_nothing, async |bench: &Bench| {
    let spec = bench.spec("while True: pass");
    // From "not yet created" to "started": wherever the launch is when nobody waits for it any more. The embedded sandbox
    // starts in a few milliseconds, containers in hundreds.
    for limit in [1, 2, 3, 5, 10, 30, 60, 100, 150, 200, 300] {
        let _ = tokio::time::timeout(Duration::from_millis(limit), bench.backend().launch(&spec)).await;
    }
    bench.nothing_is_left().await;
});

contract!(hanging_up_is_noticed_inside_and_cleaned_up_after, async |bench: &Bench| {
    let program = "import sys; sys.stdin.read(); print('hung up')";
    let sandbox = bench.launch(&bench.spec(program)).await;
    drop(sandbox.input);
    assert_eq!(both(sandbox.program, sandbox.supervisor).await.0, "hung up\n");
    // Neither destroyed nor dropped: forgotten, as when the bridge is killed.
    std::mem::forget(sandbox.handle);
    bench.no_sandbox_is_left().await;
});

contract!(children_that_hide_end_with_the_run, async |bench: &Bench| {
    // Sessions and parents of their own, deaf to every signal; the program itself ends at once.
    let program = "
import os, signal, time
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        for number in range(1, 65):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        if os.fork() == 0:
            while True: time.sleep(600)
        os._exit(0)
print('started', flush=True)";
    let end = bench.run(&bench.spec(program)).await;
    assert_eq!((end.out.as_str(), end.code), ("started\n", Some(0)));
    bench.nothing_is_left().await;
});

contract!(what_was_written_is_gone_with_the_run, async |bench: &Bench| {
    let writes = "
for place in ('/tmp', '/workspace', '/dev/shm', '/dev/mqueue'):
    try: open(place + '/left', 'w').close()
    except OSError: pass
print('written')";
    assert_eq!(bench.prints(writes).await, "written\n");
    bench.nothing_is_left().await;
    let looks = "
import os
print([place for place in ('/tmp', '/workspace', '/dev/shm', '/dev/mqueue') if os.path.isdir(place) and os.listdir(place)])";
    assert_eq!(bench.prints(looks).await, "[]\n");
});

contract!(many_at_once_are_kept_apart, async |bench: &Bench| {
    let program = |n: u32| format!("import os; open('/tmp/{n}', 'w').close(); print(os.listdir('/tmp'))");
    let specs: Vec<_> = (0..8).map(|n| bench.spec(&program(n))).collect();
    let ends = futures::future::join_all(specs.iter().map(|spec| bench.run(spec))).await;
    let outs: Vec<String> = ends.into_iter().map(|end| end.out).collect();
    assert_eq!(outs, (0..8).map(|n| format!("['{n}']\n")).collect::<Vec<_>>());
    bench.nothing_is_left().await;
});
