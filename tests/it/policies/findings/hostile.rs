//! Bundles that mean harm: each is refused with a message, in bounded time and memory.

use std::{fs, path::Path, process::Command};

use super::{check, ground};

const MANY: usize = 100_000;

/// What a policy asks when it means harm.
fn conditions() -> Vec<(&'static str, String)> {
    let many = |text: &str| text.repeat(MANY);
    vec![
        ("brackets", format!("{}true{}", many("("), many(")"))),
        ("sets", format!("{}1{} == 1", many("["), many("]"))),
        ("records", format!("{}1{} == 1", many("{a:"), many("}"))),
        ("nots", format!("{}true", many("!"))),
        ("minuses", format!("{}1 == 1", many("- "))),
        ("else", format!("{}true", many("if true then true else "))),
        ("then", format!("{}true{}", many("if true then "), many(" else true"))),
        ("if", format!("{}true{}", many("if "), many(" then true else true"))),
        ("sum", format!("{}1 == 1", many("1 + "))),
        ("product", format!("{}1 == 1", many("1 * "))),
        ("path", format!("principal{} == 1", many(".a"))),
        ("index", format!("principal{} == 1", many("[\"a\"]"))),
        ("calls", format!("principal{}", many(".isEmpty()"))),
        ("has", format!("principal has a{}", many(".a"))),
        ("and", format!("{}true", many("true && "))),
        ("or", format!("{}true", many("true || "))),
        ("clauses", format!("true }} {} when {{ true", many("unless { false } "))),
        ("unterminated", format!("\"{}", many("a"))),
        ("nul", "\0 == 1".to_owned()),
        ("name", format!("principal == a{}::\"x\"", many("::a"))),
        ("comparisons", format!("{}1", many("1 == "))),
        ("roles", format!("principal in [{}]", many("Role::\"a\","))),
    ]
}

async fn refused(name: &str, ground: &Path) -> String {
    // `binary::run` ends the test when it takes too long.
    let (status, output) = check(ground, &[]).await;
    assert_eq!(status, 1, "{name}: {output}");
    assert!(output.starts_with("policies"), "{name}: {output}");
    assert!(output.len() < 64 * 1024, "{name}: {}", output.len());
    assert!(!output.contains(|it: char| it.is_control() && it != '\n'), "{name}: {output:?}");
    output
}

#[tokio::test]
async fn deep_policies_are_refused() {
    let ground = ground();
    for (name, condition) in conditions() {
        let policy = format!(
            "@id(\"deep\")\npermit (principal is User, action == Action::\"audit.list\", resource)\nwhen {{ {condition} }};\n"
        );
        fs::write(ground.path().join("policies/deep.cedar"), policy).unwrap();
        let output = refused(name, ground.path()).await;
        assert!(output.starts_with("policies/deep.cedar:"), "{name}: {output}");
    }
}

#[tokio::test]
async fn a_long_list_of_alternatives_is_no_harm() {
    let ground = ground();
    let policy = format!(
        "@id(\"long\")\npermit (principal is User, action == Action::\"audit.list\", resource)\nwhen {{ {} principal.status == \"x\" }};\n",
        "principal.status == \"a\" || ".repeat(499)
    );
    fs::write(ground.path().join("policies/long.cedar"), policy).unwrap();
    let (status, output) = check(ground.path(), &[]).await;
    assert_eq!(status, 0, "{output}");
}

#[tokio::test]
async fn deep_schemas_are_refused() {
    let schema = fs::read_to_string(super::root().join("policies/schema.cedarschema")).unwrap();
    let types = |count: usize, members: &str| {
        let next = |it: usize| members.replace('T', &format!("T{}", it + 1));
        let types = (0..count)
            .map(|it| format!("type T{it} = {};\n", next(it)))
            .collect::<Vec<_>>()
            .concat();
        format!("{types}type T{count} = Long; entity X = {{ a: T0 }};")
    };
    let entities = (0..MANY / 10)
        .map(|it| format!("entity E{it} in [E{}];\n", it + 1))
        .collect::<Vec<_>>()
        .concat();
    let schemas = [
        ("sets", format!("type T = {}Long{};", "Set<".repeat(MANY), ">".repeat(MANY))),
        ("records", format!("type T = {}Long{};", "{a: ".repeat(MANY), "}".repeat(MANY))),
        ("doubling", types(64, "{ a: T, b: T }")),
        ("chain", format!("{entities}entity E10000;")),
        ("circle", "type A = B; type B = A; entity X = { a: A };".to_owned()),
        ("garbage", "\0\u{1}\u{2}".repeat(MANY)),
    ];
    let ground = ground();
    for (name, more) in schemas {
        fs::write(ground.path().join("policies/schema.cedarschema"), format!("{schema}\n{more}"))
            .unwrap();
        refused(name, ground.path()).await;
    }
}

