//! Who saw a patient, and who broke the glass.

use serde_json::{Value, json};

use super::{FORMULA, World, rows};

#[tokio::test]
async fn a_patients_accesses_are_accounted_for_from_sqlite() {
    disclosures(&World::sqlite().await).await;
}

#[tokio::test]
async fn a_patients_accesses_are_accounted_for_from_postgres() {
    disclosures(&World::postgres().await).await;
}

/// The accesses of a report: which request, by whom, and how it ended.
fn accesses(world: &World, report: &Value) -> Vec<(&'static str, String, String)> {
    let accesses = report["accesses"].as_array().unwrap().iter();
    let text = |it: &Value, name: &str| it[name].as_str().unwrap().to_owned();
    accesses
        .map(|it| (world.name(&text(it, "request")), text(it, "user"), text(it, "outcome")))
        .collect()
}

/// A report in JSON, which both sources give; only what they are called differs.
async fn report(world: &World, arguments: &[&str]) -> Value {
    let mut reports = Vec::new();
    for source in [["--journal", "var/audit"], ["--database", &world.database]] {
        let arguments = [&["report"], arguments, &["--format", "json"], &source].concat();
        let (status, out, complaints) = world.run(&arguments).await;
        assert_eq!((status, complaints.as_str()), (0, ""), "{arguments:?}");
        let mut report: Value = serde_json::from_str(&out).unwrap();
        assert!(report["source"].take().is_string());
        reports.push(report);
    }
    assert_eq!(reports[0], reports[1], "{arguments:?}");
    reports.remove(0)
}

async fn disclosures(world: &World) {
    let about = ["disclosures", "--resource", "Patient:patient-kauvery-1"];
    let report = report(world, &about).await;
    let expected = [
        ("doctor", "kauvery-doctor", "succeeded"),
        ("not needed", "kauvery-nurse", "succeeded"),
        ("failed", "kauvery-lab", "failed"),
        ("cut", "kauvery-billing", "failed"),
    ];
    let expected = expected.map(|(name, user, end)| (name, user.to_owned(), end.to_owned()));
    assert_eq!(accesses(world, &report), expected, "those who were let through, and nobody else");
    let nurse = &report["accesses"][1];
    for (member, value) in [
        ("organization", json!("org-kauvery")),
        ("roles", json!(["NURSE"])),
        ("tenant", json!("org-kauvery")),
        ("action", json!("patients.read")),
        ("operation", json!("view")),
        ("ip_address", json!("127.0.0.1")),
        ("status", json!(200)),
        ("justification", json!("to be on the safe side")),
    ] {
        assert_eq!(nurse[member], value, "{member}");
    }
    assert_eq!(report["by_user"].as_array().unwrap().len(), 4);
    let lists: Vec<_> = report["lists"].as_array().unwrap().iter().collect();
    assert_eq!(lists.len(), 1, "{lists:?}");
    assert_eq!(
        (&lists[0]["user"], &lists[0]["action"], &lists[0]["times"]),
        (&json!("kauvery-doctor"), &json!("patients.list"), &json!(2))
    );
    as_people_read_it(world, &about).await;
    in_time(world, &about, nurse["time"].as_str().unwrap()).await;
}

async fn as_people_read_it(world: &World, about: &[&str]) {
    let arguments = [&["report"], about, &["--journal", "var/audit"]].concat();
    let (status, text, _) = world.run(&arguments).await;
    assert_eq!(status, 0);
    assert!(
        text.starts_with("Accounting of accesses to Patient:patient-kauvery-1 (45 CFR"),
        "{text}"
    );
    assert!(text.contains("leaves out") && text.contains("\n4 accesses by 4 users\n"), "{text}");
    let line = text.lines().find(|it| it.contains(world.id("not needed"))).unwrap();
    let told = "succeeded kauvery-nurse (org-kauvery; NURSE) patients.read/view GET \
                /api/patients/patient-kauvery-1 tenant=org-kauvery from=127.0.0.1 status=200";
    assert!(line.contains(told), "{line}");
    assert!(text.contains("\n    break-glass: to be on the safe side\n"), "{text}");
    for other in ["stranger", "list", "other patient", "needed", "malformed"] {
        assert!(!text.contains(world.id(other)), "{other}");
    }
    let (_, csv, _) = world.run(&[&arguments[..], &["--format", "csv"]].concat()).await;
    let rows = rows(&csv);
    assert_eq!(rows.len(), 4);
    assert_eq!((&*rows[3]["user"], &*rows[3]["outcome"]), ("kauvery-billing", "failed"));
    let nobody =
        ["report", "disclosures", "--resource", "Patient:nobody", "--journal", "var/audit"];
    let (status, text, _) = world.run(&nobody).await;
    assert!(status == 0 && text.contains("0 accesses by 0 users"), "{text}");
    assert!(text.contains("patients.list"), "who listed, may have seen it\n{text}");
}

/// An access is of the time of its decision, and its outcome belongs to it whenever it came.
async fn in_time(world: &World, about: &[&str], at: &str) {
    let since = report(world, &[about, &["--since", at]].concat()).await;
    assert_eq!(accesses(world, &since).len(), 3);
    let until = report(world, &[about, &["--until", at]].concat()).await;
    let doctor = ("doctor", "kauvery-doctor".to_owned(), "succeeded".to_owned());
    assert_eq!(accesses(world, &until), [doctor]);
    let records = world.found(&["--resource", "patient-kauvery-1"]).await;
    let outcome = records
        .iter()
        .find(|it| it["id"] == world.id("not needed") && it["phase"] == "outcome")
        .unwrap();
    let between = ["--since", at, "--until", outcome["timestamp"].as_str().unwrap()];
    let between = report(world, &[about, &between].concat()).await;
    let nurse = ("not needed", "kauvery-nurse".to_owned(), "succeeded".to_owned());
    assert_eq!(accesses(world, &between), [nurse], "its outcome came later, and is known");
}

#[tokio::test]
async fn broken_glass_is_accounted_for() {
    let world = World::postgres().await;
    let report = report(&world, &["break-glass"]).await;
    let expected = [
        ("not needed", "kauvery-nurse", "succeeded"),
        ("needed", "kauvery-receptionist", "succeeded"),
        ("no help", "kauvery-norole", "refused"),
    ];
    let expected = expected.map(|(name, user, end)| (name, user.to_owned(), end.to_owned()));
    assert_eq!(accesses(&world, &report)[..3], expected);
    assert_eq!(report["accesses"][3]["outcome"], "refused");
    assert_eq!(report["accesses"][1]["justification"], FORMULA);
    assert_eq!(report["accesses"][1]["policies"], json!(["break-glass"]));

    let let_in = report["accesses"].as_array().unwrap().iter();
    let let_in: Vec<_> = let_in.map(|it| &it["let_in_by_justification"]).collect();
    assert_eq!(let_in, [false, true, false, false]);
    let (_, text, _) = world.run(&["report", "break-glass", "--database", &world.database]).await;
    assert!(text.contains("let in by it: yes (policies: break-glass)"), "{text}");
    assert!(text.contains("let in by it: no (policies: clinic-staff)"), "{text}");
    assert!(text.contains("let in by it: refused"), "{text}");
    assert!(text.contains(&format!("justification: {FORMULA}\n")), "{text}");
}
