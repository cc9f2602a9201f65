//! The `Date` header, which is rendered once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

thread_local! {
    static LINE: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Runs `write` with the header line of the current second (RFC 9110, section 6.6.1).
pub(super) fn with_date_line<R>(write: impl FnOnce(&[u8]) -> R) -> R {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    LINE.with_borrow_mut(|(rendered, line)| {
        if *rendered != second || line.is_empty() {
            let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            (*rendered, *line) = (second, format!("date: {date}\r\n"));
        }
        write(line.as_bytes())
    })
}
