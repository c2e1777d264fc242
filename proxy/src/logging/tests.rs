use super::*;

/// A writer with room for `room` bytes, which then fails until it gets more room.
struct Small {
    text: Vec<u8>,
    room: usize,
    asked: Vec<Timespec>,
}

impl Small {
    fn put(&mut self, state: &mut State, line: &str) -> bool {
        let mut write = |piece: &[u8], patience| {
            self.asked.push(patience);
            let taken = piece.len().min(self.room);
            self.text.extend_from_slice(&piece[..taken]);
            self.room -= taken;
            if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
        };
        state.put(line.as_bytes(), &mut write).is_ok()
    }
}

#[test]
fn what_is_lost_is_told_once_there_is_room_again() {
    let mut state = State::new(LogFormat::Text);
    let mut out = Small { text: Vec::new(), room: 9, asked: Vec::new() };
    assert!(out.put(&mut state, "one\n"));
    assert!(!out.put(&mut state, "second\n"), "there is room for a part of it");
    assert!(!out.put(&mut state, "third\n"));
    out.room = 1000;
    assert!(out.put(&mut state, "fourth\n") && out.put(&mut state, "fifth\n"));
    let text = String::from_utf8(out.text).unwrap();
    let gap = "2 log lines before this one could not be written\n";
    assert_eq!(text, format!("one\nsecon\n{gap}fourth\nfifth\n"));
}

#[test]
fn who_has_lost_a_line_waits_for_none() {
    let mut state = State::new(LogFormat::Text);
    let mut out = Small { text: Vec::new(), room: 0, asked: Vec::new() };
    assert!(!out.put(&mut state, "one\n") && !out.put(&mut state, "two\n"));
    out.room = 1000;
    assert!(out.put(&mut state, "three\n") && out.put(&mut state, "four\n"));
    let waits: Vec<_> = out.asked.iter().map(|patience| patience.tv_nsec > 0).collect();
    assert_eq!(waits, [true, false, false, false, true]);
}

#[test]
fn a_long_line_is_written_in_pieces_that_a_pipe_takes() {
    let mut state = State::new(LogFormat::Text);
    let mut longest = 0;
    let line = vec![b'x'; 3 * PIECE + 1];
    let mut write = |piece: &[u8], _| {
        longest = longest.max(piece.len());
        Ok(piece.len())
    };
    state.put(&line, &mut write).unwrap();
    assert_eq!((longest, state.torn), (PIECE, false));
}

#[test]
fn a_gap_in_json_is_json_too() {
    let mut state = State::new(LogFormat::Json);
    let mut out = Small { text: Vec::new(), room: 5, asked: Vec::new() };
    assert!(!out.put(&mut state, "{\"a\": 1}\n"));
    out.room = 1000;
    assert!(out.put(&mut state, "{\"b\": 2}\n"));
    let text = String::from_utf8(out.text).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let [torn, gap, next] = lines[..] else { panic!("{text}") };
    assert_eq!((torn, next), ("{\"a\":", "{\"b\": 2}"));
    let gap: serde_json::Value = serde_json::from_str(gap).unwrap();
    assert_eq!((&gap["level"], &gap["lost"]), (&json!("WARN"), &json!(1)));
    assert!(OffsetDateTime::parse(gap["timestamp"].as_str().unwrap(), &Rfc3339).is_ok(), "{gap}");
}
