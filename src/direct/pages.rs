//! Lists in pages. A page is large: many clients read only the first one.

/// Entries of a page: more than any server known lists, and small enough that no message becomes monstrous.
const SIZE: usize = 1000;
/// What our cursors begin with.
const BEGINS: &str = "from-";

/// One page: which entries, and the cursor of the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    pub range: std::ops::Range<usize>,
    pub next: Option<String>,
}

/// A cursor that is none of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor {0:?} is not one that was given out")]
pub struct PageError(pub String);

/// The page of `count` entries that a cursor means; without one, the first.
///
/// # Errors
/// The cursor is none of ours. One of a list that became shorter means an empty page.
pub fn page(cursor: Option<&str>, count: usize) -> Result<Page, PageError> {
    let start = match cursor {
        None => 0,
        Some(cursor) => {
            let number = cursor.strip_prefix(BEGINS).and_then(|number| number.parse::<usize>().ok());
            number.ok_or_else(|| PageError(cursor.chars().take(60).collect()))?.min(count)
        }
    };
    let end = start.saturating_add(SIZE).min(count);
    Ok(Page { range: start..end, next: (end < count).then(|| format!("{BEGINS}{end}")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let first = page(None, SIZE + 1).expect("the first");
        assert_eq!(first, Page { range: 0..SIZE, next: Some(format!("from-{SIZE}")) });
        let second = page(first.next.as_deref(), SIZE + 1).expect("the second");
        assert_eq!(second, Page { range: SIZE..SIZE + 1, next: None });
        assert_eq!(page(Some("from-7"), 3).expect("it became shorter").range, 3..3);
        assert_eq!(page(None, 0).expect("nothing").range, 0..0);
        for wrong in ["", "7", "from-", "from--1", "from-99999999999999999999999"] {
            assert!(page(Some(wrong), 10).is_err(), "{wrong}");
        }
    }
}
