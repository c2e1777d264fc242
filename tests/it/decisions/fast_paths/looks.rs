//! What policies of made-up bundles look at.

/// What a policy of a made-up bundle may ask, in any layer.
pub(super) const ATOMS: [&str; 21] = [
    r#"context.path like "/api/patients*""#,
    r#"context.path like "*/visits/*""#,
    r#"context.path like "*-1""#,
    r#"["/api/patients/patient-kauvery-1", "/api/visits/visit-alpha-1"].contains(context.path)"#,
    r"context.path == context.method",
    r#"[context.path].contains("/api/admin/users/kauvery-doctor")"#,
    r#"(resource is Patient && resource == Patient::"patient-kauvery-1")"#,
    r#"(resource is Patient && [resource].contains(Patient::"patient-beta-1"))"#,
    r#"(resource is Visit && resource in [Visit::"visit-kauvery-1"])"#,
    r"(resource is User && principal == resource)",
    r"(resource is User && [resource].contains(principal))",
    r#"(context has workflow && context.workflow == "prior_auth")"#,
    r#"context.method == "GET""#,
    r#"principal.roles.contains(Role::"NURSE")"#,
    r#"principal.status == "ACTIVE""#,
    LOOKS[0],
    LOOKS[1],
    LOOKS[2],
    LOOKS[3],
    LOOKS[4],
    LOOKS[5],
];

/// What it may ask only where tenant, body and object are known.
pub(super) const LATE_ATOMS: [&str; 8] = [
    r#"Patient::"patient-kauvery-1" has owner"#,
    r"(resource is User && resource has owner)",
    r"(resource is User && resource has organization && principal has organization && resource.organization == principal.organization)",
    r"(resource is Patient && resource has owner && principal has organization && resource.owner == principal.organization)",
    r#"(resource is Patient && resource has workflow && resource.workflow == "prior_auth")"#,
    r#"(resource is Organization && resource.slug like "k*")"#,
    r#"context.body_fields.contains("name")"#,
    r#"(context has tenant && context.tenant.slug like "k*")"#,
];

/// How it may look at more of a caller than its roles, and at more of its organisation than whether it is
/// open; two callers differ in each.
pub(super) const LOOKS: [&str; 10] = [
    r#"(!(context has feature) && principal.features.contains(Feature::"ai_notes"))"#,
    r#"(principal has organization && principal.organization.slug like "k*")"#,
    r#"(principal has organization && principal.organization in Group::"south")"#,
    r#"(!(context has feature) && principal has organization && principal.organization.features.contains(Feature::"ai_notes"))"#,
    r#"(principal has organization && principal.organization.workflows.contains("prior_auth"))"#,
    r"(principal has owner && principal.owner has group)",
    r#"(principal has organization && principal.organization == Organization::"org-alpha")"#,
    r#"Organization::"org-alpha" has slug"#,
    r#"Organization::"org-kauvery" in Group::"south""#,
    r#"(principal has organization && [principal.organization].contains(Organization::"org-beta"))"#,
];

/// How it may ask for a user by name.
pub(super) const NAMING: [&str; 13] = [
    r#"principal == User::"kauvery-doctor""#,
    r#"User::"kauvery-admin" == principal"#,
    r#"principal in [User::"kauvery-admin", User::"kauvery-doctor-twin"]"#,
    r#"principal in User::"kauvery-doctor""#,
    r#"principal is User in User::"kauvery-admin-twin""#,
    r#"[User::"kauvery-doctor"].contains(principal)"#,
    r#"{who: [principal]} == {who: [User::"kauvery-admin"]}"#,
    r#"(if context.method == "GET" then principal else User::"alpha-doctor") == User::"kauvery-doctor""#,
    r#"User::"kauvery-admin" has organization"#,
    r#"(User::"kauvery-doctor" has organization && User::"kauvery-doctor".roles.contains(Role::"DOCTOR"))"#,
    r#"((if context.method == "GET" then User::"kauvery-doctor" else User::"kauvery-admin") has organization)"#,
    r#"(principal has organization && !(principal in [User::"kauvery-admin"]))"#,
    r#"(resource is User && resource == User::"kauvery-admin" && resource == principal)"#,
];

/// And how in its scope.
pub(super) const SCOPES: [&str; 3] = [
    r#"principal == User::"kauvery-admin""#,
    r#"principal in User::"kauvery-doctor""#,
    r#"principal is User in User::"kauvery-doctor-twin""#,
];
