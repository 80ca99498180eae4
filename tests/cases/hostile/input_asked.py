# expect: status=error error=EOFError
input("who is there? ")
