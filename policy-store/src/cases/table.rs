//! Builds facts and cases from parsed test files.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::raw::{self, Lined, RawFacts, RawFile, RawFull, RawRequest, RawRow, RawTest, line};
use super::{ALLOW, Case, Expected, NOBODY, Reader, Request};
use crate::bundle::File;
use crate::facts::{OrganizationFacts, OwnedFacts, UserFacts};

/// The expected reason for a caller without facts.
const UNKNOWN: &str = "user_unknown";
/// The name that stands for all requests of a test without an expectation of their own.
const REST: &str = "*";

impl Reader<'_> {
    /// Adds the facts of one file. A name that exists already is a fault.
    pub(super) fn facts(&mut self, file: &File, facts: &RawFacts) {
        if let Some(tenancy) = &facts.tenancy {
            self.suite.tenancy = tenancy.clone();
        }
        for (id, organization) in &facts.organizations {
            let at = line(&organization.referenced);
            if self.suite.facts.organizations.iter().any(|it| *it.id == **id) {
                self.wrong(
                    file,
                    at,
                    &format!("organisation `{id}` is there twice"),
                    "name facts once",
                );
            }
            self.known_features(file, at, &organization.value.features);
            self.suite.facts.organizations.push(organization_facts(id, &organization.value));
        }
        for (id, user) in &facts.users {
            let at = line(&user.referenced);
            self.known_roles(file, at, &user.value.roles);
            self.known_features(file, at, &user.value.features);
            let facts = user_facts(id, &user.value);
            if id == NOBODY || self.suite.facts.users.insert(Arc::from(&**id), facts).is_some() {
                let remedy = format!("name facts once; `{NOBODY}` is who sends no token");
                self.wrong(file, at, &format!("user `{id}` is there twice"), &remedy);
            }
        }
        for (kind, objects) in &facts.objects {
            for (id, object) in objects {
                let at = line(&object.referenced);
                self.known_roles(file, at, object.value.roles.as_deref().unwrap_or_default());
                let key = (kind.clone(), id.clone());
                let facts = object_facts(&object.value);
                if self.suite.facts.objects.insert(key, facts).is_some() {
                    self.wrong(
                        file,
                        at,
                        &format!("{kind} `{id}` is there twice"),
                        "name facts once",
                    );
                }
            }
        }
    }

    /// Checks that every organisation that a user or object belongs to exists.
    pub(super) fn owners(&mut self, files: &[(&File, RawFile)]) {
        for (file, raw) in files {
            let Some(facts) = &raw.facts else { continue };
            let users = facts
                .users
                .values()
                .filter_map(|it| Some((line(&it.referenced), it.value.organization.as_ref()?)));
            let objects = facts.objects.values().flat_map(BTreeMap::values);
            let objects =
                objects.filter_map(|it| Some((line(&it.referenced), it.value.owner.as_ref()?)));
            for (at, id) in users.chain(objects).collect::<Vec<_>>() {
                if !self.suite.facts.organizations.iter().any(|it| *it.id == **id) {
                    let message = format!("there is no organisation `{id}`");
                    self.wrong(file, at, &message, "name it under `organizations`");
                }
            }
        }
    }

    fn known_roles(&mut self, file: &File, at: usize, names: &[String]) {
        for name in names.iter().filter(|name| !self.vocabulary.has_role(name)).collect::<Vec<_>>()
        {
            let message = format!("role `{name}` is not in the vocabulary");
            self.wrong(file, at, &message, "take one of `entity Role enum` in schema.cedarschema");
        }
    }

    fn known_features(&mut self, file: &File, at: usize, names: &[String]) {
        for name in names.iter().filter(|it| !self.vocabulary.has_feature(it)).collect::<Vec<_>>() {
            let message = format!("feature `{name}` is not in the vocabulary");
            self.wrong(
                file,
                at,
                &message,
                "take one of `entity Feature enum` in schema.cedarschema",
            );
        }
    }

    /// Adds the cases of one test.
    pub(super) fn test(&mut self, file: &File, name: &Arc<str>, test: Lined<RawTest>) {
        let (first, faults) = (self.suite.cases.len(), self.findings.len());
        self.add_cases(file, name, test);
        // A test with a fault may expect something else than its author meant.
        if self.findings.len() > faults {
            self.suite.cases.truncate(first);
        }
    }

    fn add_cases(&mut self, file: &File, name: &Arc<str>, test: Lined<RawTest>) {
        let at = line(&test.referenced);
        let RawTest { name: title, request, requests, expect } = test.value;
        let title: Arc<str> = Arc::from(title);
        let mut all: Vec<Arc<Request>> = Vec::new();
        let one = request.map(|request| (String::new(), request));
        for (name, raw) in one.into_iter().chain(requests) {
            match request_of(&name, raw) {
                Some(request) => all.push(Arc::new(request)),
                None => self.wrong(
                    file,
                    at,
                    &format!("request `{name}` of `{title}` is not a method and a target"),
                    "write `GET /path`, or `{ send: GET /path, … }`",
                ),
            }
        }
        if all.is_empty() {
            let message = format!("test `{title}` sends nothing");
            self.wrong(file, at, &message, "give it `request:` or `requests:`");
        }
        let first = self.suite.cases.len();
        for (callers, row) in expect {
            let at = line(&row.referenced);
            for caller in callers.split(',').map(str::trim) {
                let cells = self.cells(file, at, &all, &row.value);
                for (request, expected) in cells {
                    self.case(
                        file,
                        at,
                        Case {
                            file: Arc::clone(name),
                            line: at,
                            test: Arc::clone(&title),
                            caller: (caller != NOBODY).then(|| Arc::from(caller)),
                            request,
                            expected,
                        },
                    );
                }
            }
        }
        self.nothing_forgotten(file, at, &title, &all, first);
    }

    /// Checks that each request of a test has an expectation: a forgotten request tests nothing.
    fn nothing_forgotten(
        &mut self,
        file: &File,
        at: usize,
        title: &str,
        all: &[Arc<Request>],
        first: usize,
    ) {
        let cases = self.suite.cases.get(first..).unwrap_or_default();
        let asked: HashSet<*const Request> =
            cases.iter().map(|it| Arc::as_ptr(&it.request)).collect();
        let forgotten: Vec<String> = all
            .iter()
            .filter(|it| !asked.contains(&Arc::as_ptr(it)))
            .map(|it| it.name.clone())
            .collect();
        for name in forgotten {
            let what = if name.is_empty() {
                "its request".to_owned()
            } else {
                format!("request `{name}`")
            };
            let message = format!("test `{title}` expects nothing of {what}");
            self.wrong(file, at, &message, "say under `expect` who sends it, and what comes of it");
        }
    }

    fn case(&mut self, file: &File, at: usize, case: Case) {
        let unknown = case.caller.as_ref().filter(|it| !self.suite.facts.users.contains_key(*it));
        if let Some(caller) = unknown
            && &*case.expected.reason != UNKNOWN
        {
            let message = format!("there is no user `{caller}`");
            let remedy = format!("name it under `users`; `{NOBODY}` is who sends no token");
            self.wrong(file, at, &message, &remedy);
        }
        self.suite.cases.push(case);
    }

    /// Returns the expectations of a row, each with its request.
    fn cells(
        &mut self,
        file: &File,
        at: usize,
        requests: &[Arc<Request>],
        row: &RawRow,
    ) -> Vec<(Arc<Request>, Expected)> {
        let each = match row {
            RawRow::All(text) => {
                let expected = self.expected(file, at, text);
                return requests.iter().map(|it| (Arc::clone(it), expected.clone())).collect();
            }
            RawRow::Each(each) => each,
        };
        let mut cells: Vec<(Arc<Request>, Expected)> = Vec::new();
        let mut said = Vec::new();
        for (names, text) in each.iter().filter(|(names, _)| *names != REST) {
            for name in names.split(',').map(str::trim) {
                let Some(request) = requests.iter().find(|it| it.name == name) else {
                    let message = format!("the test has no request `{name}`");
                    self.wrong(file, at, &message, "name one of its `requests`");
                    continue;
                };
                if said.contains(&name) {
                    let message = format!("request `{name}` is expected twice");
                    self.wrong(file, at, &message, "say once what must come of it");
                }
                said.push(name);
                cells.push((Arc::clone(request), self.expected(file, at, text)));
            }
        }
        if let Some(text) = each.get(REST) {
            let expected = self.expected(file, at, text);
            let rest = requests.iter().filter(|it| !said.contains(&it.name.as_str()));
            cells.extend(rest.map(|it| (Arc::clone(it), expected.clone())));
        }
        cells
    }

    /// Parses `allow`, `allow by POLICY`, `REASON` or `REASON by POLICY`.
    fn expected(&mut self, file: &File, at: usize, text: &str) -> Expected {
        let (reason, policy) = match text.split_once(" by ") {
            Some((reason, policy)) => (reason.trim(), Some(Arc::from(policy.trim()))),
            None => (text.trim(), None),
        };
        // An empty expectation must not count as `allow`.
        if reason.is_empty() {
            let remedy = format!("write `{ALLOW}`, or the reason of the denial");
            self.wrong(file, at, "an expectation is empty", &remedy);
        }
        Expected { reason: Arc::from(reason), policy }
    }
}

