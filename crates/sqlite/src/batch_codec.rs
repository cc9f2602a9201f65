//! The encoding of operations in a batch: many in one value, since a row for each would limit the throughput.
//!
//! A batch is a sequence of entries: a byte for the kind, numbers as LEB128, and texts with their length in front. It is
//! parsed like untrusted input: anything malformed is damage.
//!
//! Entries have the number of their account's ledger entry (`booking`). Entries of older schema versions have other kinds,
//! without a number, and are read with 0.

use demur_admission::{HoldId, HoldSource};
use jiff::civil::Date;

const HELD_UNNUMBERED: u8 = 1;
const SETTLED_UNNUMBERED: u8 = 2;
const UNKNOWN_UNNUMBERED: u8 = 3;
const HELD: u8 = 4;
const SETTLED: u8 = 5;
const UNKNOWN: u8 = 6;
const CARRIED: u8 = 7;

/// An event of one hold.
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
    /// The hold was settled: `posted` was spent, and the rest was returned or expired.
    Settled { hold: HoldId, posted: u64, booking: u64 },
    /// The hold counts as posted: the process ended before it was settled.
    OutcomeUnknown { hold: HoldId, posted: u64, booking: u64 },
    /// The hold is still open. Repeats an older entry, so that a start does not have to read that far back.
    HoldCarried { hold: HoldId, account: &'p str, amount: u64 },
}

/// The batch is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damaged;

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("malformed batch of operations")
    }
}

impl std::error::Error for Damaged {}

/// Appends an entry.
pub(crate) fn write(entry: BatchEntry<'_>, output: &mut Vec<u8>) {
    match entry {
        BatchEntry::Held { hold, account, operation, source, at, booking } => {
            output.push(HELD);
            write_number(hold.0, output);
            write_text(account, output);
            write_text(operation, output);
            write_number(source.monthly, output);
            write_number(source.lasting, output);
            write_number(source.month.map_or(0, month_number), output);
            write_number(at.cast_unsigned(), output);
            write_number(booking, output);
        }
        BatchEntry::Settled { hold, posted, booking } => {
            output.push(SETTLED);
            [hold.0, posted, booking].into_iter().for_each(|value| write_number(value, output));
        }
        BatchEntry::OutcomeUnknown { hold, posted, booking } => {
            output.push(UNKNOWN);
            [hold.0, posted, booking].into_iter().for_each(|value| write_number(value, output));
        }
        BatchEntry::HoldCarried { hold, account, amount } => {
            output.push(CARRIED);
            write_number(hold.0, output);
            write_text(account, output);
            write_number(amount, output);
        }
    }
}

/// Iterates over the entries of a batch.
pub(crate) fn read(batch: &[u8]) -> impl Iterator<Item = Result<BatchEntry<'_>, Damaged>> {
    let mut rest = batch;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let entry = read_entry(&mut rest);
        if entry.is_none() {
            // The end of the malformed entry is unknown.
            rest = &[];
        }
        Some(entry.ok_or(Damaged))
    })
}

fn read_entry<'p>(rest: &mut &'p [u8]) -> Option<BatchEntry<'p>> {
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let hold = HoldId(read_number(rest)?);
    let is_numbered = match *kind {
        HELD | SETTLED | UNKNOWN | CARRIED => true,
        HELD_UNNUMBERED | SETTLED_UNNUMBERED | UNKNOWN_UNNUMBERED => false,
        _ => return None,
    };
    let read_booking = |rest: &mut &'p [u8]| if is_numbered { read_number(rest) } else { Some(0) };
    Some(match *kind {
        HELD | HELD_UNNUMBERED => {
            let (account, operation) = (read_text(rest)?, read_text(rest)?);
            let (monthly, lasting) = (read_number(rest)?, read_number(rest)?);
            let month = match read_number(rest)? {
                0 => None,
                number => Some(month_of(number)?),
            };
            monthly.checked_add(lasting)?;
            let at = read_number(rest)?.cast_signed();
            let (source, booking) = (HoldSource { monthly, lasting, month }, read_booking(rest)?);
            BatchEntry::Held { hold, account, operation, source, at, booking }
        }
        SETTLED | SETTLED_UNNUMBERED => {
            BatchEntry::Settled { hold, posted: read_number(rest)?, booking: read_booking(rest)? }
        }
        CARRIED => {
            let (account, amount) = (read_text(rest)?, read_number(rest)?);
            BatchEntry::HoldCarried { hold, account, amount }
        }
        _ => BatchEntry::OutcomeUnknown { hold, posted: read_number(rest)?, booking: read_booking(rest)? },
    })
}

/// Encodes a day as a decimal number, which is never zero.
fn month_number(day: Date) -> u64 {
    let [year, month, day] = [i64::from(day.year()), i64::from(day.month()), i64::from(day.day())];
    u64::try_from((year + 10_000) * 10_000 + month * 100 + day).unwrap_or_default()
}

fn month_of(number: u64) -> Option<Date> {
    let year = i16::try_from(i64::try_from(number / 10_000).ok()? - 10_000).ok()?;
    let (month, day) = (i8::try_from(number / 100 % 100).ok()?, i8::try_from(number % 100).ok()?);
    Date::new(year, month, day).ok()
}

fn write_number(mut number: u64, output: &mut Vec<u8>) {
    while number >= 0x80 {
        output.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    output.push(number as u8);
}

fn read_number(rest: &mut &[u8]) -> Option<u64> {
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

fn write_text(text: &str, output: &mut Vec<u8>) {
    write_number(text.len() as u64, output);
    output.extend_from_slice(text.as_bytes());
}

fn read_text<'p>(rest: &mut &'p [u8]) -> Option<&'p str> {
    let length = usize::try_from(read_number(rest)?).ok()?;
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

    /// The bytes are as schema version 2 wrote them.
    #[test]
    fn reads_entries_without_a_number() {
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
    fn reads_what_was_written() {
        let mut batch = Vec::new();
        for entry in entries() {
            write(entry, &mut batch);
        }
        assert_eq!(read(&batch).collect::<Result<Vec<_>, _>>(), Ok(entries()));
    }

    #[test]
    fn reports_truncated_or_garbled_batches_as_damaged() {
        let mut batch = Vec::new();
        for entry in entries() {
            write(entry, &mut batch);
        }
        let whole: Vec<_> = read(&batch).collect();
        for length in 0..batch.len() {
            let cut: Vec<_> = read(&batch[..length]).collect();
            let valid = cut.iter().take_while(|entry| entry.is_ok()).count();
            assert_eq!(cut[..valid], whole[..valid]);
            assert!(cut.len() <= valid + 1);
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
