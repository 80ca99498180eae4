//! Walls: what a program sees, may write, may become and may reach.

use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::bench::{Bench, contract};

contract!(the_environment_is_what_was_given_and_what_the_image_sets, async |bench: &Bench| {
    let mut spec = bench.spec("import os; print('\\n'.join('%s=%s' % item for item in os.environ.items()))");
    spec.env = vec![("GIVEN".into(), "a=b 'c' $HOME".into())];
    let out = bench.run(&spec).await.out;
    assert!(out.lines().any(|line| line == "GIVEN=a=b 'c' $HOME"), "{out}");
    let known = ["GIVEN", "HOME", "HOSTNAME", "LC_CTYPE", "PATH", "TERM", "container"];
    let stranger = out.lines().find(|line| !known.iter().any(|name| line.starts_with(&format!("{name}="))));
    assert_eq!(stranger, None);
});

contract!(nothing_is_open_but_the_three_streams, async |bench: &Bench| {
    // A file of ours that a careless start would hand down.
    let file = std::fs::File::open("/proc/self/stat").expect("opened");
    let plain = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
    nix::fcntl::fcntl(&file, plain).expect("to be inherited");
    let program = "
import os
found = []
for number in range(256):
    try: found.append((number, os.fstat(number).st_mode >> 12))
    except OSError: pass
print(found)";
    let out = bench.prints(program).await;
    // Pipes (1) or sockets (12), by the backend.
    assert!(
        out == "[(0, 1), (1, 1), (2, 1)]\n" || out == "[(0, 12), (1, 12), (2, 12)]\n",
        "{}: {out}",
        file.as_raw_fd()
    );
});

contract!(no_network_of_any_family, async |bench: &Bench| {
    let program = "
import socket
def attempt(name, family, kind, address, proto=0):
    try:
        s = socket.socket(family, kind, proto); s.settimeout(3)
        s.bind(address) if family == 17 else s.connect(address)
        if kind == socket.SOCK_DGRAM: s.send(b'x')
        print(name, 'REACHED')
    except OSError: print(name, 'refused')
attempt('tcp4', socket.AF_INET, socket.SOCK_STREAM, ('1.1.1.1', 80))
attempt('udp4', socket.AF_INET, socket.SOCK_DGRAM, ('1.1.1.1', 53))
attempt('tcp6', socket.AF_INET6, socket.SOCK_STREAM, ('2606:4700:4700::1111', 80))
attempt('udp6', socket.AF_INET6, socket.SOCK_DGRAM, ('2606:4700:4700::1111', 53))
attempt('raw', socket.AF_INET, socket.SOCK_RAW, ('1.1.1.1', 0), socket.IPPROTO_ICMP)
attempt('vsock', 40, socket.SOCK_STREAM, (2, 22))
attempt('packet', 17, socket.SOCK_RAW, ('lo', 0))
attempt('host', socket.AF_INET, socket.SOCK_STREAM, ('127.0.0.1', PORT))
attempt('abstract', socket.AF_UNIX, socket.SOCK_STREAM, '\\0mcp-bridge-test-PORT')
try: socket.getaddrinfo('example.com', 80); print('dns REACHED')
except OSError: print('dns refused')
";
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port().to_string();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(format!("mcp-bridge-test-{port}"));
    let _abstract = std::os::unix::net::UnixListener::bind_addr(&address.expect("a name")).expect("bound");
    let out = bench.prints(&program.replace("PORT", &port)).await;
    assert_eq!(out.lines().count(), 10, "{out}");
    assert!(out.lines().all(|line| line.ends_with("refused")), "{out}");
});

