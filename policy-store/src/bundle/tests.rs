use std::path::Path;

use super::{Bundle, SeenCaller, Slice};

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

/// The default bundle names no user, so callers that are alike share its decisions.
#[test]
fn the_default_bundle_names_no_user() {
    let bundle = shipped();
    let routes = bundle.routes().routes().iter();
    let mut slices: Vec<&Slice> = routes.filter_map(|it| bundle.slice(&it.action)).collect();
    slices.push(bundle.unmapped());
    assert_eq!(slices.len(), 80);
    for slice in slices {
        // Up to the layer `role`, callers of different organisations count as alike, too.
        assert_eq!(slice.early_view.caller(), SeenCaller::Gist, "{}", slice.action);
        assert_eq!(slice.late_view.caller(), SeenCaller::Likeness, "{}", slice.action);
    }
    let act_in = bundle.act_in();
    let seen = act_in.early_view.caller().max(act_in.late_view.caller());
    assert_eq!(seen, SeenCaller::Likeness);
}
