//! The demo's people, organisations and routes as `docs/contract/` lists them, the matrix of decisions,
//! and what the upstream has to be told about a caller: worked out a second time, from the
//! tables alone.

use std::{collections::BTreeSet, sync::LazyLock};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

/// A row of `users.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// The id, and the subject of its tokens.
    pub id: String,
    /// The organisation; empty for none.
    pub org: String,
    /// The roles, separated by spaces.
    pub roles: String,
    /// The features, separated by spaces.
    pub features: String,
    /// `yes` or `no`.
    pub active: String,
    /// `yes` or `no`.
    pub super_admin: String,
}

/// A row of `organizations.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Organization {
    /// The id.
    pub id: String,
    /// The name by which hosts and `X-Tenant` call it.
    pub slug: String,
    /// Its status.
    pub status: String,
    /// Its group; empty for none.
    pub group: String,
    /// What it has bought, separated by spaces.
    pub features: String,
    /// The workflows that it has enabled, separated by spaces.
    pub workflows: String,
    /// `yes` or `no`.
    pub deleted: String,
}

/// A row of `routes.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Route {
    /// The action.
    pub action: String,
    /// The method.
    pub method: String,
    /// The template of its path.
    pub path: String,
    /// The type of its object.
    pub resource: String,
    /// Who may, as roles and sets of roles.
    pub roles: String,
    /// What the paywall asks for, and of whom: `codes:all`; empty for nothing.
    pub feature: String,
    /// Where it acts.
    pub scope: String,
    /// What happens to health information; `no` for nothing.
    pub phi: String,
    /// What is done with a body: `none`, `opaque`, `json`.
    pub body: String,
}

/// A row of `fields.csv`.
#[derive(Clone, Debug, Deserialize)]
pub struct Fields {
    /// The action.
    pub action: String,
    /// What anybody's body may hold, separated by spaces.
    pub fields: String,
    /// What a platform administrator's may hold besides.
    pub platform_fields: String,
}

/// A row of `decisions.csv`: a request and its answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Decision {
    /// Whose token is sent; empty for none.
    pub user: String,
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The host; empty for one that names no tenant.
    pub host: String,
    /// `X-Tenant`.
    pub tenant: String,
    /// `X-Break-Glass`.
    pub break_glass: String,
    /// The body; empty for the method's default.
    pub body: String,
    /// The action; empty when no route fits.
    pub action: String,
    /// The status of the decision.
    pub status: u16,
    /// Its reason.
    pub reason: String,
}

/// Everybody.
pub static USERS: LazyLock<Vec<User>> = LazyLock::new(|| table("users.csv"));
/// Every organisation.
pub static ORGANIZATIONS: LazyLock<Vec<Organization>> =
    LazyLock::new(|| table("organizations.csv"));
/// Every route.
pub static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(|| table("routes.csv"));
/// What a body may hold, where not everything is allowed.
pub static FIELDS: LazyLock<Vec<Fields>> = LazyLock::new(|| table("fields.csv"));
/// The matrix.
pub static DECISIONS: LazyLock<Vec<Decision>> = LazyLock::new(|| table("decisions.csv"));

fn table<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let path = format!("{}/../docs/contract/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut reader = csv::Reader::from_path(&path).unwrap();
    reader.deserialize().map(|row| row.unwrap_or_else(|fault| panic!("{path}: {fault}"))).collect()
}

/// The user with this id.
#[must_use]
pub fn user(id: &str) -> &'static User {
    USERS.iter().find(|user| user.id == id).unwrap_or_else(|| panic!("no user {id}"))
}

/// The route of an action.
#[must_use]
pub fn route(action: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| route.action == action)
}

impl User {
    /// Its roles; a super admin's hold one more.
    #[must_use]
    pub fn effective_roles(&self) -> BTreeSet<&str> {
        let staff = (self.super_admin == "yes").then_some("PLATFORM_ADMIN");
        self.roles.split_whitespace().chain(staff).collect()
    }

    /// Its `X-Auth-*` headers when it acts in `tenant`, names in lower case, sorted.
    #[must_use]
    pub fn identity(&self, tenant: Option<&Organization>, token_id: &str) -> Vec<(String, String)> {
        let features: BTreeSet<&str> = self.features.split_whitespace().collect();
        let joined = |set: BTreeSet<&str>| set.into_iter().collect::<Vec<_>>().join(",");
        let headers = [
            ("x-auth-features", joined(features)),
            ("x-auth-org-id", self.org.clone()),
            ("x-auth-roles", joined(self.effective_roles())),
            ("x-auth-tenant-id", tenant.map(|tenant| tenant.id.clone()).unwrap_or_default()),
            ("x-auth-tenant-slug", tenant.map(|tenant| tenant.slug.clone()).unwrap_or_default()),
            ("x-auth-token-id", token_id.to_owned()),
            ("x-auth-user-id", self.id.clone()),
        ];
        let sent = headers.into_iter().filter(|(_, value)| !value.is_empty());
        sent.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

impl Route {
    /// Whether nobody has to be signed in.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.roles == "GUEST"
    }

    /// Whether it leaves no record.
    #[must_use]
    pub fn is_unrecorded(&self) -> bool {
        ["health.read", "auth.jwks"].contains(&self.action.as_str())
    }

    /// The roles of its allowlist.
    #[must_use]
    pub fn allowlist(&self) -> BTreeSet<&'static str> {
        self.roles.split_whitespace().flat_map(role_set).copied().collect()
    }

