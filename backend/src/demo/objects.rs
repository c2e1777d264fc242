//! An object of every type for an organisation of the demo.

use serde_json::{Value, json};
use time::{Duration, format_description::well_known::Rfc3339};

use crate::clock::now;

use super::{Seed, people, people::Organization};

/// The platform's own service codes: the code, its description, its category, and who may deliver it.
const PLATFORM_CODES: [[&str; 4]; 6] = [
    ["97151", "Behavior identification assessment", "ASSESSMENT", "BCBA"],
    ["97152", "Behavior identification, supporting assessment", "ASSESSMENT", "RBT"],
    ["97153", "Adaptive behavior treatment by protocol", "TREATMENT", "RBT"],
    ["97155", "Adaptive behavior treatment with change of protocol", "SUPERVISION", "BCBA"],
    ["97156", "Guidance of the family in adaptive behavior treatment", "FAMILY_GUIDANCE", "BCBA"],
    ["97158", "Adaptive behavior treatment in a group", "TREATMENT", "RBT"],
];

pub(super) fn platform_service_codes() -> impl Iterator<Item = Seed> {
    PLATFORM_CODES.iter().map(|[code, description, category, credential]| {
        let row = json!({
            "id": code, "code": code, "description": description, "category": category,
            "required_credentials": [credential],
        });
        ("service_codes", row)
    })
}

/// Everything that one organisation owns, each row after the rows that it refers to.
pub(super) fn of(organization: &Organization) -> Vec<Seed> {
    let owner = Owner { organization, short: organization.short() };
    let mut rows = owner.patients();
    rows.extend(owner.clinic());
    rows.extend(owner.therapy());
    rows.extend(owner.codes());
    rows.extend(owner.invitations());
    rows
}

struct Owner<'o> {
    organization: &'o Organization,
    short: &'static str,
}

