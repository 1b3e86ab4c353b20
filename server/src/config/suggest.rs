//! The known word that a mistyped one most likely stands for.
//!
//! Only spelling counts: letters left out, added, changed or swapped with a neighbour.

/// Words longer than this are not compared: nobody mistypes one, and the cost grows with the square.
const WORD_CHARS_MAX: usize = 64;

/// The word of `known` nearest to `word`, if it is near enough to be meant: at most one mistake for
/// every three letters, and one in short words. Case and the kind of dash do not count.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = letters(word);
    if letters.is_empty() || letters.len() > WORD_CHARS_MAX {
        return None;
    }
    let tolerated = (letters.len() / 3).max(1);
    let near = known.into_iter().filter_map(|candidate| {
        let mistakes = distance(&letters, &self::letters(candidate));
        (mistakes <= tolerated).then_some((mistakes, candidate))
    });
    near.min_by_key(|(mistakes, _)| *mistakes).map(|(_, candidate)| candidate)
}

fn letters(word: &str) -> Vec<char> {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_' | ' '))
        .take(WORD_CHARS_MAX + 1)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Edits between two words, a swap of neighbours being one.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let mut least =
                (last[j] + usize::from(from != to)).min(last[j + 1] + 1).min(row[j] + 1);
            let is_swap = i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to;
            if is_swap {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["by", "limit", "window", "algorithm"];

    #[test]
    fn a_mistyped_word_is_recognised() {
        for (typed, meant) in [
            ("widnow", "window"),
            ("limits", "limit"),
            ("algoritm", "algorithm"),
            ("Window", "window"),
            ("bi", "by"),
        ] {
            assert_eq!(nearest(typed, KNOWN), Some(meant), "{typed}");
        }
        assert_eq!(nearest("rate-limit", ["ratelimit", "rate_limit"]), Some("ratelimit"));
    }

    #[test]
    fn a_different_word_is_not() {
        for typed in ["", "x", "burst", "_", &"window".repeat(20)] {
            assert_eq!(nearest(typed, ["limit", "window"]), None, "{typed}");
        }
    }

    #[test]
    fn a_swap_is_one_edit_and_a_change_is_one() {
        let distance = |a: &str, b: &str| distance(&letters(a), &letters(b));
        assert_eq!(distance("abcd", "abdc"), 1);
        assert_eq!(distance("abcd", "abxd"), 1);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
