//! The demo's facts and the matrix, from the tables of `docs/contract/`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use policy_store::facts::{OrganizationFacts, OwnedFacts, UserFacts};
use policy_store::source::FixedFacts;
use proxy::judge::workbench::Ask;

/// A request that is denied, and the reason.
pub(super) struct Row {
    pub(super) ask: Ask,
    pub(super) reason: String,
}

fn table(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/contract").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(fields).collect()
}

/// Splits a line of CSV into its fields.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    let mut rest = line.chars().peekable();
    while let Some(next) = rest.next() {
        let field = fields.last_mut().unwrap();
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => field.extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    fields
}

fn words(text: &str) -> Vec<Arc<str>> {
    let mut words: Vec<Arc<str>> = text.split_whitespace().map(Arc::from).collect();
    words.sort_unstable();
    words
}

fn some(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| Arc::from(text))
}

static FACTS: LazyLock<FixedFacts> = LazyLock::new(read);

/// Returns all facts of the demo.
pub(super) fn facts() -> FixedFacts {
    FixedFacts {
        users: FACTS.users.clone(),
        organizations: FACTS.organizations.clone(),
        objects: FACTS.objects.clone(),
    }
}

fn read() -> FixedFacts {
    let organizations: Vec<OrganizationFacts> =
        table("organizations.csv").iter().map(|row| organization(row)).collect();
    let users = table("users.csv").iter().map(|row| user(row)).collect::<Vec<_>>();
    let mut objects = HashMap::new();
    for it in &organizations {
        own(it, &mut objects);
    }
    for code in ["97151", "97152", "97153"] {
        let platform = OwnedFacts { owner: None, workflow: None, roles: None };
        objects.insert(("ServiceCode".to_owned(), code.to_owned()), platform);
    }
    let users = users.into_iter().map(|it| (Arc::clone(&it.id), it)).collect();
    FixedFacts { users, organizations, objects }
}

fn user(row: &[String]) -> UserFacts {
    let mut roles = words(&row[2]);
    if row[5] == "yes" {
        roles.push(Arc::from("PLATFORM_ADMIN"));
    }
    UserFacts {
        id: Arc::from(row[0].as_str()),
        organization: some(&row[1]),
        roles,
        features: words(&row[3]),
        status: Arc::from(if row[4] == "yes" { "ACTIVE" } else { "INACTIVE" }),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

fn organization(row: &[String]) -> OrganizationFacts {
    OrganizationFacts {
        id: Arc::from(row[0].as_str()),
        slug: Arc::from(row[1].as_str()),
        status: Arc::from(row[4].as_str()),
        deleted: row[9] == "yes",
        features: words(&row[7]),
        workflows: words(&row[8]),
        group: some(&row[6]),
    }
}

/// Adds one object of each type, and one more patient for each workflow.
fn own(it: &OrganizationFacts, objects: &mut HashMap<(String, String), OwnedFacts>) {
    let short = it.id.trim_start_matches("org-");
    let mut add = |kind: &str, id: String, workflow: Option<Arc<str>>, roles: Option<&str>| {
        let roles = roles.map(words);
        let owned = OwnedFacts { owner: Some(Arc::clone(&it.id)), workflow, roles };
        objects.insert((kind.to_owned(), id), owned);
    };
    let kinds = [
        "CodeFavorite",
        "CodeList",
        "Visit",
        "VisitNote",
        "Recording",
        "Practitioner",
        "PatientInsurance",
        "Authorization",
        "ServiceCode",
        "Appointment",
        "Session",
        "Call",
    ];
    for kind in kinds {
        add(kind, format!("{}-{short}-1", kebab(kind)), None, None);
    }
    add("Invitation", format!("invitation-{short}-1"), None, Some("OTHER"));
    if short == "kauvery" {
        add("Invitation", "invitation-kauvery-2".to_owned(), None, Some("GROUP_ADMIN"));
    }
    // The seed decides which workflow the patient has; the rows ask only about the others.
    add("Patient", format!("patient-{short}-1"), None, None);
    for workflow in &it.workflows {
        add("Patient", format!("patient-{short}-{workflow}-1"), Some(Arc::clone(workflow)), None);
    }
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// Returns a request without host, tenant, justification and body.
pub(super) fn ask(user: &str, method: &str, target: &str) -> Ask {
    Ask { user: some(user), method: method.to_owned(), target: target.to_owned(), ..Ask::default() }
}

/// Returns the denied rows of the matrix that differ in reason and action, or in reason and user.
pub(super) fn denied() -> Vec<Row> {
    let mut seen = HashSet::new();
    let mut rows = Vec::new();
    for row in table("decisions.csv") {
        let (action, reason) = (row[7].clone(), row[9].clone());
        // The tests from outside cover the denials that no fact can correct.
        let mended = ![
            "allowed",
            "justification_invalid",
            "body_invalid",
            "token_missing",
            "user_unknown",
            "tenant_conflict",
            "tenant_required",
        ]
        .contains(&reason.as_str());
        let new_action = seen.insert((action, reason.clone()));
        let new_user = seen.insert((row[0].clone(), reason.clone()));
        if !mended || !(new_action || new_user) {
            continue;
        }
        let text = |at: usize| (!row[at].is_empty()).then(|| row[at].clone());
        let asked = Ask {
            host: text(3),
            tenant: text(4),
            break_glass: text(5),
            body: text(6),
            ..ask(&row[0], &row[1], &row[2])
        };
        rows.push(Row { ask: asked, reason });
    }
    rows
}
