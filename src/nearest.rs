//! "Did you mean": the nearest of some names.

/// The candidate nearest to `asked` by edit distance over lower-cased letters, `-` and `.` read as `_`; `None` when even the nearest differs in more than a
/// third of its letters (then a suggestion would be noise). Ties go to the first.
pub fn nearest<'a>(asked: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let asked = fold(asked);
    candidates
        .into_iter()
        .map(|c| (distance(&asked, &fold(c)), c))
        .min_by_key(|(d, _)| *d)
        .filter(|(d, c)| *d <= asked.len().max(c.chars().count()).div_ceil(3))
        .map(|(_, c)| c)
}

fn fold(name: &str) -> Vec<char> {
    // Names come from outside; 128 letters bound the quadratic work.
    name.chars()
        .take(128)
        .flat_map(char::to_lowercase)
        .map(|c| if matches!(c, '-' | '.' | ' ') { '_' } else { c })
        .collect()
}

/// Optimal string alignment distance (Levenshtein with swaps of neighbours).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_far_away() {
        let names = ["github", "git", "filesystem", "time"];
        assert_eq!(nearest("gihtub", names), Some("github"));
        assert_eq!(nearest("file-system", names), Some("filesystem"));
        assert_eq!(nearest("GIT", names), Some("git"));
        assert_eq!(nearest("postgres", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
