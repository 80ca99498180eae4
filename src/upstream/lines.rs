//! Lines of bytes with a limit: memory grows with what arrives, and a line over the limit is read past, not kept. What is
//! left of such a line is the id it answers, so that the request can be failed instead of waiting for ever.

use rmcp::model::RequestId;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// One read costs one wake-up; the size of a Linux pipe's buffer.
const CHUNK: usize = 64 * 1024;
/// A buffer larger than this is given back after its line: one large result must not stay in memory.
const KEEP: usize = 1024 * 1024;
/// Ids and key names longer than this are not ours.
const WORD: usize = 128;

/// One line, without its end.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Whole(&'a [u8]),
    /// Over the limit. `answers`: the id of the request it answers, where it is an answer.
    TooLong {
        bytes: u64,
        answers: Option<RequestId>,
    },
}

pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    limit: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader: BufReader::with_capacity(CHUNK, reader), line: Vec::new(), limit }
    }

    /// The next line; `None` at the end of the stream. A last line without a newline is a line. Not cancel-safe.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line<'_>>> {
        self.line.clear();
        self.line.shrink_to(KEEP);
        let mut bytes = 0_u64;
        let mut scan: Option<EnvelopeScan> = None;
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() && bytes == 0 {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', chunk);
            let part = &chunk[..end.unwrap_or(chunk.len())];
            bytes += part.len() as u64 + u64::from(end.is_some());
            let finished = end.is_some() || chunk.is_empty();

            if scan.is_none() && self.line.len() + part.len() > self.limit {
                let mut fresh = EnvelopeScan::default();
                fresh.feed(&self.line);
                scan = Some(fresh);
                self.line = Vec::new();
            }
            match &mut scan {
                Some(scan) => scan.feed(part),
                None => self.line.extend_from_slice(part),
            }
            let consumed = part.len() + usize::from(end.is_some());
            self.reader.consume(consumed);
            if finished {
                return Ok(Some(match scan {
                    Some(scan) => Line::TooLong { bytes, answers: scan.answers() },
                    None => Line::Whole(self.line.strip_suffix(b"\r").unwrap_or(&self.line)),
                }));
            }
        }
    }
}

/// Finds the top-level `id` of a JSON object that passes by in pieces and is never held. Wherever it stands: some SDKs
/// write it before the result, some after.
#[derive(Default)]
struct EnvelopeScan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    in_value: bool,
    is_request: bool,
    key: Vec<u8>,
    id: Vec<u8>,
}

impl EnvelopeScan {
    fn feed(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.step(byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return self.note(byte);
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.note(byte);
            }
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 => {
                self.in_value = true;
                self.is_request |= self.key == b"\"method\"";
            }
            b',' if self.depth == 1 => {
                self.in_value = false;
                self.key.clear();
            }
            _ => self.note(byte),
        }
    }

    fn note(&mut self, byte: u8) {
        if self.depth != 1 {
            return;
        }
        if !self.in_value && self.key.len() < WORD {
            self.key.push(byte);
        } else if self.in_value && self.key.trim_ascii() == b"\"id\"" && self.id.len() < WORD {
            self.id.push(byte);
        }
    }

    fn answers(&self) -> Option<RequestId> {
        if self.is_request { None } else { serde_json::from_slice(&self.id).ok() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(input: &[u8], limit: usize) -> Vec<Result<Vec<u8>, (u64, Option<RequestId>)>> {
        let mut lines = Lines::new(input, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.expect("reading from memory") {
            all.push(match line {
                Line::Whole(bytes) => Ok(bytes.to_vec()),
                Line::TooLong { bytes, answers } => Err((bytes, answers)),
            });
        }
        all
    }

    #[tokio::test]
    async fn lines_end_at_newlines_and_at_the_end_of_the_stream() {
        let lines = read(b"one\r\n\ntwo\xff\nlast", 10).await;
        assert_eq!(lines, [Ok(b"one".to_vec()), Ok(vec![]), Ok(b"two\xff".to_vec()), Ok(b"last".to_vec())]);
    }

    #[tokio::test]
    async fn a_line_of_exactly_the_limit_is_kept_and_one_byte_more_is_not() {
        assert_eq!(read(b"12345\n", 5).await, [Ok(b"12345".to_vec())]);
        assert_eq!(read(b"123456\nok\n", 5).await, [Err((7, None)), Ok(b"ok".to_vec())]);
    }

    #[tokio::test]
    async fn the_id_of_a_long_answer_is_found_wherever_it_stands() {
        let filler = "x".repeat(3 * CHUNK);
        let number = Some(RequestId::Number(7));
        for (line, id) in [
            (format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"id":9,"text":"{filler}"}}}}"#), number.clone()),
            (format!(r#"{{"result":{{"a":["{filler}",{{"id":1}}]}},"jsonrpc":"2.0", "id" : 7 }}"#), number.clone()),
            (format!(r#"{{"result":"\"id\":5,{filler}\\","id":"a,b"}}"#), Some(RequestId::String("a,b".into()))),
            (format!(r#"{{"method":"ping","params":"{filler}","id":7}}"#), None),
            (format!(r#"["{filler}"]"#), None),
            (filler.clone(), None),
        ] {
            let found = read(line.as_bytes(), CHUNK).await;
            assert_eq!(found, [Err((line.len() as u64, id))], "{}…", &line[..40]);
        }
    }
}
