//! The wrong bundles: the default one, and what was done to it.

/// A file, what stands there, and what is put in its place.
type Edit = (&'static str, &'static str, &'static str);

/// By the name of the file with what is said of it.
pub(super) const WRONG: &[(&str, &[Edit])] = &[
    // Annotations.
    ("missing-id", &[("roles.cedar", "@id(\"codes-tool\")\n", "")]),
    ("repeated-id", &[("roles.cedar", "@id(\"clinic-staff\")", "@id(\"codes-tool\")")]),
    ("unknown-annotation", &[("boundary.cedar", "@reason(", "@reson(")]),
    (
        "misplaced-annotation",
        &[("roles.cedar", "@id(\"codes-tool\")", "@id(\"codes-tool\")\n@layer(\"feature\")")],
    ),
    (
        "misplaced-break-glass",
        &[("boundary.cedar", "@layer(\"boundary\")", "@layer(\"boundary\")\n@break_glass")],
    ),
    ("forbid-without-layer", &[("boundary.cedar", "@layer(\"boundary\")\n", "")]),
    ("unknown-layer", &[("boundary.cedar", "@layer(\"boundary\")", "@layer(\"border\")")]),
    ("unknown-status", &[("tenancy.cedar", "@status(\"404\")", "@status(\"200\")")]),
    ("forbid-without-reason", &[("boundary.cedar", "@reason(\"outside_boundary\")\n", "")]),
    ("reason-no-word", &[("boundary.cedar", "\"outside_boundary\"", "\"Outside boundary\"")]),
    (
        "forbid-without-message",
        &[("boundary.cedar", "@message(\"This account is for the tools portal only\")\n", "")],
    ),
    ("telling-not-found", &[("tenancy.cedar", "\"Not found\"", "\"Not yours\"")]),
    // Variables of messages.
    ("unknown-variable", &[("boundary.cedar", "the tools portal only", "{portal} only")]),
    ("feature-not-given", &[("boundary.cedar", "the tools portal only", "{feature} only")]),
    ("workflow-not-given", &[("boundary.cedar", "the tools portal only", "{workflow} only")]),
    ("empty-file", &[("public.cedar", include_str!("../../../../policies/public.cedar"), "")]),
    // What Cedar cannot read.
    ("syntax", &[("boundary.cedar", "principal.roles ==", "principal.roles =")]),
    ("syntax-bracket", &[("boundary.cedar", "[Role::\"OTHER\"] }", "[Role::\"OTHER\" }")]),
    ("syntax-string", &[("boundary.cedar", "tools portal only\")", "tools portal only)")]),
    ("template", &[("public.cedar", "principal is Guest,", "principal == ?principal,")]),
    ("control-characters", &[("boundary.cedar", "when {", "when { \u{1b}[2J\u{202e}\t")]),
    // What Cedar's validator says.
    ("type-error", &[("boundary.cedar", "== [Role::\"OTHER\"]", "== \"OTHER\"")]),
    ("unknown-attribute", &[("authentication.cedar", "principal.status", "principal.state")]),
    (
        "optional-attribute",
        &[("authentication.cedar", "when { principal has organization }\n", "")],
    ),
    ("unknown-role", &[("boundary.cedar", "Role::\"OTHER\"", "Role::\"OTTER\"")]),
    (
        "unknown-feature-in-policy",
        &[(
            "paywall.cedar",
            "principal.features.contains(context.feature)",
            "principal.features.contains(Feature::\"code\")",
        )],
    ),
    ("unknown-action", &[("roles.cedar", "Action::\"codes.extract\"", "Action::\"codes.extrct\"")]),
    ("unknown-type", &[("workflows.cedar", "resource is Patient", "resource is Patiant")]),
    ("unknown-function", &[("boundary.cedar", "principal.roles ==", "size(principal.roles) ==")]),
    ("impossible-policy", &[("authentication.cedar", "principal.status == \"ACTIVE\"", "true")]),
    ("impossible-scope", &[("public.cedar", "Action::\"public\"", "Action::\"request\"")]),
    ("suspicious", &[("authentication.cedar", "\"ACTIVE\" }", "\"ACTIVE\u{202e}\" }")]),
    // The schema.
    ("schema-syntax", &[("schema.cedarschema", "entity Endpoint;", "entity Endpoint")]),
    (
        "schema-type",
        &[(
            "schema.cedarschema",
            "entity Visit = { owner?: Organization }",
            "entity Visit = { owner?: Organisation }",
        )],
    ),
    ("schema-twice", &[("schema.cedarschema", "entity Guest;", "entity Guest;\nentity Guest;")]),
    ("schema-cycle", &[("schema.cedarschema", "action request;", "action request in [request];")]),
    (
        "no-vocabulary",
        &[(
            "schema.cedarschema",
            "entity Feature enum [\"codes\", \"ai_notes\"]",
            "entity Feature",
        )],
    ),
    (
        "no-act-in",
        &[
            ("schema.cedarschema", "action act_in appliesTo", "action act_on appliesTo"),
            ("tenancy.cedar", "\"act_in\"", "\"act_on\""),
            ("tenancy.cedar", "\"act_in\"", "\"act_on\""),
            ("tenancy.cedar", "\"act_in\"", "\"act_on\""),
        ],
    ),
    // Schema and routes.
    (
        "action-without-route",
        &[(
            "schema.cedarschema",
            "action \"audit.list\" in [read]",
            "action \"audit.list\", \"audit\" in [read]",
        )],
    ),
    (
        "route-without-action",
        &[
            ("schema.cedarschema", "action \"audit.list\"", "action \"audit.read\""),
            ("roles.cedar", "Action::\"audit.list\"", "Action::\"audit.read\""),
        ],
    ),
    ("unknown-feature", &[("routes.yaml", "feature: codes", "feature: codez")]),
    (
        "wrong-resource",
        &[(
            "routes.yaml",
            "resource: CodeList\n    scope: lookup",
            "resource: Patient\n    scope: lookup",
        )],
    ),
    (
        "object-not-looked-up",
        &[(
            "routes.yaml",
            "resource: CodeList\n    scope: lookup",
            "resource: CodeList\n    scope: tenant",
        )],
    ),
    // The schema agrees: it is no better for that.
    (
        "object-not-looked-up-agreed",
        &[
            (
                "routes.yaml",
                "resource: CodeList\n    scope: lookup",
                "resource: CodeList\n    scope: tenant",
            ),
            (
                "schema.cedarschema",
                "action \"codes.lists.read\" in [read]\n  appliesTo { principal: [User], resource: [CodeList]",
                "action \"codes.lists.read\" in [read]\n  appliesTo { principal: [User], resource: [Endpoint]",
            ),
        ],
    ),
    ("public-route", &[("routes.yaml", "path: /healthz\n", "path: /healthz\n    scope: tenant\n")]),
    (
        "unrecorded-route",
        &[("routes.yaml", "path: /api/users/me\n", "path: /api/users/me\n    audit: none\n")],
    ),
    ("unreachable-route", &[("roles.cedar", ",\n     Action::\"audit.list\"]", "]")]),
    (
        "unreachable-role",
        &[(
            "roles.cedar",
            "when { principal.roles.containsAny([Role::\"PLATFORM_ADMIN\"]) }",
            "when { principal.roles == [Role::\"OTHER\"] }",
        )],
    ),
    (
        "unreachable-late",
        &[(
            "paywall.cedar",
            "@id(\"user-feature\")",
            "@id(\"reasons\")\n@layer(\"tenant\")\n@reason(\"no_reason\")\n@message(\"Say why\")\nforbid (principal is User, action == Action::\"audit.list\", resource)\nunless { context has tenant && context.tenant.slug like \"a\" && context.tenant.slug like \"b\" };\n\n@id(\"user-feature\")",
        )],
    ),
    // Actions that guards do not reach.
    (
        "unguarded-action",
        &[(
            "schema.cedarschema",
            "action \"visit_notes.read\" in [phi_view]\n",
            "action \"visit_notes.read\"\n",
        )],
    ),
    (
        "unguarded-unmapped",
        &[("schema.cedarschema", "action unmapped in [request]", "action unmapped")],
    ),
    (
        "unknown-exemption",
        &[(
            "schema.cedarschema",
            "action \"visit_notes.read\" in",
            "@without(\"tenent\")\naction \"visit_notes.read\" in",
        )],
    ),
    (
        "needless-exemption",
        &[(
            "schema.cedarschema",
            "action \"visit_notes.read\" in",
            "@without(\"tenant, feature\")\naction \"visit_notes.read\" in",
        )],
    ),
    // What nothing fills, or fills later.
    (
        "never-filled",
        &[
            ("schema.cedarschema", "  path: String,\n", "  path: String,\n  now?: datetime,\n"),
            ("boundary.cedar", "when { principal", "when { context has now || principal"),
        ],
    ),
    (
        "never-filled-misspelt",
        &[
            ("schema.cedarschema", "  path: String,\n", "  path: String,\n  tennant?: String,\n"),
            (
                "tenancy.cedar",
                "context has tenant &&",
                "context has tennant && context has tenant &&",
            ),
        ],
    ),
    (
        "never-in",
        &[
            ("schema.cedarschema", "entity User = {", "entity User in [Role] = {"),
            (
                "roles.cedar",
                "when { principal.roles.containsAny([Role::\"PLATFORM_ADMIN\"]) }",
                "when { principal in Role::\"PLATFORM_ADMIN\" }",
            ),
        ],
    ),
    (
        "too-early",
        &[(
            "boundary.cedar",
            "when { principal",
            "when { context has tenant && context.tenant.deleted || principal",
        )],
    ),
    (
        "too-early-permit",
        &[(
            "roles.cedar",
            "when { principal.roles.containsAny([Role::\"PLATFORM_ADMIN\"]) }",
            "when { context has tenant && principal.roles.containsAny([Role::\"PLATFORM_ADMIN\"]) }",
        )],
    ),
    // Routes.
    (
        "variable-not-looked-up",
        &[("routes.yaml", "path: /api/codes/crosswalk", "path: /api/codes/crosswalk/{code}")],
    ),
    (
        "second-variable-not-looked-up",
        &[(
            "routes.yaml",
            "path: /api/sessions/{id}/note\n",
            "path: /api/sessions/{id}/notes/{note}\n",
        )],
    ),
    (
        "unowned-owned",
        &[(
            "routes.yaml",
            "resource: CodeList\n    scope: lookup",
            "resource: CodeList\n    scope: tenant\n    unowned: true",
        )],
    ),
    (
        "unowned-nothing",
        &[(
            "routes.yaml",
            "path: /api/codes/{system}/search\n",
            "path: /api/codes/{system}/search\n    unowned: true\n",
        )],
    ),
    (
        "unowned-looked-up",
        &[(
            "routes.yaml",
            "path: /api/patients/{id}\n",
            "path: /api/patients/{id}\n    unowned: true\n",
        )],
    ),
    (
        "unowned-false",
        &[(
            "routes.yaml",
            "path: /api/codes/crosswalk\n",
            "path: /api/codes/crosswalk/{code}\n    unowned: false\n",
        )],
    ),
    (
        "unowned-public",
        &[("routes.yaml", "path: /healthz\n", "path: /healthz/{part}\n    unowned: true\n")],
    ),
    ("same-shape", &[("routes.yaml", "path: /api/auth/refresh", "path: /api/auth/login")]),
    (
        "same-shape-with-variables",
        &[(
            "routes.yaml",
            "    path: /api/codes/extract",
            "    path: /api/codes/{id}\n    operation: view\n  - action: codes.extract\n    method: POST\n    path: /api/codes/{code}",
        )],
    ),
    ("method-in-small-letters", &[("routes.yaml", "method: POST", "method: post")]),
    ("method-head", &[("routes.yaml", "method: POST", "method: HEAD")]),
    ("path-without-slash", &[("routes.yaml", "path: /healthz", "path: healthz")]),
    ("path-with-half-a-segment", &[("routes.yaml", "path: /healthz", "path: /health{id}")]),
    (
        "scope-without-id",
        &[("routes.yaml", "path: /api/users/me\n", "path: /api/users/me\n    scope: lookup\n")],
    ),
    (
        "scope-without-workflow",
        &[("routes.yaml", "path: /api/users/me\n", "path: /api/users/me\n    scope: workflow\n")],
    ),
    ("values-of-nothing", &[("routes.yaml", "values: { system:", "values: { sistem:")]),
    ("values-without-end", &[("routes.yaml", "[icd10, loinc, snomed]", "[]")]),
    (
        "roles-in-no-body",
        &[("routes.yaml", "path: /api/users/me\n", "path: /api/users/me\n    roles_in: roles\n")],
    ),
    ("audit-odd", &[("routes.yaml", "    audit: none", "    audit: some")]),
    ("phi-odd", &[("routes.yaml", "phi: list", "phi: lists")]),
    (
        "operation-missing",
        &[("routes.yaml", "    operation: view\n    audit: none\n\n", "    audit: none\n\n")],
    ),
    ("yaml-unknown-key", &[("routes.yaml", "feature: codes", "featuer: codes")]),
    ("yaml-unknown-word", &[("routes.yaml", "scope: tenant", "scope: tennant")]),
    ("yaml-key-twice", &[("routes.yaml", "method: POST", "method: POST\n    method: POST")]),
    ("yaml-key-missing", &[("routes.yaml", "    method: POST\n", "")]),
    (
        "test-of-no-policy",
        &[(
            "tests/paywall.yaml",
            "disabled by user-feature\n      # Another",
            "disabled by user-faeture\n      # Another",
        )],
    ),
    (
        "test-of-nobody",
        &[(
            "tests/paywall.yaml",
            "      kauvery-doctor-codes: allow",
            "      kauvery-docter-codes: allow",
        )],
    ),
    (
        "test-of-nothing",
        &[(
            "tests/boundary.yaml",
            "  - name: OTHER reaches nothing else\n",
            "  - name: forgetful\n    requests:\n      asked: GET /api/patients\n      forgotten: GET /api/visits\n    expect:\n      other: { asked: outside_boundary }\n\n  - name: OTHER reaches nothing else\n",
        )],
    ),
    (
        "test-unknown-key",
        &[(
            "tests/paywall.yaml",
            "    request: GET /api/codes/icd10/search",
            "    requset: GET /api/codes/icd10/search",
        )],
    ),
    ("yaml-syntax", &[("routes.yaml", "path: /healthz", "path: [/healthz")]),
];
