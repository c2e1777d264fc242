//! What somebody meant who wrote something else.

/// A name longer than this is no slip of the pen.
const LONGEST: usize = 100;

/// The one of `names` that is most like `name`; of two, the first in the alphabet.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let short = names.filter(|other| other.len() <= LONGEST);
    let ranked = short.map(|other| (distance(name, other), other));
    ranked.min().filter(|(distance, _)| distance * 2 <= name.len()).map(|(_, other)| other)
}

/// How many bytes have to be put in, left out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.bytes().enumerate() {
        let mut corner = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, theirs) in row.iter_mut().skip(1).zip(other.bytes()) {
            let changed = corner + usize::from(byte != theirs);
            corner = *cell;
            left = changed.min(corner + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn the_nearest_is_found() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        let names = ["codes.crosswalk", "codes.extract", "request"];
        assert_eq!(nearest("codes.extrct", names.into_iter()), Some("codes.extract"));
        assert_eq!(nearest("xyz", names.into_iter()), None);
    }
}
