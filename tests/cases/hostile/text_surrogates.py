# expect: status=success result="'\\ud800'"
print("\ud800")
"\ud800"
