//! The name that somebody meant who wrote an unknown one.

use strsim::levenshtein;

/// A name longer than this is no slip of the pen.
const LONGEST: usize = 100;

/// The name of `names` with the fewest changes of characters from `name`; of two, the first in the alphabet.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let short = names.filter(|other| other.len() <= LONGEST);
    let ranked = short.map(|other| (levenshtein(name, other), other));
    ranked.min().filter(|(distance, _)| distance * 2 <= name.len()).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_is_found() {
        let names = ["codes.crosswalk", "codes.extract", "request"];
        assert_eq!(nearest("codes.extrct", names.into_iter()), Some("codes.extract"));
        assert_eq!(nearest("xyz", names.into_iter()), None);
    }
}
