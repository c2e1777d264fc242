//! The kinds of findings: one stable word each, for machines and for whoever looks them up.

use serde::{Serialize, Serializer};

macro_rules! kinds {
    ($($kind:ident, $name:literal, $title:literal;)*) => {
        /// What kind of thing is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`: see [`Kind::title`].")] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Its word, which never changes.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            /// What it means, in a line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    Invalid, "invalid", "Something about the bundle is not right";
    Unreadable, "unreadable", "A file or folder of the bundle cannot be read";
    TooMuch, "too-much", "More, larger or deeper than is looked at";
    NotText, "not-text", "A file is not plain UTF-8";
    EmptyFile, "empty-file", "A file of policies holds nothing at all";
    UnreadFile, "unread-file", "A file of policies lies where none is read";
    Syntax, "syntax", "Cedar cannot read a policy";
    Schema, "schema", "Cedar cannot read the schema, or it contradicts itself";
    Yaml, "yaml", "A YAML file cannot be read, or holds what nobody knows";
    TypeError, "type-error", "A policy does not agree with the types of the schema";
    UnknownName, "unknown-name", "A policy names a role, feature, action or type that the schema lacks";
    UnknownAttribute, "unknown-attribute", "A policy reads an attribute that is not declared, or may be absent";
    ImpossiblePolicy, "impossible-policy", "A policy can never apply";
    Suspicious, "suspicious", "A policy looks like what it is not, or Cedar warns of it";
    Template, "template", "A statement is a template, which nothing fills in";
    MissingId, "missing-id", "A policy has no @id";
    RepeatedId, "repeated-id", "Two policies have one @id";
    UnknownAnnotation, "unknown-annotation", "A policy has an annotation that nobody knows";
    MisplacedAnnotation, "misplaced-annotation", "A policy has an annotation that says nothing of one of its effect";
    ForbidWithoutLayer, "forbid-without-layer", "A forbid has no @layer";
    UnknownLayer, "unknown-layer", "A forbid is of a layer that nobody knows";
    UnknownStatus, "unknown-status", "A forbid has a status that no denial has";
    ForbidWithoutReason, "forbid-without-reason", "A forbid has no @reason that is a word";
    ForbidWithoutMessage, "forbid-without-message", "A forbid has no @message";
    UnknownVariable, "unknown-variable", "A message has a variable that nobody fills in";
    VariableNotGiven, "variable-not-given", "A message has a variable that a route does not give";
    TellingNotFound, "telling-not-found", "A not_found would tell what is hidden from what is not there";
    MissingDeclaration, "missing-declaration", "The schema lacks what the gate asks for";
    ActionWithoutRoute, "action-without-route", "An action of the schema has no route";
    RouteWithoutAction, "route-without-action", "A route names an action that the schema lacks";
    UnknownFeature, "unknown-feature", "A route names a feature that the schema lacks";
    WrongResource, "wrong-resource", "An action does not apply to the resource of its route";
    ObjectNotLookedUp, "object-not-looked-up", "A route has a variable in its path that nobody looks up";
    PublicRoute, "public-route", "A public route asks for what is never looked at";
    UnrecordedRoute, "unrecorded-route", "A route that is not public leaves no record";
    SameShape, "same-shape", "Two routes of one method fit the same paths";
    Route, "route", "A route contradicts itself";
    Test, "test", "A test names what is not there, or contradicts itself";
    UnreachableRoute, "unreachable-route", "No role is permitted on a route";
    UnguardedAction, "unguarded-action", "The guards of a layer do not reach an action that is not public";
    OddExemption, "odd-exemption", "An action does without a layer that is unknown, or that it does not have to do without";
    NeverFilled, "never-filled", "A policy reads what neither the gate nor a mapping of facts ever fills";
    TooEarly, "too-early", "A policy reads what exists only from a later layer on";
    TestGrants, "test-grants", "A test expects a denial, and the bundle allows the request";
    TestFails, "test-fails", "A test of the bundle fails, is missing, or was not run";
    GuardsGone, "guards-gone", "A layer has lost all its guards";
    Unstartable, "unstartable", "A start of the gate would refuse the bundle";
}

impl Kind {
    /// Whether a finding of this kind is about the use of a bundle that can be asked and is no more open
    /// for it. Admission refuses such a bundle, and an emergency may override that. Nothing overrides a
    /// finding of any other kind.
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