    fn admits(&self, user: &User) -> bool {
        !self.allowlist().is_disjoint(&user.effective_roles())
    }
}

/// The roles that a set of `domain.md` stands for; a single role is a set too.
#[must_use]
pub fn role_set(name: &str) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "OTHER",
        "PLATFORM_ADMIN",
        "GROUP_ADMIN",
        "ORG_ADMIN",
        "DOCTOR",
        "NURSE",
        "PHARMACIST",
        "RECEPTIONIST",
        "LAB_TECH",
        "BILLING",
    ];
    let single = |name| ALL.iter().position(|role| *role == name).map(|at| &ALL[at..=at]);
    match name {
        "GUEST" => &[],
        "CLINICAL" => &["DOCTOR", "NURSE", "PHARMACIST", "LAB_TECH"],
        "ADMIN" => &["ORG_ADMIN", "GROUP_ADMIN", "PLATFORM_ADMIN"],
        "CODES_TOOL" => &["DOCTOR", "OTHER", "ORG_ADMIN", "GROUP_ADMIN", "PLATFORM_ADMIN"],
        "EVERY" => ALL,
        "EVERY_BUT_OTHER" => &ALL[1..],
        role => single(role).unwrap_or_else(|| panic!("no set of roles {role}")),
    }
}

impl Decision {
    /// The `X-Auth-*` headers that the upstream has to see, if this row is allowed.
    #[must_use]
    pub fn identity(&self, token_id: &str) -> Vec<(String, String)> {
        let route = route(&self.action).unwrap();
        if route.is_public() {
            return Vec::new();
        }
        let user = user(&self.user);
        let tenant = self.named().or_else(|| self.owner(route)).or_else(|| by_id(&user.org));
        let mut identity = user.identity(tenant, token_id);
        if !self.break_glass.is_empty() && route.phi == "view" && !route.admits(user) {
            identity.push(("x-auth-break-glass".to_owned(), percent_encoded(&self.break_glass)));
            identity.sort();
        }
        identity
    }

    /// The tenant that the request names, wherever it does. In an allowed row all agree.
    fn named(&self) -> Option<&'static Organization> {
        let host = self.host.strip_suffix(".clinics.example").unwrap_or_default();
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        let in_query = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            ["organization_id", "organizationId"].contains(&name).then_some(value)
        });
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let in_body = ["organization_id", "organizationId"].map(|name| body[name].as_str());
        let ids = in_query.chain(in_body.into_iter().flatten());
        let named = [by_slug(host), by_slug(&self.tenant)].into_iter().chain(ids.map(by_id));
        named.flatten().next()
    }

    /// The tenant that owns the object of the path. The ids of the demo's objects hold it.
    fn owner(&self, route: &Route) -> Option<&'static Organization> {
        let path = self.path.split('?').next()?;
        let at = route.path.split('/').position(|segment| segment == "{id}")?;
        let id = path.split('/').nth(at)?;
        match route.scope.as_str() {
            "organization" => by_id(id),
            "lookup" | "workflow+lookup" => {
                let person = USERS.iter().find(|user| user.id == id);
                person.map_or_else(|| owner_of_object(id), |person| by_id(&person.org))
            }
            _ => None,
        }
    }
}

fn owner_of_object(id: &str) -> Option<&'static Organization> {
    let owns = |organization: &&Organization| {
        let short = organization.id.trim_start_matches("org-");
        id.contains(&format!("-{short}-"))
    };
    // `kauvery-east` holds `kauvery`: the longest that fits is it.
    ORGANIZATIONS.iter().filter(owns).max_by_key(|organization| organization.id.len())
}

/// The organisation with this id.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Organization> {
    ORGANIZATIONS.iter().find(|organization| organization.id == id)
}

/// The organisation with this slug.
#[must_use]
pub fn by_slug(slug: &str) -> Option<&'static Organization> {
    ORGANIZATIONS.iter().find(|organization| organization.slug == slug)
}

/// Every byte that is not unreserved, percent-encoded.
#[must_use]
pub fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
