//! `cedargate fmt`.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tests::binary;

use super::{edit, ground, root};

#[tokio::test]
async fn the_default_bundle_is_formatted() {
    let arguments = ["fmt", "--check", "--policies", "policies"];
    let (status, output, complaint) = binary::run(&root(), &arguments).await;
    assert_eq!((status, output.as_str(), complaint.as_str()), (0, "", ""));
}

#[tokio::test]
async fn a_file_is_formatted_and_keeps_comments_and_permissions() {
    let ground = ground();
    let file = ground.path().join("policies/boundary.cedar");
    edit(
        ground.path(),
        "boundary.cedar",
        "  action in Action::\"request\",\n",
        "  action in Action::\"request\", // all of them\n",
    );
    edit(ground.path(), "boundary.cedar", "unless\n{\n", "unless   { // but\n");
    edit(ground.path(), "boundary.cedar", "// Layer", "// A café;\n// Layer");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    let untidy = fs::read_to_string(&file).unwrap();

    let arguments = ["fmt", "--check", "--policies", "policies"];
    let (status, output, _) = binary::run(ground.path(), &arguments).await;
    assert_eq!(status, 1);
    assert!(output.starts_with("--- policies/boundary.cedar\n+++ "), "{output}");
    assert!(output.contains("\n-unless   { // but\n"), "{output}");
    assert_eq!(fs::read_to_string(&file).unwrap(), untidy, "nothing was changed");

    let arguments = ["fmt", "--policies", "policies"];
    let (status, output, _) = binary::run(ground.path(), &arguments).await;
    assert_eq!((status, output.as_str()), (0, "formatted policies/boundary.cedar\n"));
    let text = fs::read_to_string(&file).unwrap();
    for comment in ["// A café;", "// all of them", "// but"] {
        assert!(text.contains(comment), "{text}");
    }
    let (status, output, _) =
        binary::run(ground.path(), &["check", "--policies", "policies"]).await;
    assert_eq!(status, 0, "{output}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);

    let (status, output, _) = binary::run(ground.path(), &arguments).await;
    assert_eq!((status, output.as_str()), (0, ""), "a second time changes nothing");
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
    assert!(
        left.iter().all(|it| !it.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'))
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_changes_none() {
    let ground = ground();
    edit(ground.path(), "boundary.cedar", "unless\n{\n", "unless {\n");
    edit(ground.path(), "roles.cedar", "permit (", "permitt (");
    let before = fs::read_to_string(ground.path().join("policies/boundary.cedar")).unwrap();
    let (status, _, complaint) =
        binary::run(ground.path(), &["fmt", "--policies", "policies"]).await;
    assert_eq!(status, 2);
    assert!(complaint.contains("policies/roles.cedar:"), "{complaint}");
    let after = fs::read_to_string(ground.path().join("policies/boundary.cedar")).unwrap();
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_help_says_what_becomes_of_the_schema() {
    let (status, output, _) = binary::run(&root(), &["fmt", "--help"]).await;
    assert!(status == 0 && output.contains("schema stays unchanged"), "{output}");
}
