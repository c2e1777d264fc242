//! The names by which a query or a body names a tenant (`tenancy.names`), and the aliases that a lenient reader
//! takes for one of them.
//!
//! If the upstream read a name that the gate does not read, the request would act in a tenant that was never
//! judged. So an alias is refused, never forwarded.

/// Whether some reader takes `name`, which is not in `known`, for a name that is: Express and PHP read
/// `organization_id[]` as `organization_id`, PHP `organization.id`, case-insensitive readers
/// `Organization_Id`, readers that convert the case of identifiers `organizationId`.
pub(crate) fn is_alias(name: &str, known: &[String]) -> bool {
    !known.iter().any(|known| known == name) && known.iter().any(|known| is_alike(name, known))
}

/// Whether two names have the same letters, and at least one.
fn is_alike(name: &str, known: &str) -> bool {
    let known = letters(known);
    known.clone().next().is_some() && letters(name).eq(known)
}

/// The letters and digits of a name, case folded, up to its first `[` or NUL (where readers in C stop).
pub(crate) fn letters(name: &str) -> impl Iterator<Item = char> + Clone {
    let end = name.find(['[', '\0']).unwrap_or(name.len());
    // To upper case first: `ı` and `ſ` become `I` and `S` there, but stay distinct letters in lower case.
    name.get(..end)
        .unwrap_or_default()
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .filter(|letter| letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::is_alias;

    #[test]
    fn names_that_are_taken_for_others() {
        let known =
            ["organization_id", "organizationId", "mandanten-schlüssel", "*"].map(String::from);
        for alias in [
            "Organization_Id",
            "ORGANIZATION_ID",
            "organizationid",
            "OrganizationId",
            "organization-id",
            "organization.id",
            "organization id",
            " organization_id",
            "organization_id ",
            "organization_id[]",
            "organization_id[0]",
            "organization_id[x][y]",
            "organization_id[",
            "organization_id\0x",
            "organizat\u{131}on_id",
            "organ\u{130}zation_id",
            "organization_id\u{200b}",
            "_organization_id_",
            "Mandanten-Schlüssel",
            "mandantenSCHLÜSSEL",
            "mandanten-ſchlüssel",
        ] {
            assert!(is_alias(alias, &known), "{alias}");
        }
        for other in [
            "organization_id",
            "organizationId",
            "organization",
            "organization[id]",
            "organization_ids",
            "my_organization_id",
            "id",
            "",
            "[]",
            "-",
            "[organization_id]",
        ] {
            assert!(!is_alias(other, &known), "{other}");
        }
    }
}
