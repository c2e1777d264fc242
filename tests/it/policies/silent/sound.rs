//! Bundles that are right, or say what they mean.

use std::path::Path;

use super::bundles::{LISTS, LOOKED_UP, append, guard, pdf, replace};

/// What somebody does, and is right to do.
type Change = (&'static str, fn(&Path));

pub(super) const SOUND: &[Change] = &[
    ("an action in its group", |folder| {
        pdf(folder, "action \"visit_notes.pdf\" in [phi_view]", LOOKED_UP);
    }),
    ("an action that says what it does without", |folder| {
        pdf(
            folder,
            "@without(\"authentication, boundary, tenant\")\naction \"visit_notes.pdf\"",
            LOOKED_UP,
        );
    }),
    ("a group that says what its actions do without", |folder| {
        append(
            folder,
            "schema.cedarschema",
            "@without(\"tenant boundary authentication\")\naction loose;",
        );
        pdf(folder, "action \"visit_notes.pdf\" in [loose]", LOOKED_UP);
    }),
    ("a kill switch in the layer of the tenant", |folder| {
        guard(
            folder,
            "tenant",
            "principal is User, action in Action::\"request\", resource",
            "when { context.method == \"DELETE\" && context has tenant && context.tenant.slug == \"kauvery\" }",
        );
    }),
    ("a kill switch as a feature", |folder| {
        replace(
            folder,
            "schema.cedarschema",
            "\"ai_notes\"]",
            "\"ai_notes\", \"incident_freeze\"]",
        );
        guard(
            folder,
            "tenant",
            "principal is User, action in Action::\"request\", resource",
            "when { context has tenant && context.tenant.features.contains(Feature::\"incident_freeze\") }",
        );
    }),
    ("a kill switch as a workflow", |folder| {
        guard(
            folder,
            "tenant",
            "principal is User, action in Action::\"request\", resource",
            "when { context has tenant && context.tenant.workflows.contains(\"incident_freeze\") }",
        );
    }),
    ("what is named belongs to nobody", |folder| {
        pdf(
            folder,
            "action \"visit_notes.pdf\" in [phi_view]",
            "path: /api/forms/{form}/pdf\n    scope: tenant\n    unowned: true",
        );
    }),
    ("a workflow under another scope", |folder| {
        replace(folder, "routes.yaml", "scope: workflow\n", "scope: tenant\n");
    }),
    ("an age that the gate gives", |folder| {
        guard(
            folder,
            "authentication",
            LISTS,
            "when { context has token_age && context.token_age > 900 }",
        );
    }),
];
