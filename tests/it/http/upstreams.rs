//! What real upstreams read, with the gate before them and without it.
//!
//! Each row of the tables is sent to the upstream itself first, to see that the attack is one, and then through
//! the gate.

use serde_json::{Value, json};
use tests::{
    client::{self, Answer, Request},
    hostile_headers::{ODD_CHARACTERS, RESERVED, disguises},
    people::{by_id, user},
    real_upstream::{Kind, RealUpstream},
    stand::Stand,
    tokens::{token, token_id},
};

use Kind::{Cgi, Django, Express, Flask, Php};

const USER: &str = "kauvery-doctor";

/// Which upstreams read `X?Auth?User?Id` as `X-Auth-User-Id`, for each character in the place of `?`.
fn reads_as_a_dash(kind: Kind, odd: char) -> bool {
    match kind {
        Express => false,
        Flask | Django => odd == '_',
        Cgi | Php => true,
    }
}

/// A body that is harmless JSON as it is, and gives a role once it is decoded from UTF-7.
const IN_UTF_7: &str = r#"{"email":"a@b","name":"x+ACIALAAi-roles+ACIAOgBbACI-PLATFORM+AF8-ADMIN+ACIAXQAsACI-z+ACIAOgAi-y"}"#;
/// The same by Python's codec `unicode_escape`.
const IN_ESCAPES: &str = r#"{"email":"a@b","name":"x\u0022,\u0022roles\u0022:[\u0022PLATFORM_ADMIN\u0022],\u0022z\u0022:\u0022y"}"#;

/// Types of a body, the body, and which upstreams read a role in it.
const TYPES: &[(&str, &str, &[Kind])] = &[
    ("application/json; charset=utf-7", IN_UTF_7, &[Express, Django]),
    ("application/json; charset=\"utf-7\"", IN_UTF_7, &[Express, Django]),
    ("application/json; CHARSET=UTF-7", IN_UTF_7, &[Express, Django]),
    ("application/json; a=b; charset=utf-7", IN_UTF_7, &[Express, Django]),
    ("application/json; charset=utf-8; charset=utf-7", IN_UTF_7, &[Django]),
    ("application/json; charset=utf-7; charset=utf-8", IN_UTF_7, &[Express]),
    ("application/json; charset*=utf-8''utf-7", IN_UTF_7, &[Django]),
    ("application/json; charset = utf-7", IN_UTF_7, &[Express, Django]),
    ("application/json; a=\"; charset=utf-7\"", IN_UTF_7, &[]),
    ("application/json, charset=utf-7", IN_UTF_7, &[]),
    ("application/json; charset=unicode_escape", IN_ESCAPES, &[Django]),
];

/// Queries that name a tenant by a name that the gate does not read, and which upstreams read it as
/// `organization_id`.
const QUERIES: &[(&str, &[Kind])] = &[
    ("organization_id[]=org-beta", &[Express, Php]),
    ("organization_id%5B%5D=org-beta", &[Express, Php]),
    ("organization_id[0]=org-beta", &[Express, Php]),
    ("organization_id[x]=org-beta", &[Express, Php]),
    ("organization_id[=org-beta", &[Express]),
    ("organization.id=org-beta", &[Php]),
    ("organization%20id=org-beta", &[Php]),
    ("organization+id=org-beta", &[Php]),
    ("+organization_id=org-beta", &[Php]),
    ("organization_id%00=org-beta", &[]),
    ("Organization_Id=org-beta", &[]),
    ("organizationid=org-beta", &[]),
    ("organization-id=org-beta", &[]),
];

/// Types of no body at all, and which upstreams read the query in their charset: `organization+AF8-id` is
/// `organization_id` in UTF-7.
const CHARSETS: &[(&str, &[Kind])] = &[
    ("text/plain; charset=utf-7", &[Django]),
    ("text/plain; charset*=''utf-7", &[Django]),
    ("text/plain; charset=utf-8; charset=utf-7", &[Django]),
];

/// Members at the top of a body that readers of other kinds take for `organization_id`.
const MEMBERS: &[&str] = &[
    "Organization_Id",
    "organizationid",
    "OrganizationId",
    "organization_id[]",
    "organization.id",
    "organization-id",
    " organization_id",
];

#[tokio::test]
async fn express() {
    prove(Express).await;
}

#[tokio::test]
async fn flask() {
    prove(Flask).await;
}

#[tokio::test]
async fn django_rest_framework() {
    prove(Django).await;
}

#[tokio::test]
async fn lighttpd_with_cgi() {
    prove(Cgi).await;
}

#[tokio::test]
async fn lighttpd_with_php_by_fastcgi() {
    prove(Php).await;
}

async fn prove(kind: Kind) {
    let upstream = RealUpstream::start(kind).await;
    let ground = Stand::builder().prepare().await;
    let stand = ground.with("upstream.address", upstream.address().to_string()).start().await;
    let case = Case { kind, upstream, stand };
    case.honest_requests_are_read_as_they_are().await;
    case.fields().await;
    case.types().await;
    case.queries().await;
    case.bodies().await;
}

struct Case {
    kind: Kind,
    upstream: RealUpstream,
    stand: Stand,
}

impl Case {
    /// What the upstream reads without a gate before it.
    async fn bare(&self, request: &Request) -> Value {
        client::send(self.upstream.address(), request).await.json()
    }

    /// What the gate answers to something that must not arrive.
    async fn refused(&self, request: &Request) -> (u16, String) {
        let before = self.upstream.requests();
        let answer = self.stand.send(request).await;
        assert_eq!(self.upstream.requests(), before, "{:?}: it has arrived", self.kind);
        (answer.status, answer.reason())
    }