impl Owner<'_> {
    fn id(&self, kind: &str) -> String {
        format!("{kind}-{}-1", self.short)
    }

    /// A row of a table, with the ids that all rows have.
    fn row(&self, table: &'static str, kind: &str, mut columns: Value) -> Seed {
        if let Some(members) = columns.as_object_mut() {
            members.entry("id").or_insert_with(|| self.id(kind).into());
            members.insert("organization_id".to_owned(), self.organization.id.into());
        }
        (table, columns)
    }

    /// One patient for each workflow, and the first patient, who is in the first workflow if there is one.
    fn patients(&self) -> Vec<Seed> {
        let workflows = &self.organization.workflows;
        let mut rows = vec![self.patient(&self.id("patient"), workflows.first().copied(), "0001")];
        for (workflow, number) in workflows.iter().zip(2..) {
            let id = format!("patient-{}-{workflow}-1", self.short);
            rows.push(self.patient(&id, Some(workflow), &format!("{number:04}")));
        }
        rows
    }

    fn patient(&self, id: &str, workflow: Option<&str>, number: &str) -> Seed {
        let answers = match workflow {
            Some("prior_auth") => json!({
                "patient_name": "Asha Rao", "insurance_member_id": "ABC123456",
                "insurance_company_name": "Example Health", "insurance_phone": "+15555550100",
                "cpt_code": "99213", "prior_auth_status": "Pending",
            }),
            Some(_) => json!({ "patient_name": "Asha Rao", "question": "How is the new dose?" }),
            None => json!({}),
        };
        let columns = json!({
            "id": id, "workflow": workflow, "medical_record_number": format!("MRN-{number}"),
            "first_name": "Asha", "last_name": "Rao", "date_of_birth": "1985-03-15",
            "phone": "+15555550123", "details": answers,
        });
        self.row("patients", "patient", columns)
    }

    fn clinic(&self) -> Vec<Seed> {
        let (patient, practitioner) = (self.id("patient"), self.id("practitioner"));
        let workflow = self.organization.workflows.first().copied();
        vec![
            self.row("practitioners", "practitioner", json!({
                "license_number": "LIC-0001", "first_name": "Meera", "last_name": "Iyer",
                "specialty": "Behavior analysis", "credentials": ["BCBA", "RBT"],
            })),
            self.row("visits", "visit", json!({
                "patient_id": patient, "practitioner_id": practitioner, "status": "COMPLETED",
                "reason": "Fever for three days",
            })),
            self.row("visit_notes", "visit-note", json!({
                "visit_id": self.id("visit"), "status": "SIGNED",
                "content": "Fever and cough for three days; rest and fluids.",
            })),
            self.row("recordings", "recording", json!({
                "patient_id": patient, "visit_id": self.id("visit"), "duration_seconds": 312,
                "storage_key": format!("demo/{}/visit.ogg", self.short),
                "transcript": { "summary": "The patient tells of fever and cough." },
            })),
            self.row("patient_insurances", "patient-insurance", json!({
                "patient_id": patient, "payer_name": "Example Health",
                "member_number": "ABC123456", "coverage_start_date": day(-180),
                "coverage_end_date": day(185),
            })),
            self.row("calls", "call", json!({
                "patient_id": patient, "workflow": workflow.unwrap_or("patient_questions"),
                "status": "COMPLETED", "phone_number": "+15555550100", "duration_seconds": 245,
                "transcript": { "messages": [{ "role": "assistant", "content": "Good morning." }] },
            })),
        ]
    }

    fn therapy(&self) -> Vec<Seed> {
        let (patient, practitioner) = (self.id("patient"), self.id("practitioner"));
        vec![
            self.row("service_codes", "service-code", json!({
                "code": "LOCAL-1", "description": "Parent coaching, as this house offers it",
                "category": "FAMILY_GUIDANCE", "required_credentials": ["BCBA"],
            })),
            self.row("authorizations", "authorization", json!({
                "patient_id": patient, "service_code_id": "97153", "status": "ACTIVE",
                "authorization_number": "AUTH-0001", "total_units": 100, "used_units": 12,
                "scheduled_units": 8, "start_date": day(-60), "end_date": day(21),
            })),
            self.row("appointments", "appointment", json!({
                "patient_id": patient, "practitioner_id": practitioner,
                "authorization_id": self.id("authorization"), "service_code_id": "97153",
                "starts_at": moment(Duration::days(1)), "units": 8,
                "ends_at": moment(Duration::days(1) + Duration::hours(2)),
            })),
            self.row("sessions", "session", json!({
                "patient_id": patient, "practitioner_id": practitioner,
                "metrics": { "trials": 20, "correct": 14 },
            })),
            self.row("session_events", "session-event", json!({
                "session_id": self.id("session"), "event_type": "MAND", "data": { "count": 3 },
            })),
            self.row("session_notes", "session-note", json!({
                "session_id": self.id("session"),
                "content": "Twenty trials, fourteen correct; three requests of the patient's own.",
            })),
        ]
    }

    /// A list, and a favourite for every user here who has the codes tool: the first of these users has the favourite
    /// with the well-known id.
    fn codes(&self) -> Vec<Seed> {
        let mut people: Vec<_> = people::users();
        people.retain(|user| user.organization == Some(self.organization.id));
        people.sort_by_key(|user| user.roles != ["OTHER"]);
        let favorites = people.iter().zip(1..).map(|(user, number)| {
            let id = format!("code-favorite-{}-{number}", self.short);
            let columns = json!({
                "id": id, "user_id": user.id, "system": "icd10", "code": "R50.9",
                "display": "Fever, cause not named",
            });
            self.row("code_favorites", "code-favorite", columns)
        });
        let mut rows: Vec<Seed> = favorites.collect();
        let list = self.id("code-list");
        rows.push(self.row(
            "code_lists",
            "code-list",
            json!({
                "name": "Often used", "description": "What comes through the door in the rains",
            }),
        ));
        for ((code, display), position) in
            [("R50.9", "Fever, cause not named"), ("A90", "Dengue fever")].iter().zip(1..)
        {
            let item = json!({
                "organization_id": self.organization.id, "code_list_id": list,
                "position": position, "system": "icd10", "code": code, "display": display,
            });
            rows.push(("code_list_items", item));
        }
        rows
    }

    fn invitations(&self) -> Vec<Seed> {
        let invite = |number: u8, role: &str| {
            let id = format!("invitation-{}-{number}", self.short);
            let columns = json!({
                "id": id, "email": people::email(&id), "name": "Newcomer", "roles": [role],
                "enabled_features": ["codes"], "expires_at": moment(Duration::days(365)),
            });
            self.row("invitations", "invitation", columns)
        };
        let mut rows = vec![invite(1, "OTHER")];
        if self.short == "kauvery" {
            rows.push(invite(2, "GROUP_ADMIN"));
        }
        rows
    }
}

/// A time, relative to now.
fn moment(from_now: Duration) -> String {
    (now() + from_now).format(&Rfc3339).unwrap_or_default()
}

/// A day, relative to today.
fn day(from_today: i64) -> String {
    (now() + Duration::days(from_today)).date().to_string()
}
