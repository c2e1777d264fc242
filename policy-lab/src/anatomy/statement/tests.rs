use super::Statement;

#[track_caller]
fn check(text: &str, expected: Option<&str>) {
    let anew = Statement::read(text).and_then(|it| it.in_brackets());
    let anew = anew.map(|text| text.replace('\n', ""));
    assert_eq!(anew.as_deref(), expected, "{text}");
}

#[test]
fn a_policy_is_written_anew_in_brackets() {
    check("permit (a, b, c);", Some("permit (a, b, c);"));
    check(
        "@id(\"x\") @flag forbid (a) when { a && b || !c.d } unless { if a then b else (c) };",
        Some(
            "@id(\"x\") @flag forbid (a)when {(((a) && (b)) || (!(c.d)))}unless {(if (a) then (b) else (c))};",
        ),
    );
    check("permit (a) when { (a) && (b) };", Some("permit (a)when {((a) && (b))};"));
}

#[test]
fn what_is_no_policy_is_none() {
    check("", None);
    check("permit (a)", None);
    check("permit (a;", None);
    check("allow (a);", None);
    check("permit (a) when { };", None);
    check("permit (a) when { a && };", None);
    check("permit (a) when { if a then b };", None);
    check("permit (a); permit (b);", None);
    check("permit (a) where { a };", None);
}