    async fn passed(&self, request: &Request) -> Value {
        let before = self.upstream.requests();
        let answer: Answer = self.stand.send(request).await;
        assert_eq!(answer.status, 200, "{:?}: {}", self.kind, answer.reason());
        assert_eq!(self.upstream.requests(), before + 1);
        answer.json()
    }

    async fn honest_requests_are_read_as_they_are(&self) {
        let target = "/api/patients?organization_id=org-kauvery&q=<\"a\">";
        let told = self.passed(&Request::get(target).token(&token(USER))).await;
        self.is_the_gates_word(&told);
        assert_eq!(one(&told["query"]["organization_id"]), "org-kauvery", "{told}");
        assert_eq!(one(&told["query"]["q"]), "<\"a\">", "{told}");
        let request = Request::new("POST", "/api/visits").token(&token(USER));
        let kind = "application/json; charset=utf-8";
        let request = request.header("Content-Type", kind).body("{\"a\":[\"\u{e9}\"]}");
        assert_eq!(self.passed(&request).await["body"], json!({"a": ["\u{e9}"]}));
    }

    /// Whether the upstream reads what the gate says of the caller, and no more.
    fn is_the_gates_word(&self, told: &Value) {
        let fields = told["fields"].as_object().unwrap().iter();
        let ours = fields.filter(|(name, _)| name.starts_with("x-auth-"));
        let mut ours: Vec<_> =
            ours.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        ours.sort();
        let expected = user(USER).identity(by_id("org-kauvery"), &token_id(USER));
        assert_eq!(ours, expected, "{:?}: {told}", self.kind);
        assert!(!told.to_string().contains("evil"), "{:?}: {told}", self.kind);
    }

    async fn fields(&self) {
        for odd in ODD_CHARACTERS.chars() {
            let name = "X-Auth-User-Id".replace('-', &odd.to_string());
            let told = self.bare(&Request::get("/").header(&name, "evil")).await;
            let read = told["fields"]["x-auth-user-id"] == "evil";
            assert_eq!(read, reads_as_a_dash(self.kind, odd), "{:?}: {name}: {told}", self.kind);
        }
        let names = disguises().into_iter().chain(RESERVED.iter().map(|name| (*name).to_owned()));
        let names: Vec<String> = names.collect();
        for some in names.chunks(80) {
            let mut request = Request::get("/api/patients").token(&token(USER));
            for name in some {
                request = request.header(name, "evil");
            }
            self.is_the_gates_word(&self.passed(&request).await);
        }
    }

    async fn types(&self) {
        for (kind, body, readers) in TYPES {
            let request =
                Request::new("POST", "/api/admin/invitations").header("Content-Type", kind);
            let told = self.bare(&request.clone().body(body)).await;
            let read = told["body"]["roles"] == json!(["PLATFORM_ADMIN"]);
            assert_eq!(read, readers.contains(&self.kind), "{:?}: {kind}: {told}", self.kind);
            let request = request.token(&token("kauvery-admin")).body(body);
            assert_eq!(
                self.refused(&request).await,
                (415, "body_unsupported".to_owned()),
                "{kind}"
            );
        }
        let request = Request::new("POST", "/api/admin/invitations").token(&token("kauvery-admin"));
        let told = self.passed(&request.json(IN_UTF_7)).await;
        assert!(told["body"]["roles"].is_null(), "{told}");
    }

    async fn queries(&self) {
        for (query, readers) in QUERIES {
            let target = format!("/api/patients?{query}");
            let told = self.bare(&Request::get(&target)).await;
            let read = told["query"]["organization_id"].to_string().contains("org-beta");
            assert_eq!(read, readers.contains(&self.kind), "{:?}: {query}: {told}", self.kind);
            let answer = self.refused(&Request::get(&target).token(&token(USER))).await;
            assert_eq!(answer, (400, "request_invalid".to_owned()), "{query}");
        }
        for (kind, readers) in CHARSETS {
            let request = Request::get("/api/patients?organization+AF8-id=org-beta");
            let request = request.header("Content-Type", kind);
            let told = self.bare(&request).await;
            let read = told["query"]["organization_id"].to_string().contains("org-beta");
            assert_eq!(read, readers.contains(&self.kind), "{:?}: {kind}: {told}", self.kind);
            let answer = self.refused(&request.token(&token(USER))).await;
            assert_eq!(answer, (400, "request_invalid".to_owned()), "{kind}");
        }
    }

    async fn bodies(&self) {
        for name in MEMBERS {
            let body = json!({ *name: "org-beta" }).to_string();
            let request = Request::new("POST", "/api/visits").token(&token(USER)).json(body);
            assert_eq!(self.refused(&request).await, (400, "body_invalid".to_owned()), "{name}");
        }
        for (method, target) in
            [("GET", "/api/patients"), ("DELETE", "/api/appointments/appointment-kauvery-1")]
        {
            let request = Request::new(method, target).json(r#"{"organization_id":"org-beta"}"#);
            let told = self.bare(&request).await;
            // lighttpd takes no body with GET.
            let reads = method == "DELETE" || ![Cgi, Php].contains(&self.kind);
            let read = told["body"]["organization_id"] == "org-beta";
            assert_eq!(read, reads, "{:?}: {method}: {told}", self.kind);
            let answer = self.refused(&request.token(&token(USER))).await;
            assert_eq!(answer, (400, "body_unexpected".to_owned()), "{method}");
        }
    }
}

/// The one value of a name in a query, which some upstreams have in a list.
fn one(value: &Value) -> &str {
    let first = value.as_array().map_or(value, |values| &values[0]);
    first.as_str().unwrap_or_default()
}
