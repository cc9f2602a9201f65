//! Operations as they lie in a batch: many in one value, since a row for each would set the pace.
//!
//! A batch is a sequence of entries, each a byte that says what it is, numbers as LEB128, texts with their
//! length in front. It is read as carefully as it would be from a stranger: what does not fit is damage.
//!
//! Entries have a number: which one of their account's bookings they are. Those that were written before there
//! were such numbers are other kinds of entries, and are read with 0.

use demur_admission::{HoldId, HoldSource};
use jiff::civil::Date;

const HELD_WITHOUT_NUMBER: u8 = 1;
const SETTLED_WITHOUT_NUMBER: u8 = 2;
const UNKNOWN_WITHOUT_NUMBER: u8 = 3;
const HELD: u8 = 4;
const SETTLED: u8 = 5;
const UNKNOWN: u8 = 6;
const OPEN_STILL: u8 = 7;

/// What happened to one hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BatchEntry<'p> {
    /// Credits were held.
    Held {
        hold: HoldId,
        account: &'p str,
        operation: &'p str,
        source: HoldSource,
        /// Microseconds since 1970.
        at: i64,
        booking: u64,
    },
    /// So much of them was spent; the rest is back, or expired.
    Settled { hold: HoldId, posted: u64, booking: u64 },
    /// All of them count as spent: the process ended before anyone could say.
    OutcomeUnknown { hold: HoldId, posted: u64, booking: u64 },
    /// So many that were held long before are held still. Says nothing new: only so that a start need not read as
    /// far back as that.
    HoldCarried { hold: HoldId, account: &'p str, amount: u64 },
}

/// The batch is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a batch of operations cannot be read")
    }
}

impl std::error::Error for Damaged {}

/// Adds an entry at the end.
pub(crate) fn write(entry: BatchEntry<'_>, into: &mut Vec<u8>) {
    match entry {
        BatchEntry::Held { hold, account, operation, source, at, booking } => {
            into.push(HELD);
            number(hold.0, into);
            text(account, into);
            text(operation, into);
            number(source.monthly, into);
            number(source.lasting, into);
            number(source.month.map_or(0, month_number), into);
            number(at.cast_unsigned(), into);
            number(booking, into);
        }
        BatchEntry::Settled { hold, posted, booking } => {
            into.push(SETTLED);
            [hold.0, posted, booking].into_iter().for_each(|value| number(value, into));
        }
        BatchEntry::OutcomeUnknown { hold, posted, booking } => {
            into.push(UNKNOWN);
            [hold.0, posted, booking].into_iter().for_each(|value| number(value, into));
        }
        BatchEntry::HoldCarried { hold, account, amount } => {
            into.push(OPEN_STILL);
            number(hold.0, into);
            text(account, into);
            number(amount, into);
        }
    }
}

/// The entries of a batch.
pub(crate) fn read(batch: &[u8]) -> impl Iterator<Item = Result<BatchEntry<'_>, Damaged>> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = take(&mut rest);
        if entry.is_none() {
            // Where one entry ends nobody knows any more.
            rest = &[];
        }
        Some(entry.ok_or(Damaged))
    })
}

fn take<'p>(rest: &mut &'p [u8]) -> Option<BatchEntry<'p>> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let hold = HoldId(take_number(rest)?);
    let is_numbered = match *kind {
        HELD | SETTLED | UNKNOWN | OPEN_STILL => true,
        HELD_WITHOUT_NUMBER | SETTLED_WITHOUT_NUMBER | UNKNOWN_WITHOUT_NUMBER => false,
        _ => return None,
    };
    let take_booking = |rest: &mut &'p [u8]| if is_numbered { take_number(rest) } else { Some(0) };
    Some(match *kind {
        HELD | HELD_WITHOUT_NUMBER => {
            let (account, operation) = (take_text(rest)?, take_text(rest)?);
            let (monthly, lasting) = (take_number(rest)?, take_number(rest)?);
            let month = match take_number(rest)? {
                0 => None,
                number => Some(month_of(number)?),
            };
            monthly.checked_add(lasting)?;
            let at = take_number(rest)?.cast_signed();
            let (source, booking) = (HoldSource { monthly, lasting, month }, take_booking(rest)?);
            BatchEntry::Held { hold, account, operation, source, at, booking }
        }
        SETTLED | SETTLED_WITHOUT_NUMBER => {
            BatchEntry::Settled { hold, posted: take_number(rest)?, booking: take_booking(rest)? }
        }
        OPEN_STILL => {
            let (account, amount) = (take_text(rest)?, take_number(rest)?);
            BatchEntry::HoldCarried { hold, account, amount }
        }
        _ => BatchEntry::OutcomeUnknown { hold, posted: take_number(rest)?, booking: take_booking(rest)? },
    })
}

