#: timeout: 3
#: status: "timeout"
#: verdict: "time"
#: says: ["Code exceeded timeout", "larger `timeout`"]
#: stdout: "begun\n"
print("begun")
await asyncio.sleep(60)
