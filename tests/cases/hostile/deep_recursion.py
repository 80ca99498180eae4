# expect: status=error error=RecursionError
def again():
    return again()


again()
