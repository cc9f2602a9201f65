//! Durations and sizes as a person writes them: `500ms`, `2s`, `1m`, `1h`; `512`, `64KiB`, `1MiB`.

use std::time::Duration;

/// Reads a duration. `None` where the text is none, or longer than a year.
pub fn duration(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 5] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    const YEAR_MILLIS: u64 = 366 * 86_400_000;
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    let millis = number.parse::<u64>().ok()?.checked_mul(*factor)?;
    (millis <= YEAR_MILLIS).then(|| Duration::from_millis(millis))
}

/// Reads a number of bytes.
pub fn bytes(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] = [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_need_their_unit() {
        for (text, millis) in [
            ("500ms", Some(500)),
            ("2s", Some(2000)),
            ("1 m", Some(60_000)),
            ("2", None),
            ("s", None),
            ("-1s", None),
            ("9999d", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn sizes_may_have_one() {
        for (text, size) in
            [("512", Some(512)), ("1MiB", Some(1 << 20)), ("2 KiB", Some(2048)), ("1MB", None)]
        {
            assert_eq!(bytes(text), size, "{text}");
        }
    }
}
