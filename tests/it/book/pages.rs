//! A reader does what the pages say, line by line.

use tests::{
    binary::Binary,
    book::Page,
    client::{self, Request},
    postgres,
    reader::Reader,
    sql::number,
    wait::{eventually, in_time},
};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Runs the commands of a page. Each is in `expected`, in this order, by how it begins, with some of what it says.
async fn follow(reader: &mut Reader, page: &str, expected: &[(&str, &str)]) {
    follow_from(reader, page, 0, expected).await;
    assert_eq!(Page::of(page).commands().len(), expected.len(), "{page} has more commands");
}

/// The same, from the command of this number on.
async fn follow_from(reader: &mut Reader, page: &str, first: usize, expected: &[(&str, &str)]) {
    let commands = Page::of(page).commands();
    assert!(commands.len() >= first + expected.len(), "{page}: {commands:#?}");
    for (command, (begins, says)) in commands[first..].iter().zip(expected) {
        assert!(command.starts_with(begins), "{page}: `{command}` where `{begins}` was expected");
        let done = reader.runs(command).await;
        assert_eq!(done.status, 0, "{page}: {command}\n{}", done.said);
        assert!(done.said.contains(says), "{page}: {command}\n{}", done.said);
    }
}

#[tokio::test]
async fn quickstart() {
    let expected = [
        ("cedargate demo", "the demo is prepared"),
        ("cedargate check", "43 policies, 79 routes"),
        ("cedargate serve", ""),
        ("curl", "outside_boundary"),
        ("cedargate explain", "DENIED 403 outside_boundary"),
        ("cedargate audit tail", "reason=outside_boundary"),
    ];
    follow(&mut Reader::new().await, "docs/quickstart.md", &expected).await;
}

#[tokio::test]
async fn your_own_upstream() {
    let expected =
        [("cedargate demo", "prepared"), ("cedargate check", "ok"), ("cedargate serve", "")];
    follow(&mut Reader::new().await, "docs/how-to/your-own-upstream.md", &expected).await;
}

#[tokio::test]
async fn your_own_database() {
    let cluster = postgres::shared().await;
    let mut reader = Reader::new().await;
    for (name, value) in cluster.environment() {
        reader.sets(name, &value);
    }
    // The last two commands belong to the checkout, and the reader is in the example by then.
    for folder in ["migrations", "deploy"] {
        reader.reads(&format!("-f {folder}/"), &format!("-f {}/", reader.path(folder).display()));
    }
    let page = "docs/how-to/your-own-database.md";
    let expected = [
        ("createdb hospital", ""),
        ("psql hospital -f", "CREATE TABLE"),
        ("cp -r deploy/examples", ""),
        ("cedargate demo --prepare", ""),
        ("cp -r gate/keys", ""),
        ("cd mine/hospital", ""),
    ];
    follow_from(&mut reader, page, 0, &expected).await;
    // "facts.database in cedargate.yaml: your server".
    reader.sets("CEDARGATE_FACTS__DATABASE", &cluster.url("hospital"));
    let rest = [
        ("cedargate check --facts", "the mapping of facts fits the database and the schema"),
        ("cedargate serve", ""),
        ("curl", "502 "),
        ("curl", "404 "),
        ("psql hospital -f", "CREATE FUNCTION"),
        ("psql hospital -f", "CREATE TRIGGER"),
    ];
    follow_from(&mut reader, page, expected.len(), &rest).await;
    assert_eq!(Page::of(page).commands().len(), expected.len() + rest.len());
}

#[tokio::test]
async fn operations() {
    let cluster = postgres::shared().await;
    let mut reader = Reader::new().await;
    let database = cluster.create_database(None).await;
    reader.reads("postgres://owner@db.internal/gate", &database);
    let expected = [
        ("cedargate migrate", ""),
        ("cedargate audit retain", "nothing would be removed"),
        ("openssl genpkey", ""),
        ("openssl pkey", ""),
    ];
    follow(&mut reader, "docs/how-to/operations.md", &expected).await;
    let public = std::fs::read_to_string(reader.path("audit.pub")).unwrap();
    assert!(public.starts_with("-----BEGIN PUBLIC KEY-----"), "{public}");
}

#[tokio::test]
async fn the_audit_is_read() {
    let page = Page::of("docs/how-to/read-the-audit.md");
    let cluster = postgres::shared().await;
    let database = cluster.create_database(None).await;
    let mut reader = Reader::new().await;
    let prepare = format!("cedargate demo --prepare --dir gate --database {database}");
    assert_eq!(reader.runs(&prepare).await.status, 0);
    reader.goes_to("gate");
    let gate = Binary::demo(reader.folder()).await;
    let token =
        reader.runs("cedargate token --key keys/issuer.pem --sub kauvery-doctor").await.said;
    let ask = |target: &str| Request::get(target).token(token.trim());
    let seen = client::send(gate.proxy(), &ask("/api/patients/patient-kauvery-1")).await;
    assert_eq!(seen.status, 200);
    let denied = client::send(gate.proxy(), &ask("/api/nothing")).await;
    reader.reads("audit show ID", &format!("audit show {}", denied.id()));
    reader.reads("postgres://auditor@db.internal/gate", &database);
    reader.reads("--key audit.pub", "--key var/audit/signing.pub");
    reader.has(gate);

    eventually("the records are in the database", || async {
        let stored = number(&database, "select count(*) from audit_logs").await;
        (stored >= 3).then_some(())
    })
    .await;
    for command in page.commands() {
        let says = match command.split_whitespace().nth(2).unwrap() {
            "tail" => {
                let mut tail = reader.begins(&command);
                let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
                let first = in_time("a line", lines.next_line()).await.unwrap();
                assert!(first.unwrap().contains("route_unmapped"), "{command}");
                continue;
            }
            "verify" if command.contains("--database") && !command.ends_with("var/audit") => {
                "good: the database"
            }
            "verify" => "good: var/audit is whole",
            "show" => "route_unmapped",
            "query" if command.contains("--event gate") => "",
            "query" => "kauvery-doctor",
            "export" => "",
            "report" => "45 CFR 164.528",
            other => panic!("{other}: what does it say?"),
        };
        let done = reader.runs(&command).await;
        assert_eq!(done.status, 0, "{command}\n{}", done.said);
        let report = command.contains("break-glass").then_some("Break-glass justifications");
        assert!(done.said.contains(report.unwrap_or(says)), "{command}\n{}", done.said);
    }
    let exported = std::fs::read_to_string(reader.folder().join("kauvery.csv")).unwrap();
    assert!(exported.contains("patient-kauvery-1"), "{exported}");
}
