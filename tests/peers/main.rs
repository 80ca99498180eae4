//! Servers that fail in every way, over every transport. One row is one case, and `check` is what every case must hold:
//! the error says what happened, it comes in time, nobody else waits, the next use of a mended server works, and nothing is left.

#[path = "../support/http_stub.rs"]
mod http_stub;
#[path = "../support/stub.rs"]
mod stub;

mod arguments;
mod calls;
mod case;
mod http_only;
mod left;
mod lists;
mod peer;
mod sockets_only;
mod starts;
mod wire;
