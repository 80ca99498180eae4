# Runs inside the sandbox of an image without compiled modules: compiles every library module and writes each, as
# `length path length bytes` (lengths are four bytes, big-endian), to the output. What fails is left to the import.
import importlib._bootstrap_external as external, importlib.util, os, re, site, struct, sys, sysconfig, warnings

warnings.simplefilter("ignore")
paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")] + site.getsitepackages()
skip = re.compile(r"/(test|tests|idlelib|turtledemo|__pycache__)(/|$)")
seen = set()
for path in paths:
    for folder, folders, files in os.walk(path or "", followlinks=False):
        if folder in seen or skip.search(folder):
            folders[:] = []
            continue
        seen.add(folder)
        for name in files:
            source = os.path.join(folder, name)
            target = importlib.util.cache_from_source(source)
            if not name.endswith(".py") or os.path.exists(target):
                continue
            try:
                with open(source, "rb") as file:
                    text = file.read()
                # Not checked against its source at import: neither changes any more.
                code = external._code_to_hash_pyc(compile(text, source, "exec", dont_inherit=True), importlib.util.source_hash(text), False)
            except Exception:
                continue
            for part in (os.fsencode(target), bytes(code)):
                sys.stdout.buffer.write(struct.pack(">I", len(part)) + part)
