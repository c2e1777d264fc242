//! The kinds of findings. Each has one stable word, for machines and for readers who look the finding up.

use std::fmt::Write as _;

use serde::{Serialize, Serializer};

macro_rules! kinds {
    ($($kind:ident, $name:literal, $title:literal, $remedy:literal;)*) => {
        /// The kind of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: see [`Kind::title`].")] $kind,)*
        }

        impl Kind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Returns the word for the kind, which never changes.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// Returns the meaning of the kind, in a line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// Returns what to do about a finding of the kind, in a line. The finding itself is more specific.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$kind => $remedy,)* }
            }
        }
    };
}

kinds! {
    Invalid, "invalid", "Something about the bundle is not right",
        "Read the message";
    Unreadable, "unreadable", "A file or folder of the bundle cannot be read",
        "Give the gate the right to read it, or remove it";
    TooMuch, "too-much", "More, larger or deeper than is looked at",
        "Look at what the file is; a bundle holds what people write";
    NotText, "not-text", "A file is not plain UTF-8",
        "Save the file as UTF-8 without control characters";
    EmptyFile, "empty-file", "A file of policies holds nothing at all",
        "Write the policies again, or remove the file";
    UnreadFile, "unread-file", "A file of policies lies where none is read",
        "Move the file into the policy directory itself";
    Syntax, "syntax", "Cedar cannot read a policy",
        "Correct the policy at the place that is shown";
    Schema, "schema", "Cedar cannot read the schema, or it contradicts itself",
        "Correct the schema at the place that is shown";
    Yaml, "yaml", "A YAML file cannot be read, or holds what nobody knows",
        "Correct the file at the place that is shown";
    TypeError, "type-error", "A policy does not agree with the types of the schema",
        "Compare the policy with the declarations in `schema.cedarschema`";
    UnknownName, "unknown-name", "A policy names a role, feature, action or type that the schema lacks",
        "Correct the name, or declare it in `schema.cedarschema`";
    UnknownAttribute, "unknown-attribute", "A policy reads an attribute that is not declared, or may be absent",
        "Declare the attribute, or ask `has` before reading it";
    ImpossiblePolicy, "impossible-policy", "A policy can never apply",
        "Correct the condition or the scope, or remove the policy";
    Suspicious, "suspicious", "A policy looks like what it is not, or Cedar warns of it",
        "Write the characters plainly, or correct what Cedar warns of";
    Template, "template", "A statement is a template, which nothing fills in",
        "Write principal and resource out";
    MissingId, "missing-id", "A policy has no @id",
        "Begin the policy with `@id(\"a-name-of-its-own\")`";
    RepeatedId, "repeated-id", "Two policies have one @id",
        "Rename one of the policies";
    UnknownAnnotation, "unknown-annotation", "A policy has an annotation that nobody knows",
        "Correct or remove the annotation";
    MisplacedAnnotation, "misplaced-annotation", "A policy has an annotation that says nothing of one of its effect",
        "Remove the annotation, or change the effect of the policy";
    ForbidWithoutLayer, "forbid-without-layer", "A forbid has no @layer",
        "Add `@layer` with the name of a layer";
    UnknownLayer, "unknown-layer", "A forbid is of a layer that nobody knows",
        "Use the name of a layer";
    UnknownStatus, "unknown-status", "A forbid has a status that no denial has",
        "Use a status that a denial can have";
    ForbidWithoutReason, "forbid-without-reason", "A forbid has no @reason that is a word",
        "Add `@reason(\"a_fixed_word\")`, in lower case";
    ForbidWithoutMessage, "forbid-without-message", "A forbid has no @message",
        "Add `@message(\"…\")`, which the client reads";
    UnknownVariable, "unknown-variable", "A message has a variable that nobody fills in",
        "Use `{feature}`, `{workflow}` or `{action}`";
    VariableNotGiven, "variable-not-given", "A message has a variable that a route does not give",
        "Let the policy ask `context has` for the variable, or leave it out of the message";
    TellingNotFound, "telling-not-found", "A not_found would tell what is hidden from what is not there",
        "Use the message of the gate's own `not_found`";
    MissingDeclaration, "missing-declaration", "The schema lacks what the gate asks for",
        "Declare it as the default bundle does";
    ActionWithoutRoute, "action-without-route", "An action of the schema has no route",
        "Add a route for the action to `routes.yaml`, or remove the action";
    RouteWithoutAction, "route-without-action", "A route names an action that the schema lacks",
        "Declare the action in `schema.cedarschema`";
    UnknownFeature, "unknown-feature", "A route names a feature that the schema lacks",
        "Add the feature to `entity Feature enum` in `schema.cedarschema`";
    WrongResource, "wrong-resource", "An action does not apply to the resource of its route",
        "Let route and `appliesTo` name the same type";
    ObjectNotLookedUp, "object-not-looked-up", "A route has a variable in its path that nobody looks up",
        "Name the type of the object as `resource` of the route and of the action";
    PublicRoute, "public-route", "A public route asks for what is never looked at",
        "Remove `Guest` from the action, or remove from the route what only a caller can have";
    UnrecordedRoute, "unrecorded-route", "A route that is not public leaves no record",
        "Remove `record: false` from the route";
    SameShape, "same-shape", "Two routes of one method fit the same paths",
        "Change the path of one route, or remove one";
    Route, "route", "A route contradicts itself",
        "Correct the route as the message says";
    Test, "test", "A test names what is not there, or contradicts itself",
        "Correct the test as the message says";
    UnreachableRoute, "unreachable-route", "No role is permitted on a route",
        "Permit the action to a role, or remove the route";
    UnguardedAction, "unguarded-action", "The guards of a layer do not reach an action that is not public",
        "Add the action to the group that the guards name, or exempt it with `@without(\"layer\")`";
    OddExemption, "odd-exemption", "An action does without a layer that is unknown, or that it does not have to do without",
        "Correct or remove the name in `@without`";
    NeverFilled, "never-filled", "A policy reads what neither the gate nor a mapping of facts ever fills",
        "Read something that is filled, or select it in `facts.mapping`";
    TooEarly, "too-early", "A policy reads what exists only from a later layer on",
        "Put the guard into the layer that the message names";
    TestGrants, "test-grants", "A test expects a denial, and the bundle allows the request",
        "Correct the policies; if the grant is meant, change the test first";
    TestFails, "test-fails", "A test of the bundle fails, is missing, or was not run",
        "Correct the policies or the test";
    GuardsGone, "guards-gone", "A layer has lost all its guards",
        "Look for a missing file; if the change is meant, use an emergency reload";
    Unstartable, "unstartable", "A start of the gate would refuse the bundle",
        "Correct what the message names before the gate is started again";
}

