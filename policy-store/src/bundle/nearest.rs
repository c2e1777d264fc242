//! Finds the known name that is nearest to an unknown one, for "did you mean".

use strsim::levenshtein;

/// The maximum length of a name: a longer one is not a typing error.
const LONGEST: usize = 100;

/// Returns the name of `names` with the smallest edit distance from `name`; of equally near names, the first in
/// the alphabet.
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
