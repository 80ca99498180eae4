//! "Did you mean ...?": the known name closest to the one asked for.

/// The candidate that `asked` was most likely meant to be, or none that is close enough to be worth saying.
///
/// Case, `-`, `.`, `/`, spaces and `_` count as equal; beyond that about one letter in three may differ. A name that contains
/// all of the asked one (`issue` for `create_issue`) comes after one that is a slip of the hand away. Ties go to the
/// candidate that sorts first, so the answer does not depend on their order.
pub fn nearest<'a>(asked: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked = plain(asked);
    // Shorter than two letters, everything is near.
    if asked.len() < 2 {
        return None;
    }
    let allowed = (asked.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known = plain(candidate);
            let slip = distance(&asked, &known, allowed);
            let part = || contains(&known, &asked).then(|| allowed + 1 + known.len() - asked.len());
            Some((slip.or_else(part)?, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance (insert, delete, replace, swap of neighbours), or none if it is above `limit`.
pub fn distance(a: &[char], b: &[char], limit: usize) -> Option<usize> {
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1; b.len() + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                best = best.min(before[j - 1] + 1);
            }
            row[j + 1] = best;
        }
        if row.iter().all(|cost| *cost > limit) {
            return None;
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().filter(|cost| *cost <= limit)
}

/// A hostile name may be a megabyte long, and the work is quadratic.
const LOOKED_AT: usize = 100;

fn plain(name: &str) -> Vec<char> {
    name.chars()
        .take(LOOKED_AT)
        .map(|c| if matches!(c, '-' | '.' | '/' | ' ') { '_' } else { c.to_ascii_lowercase() })
        .collect()
}

/// Parts shorter than three letters occur in too many names to mean anything.
fn contains(whole: &[char], part: &[char]) -> bool {
    part.len() >= 3 && whole.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOLS: [&str; 5] = ["create_issue", "get_issue", "list_commits", "fetch", "API-get-user"];

    #[test]
    fn slips_of_the_hand_are_understood() {
        assert_eq!(nearest("creat_issue", TOOLS), Some("create_issue"));
        assert_eq!(nearest("fecth", TOOLS), Some("fetch"));
        assert_eq!(nearest("listCommits", TOOLS), Some("list_commits"));
        assert_eq!(nearest("api_get_user", TOOLS), Some("API-get-user"));
        assert_eq!(nearest("commits", TOOLS), Some("list_commits"));
    }

    #[test]
    fn strangers_are_not() {
        assert_eq!(nearest("weather", TOOLS), None);
        assert_eq!(nearest("", TOOLS), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn the_order_of_candidates_does_not_matter() {
        assert_eq!(nearest("aac", ["aab", "aaa"]), Some("aaa"));
        assert_eq!(nearest("aac", ["aaa", "aab"]), Some("aaa"));
    }

    #[test]
    fn distances_are_the_known_ones() {
        let d =
            |a: &str, b: &str, limit| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>(), limit);
        assert_eq!(d("kitten", "sitting", 3), Some(3));
        assert_eq!(d("kitten", "sitting", 2), None);
        assert_eq!(d("ab", "ba", 1), Some(1));
        assert_eq!(d("", "", 0), Some(0));
    }
}
