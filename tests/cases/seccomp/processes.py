# Every way to start a process: fork, vfork, posix_spawn, a shell, a session of its own, a pseudo-terminal.
import os
import pty
import subprocess
import sys

python = [sys.executable, "-I", "-c"]
assert subprocess.check_output([*python, "print(6 * 7)"]) == b"42\n"
assert subprocess.run("echo a | cat; exit 3", shell=True, stdout=subprocess.PIPE).returncode == 3
ran = subprocess.run([*python, "import sys; print(sys.stdin.read(), file=sys.stderr)"], input=b"x" * 200_000,
                     stderr=subprocess.PIPE, check=True)
assert len(ran.stderr) == 200_001
subprocess.run([*python, ""], check=True, start_new_session=True)
subprocess.run([*python, ""], check=True, close_fds=False)
subprocess.run([*python, ""], check=True, preexec_fn=lambda: os.umask(0o77), cwd="/")
try:
    subprocess.run([*python, "import time; time.sleep(60)"], timeout=0.05)
    raise AssertionError("no time-out")
except subprocess.TimeoutExpired:
    pass
child = subprocess.Popen([*python, "import time; time.sleep(60)"])
child.terminate()
assert child.wait(10) == -15

child = os.fork()
if child == 0:
    os._exit(7)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 7
child = os.posix_spawn(sys.executable, [*python, "raise SystemExit(5)"], os.environ)
assert os.WEXITSTATUS(os.waitpid(child, 0)[1]) == 5
child = os.posix_spawnp("sh", ["sh", "-c", "exit 4"], os.environ, setsigmask=[10], setpgroup=0)
info = os.waitid(os.P_PID, child, os.WEXITED)
assert info.si_status == 4
assert os.popen("echo popen").read() == "popen\n"
if hasattr(os, "pidfd_open"):
    child = os.fork()
    if child == 0:
        os._exit(0)
    handle = os.pidfd_open(child)
    assert os.waitid(os.P_PIDFD, handle, os.WEXITED).si_pid == child
    os.close(handle)

child, terminal = pty.fork()
if child == 0:
    print("at a terminal", os.isatty(0), os.get_terminal_size().columns >= 0, flush=True)
    os._exit(0)
assert b"at a terminal True True" in os.read(terminal, 1000)
os.waitpid(child, 0)
print("ok")
