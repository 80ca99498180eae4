# expect: status=success result={"NoNewPrivs": "1", "CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": 0, "CapAmb": 0, "Seccomp": "2", "Uid": 65534, "Gid": 65534, "Groups": []}
lines = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
walls = {"NoNewPrivs": lines["NoNewPrivs"]}
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    walls[name] = int(lines[name], 16)
walls["Seccomp"] = lines["Seccomp"]
for name in ("Uid", "Gid"):
    (walls[name],) = {int(number) for number in lines[name].split()}
walls["Groups"] = [int(number) for number in lines["Groups"].split() if int(number) != 65534]
walls
