# expect: status=success timeout=15 result="not waited for"
# Children hold stdout and go on writing; the program's end is the end.
import subprocess

subprocess.Popen(["sh", "-c", "while true; do echo more; sleep 1; done"])
subprocess.Popen(["sleep", "1000"])
"not waited for"
