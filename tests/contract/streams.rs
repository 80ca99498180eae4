//! The three streams: every byte arrives, in both directions, and a hang-up of one is not a hang-up of the others.

use std::time::Instant;

use mcp_bridge::sandbox::ByteReader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, contract};

/// Reads both output streams to their ends.
pub async fn both(mut program: ByteReader, mut supervisor: ByteReader) -> (String, String) {
    let (mut out, mut err) = (String::new(), String::new());
    let (a, b) = tokio::join!(program.read_to_string(&mut out), supervisor.read_to_string(&mut err));
    a.and(b).expect("read");
    (out, err)
}

contract!(a_half_close_arrives_and_the_answer_still_comes_back, async |bench: &Bench| {
    let program = "
import sys
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(data[::-1]); sys.stderr.write('bye')";
    let mut sandbox = bench.launch(&bench.spec(program)).await;
    sandbox.input.write_all(b"hello").await.expect("written");
    sandbox.input.shutdown().await.expect("shut down");
    assert_eq!(both(sandbox.program, sandbox.supervisor).await, ("olleh".into(), "bye".into()));
    assert_eq!(sandbox.handle.destroy().await.expect("destroyed").exit_code, Some(0));
});

/// Bytes sent through each stream.
const FLOOD: usize = 200_000_000;

contract!(two_hundred_megabytes_go_in_exactly, async |bench: &Bench| {
    let block: Vec<u8> = (0..1_000_000u32).map(pattern).collect();
    let program = "
import sys
block = bytes(((n * 2654435761) & 0xffffffff) >> 24 for n in range(1000000))
print('ready', flush=True)
count = 0
while True:
    data = sys.stdin.buffer.read(len(block))
    if data != block: break
    count += len(data)
print(count, len(data))";
    let mut sandbox = bench.launch(&bench.spec(program)).await;
    let mut ready = [0; 6];
    sandbox.program.read_exact(&mut ready).await.expect("started");
    let began = Instant::now();
    for _ in 0..FLOOD / block.len() {
        sandbox.input.write_all(&block).await.expect("written");
    }
    sandbox.input.shutdown().await.expect("shut down");
    let (out, err) = both(sandbox.program, sandbox.supervisor).await;
    assert_eq!((out.as_str(), err.as_str()), (format!("{FLOOD} 0\n").as_str(), ""));
    eprintln!("{}: in {:.0} MB/s", bench.name(), FLOOD as f64 / began.elapsed().as_secs_f64() / 1e6);
    sandbox.handle.destroy().await.expect("destroyed");
});

contract!(two_hundred_megabytes_come_out_of_each_stream_exactly, async |bench: &Bench| {
    let program = format!(
        "
import os, threading
block = bytes(((n * 2654435761) & 0xffffffff) >> 24 for n in range(1000000))
def send(fd):
    for _ in range({}):
        view = memoryview(block)
        while view: view = view[os.write(fd, view):]
both = [threading.Thread(target=send, args=(fd,)) for fd in (1, 2)]
for t in both: t.start()
for t in both: t.join()",
        FLOOD / 1_000_000
    );
    let sandbox = bench.launch(&bench.spec(&program)).await;
    let began = Instant::now();
    let counts = tokio::join!(compare(sandbox.program), compare(sandbox.supervisor));
    assert_eq!(counts, (FLOOD, FLOOD));
    eprintln!("{}: out {:.0} MB/s", bench.name(), 2.0 * FLOOD as f64 / began.elapsed().as_secs_f64() / 1e6);
    sandbox.handle.destroy().await.expect("destroyed");
});

/// Counts the bytes of a stream and holds every one against the pattern.
async fn compare(mut stream: ByteReader) -> usize {
    let expected: Vec<u8> = (0..2_000_000u32).map(|n| pattern(n % 1_000_000)).collect();
    let (mut count, mut buffer) = (0, vec![0; 1 << 18]);
    loop {
        let read = stream.read(&mut buffer).await.expect("read");
        if read == 0 {
            return count;
        }
        let from = count % 1_000_000;
        assert!(buffer[..read] == expected[from..from + read], "differs after {count} bytes");
        count += read;
    }
}

fn pattern(n: u32) -> u8 {
    (n.wrapping_mul(2_654_435_761) >> 24) as u8
}
