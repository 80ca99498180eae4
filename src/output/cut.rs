//! One stream of a program's output, kept within a limit while it arrives.
//!
//! Four fifths of the room go to the beginning, where a program says what it does, one fifth to the end, where it says
//! how it ended. What is left out is left out in whole lines, and counted.

use std::collections::VecDeque;

use super::report::Cut;

/// Collects a stream without ever holding more than its limit.
#[derive(Debug)]
pub struct Capture {
    head: Vec<u8>,
    head_room: usize,
    tail: VecDeque<u8>,
    tail_room: usize,
    total: u64,
    newlines: u64,
    ends_in_newline: bool,
}

impl Capture {
    /// `limit` is in bytes of text to keep, the line that reports a cut not counted.
    pub fn new(limit: usize) -> Self {
        let tail_room = limit / 5;
        Self {
            head: Vec::new(),
            head_room: limit - tail_room,
            tail: VecDeque::new(),
            tail_room,
            total: 0,
            newlines: 0,
            ends_in_newline: true,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.ends_in_newline = *last == b'\n';
        self.total += bytes.len() as u64;
        self.newlines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        let (first, rest) = bytes.split_at(bytes.len().min(self.head_room - self.head.len()));
        self.head.extend_from_slice(first);
        let rest = &rest[rest.len().saturating_sub(self.tail_room)..];
        let excess = (self.tail.len() + rest.len()).saturating_sub(self.tail_room);
        self.tail.drain(..excess);
        self.tail.extend(rest);
    }

    /// Bytes that arrived so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether something had to be left out.
    pub fn is_cut(&self) -> bool {
        self.total > (self.head.len() + self.tail.len()) as u64
    }

    /// The text, with a line that says what was left out, and the numbers if anything was.
    ///
    /// Bytes that are not UTF-8 become U+FFFD; the text stays within the limit nevertheless.
    pub fn finish(self) -> (String, Option<Cut>) {
        let is_cut = self.is_cut();
        let tail = Vec::from(self.tail);
        if !is_cut {
            let text = String::from_utf8_lossy(&[&self.head[..], &tail].concat()).into_owned();
            // A replacement takes three bytes where a stray one took one.
            if text.len() <= self.head_room + self.tail_room {
                return (text, None);
            }
        }
        let head = lines_from_start(&String::from_utf8_lossy(&self.head), self.head_room).to_owned();
        let tail = lines_from_end(&String::from_utf8_lossy(&tail), self.tail_room).to_owned();
        let kept = (head.len() + tail.len()) as u64;
        let lines = self.newlines + u64::from(!self.ends_in_newline);
        let kept_lines = (head.matches('\n').count() + tail.matches('\n').count()) as u64
            + u64::from(!tail.is_empty() && !tail.ends_with('\n'));
        let note = format!(
            "... [cut: kept {} of {}, {} of {} lines]\n",
            human_bytes(kept),
            human_bytes(self.total),
            kept_lines,
            lines,
        );
        let gap = if head.is_empty() || head.ends_with('\n') { "" } else { "\n" };
        (format!("{head}{gap}{note}{tail}"), Some(Cut { kept, total: self.total }))
    }
}

/// At most `room` bytes from the start: whole lines, unless that would give up more than half of them for one long line.
fn lines_from_start(text: &str, room: usize) -> &str {
    let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let text = &text[..end];
    match text.rfind('\n') {
        Some(end) if end >= text.len() / 2 => &text[..=end],
        // A character that was torn at the limit has become U+FFFD.
        _ => text.trim_end_matches('\u{FFFD}'),
    }
}

/// At most `room` bytes up to the end, by the same rule.
fn lines_from_end(text: &str, room: usize) -> &str {
    let least = text.len().saturating_sub(room);
    let start = (least..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    let text = &text[start..];
    match text.find('\n') {
        Some(end) if end < text.len() / 2 => &text[end + 1..],
        _ => text.trim_start_matches('\u{FFFD}'),
    }
}

/// Bytes for a reader: `999 bytes`, `100 kB`, `2.1 MB`. Powers of 1,000.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1_000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1_000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", UNITS[unit]) } else { format!("{value:.0} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn captured(limit: usize, chunks: &[&[u8]]) -> (String, Option<Cut>) {
        let mut capture = Capture::new(limit);
        chunks.iter().for_each(|chunk| capture.push(chunk));
        capture.finish()
    }