#[tokio::test]
async fn yaml_that_explodes_is_refused() {
    let bomb = (1..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, it| {
        let before = it - 1;
        format!("{text}a{it}: &a{it} [*a{before}, *a{before}, *a{before}]\n")
    });
    let product = (0..40).map(|it| format!("/{{v{it}}}")).collect::<Vec<_>>().concat();
    let values: Vec<String> = (0..40).map(|it| format!("v{it}: [a, b, c]")).collect();
    let yaml = [
        ("bomb", format!("{bomb}routes: *a29\n")),
        ("brackets", format!("routes: {}{}\n", "[".repeat(MANY), "]".repeat(MANY))),
        ("braces", format!("routes: {}\n", "{a: ".repeat(MANY))),
        ("dashes", format!("routes:\n  {}\n", "- ".repeat(MANY))),
        (
            "values",
            format!(
                "routes:\n  - {{ action: audit.list, method: GET, path: '{product}', operation: list, values: {{ {} }} }}\n",
                values.join(", ")
            ),
        ),
        ("nul", "routes: \0\n".to_owned()),
        ("escapes", "routes: \u{1b}[2J\n".to_owned()),
        ("nothing", String::new()),
        ("word", "x".repeat(1 << 20)),
    ];
    let ground = ground();
    for (name, text) in yaml {
        fs::write(ground.path().join("policies/routes.yaml"), text).unwrap();
        let output = refused(name, ground.path()).await;
        assert!(output.starts_with("policies/routes.yaml"), "{name}: {output}");
    }
}

#[tokio::test]
async fn many_faults_are_not_all_told() {
    let ground = ground();
    for (name, text) in [
        ("semicolons", ";".repeat(8 << 20)),
        ("policies", "permit (principal, action, resource);\n".repeat(MANY)),
        ("long-line", "permit (principal, action, resource);".repeat(MANY)),
    ] {
        fs::write(ground.path().join("policies/many.cedar"), text).unwrap();
        refused(name, ground.path()).await;
    }
}

#[tokio::test]
async fn what_is_no_text_is_refused() {
    let ground = ground();
    let policies = ground.path().join("policies");
    let file = policies.join("odd.cedar");
    let expect = async |name: &str, said: &str| {
        let output = refused(name, ground.path()).await;
        assert!(output.contains(said), "{name}: {output}");
    };
    fs::write(&file, b"// fine\npermit \xff\xfe").unwrap();
    expect("invalid UTF-8", "odd.cedar:2:8: is not UTF-8").await;
    fs::write(&file, "\u{feff}permit (principal, action, resource);").unwrap();
    expect("byte order mark", "odd.cedar:1:1: begins with a byte order mark").await;
    fs::File::create(&file).unwrap().set_len(1 << 30).unwrap();
    expect("a gigabyte", "odd.cedar: is longer than 16 MiB").await;
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    expect("a pipe", "odd.cedar: is no file").await;
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    expect("a folder", "odd.cedar: is no file").await;
    fs::remove_dir(&file).unwrap();
    std::os::unix::fs::symlink("odd.cedar", &file).unwrap();
    expect("a link to itself", "odd.cedar: cannot be read").await;
    fs::remove_file(&file).unwrap();
    for number in 0..MANY {
        fs::write(policies.join(format!("{number}.cedar")), "").unwrap();
    }
    expect("100,000 files", "policies: holds more than 4096 files").await;
}

#[tokio::test]
async fn a_missing_file_is_said() {
    for file in ["routes.yaml", "schema.cedarschema"] {
        let ground = ground();
        fs::remove_file(ground.path().join("policies").join(file)).unwrap();
        let output = refused(file, ground.path()).await;
        assert!(output.starts_with(&format!("policies/{file}: cannot be read")), "{output}");
    }
}

#[tokio::test]
async fn line_ends_of_other_systems_are_fine() {
    let ground = ground();
    for entry in fs::read_dir(ground.path().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    }
    let (status, output) = check(ground.path(), &[]).await;
    assert_eq!(status, 0, "{output}");
}
