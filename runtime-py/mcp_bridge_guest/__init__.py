"""The guest: what runs inside the sandbox. `src/guest/PROTOCOL.md` says how it talks to the host."""