    #[test]
    fn what_fits_is_untouched() {
        assert_eq!(captured(10, &[b"ab\n", b"", b"\ncd"]), ("ab\n\ncd".into(), None));
        assert_eq!(captured(10, &[b"0123456789"]), ("0123456789".into(), None));
        assert_eq!(captured(10, &[]), (String::new(), None));
    }

    #[test]
    fn a_long_stream_keeps_its_first_and_last_lines() {
        let lines: Vec<String> = (1..=1000).map(|n| format!("line {n}\n")).collect();
        let (text, cut) = captured(100, &[lines.concat().as_bytes()]);
        assert!(text.starts_with("line 1\nline 2\n") && text.ends_with("line 999\nline 1000\n"), "{text}");
        assert!(text.contains("... [cut: kept 9"), "{text}");
        assert!(text.contains("of 8.9 kB, 13 of 1000 lines]\n"), "{text}");
        assert_eq!(cut.unwrap().total, lines.concat().len() as u64);
    }

    #[test]
    fn one_endless_line_is_cut_within() {
        let (text, cut) = captured(10, &[&[b'x'; 1000]]);
        assert_eq!(text, "xxxxxxxx\n... [cut: kept 10 bytes of 1.0 kB, 1 of 1 lines]\nxx");
        assert_eq!(cut, Some(Cut { kept: 10, total: 1000 }));
    }

    #[test]
    fn a_long_line_after_a_short_one_is_not_given_up() {
        let (text, _) = captured(100, &[b"ok\n", &[b'x'; 1000]]);
        assert!(text.starts_with(&format!("ok\n{}\n... [cut", "x".repeat(77))), "{text}");
    }

    #[test]
    fn bytes_that_are_not_text_become_replacements() {
        assert_eq!(captured(10, &[b"a\xff\n"]), ("a\u{FFFD}\n".into(), None));
        assert_eq!(captured(100, &["é".as_bytes().split_at(1).0, "é".as_bytes().split_at(1).1]), ("é".into(), None));
    }

    #[test]
    fn nothing_is_kept_at_a_limit_of_zero() {
        let (text, cut) = captured(0, &[b"abc\n"]);
        assert_eq!(text, "... [cut: kept 0 bytes of 4 bytes, 0 of 1 lines]\n");
        assert_eq!(cut, Some(Cut { kept: 0, total: 4 }));
    }

    #[test]
    fn sizes_read_well() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (99_950, "100 kB"),
            (999_700, "1.0 MB"),
            (210_000_000, "210 MB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_stay_within_the_limit(
            chunks in proptest::collection::vec(proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(0xC3), Just(0xA9), any::<u8>()], 0..40), 0..12),
            limit in 0usize..120,
        ) {
            let mut capture = Capture::new(limit);
            let mut total = 0;
            for chunk in &chunks {
                capture.push(chunk);
                total += chunk.len();
                prop_assert!(capture.head.len() + capture.tail.len() <= limit);
            }
            let (text, cut) = capture.finish();
            match cut {
                None => {
                    let whole = chunks.concat();
                    prop_assert_eq!(text.as_str(), &*String::from_utf8_lossy(&whole));
                    prop_assert!(text.len() <= limit);
                }
                Some(cut) => {
                    prop_assert_eq!(cut.total, total as u64);
                    prop_assert!(cut.kept <= limit as u64);
                    prop_assert!(text.len() <= limit + 120);
                }
            }
        }
    }
}
