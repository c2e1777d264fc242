use std::path::Path;
use std::sync::Arc;

use policy_store::bundle::{File, Loader, Sources};
use proxy::judge::trials::Runner;

use super::{Report, Whys, junit};

const TESTS: &str = "facts:
  organizations:
    o: { slug: o, features: [codes] }
  users:
    ann: { organization: o, roles: [DOCTOR] }
    cod: { organization: o, roles: [OTHER], features: [codes] }
tests:
  - name: who lists patients
    request: GET /api/patients
    expect:
      ann: allow by clinic-staff
      cod: outside_boundary by outside-boundary
      nobody: token_missing
  - name: wrong <ones>
    requests: { a: GET /api/patients, b: { send: GET /api/patients, tenant: x } }
    expect:
      ann: { a: allow by clinical, b: allow }
";

fn runner() -> Runner {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let mut sources = Sources::read(&directory).unwrap();
    // The check for unknown policies runs when a bundle is accepted; the wrong name here exists and has to fail
    // later.
    sources.tests = vec![File { name: "tests/a.yaml".to_owned(), text: Arc::from(TESTS) }];
    Runner::new(Loader::default().load(sources).unwrap_or_else(|findings| panic!("{findings}")))
}

#[test]
fn failures_are_told_in_full() {
    let runner = runner();
    let outcomes = runner.run(&[0, 1, 2, 3, 4]).unwrap();
    let passed: Vec<bool> = outcomes.iter().map(|it| it.passed).collect();
    assert_eq!(passed, [true, true, true, false, false]);
    let text = Report::new(&runner, &outcomes, &Whys::new()).text();
    let expected = "FAILED  tests/a.yaml:17  wrong <ones>: a, ann
        GET /api/patients
        expected  allow by clinical
        actual    allow
        by        clinic-staff (roles.cedar:";
    assert!(text.starts_with(expected), "{text}");
    assert!(
        text.contains(
            "  tenant x\n        expected  allow\n        actual    cross_tenant (403)\n"
        ),
        "{text}"
    );
    assert!(text.contains("because   a tenant is named in which the caller may not act"), "{text}");
    assert!(text.ends_with("3 passed, 2 failed"), "{text}");
    let json = Report::new(&runner, &outcomes, &Whys::new()).json();
    assert_eq!((&json["passed"], &json["cases"][1]["actual"]["status"]), (&3.into(), &403.into()));
    let xml = junit(&Report::new(&runner, &outcomes, &Whys::new()));
    assert!(xml.contains("classname=\"wrong &lt;ones&gt;\" name=\"a, ann\""), "{xml}");
}
