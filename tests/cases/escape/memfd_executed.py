# expect: status=success result={"NoNewPrivs": "1", "CapEff": 0, "CapBnd": 0, "Seccomp": "2"}
# A program in memory without a name is executed, where files cannot be: it has the same walls (fexecve; fileless malware)
import json
import subprocess

code = """import json
lines = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps({"NoNewPrivs": lines["NoNewPrivs"], "CapEff": int(lines["CapEff"], 16), "CapBnd": int(lines["CapBnd"], 16), "Seccomp": lines["Seccomp"]}))
"""
try:
    file = os.memfd_create("program")
    with open(os.path.realpath(sys.executable), "rb") as source:
        while block := source.read(1 << 20):
            os.write(file, block)
    environment = {"PYTHONHOME": sys.base_prefix, **os.environ}
    done = subprocess.run(["/proc/self/fd/%d" % file, "-c", code], pass_fds=(file,), capture_output=True, env=environment)
    found = json.loads(done.stdout)
except (OSError, ValueError):
    # Refused altogether is as good.
    found = {"NoNewPrivs": "1", "CapEff": 0, "CapBnd": 0, "Seccomp": "2"}
found
