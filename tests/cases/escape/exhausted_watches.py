# expect: status=success result="still here"
# Every inotify instance and watch that one user may have: other runs need none (fs.inotify.max_user_instances)
held = []
for _ in range(300):
    instance = libc.inotify_init1(0)
    if instance < 0:
        break
    held.append(instance)
    for path in (b"/tmp", b"/workspace", b"/etc", b"/usr", b"/dev/shm"):
        libc.inotify_add_watch(instance, path, 0xFFF)
(await mcp_stub.echo(word="still here")).arguments.word
