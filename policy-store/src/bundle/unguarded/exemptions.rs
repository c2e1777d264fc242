//! The exemptions of actions from layers, as the schema declares them: `@without("tenant, feature")`.

use std::collections::{BTreeMap, HashSet};

use super::Subject;
use crate::bundle::finding::Finding;
use crate::bundle::kind::Kind;
use crate::bundle::layer::Layer;
use crate::bundle::nearest::nearest;
use crate::bundle::{Bundle, tokens};

/// The name of the annotation.
const WITHOUT: &str = "without";

/// The exemptions from layers, by the names of actions and groups.
pub(super) struct Exemptions<'a> {
    known: BTreeMap<&'a str, Vec<Layer>>,
    /// The names in annotations that are not layers: pairs of the action and the name.
    unknown: Vec<(&'a str, &'a str)>,
}

impl<'a> Exemptions<'a> {
    pub(super) fn of(bundle: &'a Bundle) -> Self {
        let (mut known, mut unknown) = (BTreeMap::new(), Vec::new());
        let actions = bundle.declared.json.get("").and_then(|it| it.get("actions")?.as_object());
        for (name, action) in actions.into_iter().flatten() {
            let Some(said) = action.get("annotations").and_then(|it| it.get(WITHOUT)) else {
                continue;
            };
            let words = said.as_str().unwrap_or_default().split([',', ' ']);
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            if words.is_empty() {
                unknown.push((name.as_str(), ""));
            }
            for word in words {
                match Layer::named(word) {
                    Some(layer) => known.entry(name.as_str()).or_insert_with(Vec::new).push(layer),
                    None => unknown.push((name.as_str(), word)),
                }
            }
        }
        Self { known, unknown }
    }

    /// Returns the names, of an action and its groups, that are exempt from `layer`.
    pub(super) fn of_action(&self, subject: &Subject<'_>, layer: Layer) -> Vec<&'a str> {
        let names = subject.around.iter().map(|uid| uid.id().unescaped());
        let known = names.filter_map(|name| self.known.get_key_value(name));
        known.filter(|(_, layers)| layers.contains(&layer)).map(|(name, _)| *name).collect()
    }

    /// Returns a finding for each name that is not a layer.
    pub(super) fn unknown(&self, bundle: &Bundle) -> Vec<Finding> {
        let finding = |(action, word): &(&str, &str)| {
            let message = format!("`{action}` does without the layer `{word}`, which is unknown");
            let remedy = match nearest(word, Layer::names().split(", ")) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("one of {}", Layer::names()),
            };
            at(bundle, action, &message, &remedy).of_kind(Kind::OddExemption)
        };
        self.unknown.iter().map(finding).collect()
    }

    /// Returns a finding for each exemption that changes nothing; `needed` lists those that do.
    pub(super) fn needless(
        &self,
        bundle: &Bundle,
        needed: &HashSet<(&str, Layer)>,
    ) -> Vec<Finding> {
        let all = self.known.iter().flat_map(|(name, layers)| layers.iter().map(|it| (*name, *it)));
        let needless = all.filter(|it| !needed.contains(it));
        let finding = |(action, layer): (&str, Layer)| {
            let layer = layer.name();
            let message = format!(
                "`{action}` need not do without layer `{layer}`: no guard of that layer passes it by"
            );
            let remedy = format!(
                "take `{layer}` out of @{WITHOUT}, so that it does not excuse what comes later"
            );
            at(bundle, action, &message, &remedy).of_kind(Kind::OddExemption)
        };
        needless.map(finding).collect()
    }
}

/// Returns a finding at the place where the schema declares an action.
pub(super) fn at(bundle: &Bundle, action: &str, message: &str, remedy: &str) -> Finding {
    let schema = &bundle.sources().schema;
    match tokens::declarations(&schema.text, "action").get(action) {
        Some(place) => schema.at(*place, message, remedy),
        None => schema.finding(0, 0, message, remedy),
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::SchemaFragment;

    use super::WITHOUT;

    #[test]
    fn cedar_keeps_annotations_of_actions() {
        let text = "entity A; @without(\"tenant\") action a; action b in [a] appliesTo { principal: A, resource: A };";
        let (schema, _) = SchemaFragment::from_cedarschema_str(text).unwrap();
        let json = schema.to_json_value().unwrap();
        let said = json.pointer(&format!("//actions/a/annotations/{WITHOUT}"));
        assert_eq!(said, Some(&serde_json::Value::from("tenant")), "{json}");
    }
}
