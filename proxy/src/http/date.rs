//! The field `Date` (RFC 9110, 6.6.1 and 5.6.7).

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

thread_local! {
    /// The second that was formatted last, and its text, which all responses of that second share.
    static LAST: RefCell<(i64, Rc<str>)> = RefCell::new((i64::MIN, Rc::from("")));
}

/// Formats `at` as an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`. A time before 1970 counts as 1970.
pub(crate) fn spell(at: OffsetDateTime) -> Rc<str> {
    let second = at.unix_timestamp();
    LAST.with_borrow_mut(|(last, text)| {
        if *last != second {
            let since = Duration::from_secs(u64::try_from(second).unwrap_or(0));
            *last = second;
            *text = Rc::from(httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since));
        }
        Rc::clone(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_spelled_as_rfc_9110_shows() {
        for (second, text) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (-1, "Thu, 01 Jan 1970 00:00:00 GMT"),
        ] {
            assert_eq!(&*spell(OffsetDateTime::from_unix_timestamp(second).unwrap()), text);
        }
    }
}