fn request_of(name: &str, raw: RawRequest) -> Option<Request> {
    let full = match raw {
        RawRequest::Full(full) => full,
        RawRequest::Line(send) => RawFull {
            send,
            host: None,
            tenant: None,
            break_glass: None,
            body: None,
            content_type: None,
            token_age: None,
        },
    };
    let (method, target) = full.send.trim().split_once(' ')?;
    let body = full.body.map(|body| match body {
        // A string is sent as it is: for bodies that are not JSON.
        serde_json::Value::String(text) => text,
        value => value.to_string(),
    });
    Some(Request {
        name: name.to_owned(),
        method: method.to_owned(),
        target: target.trim().to_owned(),
        host: full.host,
        tenant: full.tenant,
        break_glass: full.break_glass,
        body,
        content_type: full.content_type,
        token_age: full.token_age,
    })
}

fn names(names: &[String]) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = names.iter().map(|name| Arc::from(&**name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn text(text: Option<&String>) -> Option<Arc<str>> {
    text.map(|text| Arc::from(&**text))
}

fn organization_facts(id: &str, raw: &raw::RawOrganization) -> OrganizationFacts {
    OrganizationFacts {
        id: Arc::from(id),
        slug: Arc::from(raw.slug.as_deref().unwrap_or(id)),
        status: Arc::from(&*raw.status),
        deleted: raw.deleted,
        features: names(&raw.features),
        workflows: names(&raw.workflows),
        group: text(raw.group.as_ref()),
    }
}

fn user_facts(id: &str, raw: &raw::RawUser) -> UserFacts {
    UserFacts {
        id: Arc::from(id),
        organization: text(raw.organization.as_ref()),
        roles: names(&raw.roles),
        features: names(&raw.features),
        status: Arc::from(&*raw.status),
        tokens_valid_after: None,
        revoked_tokens: Vec::new(),
    }
}

fn object_facts(raw: &raw::RawObject) -> OwnedFacts {
    OwnedFacts {
        owner: text(raw.owner.as_ref()),
        workflow: text(raw.workflow.as_ref()),
        roles: raw.roles.as_deref().map(names),
    }
}
