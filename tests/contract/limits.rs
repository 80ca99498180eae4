//! Limits: memory, processes, processors, files.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, contract};

contract!(memory_ends_at_its_limit, async |bench: &Bench| {
    let end = bench.run(&bench.spec("x = bytearray(300 << 20); print('had it')")).await;
    assert_eq!(end.out, "");
    assert!(end.lacked_memory(), "{:?} {:?}", end.code, end.out_of_memory);
});

contract!(memory_of_all_processes_together_ends_at_the_limit, async |bench: &Bench| {
    // Each is far below the limit of 128 MiB; three of them are above it. Whoever has its memory holds it until the pipe ends.
    let program = "
import os, time
gate, closed = os.pipe()
for _ in range(6):
    if os.fork() == 0:
        os.close(closed)
        try: x = bytearray(60 << 20)
        except MemoryError: os._exit(1)
        os.read(gate, 1)
        os._exit(0)
ended, until = 0, time.monotonic() + 20
while ended < 4 and time.monotonic() < until:
    if os.waitpid(-1, os.WNOHANG)[0]: ended += 1
    time.sleep(0.01)
print('held by', 6 - ended, flush=True)";
    let out = bench.prints(program).await;
    // Nothing at all: the sandbox was ended as a whole.
    assert!(["", "held by 0\n", "held by 1\n", "held by 2\n"].contains(&out.as_str()), "60 MiB of 128 MiB {out}");
});

contract!(files_in_the_writable_folders_count_as_memory, async |bench: &Bench| {
    // 4 + 8 + up to 64 MiB of files, and 100 MiB in the program: together more than 128 MiB, and for longer than it takes to look where
    // no group counts it.
    let program = "
import time
for place in ('/tmp', '/workspace', '/dev/shm'):
    try:
        with open(place + '/fill', 'wb', buffering=0) as file:
            while True: file.write(b'x' * 65536)
    except OSError: pass
x = bytearray(100 << 20)
time.sleep(0.5)
print('had it')";
    let end = bench.run(&bench.spec(program)).await;
    assert_eq!(end.out, "");
    assert!(end.lacked_memory(), "{:?} {:?}", end.code, end.out_of_memory);
});

contract!(shared_memory_ends_at_its_size, async |bench: &Bench| {
    // The folder may be absent; what is there has an end. 64 MiB is the largest any backend gives.
    let program = "
n = 0
try:
    with open('/dev/shm/fill', 'wb', buffering=0) as file:
        while n <= 64 << 20: n += file.write(b'x' * 65536)
except OSError: pass
print(n <= 64 << 20)";
    assert_eq!(bench.prints(program).await, "True\n");
});

contract!(a_fork_bomb_meets_the_process_limit_and_nothing_of_it_is_left, async |bench: &Bench| {
    let bomb = "
import os, time
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(600)
        n += 1
except OSError as e:
    print(n, e.errno)
";
    let out = bench.prints(bomb).await;
    let (children, errno) = out.trim().split_once(' ').expect("two numbers");
    assert!(children.parse::<u32>().expect("a number") < 64, "{out}");
    assert_eq!(errno, "11", "EAGAIN");
    bench.nothing_is_left().await;
});

contract!(threads_count_as_processes, async |bench: &Bench| {
    let program = "
import os, threading
wait, n = threading.Event(), 0
try:
    while n < 200:
        threading.Thread(target=wait.wait, daemon=True).start()
        n += 1
except RuntimeError: pass
print(0 < n < 64, flush=True)
os._exit(0)";
    assert_eq!(bench.prints(program).await, "True\n");
});

contract!(processor_time_ends_at_its_limit, async |bench: &Bench| {
    let program = "
import os, time
began = time.monotonic()
for _ in range(3):
    if os.fork() == 0:
        while time.monotonic() < began + 2: pass
        os._exit(0)
for _ in range(3): os.wait()
times, wall = os.times(), time.monotonic() - began
print((times.children_user + times.children_system) / wall)";
    let mut spec = bench.spec(program);
    // A whole one: where there is no cgroup, only whole processors can be held.
    spec.limits.cpus = 1.0;
    let share: f64 = bench.run(&spec).await.out.trim().parse().expect("a number");
    // A quota is given in periods of 0.1 s: over two seconds the share is off by at most one at each end.
    assert!(share < 1.15, "{share} processors of one");
});

contract!(open_files_end_at_their_limit, async |bench: &Bench| {
    let program = "
import os
n = 0
try:
    while True: os.dup(0); n += 1
except OSError as e: print(n < 256, e.errno)
";
    assert_eq!(bench.prints(program).await, "True 24\n");
});

contract!(what_a_sandbox_costs_is_measured_while_it_lives, async |bench: &Bench| {
    let program = "
import sys
x = bytearray(50 << 20)
for n in range(0, len(x), 4096): x[n] = 1
print('held', flush=True)
sys.stdin.read()";
    let mut sandbox = bench.launch(&bench.spec(program)).await;
    let mut said = [0; 5];
    sandbox.program.read_exact(&mut said).await.expect("it says that it holds them");
    let bytes = sandbox.handle.memory().await.expect("a figure");
    // The 50 MiB and an interpreter; not the host's whole memory.
    assert!((50 << 20..128 << 20).contains(&bytes), "{bytes}");
    sandbox.input.shutdown().await.expect("shut down");
    sandbox.handle.destroy().await.expect("destroyed");
});