/// A day as the number that its digits make; none is zero.
fn month_number(day: Date) -> u64 {
    let [year, month, day] = [i64::from(day.year()), i64::from(day.month()), i64::from(day.day())];
    u64::try_from((year + 10_000) * 10_000 + month * 100 + day).unwrap_or_default()
}

fn month_of(number: u64) -> Option<Date> {
    let year = i16::try_from(i64::try_from(number / 10_000).ok()? - 10_000).ok()?;
    let (month, day) = (i8::try_from(number / 100 % 100).ok()?, i8::try_from(number % 100).ok()?);
    Date::new(year, month, day).ok()
}

fn number(mut number: u64, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn text(text: &str, into: &mut Vec<u8>) {
    number(text.len() as u64, into);
    into.extend_from_slice(text.as_bytes());
}

fn take_text<'p>(rest: &mut &'p [u8]) -> Option<&'p str> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<BatchEntry<'static>> {
        let hold = HoldId(u64::MAX >> 1);
        let month = Date::new(2026, 11, 28).ok();
        let source = HoldSource { monthly: 7, lasting: 300, month };
        let none = HoldSource { monthly: 0, lasting: 1, month: None };
        let (at, booking, small) = (1_795_176_000_000_000, 300, HoldId(1));
        vec![
            BatchEntry::Held { hold, account: "acme", operation: "order-1", source, at, booking },
            BatchEntry::Settled { hold, posted: 0, booking: 301 },
            BatchEntry::Held { hold: small, account: "a", operation: "b", source: none, at: -1, booking: 1 },
            BatchEntry::OutcomeUnknown { hold: small, posted: 128, booking: 2 },
            BatchEntry::HoldCarried { hold: small, account: "a", amount: 129 },
        ]
    }

    /// Byte for byte what the schema before the third wrote.
    #[test]
    fn entries_without_a_number_are_read_still() {
        let batch = b"\x01\x07\x01a\x02op\x03\x04\x00\x05\x02\x07\x06\x03\x07\x07";
        let (hold, source) = (HoldId(7), HoldSource { monthly: 3, lasting: 4, month: None });
        let entries = vec![
            BatchEntry::Held { hold, account: "a", operation: "op", source, at: 5, booking: 0 },
            BatchEntry::Settled { hold, posted: 6, booking: 0 },
            BatchEntry::OutcomeUnknown { hold, posted: 7, booking: 0 },
        ];
        assert_eq!(read(batch).collect::<Result<Vec<_>, _>>(), Ok(entries));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut batch = Vec::new();
        for entry in entries() {
            write(entry, &mut batch);
        }
        assert_eq!(read(&batch).collect::<Result<Vec<_>, _>>(), Ok(entries()));
    }

    #[test]
    fn a_batch_that_is_cut_or_garbled_is_damage_and_no_panic() {
        let mut batch = Vec::new();
        for entry in entries() {
            write(entry, &mut batch);
        }
        let whole: Vec<_> = read(&batch).collect();
        for length in 0..batch.len() {
            let cut: Vec<_> = read(&batch[..length]).collect();
            let sound = cut.iter().take_while(|entry| entry.is_ok()).count();
            assert_eq!(cut[..sound], whole[..sound]);
            assert!(cut.len() <= sound + 1);
        }
        for position in 0..batch.len() {
            for byte in [0, 0x7f, 0x80, 0xff] {
                let mut garbled = batch.clone();
                garbled[position] = byte;
                let _ = read(&garbled).count();
            }
        }
        assert_eq!(read(&[9, 1]).collect::<Vec<_>>(), [Err(Damaged)]);
    }
}
