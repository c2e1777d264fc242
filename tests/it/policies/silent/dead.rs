//! Bundles with a guard that never applies.

use super::bundles::{Bundle, LISTS, dead, declare_in_context, guard, open, replace};

/// Bundles by which somebody does what the guard `incident`, or one that ships, seems to forbid.
pub(super) const DEAD: &[Bundle] = &[
    dead(
        "a clock that nobody sets",
        |folder| {
            declare_in_context(folder, "now?: datetime");
            guard(
                folder,
                "role",
                LISTS,
                "when { context has now && context.now.toTime() > duration(\"1ms\") }",
            );
        },
        &[
            "[never-filled]",
            "incident.cedar:7:",
            "`context.now` is filled by nothing",
            "leave the clause out",
        ],
    ),
    dead(
        "a claim that nobody passes on",
        |folder| {
            declare_in_context(folder, "amr?: Set<String>");
            guard(
                folder,
                "role",
                LISTS,
                "when { context has amr && !context.amr.contains(\"mfa\") }",
            );
        },
        &["[never-filled]", "`context.amr` is filled by nothing"],
    ),
    dead(
        "an attribute of users that no mapping gives",
        |folder| {
            replace(
                folder,
                "schema.cedarschema",
                "  status: String,\n  organization?",
                "  status: String,\n  granted_until?: datetime,\n  organization?",
            );
            guard(folder, "role", LISTS, "when { principal has granted_until }");
        },
        &["[never-filled]", "`principal.granted_until` is filled by nothing"],
    ),
    Bundle {
        target: "/api/patients/patient-kauvery-1",
        ..dead(
            "an attribute of objects that no mapping gives",
            |folder| {
                replace(
                    folder,
                    "schema.cedarschema",
                    "entity Patient = { owner?: Organization, workflow?: String }",
                    "entity Patient = { owner?: Organization, workflow?: String, assigned?: Set<User> }",
                );
                guard(
                    folder,
                    "tenant",
                    "principal is User, action == Action::\"patients.read\", resource",
                    "when { resource has assigned }",
                );
            },
            &["[never-filled]", "`resource.assigned` is filled by nothing"],
        )
    },
    dead(
        "an attribute of the tenant that no mapping gives",
        |folder| {
            replace(
                folder,
                "schema.cedarschema",
                "  slug: String,\n",
                "  slug: String,\n  frozen?: Bool,\n",
            );
            guard(
                folder,
                "tenant",
                LISTS,
                "when { context has tenant && context.tenant has frozen && context.tenant.frozen }",
            );
        },
        &["[never-filled]", "`context.tenant.frozen` is filled by nothing"],
    ),
    dead(
        "roles as parents",
        |folder| {
            replace(folder, "schema.cedarschema", "entity User = {", "entity User in [Role] = {");
            guard(
                folder,
                "role",
                "principal in Role::\"DOCTOR\", action == Action::\"patients.list\", resource",
                "",
            );
        },
        &[
            "[never-filled]",
            "`principal in Role::\"…\"` never holds",
            "`principal.roles.contains(Role::\"…\")`",
        ],
    ),
    dead(
        "roles as parents, in a condition",
        |folder| {
            replace(folder, "schema.cedarschema", "entity User = {", "entity User in [Role] = {");
            guard(
                folder,
                "role",
                LISTS,
                "when { principal is User in Role::\"DOCTOR\" || principal in [Role::\"DOCTOR\", Role::\"NURSE\"] }",
            );
        },
        &["[never-filled]", "never holds"],
    ),
    Bundle {
        target: "/api/patients/patient-kauvery-1",
        ..dead(
            "organisations as parents of objects",
            |folder| {
                replace(
                    folder,
                    "schema.cedarschema",
                    "entity Patient = ",
                    "entity Patient in [Organization] = ",
                );
                guard(
                    folder,
                    "tenant",
                    "principal is User, action == Action::\"patients.read\", resource in Organization::\"org-kauvery\"",
                    "",
                );
            },
            &["[never-filled]", "`resource in Organization::\"…\"` never holds"],
        )
    },
    dead(
        "tags",
        |folder| {
            replace(
                folder,
                "schema.cedarschema",
                "  owner?: Organization,\n};\n\n// Where",
                "  owner?: Organization,\n} tags String;\n\n// Where",
            );
            guard(folder, "role", LISTS, "when { principal.hasTag(\"left\") }");
        },
        &["[never-filled]", "`principal` has no tags"],
    ),
    dead(
        "a type that no route gives",
        |folder| {
            replace(
                folder,
                "schema.cedarschema",
                "entity Call = ",
                "entity Folder = { owner?: Organization };\nentity Call = ",
            );
            replace(
                folder,
                "schema.cedarschema",
                "action \"patients.list\" in [read]\n  appliesTo { principal: [User], resource: [Endpoint]",
                "action \"patients.list\" in [read]\n  appliesTo { principal: [User], resource: [Endpoint, Folder]",
            );
            guard(
                folder,
                "role",
                "principal is User, action == Action::\"patients.list\", resource is Folder",
                "",
            );
        },
        &["[never-filled]", "`incident` is never asked"],
    ),
    dead(
        "a type that no route gives, in a condition",
        |folder| {
            replace(
                folder,
                "schema.cedarschema",
                "entity Call = ",
                "entity Folder = { owner?: Organization };\nentity Call = ",
            );
            replace(
                folder,
                "schema.cedarschema",
                "action \"patients.list\" in [read]\n  appliesTo { principal: [User], resource: [Endpoint]",
                "action \"patients.list\" in [read]\n  appliesTo { principal: [User], resource: [Endpoint, Folder]",
            );
            guard(folder, "tenant", LISTS, "when { resource is Folder }");
        },
        &["[never-filled]", "`resource` is never a `Folder`"],
    ),
    dead(
        "an endpoint of no action",
        |folder| guard(folder, "role", LISTS, "when { resource == Endpoint::\"patients\" }"),
        &["[never-filled]", "`Endpoint::\"patients\"`"],
    ),
    Bundle {
        method: "PATCH",
        body: Some("{\"roles\": [\"PLATFORM_ADMIN\"]}"),
        ..open(
            "a body that is not read any more",
            |folder| {
                replace(
                    folder,
                    "routes.yaml",
                    "path: /api/users/me\n    resource: User\n    operation: update\n    body: json",
                    "path: /api/users/me\n    resource: User\n    operation: update\n    body: opaque",
                );
            },
            &[
                "[never-filled]",
                "`context.body_fields` is not there on the routes that this policy names",
                "escalation.cedar:",
            ],
            "kauvery-doctor",
            "/api/users/me",
        )
    },
    Bundle {
        method: "DELETE",
        target: "/api/patients/patient-kauvery-1",
        user: "kauvery-admin",
        ..dead(
            "a kill switch that is judged before the tenant is known",
            |folder| {
                guard(
                    folder,
                    "role",
                    "principal is User, action in Action::\"request\", resource",
                    "when { context.method == \"DELETE\" && context has tenant && context.tenant.slug == \"kauvery\" }",
                );
            },
            &[
                "[too-early]",
                "incident.cedar:7:",
                "`incident` reads `context.tenant` in layer `role`, where it does not exist yet; it exists from layer `tenant` on",
                "write @layer(\"tenant\")",
            ],
        )
    },
    Bundle {
        target: "/api/patients/patient-kauvery-1",
        ..dead(
            "an object that is judged before it is looked up",
            |folder| {
                guard(
                    folder,
                    "boundary",
                    "principal is User, action == Action::\"patients.read\", resource",
                    "when { resource has workflow }",
                );
            },
            &["[too-early]", "`incident` reads `resource.workflow` in layer `boundary`"],
        )
    },
    Bundle {
        method: "POST",
        target: "/api/patients",
        body: Some("{\"name\": \"x\"}"),
        ..dead(
            "a body that is judged before it is read",
            |folder| {
                guard(
                    folder,
                    "role",
                    "principal is User, action == Action::\"patients.create\", resource",
                    "when { context.body_fields.contains(\"name\") }",
                );
            },
            &["[too-early]", "`context.body_fields`"],
        )
    },
];