contract!(nobody_outside_reaches_a_listener_inside, async |bench: &Bench| {
    // A port that is free outside, so that whoever answers there is the program.
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a free port");
    let program = format!(
        "
import socket, sys
try:
    s = socket.create_server(('0.0.0.0', {}))
except OSError: pass
print('on', flush=True)
sys.stdin.read()",
        free.port()
    );
    let mut sandbox = bench.launch(&bench.spec(&program)).await;
    sandbox.program.read_exact(&mut [0; 3]).await.expect("started");
    let answer = std::net::TcpStream::connect_timeout(&free, Duration::from_secs(3));
    assert!(answer.is_err(), "{} answers", free.port());
    sandbox.input.shutdown().await.expect("shut down");
    sandbox.handle.destroy().await.expect("destroyed");
});

contract!(only_the_writable_folders_can_be_written_and_they_end_at_their_size, async |bench: &Bench| {
    let program = "
import os
for place in ('/tmp', '/workspace'):
    n = 0
    try:
        with open(place + '/fill', 'wb', buffering=0) as f:
            while True: n += f.write(b'x' * 65536)
    except OSError as e: print(place, n, e.errno)
for place in ('/', '/etc', '/usr', '/var/tmp', '/run', '/root', '/dev', '/proc', '/sys/fs/cgroup', '/home'):
    try: open(place + '/x', 'w'); print(place, 'WRITTEN')
    except OSError: pass
for name in ('/etc/hosts', '/etc/resolv.conf', '/etc/hostname', '/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger'):
    try: open(name, 'a'); print(name, 'WRITTEN')
    except OSError: pass
for folder, folders, files in os.walk('/'):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in ('/tmp', '/workspace', '/proc', '/sys', '/dev/shm', '/dev/mqueue')]
    if os.access(folder, os.W_OK): print(folder, 'WRITABLE')
open('/workspace/fill', 'w').close()
with open('/workspace/run', 'w') as f: f.write('#!/bin/sh\\necho ran\\n')
os.chmod('/workspace/run', 0o755)
try: os.execv('/workspace/run', ['run'])
except OSError as e: print('exec', e.errno)
";
    assert_eq!(bench.prints(program).await, "/tmp 4194304 28\n/workspace 8388608 28\nexec 13\n");
});

contract!(a_program_is_nobody_inside_and_not_root_outside, async |bench: &Bench| {
    let program = "
import os, sys
groups = [each for each in os.getgroups() if each != 65534]
print(os.getresuid(), os.getresgid(), groups, flush=True)
sys.stdin.read()";
    let mut sandbox = bench.launch(&bench.spec(program)).await;
    let expected = "(65534, 65534, 65534) (65534, 65534, 65534) []\n";
    let mut out = vec![0; expected.len()];
    sandbox.program.read_exact(&mut out).await.expect("said");
    assert_eq!(String::from_utf8_lossy(&out), expected);
    let users = bench.users();
    assert!(!users.is_empty() && !users.contains(&0), "as the host sees them: {users:?}");
    sandbox.handle.destroy().await.expect("destroyed");
});

contract!(no_rights_and_none_to_be_gained, async |bench: &Bench| {
    let program = "
lines = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
print([int(lines[name], 16) for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb')], lines['NoNewPrivs'], lines['Seccomp'])";
    assert_eq!(bench.prints(program).await, "[0, 0, 0, 0, 0] 1 2\n");
});

contract!(the_kernels_doors_are_shut, async |bench: &Bench| {
    let program = "
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    r = getattr(libc, name)(*args)
    print(name, 'OPEN' if r == 0 else 'shut')
call('unshare', 0x40000000)
call('mount', b'none', b'/tmp', b'tmpfs', 0, None)
call('setuid', 0)
call('setgid', 0)
call('chroot', b'/')
call('sethostname', b'x', 1)
call('ptrace', 16, os.getppid() or 1, 0, 0)
print(os.getpid())
";
    let out = bench.prints(program).await;
    assert!(!out.contains("OPEN"), "{out}");
    assert_eq!(out.lines().count(), 8, "{out}");
    assert!(out.ends_with("\n1\n"), "the program is PID 1, nobody stands between it and the pipes: {out}");
});
