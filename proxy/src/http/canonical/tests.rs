use super::{PathFault, path, query};

#[test]
fn paths_that_are_made_canonical() {
    for (raw, expected) in [
        ("/", "/"),
        ("/api/patients", "/api/patients"),
        ("/api/patients/", "/api/patients/"),
        ("/%61pi/%70atients", "/api/patients"),
        ("/a%c3%a9", "/a%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a%7Eb%2db", "/a~b-b"),
        ("/a:b@c!$&'()*+,=d", "/a:b@c!$&'()*+,=d"),
        ("/...", "/..."),
        ("/a.b/..c", "/a.b/..c"),
        ("/100%25", "/100%25"),
        ("/%253A", "/%253A"),
        ("/%3B", "/%3B"),
    ] {
        let made = path(raw.as_bytes());
        assert_eq!(made.as_deref(), Ok(expected), "{raw}");
        assert_eq!(path(expected.as_bytes()).as_deref(), Ok(expected), "{raw}, twice");
    }
}

#[test]
fn paths_that_are_refused() {
    for (raw, fault) in [
        ("", PathFault::Byte),
        ("api", PathFault::Byte),
        ("/a/../b", PathFault::DotSegment),
        ("/.", PathFault::DotSegment),
        ("/a//b", PathFault::EmptySegment),
        ("//", PathFault::EmptySegment),
        ("/%2e%2e/a", PathFault::Encoded),
        ("/%2f", PathFault::Encoded),
        ("/%5C", PathFault::Encoded),
        ("/%00", PathFault::Encoded),
        ("/%0a", PathFault::Encoded),
        ("/%7f", PathFault::Encoded),
        ("/%252e%252e/a", PathFault::Encoded),
        ("/%25252f", PathFault::Encoded),
        ("/%2500", PathFault::Encoded),
        ("/%25%32e", PathFault::Encoded),
        ("/%252%65", PathFault::Encoded),
        ("/a;b", PathFault::Byte),
        ("/a\\b", PathFault::Byte),
        ("/a b", PathFault::Byte),
        ("/a#b", PathFault::Byte),
        ("/a\"b", PathFault::Byte),
        ("/a|b", PathFault::Byte),
        ("/%", PathFault::Escape),
        ("/%4", PathFault::Escape),
        ("/%zz", PathFault::Escape),
        ("/%c0%ae", PathFault::Utf8),
        ("/%ff", PathFault::Utf8),
        ("/%c3", PathFault::Utf8),
        ("/%ed%a0%80", PathFault::Utf8),
        ("/%c2%85", PathFault::Utf8),
    ] {
        assert_eq!(path(raw.as_bytes()), Err(fault), "{raw}");
    }
    assert_eq!(path(b"/caf\xc3\xa9"), Err(PathFault::Byte));
    assert_eq!(query(b"a b"), Err(PathFault::Query));
    assert_eq!(query(b"a=\x01"), Err(PathFault::Query));
    assert_eq!(query(b"a=%00&b=^|{}`\xff"), Ok(()));
}
