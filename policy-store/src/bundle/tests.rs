use std::path::Path;

use super::Bundle;

#[test]
fn the_default_bundle_is_accepted() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
    let bundle = Bundle::load(&directory).unwrap_or_else(|findings| panic!("{findings}"));
    assert_eq!(bundle.routes().routes().len(), 79);
    assert_eq!(bundle.digest().len(), 64);
}
