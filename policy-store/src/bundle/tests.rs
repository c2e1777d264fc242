use std::path::Path;

use super::{Bundle, Slice};

fn shipped() -> Bundle {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"))
}

#[test]
fn the_default_bundle_is_accepted() {
    let bundle = shipped();
    assert_eq!(bundle.routes().routes().len(), 79);
    assert_eq!(bundle.digest().len(), 64);
}

/// So its decisions are shared by all who are alike.
#[test]
fn the_default_bundle_names_no_user() {
    let bundle = shipped();
    let routes = bundle.routes().routes().iter();
    let mut slices: Vec<&Slice> = routes.filter_map(|it| bundle.slice(&it.action)).collect();
    slices.extend([bundle.act_in(), bundle.unmapped()]);
    assert_eq!(slices.len(), 81);
    let named = |it: &&&Slice| it.early_view.names_users() || it.late_view.names_users();
    assert_eq!(slices.iter().filter(named).count(), 0);
}
