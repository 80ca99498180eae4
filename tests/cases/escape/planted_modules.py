# expect: status=success result=[]
# Python files and compiled files where the next run would load them: site-packages, sitecustomize, __pycache__, .pth (MITRE ATT&CK T1546)
import site
import sysconfig

places = {each for each in sys.path if os.path.isdir(each)} | set(site.getsitepackages()) | set(sysconfig.get_paths().values())
places |= {os.path.join(each, "__pycache__") for each in list(places)} | {os.path.dirname(sys.executable), sys.prefix}
places = {os.path.realpath(each) for each in places}
for place in sorted(places):
    if not place.startswith(("/tmp", "/workspace", "/dev/shm")):
        for name in ("sitecustomize.py", "mark.pth", "json.py", "os.cpython-313.pyc", "python313._pth", "pyvenv.cfg"):
            attempt(os.path.join(place, name), lambda: write(os.path.join(place, name), "raise SystemExit"))
reached
