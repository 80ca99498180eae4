-- A small shop, so that the example has something to ask about.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, region TEXT NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer INTEGER NOT NULL REFERENCES customers (id),
    placed TEXT NOT NULL,
    cents INTEGER NOT NULL
);

INSERT INTO customers (id, name, region) VALUES
    (1, 'Acme', 'north'), (2, 'Birch & Sons', 'north'), (3, 'Cobalt', 'south'),
    (4, 'Dune', 'south'), (5, 'Ember', 'west'), (6, 'Fjord', 'north');

INSERT INTO orders (customer, placed, cents) VALUES
    (1, '2026-01-04', 129900), (1, '2026-02-11', 45050), (1, '2026-03-20', 98000),
    (2, '2026-01-15', 20000), (2, '2026-03-02', 31075),
    (3, '2026-02-01', 250000), (3, '2026-02-27', 18050),
    (4, '2026-01-30', 7725),
    (5, '2026-03-08', 64000), (5, '2026-03-09', 64000), (5, '2026-03-30', 12500),
    (6, '2026-02-14', 88000);