impl Kind {
    /// Whether a finding of this kind concerns only the admission of a bundle: the bundle can still decide
    /// requests, and allows no more because of the finding. Admission refuses such a bundle, and an emergency
    /// may override that. Nothing overrides a finding of any other kind.
    pub fn stops_only_admission(self) -> bool {
        matches!(
            self,
            Self::UnreachableRoute
                | Self::VariableNotGiven
                | Self::NeverFilled
                | Self::OddExemption
        )
    }
}

const HEAD: &str = "# Every finding of check

<!-- Generated from `policy-store/src/bundle/kind.rs`. A test compares this page with the code; `UPDATE_EXPECTED=1` writes it anew. -->

`cedargate check` reports each finding with its place and with what to do there; `--format json` names the kind as `rule`, `--format sarif` as `ruleId`. A bundle
with findings does not take effect. Findings marked *admission* concern admission alone: an emergency reload overrides them ([admission](../how-to/security-team.md#admission)).

Besides the findings about a bundle there are four about what is around it: `configuration` (the configuration is refused), `keys` (the keys of an issuer cannot be read), `assertion` (the
key of the assertion cannot be read) and `facts` (the mapping of facts does not fit the database and the schema).

| finding | what it means | what to do |
| --- | --- | --- |
";

/// Returns the page of the reference about every finding.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for kind in Kind::ALL {
        let mark = if kind.stops_only_admission() { " (*admission*)" } else { "" };
        let (name, title, remedy) = (kind.name(), kind.title(), kind.remedy());
        // Writing to a string cannot fail.
        let _ok = writeln!(page, "| `{name}`{mark} | {title} | {remedy} |");
    }
    page
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Kind;

    #[test]
    fn each_kind_has_a_word_of_its_own() {
        let names: HashSet<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        let plain = |name: &str| name.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
        assert!(names.iter().all(|name| plain(name)));
    }
}
