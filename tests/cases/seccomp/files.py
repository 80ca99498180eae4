# What `os`, `pathlib`, `shutil`, `tempfile`, `fcntl` and `mmap` do with files.
import errno
import fcntl
import glob
import mmap
import os
import pathlib
import shutil
import tempfile

top = pathlib.Path(tempfile.mkdtemp())
one, two = top / "one", top / "two"
one.write_text("one" * 1000)
assert shutil.copyfile(one, two).read_text() == "one" * 1000
shutil.copytree(top, top / "tree")
os.link(one, top / "link")
(top / "symbolic").symlink_to("one")
assert os.readlink(top / "symbolic") == "one"
os.chmod(one, 0o640)
os.chown(one, os.getuid(), os.getgid())
os.chown(one, -1, -1, follow_symlinks=False)
os.utime(one, (1, 2))
os.utime(one, ns=(10**9, 2 * 10**9), follow_symlinks=False)
assert one.stat().st_mtime == 2 and os.lstat(one).st_size == 3000
os.rename(two, top / "three")
os.replace(top / "three", two)
os.truncate(two, 10)
os.mkfifo(top / "fifo")
os.mknod(top / "plain")
assert os.access(one, os.R_OK) and os.access("one", os.R_OK, dir_fd=os.open(top, os.O_RDONLY))
assert sorted(entry.name for entry in os.scandir(top / "tree")) == ["one", "two"]
assert len(list(os.walk(top))) == 2 and glob.glob(str(top / "*"))
assert os.statvfs(top).f_bsize and shutil.disk_usage(top).total and os.fstatvfs(os.open(top, 0)).f_files >= 0
os.chdir(top)
os.fchdir(os.open("/", os.O_RDONLY))
assert os.getcwd() == "/"
try:
    os.setxattr(one, "user.key", b"value")
    assert os.getxattr(one, "user.key") == b"value" and "user.key" in os.listxattr(one)
    os.removexattr(one, "user.key")
except OSError as error:
    assert error.errno == errno.ENOTSUP, error

a, b = os.open(one, os.O_RDWR), os.open(top / "out", os.O_RDWR | os.O_CREAT)
assert os.sendfile(b, a, 0, 100) == 100
os.posix_fallocate(b, 0, 5000)
os.posix_fadvise(a, 0, 0, os.POSIX_FADV_SEQUENTIAL)
os.fsync(b)
os.fdatasync(b)
assert os.pread(a, 3, 3) == b"one" and os.preadv(a, [bytearray(3)], 0) == 3
assert os.pwrite(b, b"xy", 7) == 2 and os.pwritev(b, [b"z"], 9) == 1 and os.writev(b, [b"1", b"2"]) == 2
assert os.copy_file_range(a, b, 50, 0, 0) == 50
if hasattr(os, "splice"):
    read, write = os.pipe()
    assert os.splice(a, write, 10, offset_src=0) == 10 and os.read(read, 10) == b"oneoneoneo"
os.lseek(a, 0, os.SEEK_END)
os.close(os.dup(a))
os.dup2(a, b)
os.set_inheritable(a, True)
os.set_blocking(a, False)
os.closerange(900, 910)
fcntl.flock(a, fcntl.LOCK_EX)
fcntl.lockf(a, fcntl.LOCK_EX | fcntl.LOCK_NB)
with open(one, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
    mapped[:3] = b"ONE"
    mapped.flush()
    mapped.resize(8192)
    if hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
assert one.read_bytes()[:3] == b"ONE"
with mmap.mmap(-1, 1 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as private:
    private.write(b"x" * 1000)
with tempfile.TemporaryFile() as file, tempfile.SpooledTemporaryFile() as spooled:
    file.write(b"x")
    spooled.write(b"y" * 100)
with tempfile.NamedTemporaryFile("w") as file:
    assert os.path.samefile(file.name, "/proc/self/fd/%d" % file.fileno())
shutil.make_archive(str(top / "archive"), "zip", top / "tree")
shutil.rmtree(top)
print("ok")
