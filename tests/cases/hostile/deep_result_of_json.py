# expect: status=success
# As deep as the guest lets through.
deep = 1
for _ in range(119):
    deep = [deep]
deep
