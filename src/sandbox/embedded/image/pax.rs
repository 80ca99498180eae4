//! The extended header of POSIX tars: pure.

use super::fault::Fault;
use super::tarball::Time;

/// What a PAX header says about the entry after it, as far as it matters here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Extensions {
    pub path: Option<Vec<u8>>,
    pub linkpath: Option<Vec<u8>>,
    pub size: Option<u64>,
    pub mtime: Option<Time>,
    /// The file is sparse, in the one form that is written today (1.0): its map stands before its data.
    pub sparse: bool,
    pub sparse_name: Option<Vec<u8>>,
    pub real_size: Option<u64>,
}

impl Extensions {
    /// Reads `LENGTH KEY=VALUE\n`, again and again; an empty value takes an earlier one back.
    ///
    /// # Errors
    /// Records that do not have this shape, numbers that are none, and sparse files in the older forms.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, Fault> {
        let broken = || Fault::invalid("an extended header is damaged");
        let mut found = Self::default();
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or_else(broken)?;
            let length: usize = ascii(&bytes[..space]).ok_or_else(broken)?;
            let record =
                bytes.get(space + 1..length).and_then(|record| record.strip_suffix(b"\n")).ok_or_else(broken)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(broken)?;
            found.take(&record[..equals], &record[equals + 1..]).ok_or_else(broken)??;
            bytes = &bytes[length..];
        }
        Ok(found)
    }

    /// `None`: the value is not of the kind that the key wants.
    fn take(&mut self, key: &[u8], value: &[u8]) -> Option<Result<(), Fault>> {
        let bytes = || Some(value.to_vec()).filter(|value| !value.is_empty());
        let count = || if value.is_empty() { Some(None) } else { ascii::<u64>(value).map(Some) };
        match key {
            b"path" => self.path = bytes(),
            b"linkpath" => self.linkpath = bytes(),
            b"size" => self.size = count()?,
            b"mtime" => self.mtime = if value.is_empty() { None } else { Some(time(value)?) },
            b"GNU.sparse.major" if value == b"1" => self.sparse = true,
            b"GNU.sparse.minor" if value == b"0" => {}
            b"GNU.sparse.name" => self.sparse_name = bytes(),
            b"GNU.sparse.realsize" => self.real_size = count()?,
            key if key.starts_with(b"GNU.sparse.") => {
                return Some(Err(Fault::invalid("it holds a sparse file in a form that is not understood")));
            }
            _ => {}
        }
        Some(Ok(()))
    }
}

fn ascii<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Seconds, with a fraction of any length, which is cut to nanoseconds; below zero too.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let negative = whole.starts_with('-');
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    // The kernel counts nanoseconds forward from the second before.
    Some(match (negative, nanos) {
        (true, 1..) => Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
        _ => Time { seconds, nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `KEY=VALUE` with its length before it.
    fn record(key: &str, value: &[u8]) -> Vec<u8> {
        let body = [key.as_bytes(), b"=", value, b"\n"].concat();
        let length = (1..=9).map(|digits| body.len() + 1 + digits).find(|n| n.to_string().len() + 1 + body.len() == *n);
        [length.expect("a length").to_string().as_bytes(), b" ", &body].concat()
    }

    #[test]
    fn the_keys_that_matter_are_read() {
        let bytes = [
            record("path", b"a\nb\xff"),
            record("comment", b"x=y"),
            record("size", b"12"),
            record("mtime", b"1700000000.1234567891"),
            record("linkpath", b"first"),
            record("linkpath", b""),
        ]
        .concat();
        let expected = Extensions {
            path: Some(b"a\nb\xff".to_vec()),
            size: Some(12),
            mtime: Some(Time { seconds: 1_700_000_000, nanos: 123_456_789 }),
            ..Default::default()
        };
        assert_eq!(Extensions::parse(&bytes).expect("extensions"), expected);
    }

    #[test]
    fn times_before_1970_keep_their_fraction() {
        for (text, seconds, nanos) in
            [("-1", -1, 0), ("-1.25", -2, 750_000_000), ("-0.5", -1, 500_000_000), ("0.5", 0, 500_000_000)]
        {
            assert_eq!(time(text.as_bytes()), Some(Time { seconds, nanos }), "{text}");
        }
        for text in ["", "x", "1.x", "1.-1", "99999999999999999999", "1e3"] {
            assert_eq!(time(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn damaged_headers_are_refused() {
        for bytes in [
            &b"6 a=b"[..],
            b"x a=b\n",
            b"5 a=b\n",
            b"99 a=b\n",
            b"1 a=b\n",
            b"5 ab\n",
            b"18446744073709551616 a=b\n",
            b"-6 a=b\n",
            b"8 size=x\n",
            b"10 size=-1\n",
            &record("size", b"99999999999999999999"),
            &record("GNU.sparse.map", b"0,1"),
            &record("GNU.sparse.major", b"2"),
        ] {
            assert!(Extensions::parse(bytes).is_err(), "{}", bytes.escape_ascii());
        }
    }
}
