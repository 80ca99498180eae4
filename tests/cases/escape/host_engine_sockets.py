# expect: status=success result=[]
# The engine's own socket, wherever it may have been put ("docker.sock", the oldest escape)
import glob
import socket

places = [host.engine, "/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock",
          "/run/crio/crio.sock", "/run/user/0/podman/podman.sock", "/run/user/1000/podman/podman.sock", "/run/user/1000/docker.sock",
          "/run/k3s/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/systemd/notify",
          "/run/buildkit/buildkitd.sock", "/var/run/cri-dockerd.sock", "/run/snapd.socket", "/var/lib/lxd/unix.socket"]
places += [each for root in ("/run", "/var/run", "/var/lib", "/tmp", "/home", "/root") for each in
           glob.glob(root + "/**/*.sock*", recursive=True)]
for path in places:
    attempt(path, lambda: os.stat(path))
    with socket.socket(socket.AF_UNIX) as s:
        attempt("connected: " + path, lambda: s.connect(path))
reached
