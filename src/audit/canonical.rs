//! One value, one text: what is hashed.

use std::io::{self, Write};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// SHA-256 of the canonical JSON of an object, in hexadecimal: no white space, the members of objects in the order of their names
/// (by UTF-8 bytes), numbers and letters as serde_json writes them.
pub fn sha256_of(members: &Map<String, Value>) -> String {
    struct Hashing(Sha256);
    impl Write for Hashing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hashing = Hashing(Sha256::new());
    // Hashing cannot fail, and names are texts: the result is always Ok.
    let _ = write_object(members, &mut hashing);
    hex(&hashing.0.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write(value: &Value, to: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Object(members) => write_object(members, to),
        Value::Array(elements) => {
            to.write_all(b"[")?;
            for (at, element) in elements.iter().enumerate() {
                to.write_all(if at == 0 { b"" } else { b"," })?;
                write(element, to)?;
            }
            to.write_all(b"]")
        }
        plain => Ok(serde_json::to_writer(to, plain)?),
    }
}

fn write_object(members: &Map<String, Value>, to: &mut impl Write) -> io::Result<()> {
    let mut members: Vec<(&String, &Value)> = members.iter().collect();
    members.sort_by_key(|(name, _)| *name);
    to.write_all(b"{")?;
    for (at, (name, member)) in members.into_iter().enumerate() {
        to.write_all(if at == 0 { b"" } else { b"," })?;
        serde_json::to_writer(&mut *to, name)?;
        to.write_all(b":")?;
        write(member, to)?;
    }
    to.write_all(b"}")
}
