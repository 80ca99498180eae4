"""Runs `print(1)` in pydantic-monty, each time in a fresh session, as often as each line of the input says; milliseconds as JSON."""

import json
import sys
import time

import pydantic_monty


def run(pool: pydantic_monty.Monty) -> float:
    """Milliseconds from the wish to the output."""
    printed: list[str] = []
    begun = time.perf_counter()
    with pool.checkout() as session:
        session.feed_run("print(1)", print_callback=lambda _, text: printed.append(text))
        took = (time.perf_counter() - begun) * 1e3
    assert printed == ["1\n"], printed
    return took


with pydantic_monty.Monty() as pool:
    # The first ones start its worker and fill its caches.
    for _ in range(50):
        run(pool)
    for line in sys.stdin:
        print(json.dumps([run(pool) for _ in range(int(line))]), flush=True)
