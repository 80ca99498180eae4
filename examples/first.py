# Each customer's best month. One query for each customer, all at once; the joining is plain Python.
customers = await mcp_shop.query("SELECT id, name, region FROM customers ORDER BY name")

SPENT = """
    SELECT substr(placed, 1, 7) AS month, sum(cents) AS cents FROM orders
    WHERE customer = ? GROUP BY month ORDER BY cents DESC LIMIT 1
"""
best = await asyncio.gather(*[mcp_shop.query(SPENT, [c.id]) for c in customers])

[
    {"customer": c.name, "region": c.region, "month": rows[0].month, "spent": rows[0].cents / 100}
    for c, rows in zip(customers, best)
]
