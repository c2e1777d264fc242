//! The statuses that policies compare with: no fact lists those that there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use policy_store::bundle::{Bundle, Rule};

/// The strings in the policies that look at a status, sorted. A string that is none is tried in vain.
pub(super) fn of(bundle: &Bundle) -> Vec<Arc<str>> {
    let rules = bundle.rules().filter(|rule| body(rule).contains("status"));
    let found: BTreeSet<Arc<str>> = rules.flat_map(|rule| strings(body(rule))).collect();
    found.into_iter().collect()
}

/// The policy without its annotations.
pub(super) fn body(rule: &Rule) -> &str {
    let effect = if rule.forbids { "\nforbid" } else { "\npermit" };
    let at = rule.text.find(effect).unwrap_or(0);
    rule.text.get(at..).unwrap_or_default().trim_start()
}

/// The strings in a piece of Cedar that name no entity.
fn strings(text: &str) -> Vec<Arc<str>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('"') {
        let Some((string, more)) = after.split_once('"') else { break };
        if !before.ends_with("::") {
            found.push(Arc::from(string));
        }
        rest = more;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::strings;

    #[test]
    fn names_of_entities_are_no_statuses() {
        let found =
            strings(r#"unless { x.roles == [Role::"R"] || ["A", "B"].contains(x.status) }"#);
        assert_eq!(found.iter().map(|it| &**it).collect::<Vec<_>>(), ["A", "B"]);
    }
}
