//! Two clinics at once, through the real backend: nobody ever sees the other's.

use serde_json::{Value, json};
use tests::{
    client::{Connection, Request},
    people::user,
    stand::{Builder, Stand},
    tokens::token,
};

const ROUNDS: usize = 40;

/// Who asks, and what nobody else's patients are called.
const CLINICS: [(&str, &str); 4] = [
    ("alpha-doctor", "org-alpha"),
    ("beta-nurse", "org-beta"),
    ("kauvery-doctor", "org-kauvery"),
    ("omni-doctor", "org-omni"),
];

#[tokio::test]
async fn clinics_at_work_at_once_with_sqlite() {
    check(Stand::builder()).await;
}

#[tokio::test]
async fn clinics_at_work_at_once_with_postgres() {
    check(Stand::builder().postgres()).await;
}

async fn check(builder: Builder) {
    let stand = builder.backend().start().await;
    let address = stand.proxy();
    let clinics = CLINICS.map(|(who, organization)| {
        tokio::spawn(async move {
            let mut connection = Connection::open(address).await;
            for round in 0..ROUNDS {
                work(&mut connection, who, organization, round).await;
            }
        })
    });
    for clinic in clinics {
        clinic.await.unwrap();
    }
}

/// Registers a patient, finds it, and does not find anybody else's.
async fn work(connection: &mut Connection, who: &str, organization: &str, round: usize) {
    let name = format!("{organization}-{round}");
    let patient = json!({"first_name": name, "last_name": "Test", "date_of_birth": "2001-02-03",
        "medical_record_number": name});
    let request = Request::new("POST", "/api/patients").token(&token(who));
    let made = connection.send(&request.json(patient.to_string())).await.unwrap();
    assert_eq!(made.status, 201, "{who}: {}", made.json());
    let id = made.json()["id"].as_str().unwrap().to_owned();

    let own = Request::get(format!("/api/patients/{id}")).token(&token(who));
    let own = connection.send(&own).await.unwrap();
    assert_eq!((own.status, &own.json()["first_name"]), (200, &json!(name)));

    let list = Request::get("/api/patients?limit=500").token(&token(who));
    let list = connection.send(&list).await.unwrap().json();
    let items = list["items"].as_array().unwrap();
    let foreign: Vec<&Value> =
        items.iter().filter(|item| item["organization_id"] != organization).collect();
    assert!(foreign.is_empty() && !items.is_empty(), "{who} sees {foreign:?}");

    for (other, _) in CLINICS.iter().filter(|(other, _)| *other != who) {
        let stranger = Request::get(format!("/api/patients/{id}")).token(&token(other));
        let stranger = connection.send(&stranger).await.unwrap();
        assert_eq!((stranger.status, stranger.reason().as_str()), (404, "not_found"), "{other}");
    }
}

#[tokio::test]
async fn a_tenant_named_in_any_place_is_where_the_staff_act() {
    let stand = Stand::builder().backend().start().await;
    let staff = token("platform-admin");
    let list = || Request::get("/api/patients").token(&staff);
    for request in [
        list().host("demo_clinic_beta.clinics.example"),
        list().header("X-Tenant", "demo_clinic_beta"),
        Request::get("/api/patients?organization_id=org-beta").token(&staff),
    ] {
        let answer = stand.send(&request).await;
        assert_eq!(answer.status, 200, "{}", answer.reason());
        let items = answer.json()["items"].as_array().unwrap().clone();
        assert!(!items.is_empty());
        assert!(items.iter().all(|item| item["organization_id"] == "org-beta"), "{items:?}");
    }
    assert_eq!(user("platform-admin").org, "", "it belongs to none of them");
}

#[tokio::test]
async fn a_name_that_no_row_can_have_is_one_that_does_not_exist() {
    let stand = Stand::postgres().await;
    let by_query = stand.get("kauvery-doctor", "/api/patients?organization_id=%00").await;
    assert_eq!((by_query.status, by_query.reason().as_str()), (403, "cross_tenant"));
    let body = json!({"organization_id": "\0"});
    let by_body = stand.send_json("kauvery-doctor", "POST", "/api/patients", &body).await;
    assert_eq!((by_body.status, by_body.reason().as_str()), (403, "cross_tenant"));
    let long = json!({"organization_id": "x".repeat(60_000)});
    let by_length = stand.send_json("kauvery-doctor", "POST", "/api/patients", &long).await;
    assert_eq!((by_length.status, by_length.reason().as_str()), (403, "cross_tenant"));
}
