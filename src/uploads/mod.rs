//! Files that callers send for their programs: names checked, contents kept on the host for later runs.
//!
//! A file is known by the digest of its bytes, never by a path of the caller's, and each caller has a folder of its own: nothing in
//! another's can be named. Must never read a file of the host on a caller's word. Called by `execution`, and
//! `server` shows them as resources; `cli` makes the store.

mod digest;
mod error;
mod name;
mod store;
#[cfg(test)]
mod tests;

pub use digest::{Digest, SCHEME};
pub use error::UploadError;
pub use name::{FileName, LONGEST_NAME, named_by};
pub use store::{Content, Given, Limits, MOST_FILES, Store, Upload};
