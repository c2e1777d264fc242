//! The layers of a decision: their names and their order, in this one place.

use serde::{Serialize, Serializer};

/// A layer of a decision. Layers are judged in this order (`docs/concepts/layers.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The form of the request. The gate judges this layer; no policy is part of it.
    Request,
    /// The caller's own state.
    Authentication,
    /// The part of the API that the caller may use at all.
    Boundary,
    /// The allowlist of the route.
    Role,
    /// The tenant, and what it owns.
    Tenant,
    /// The paywall.
    Feature,
    /// The workflow.
    Workflow,
    /// The roles and rights that the request would hand out or change.
    Escalation,
}

impl Layer {
    /// The layers that a policy can be part of, in their order.
    const OF_POLICIES: [Self; 7] = [
        Self::Authentication,
        Self::Boundary,
        Self::Role,
        Self::Tenant,
        Self::Feature,
        Self::Workflow,
        Self::Escalation,
    ];

    /// Returns all layers, in their order.
    pub fn all() -> impl Iterator<Item = Self> {
        std::iter::once(Self::Request).chain(Self::OF_POLICIES)
    }

    /// Returns the layer's name, as used in `@layer`, in findings and in explanations.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Authentication => "authentication",
            Self::Boundary => "boundary",
            Self::Role => "role",
            Self::Tenant => "tenant",
            Self::Feature => "feature",
            Self::Workflow => "workflow",
            Self::Escalation => "escalation",
        }
    }

    /// Returns the layer called `name`, if policies can be part of that layer.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::OF_POLICIES.into_iter().find(|layer| layer.name() == name)
    }

    /// Returns the names of the layers that a policy can be part of, in their order, separated by commas.
    pub(super) fn names() -> String {
        Self::OF_POLICIES.map(Self::name).join(", ")
    }

    /// Whether the layer is judged before a body is read and an object is looked up.
    pub fn is_early(self) -> bool {
        self <= Self::Role
    }
}

impl Serialize for Layer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::Layer;

    #[test]
    fn a_policy_names_a_layer_of_policies() {
        for layer in Layer::all() {
            let of_policies = (layer != Layer::Request).then_some(layer);
            assert_eq!(Layer::named(layer.name()), of_policies, "{layer:?}");
        }
        assert!(Layer::all().is_sorted());
        assert_eq!(Layer::named("Role"), None);
    }
}
