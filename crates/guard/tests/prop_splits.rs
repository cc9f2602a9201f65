//! However the bytes are cut, the guard says the same, and whatever it lets through hyper's parser takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where its rule does not hold")]

#[path = "../../http1/tests/cases/mod.rs"]
mod cases;
#[path = "properties/drive.rs"]
mod drive;

use cases::Expected;
use demur_guard::{Framing, HeadLimits, HeadVerdict, ParseError, check};
use drive::drive;
use proptest::prelude::*;

fn content() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(Vec::new()),
        Just(b"hello".to_vec()),
        Just(b"5\r\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"5;a=\"b\\\"c\" ; d\r\nhello\r\n00\r\nX: y\r\n\r\n".to_vec()),
        Just(b"5\nhello\r\n0\r\n\r\n".to_vec()),
        Just(b"0\r\nHost: a\r\n\r\n".to_vec()),
    ]
}

/// Some messages of the table, one after the other, with a few bytes changed.
fn connection() -> impl Strategy<Value = Vec<u8>> {
    let all: Vec<Vec<u8>> =
        cases::all().into_iter().map(|case| case.1).filter(|bytes| bytes.len() < 4096).collect();
    let goods: Vec<Vec<u8>> = cases::all()
        .into_iter()
        .filter(|case| matches!(case.2, Expected::Good(_)) && case.1.len() < 4096)
        .map(|case| case.1)
        .collect();
    let heads = prop_oneof![3 => proptest::sample::select(goods), 1 => proptest::sample::select(all)];
    let messages = proptest::collection::vec((heads, content()), 1..4);
    let byte = prop_oneof![proptest::sample::select(&b"\r\n\t :,;/?#%*0\0\"[]"[..]), any::<u8>()];
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), byte), 0..3);
    (messages, changes).prop_map(|(messages, changes)| {
        let mut bytes: Vec<u8> =
            messages.into_iter().flat_map(|(head, content)| [head, content].concat()).collect();
        for (index, byte) in changes {
            if !bytes.is_empty() {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes
    })
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cuts_change_nothing(
        bytes in connection(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
        room in 1_usize..64,
    ) {
        let whole = drive([&bytes[..]], usize::MAX);
        prop_assert_eq!(&drive(pieces(&bytes, &cuts), usize::MAX), &whole);
        prop_assert_eq!(&drive(pieces(&bytes, &cuts), room), &whole);
        prop_assert_eq!(&drive(bytes.chunks(1), usize::MAX), &whole);
    }

    #[test]
    fn any_bytes_at_all_are_judged(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        prop_assert_eq!(drive(pieces(&bytes, &cuts), usize::MAX), drive([&bytes[..]], usize::MAX));
    }

    #[test]
    fn what_is_good_here_is_good_for_hyper(bytes in connection()) {
        if let HeadVerdict::Good(head) = check(&bytes, &HeadLimits::default()) {
            let own = &bytes[head.skipped..head.skipped + head.len];
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut request = httparse::Request::new(&mut fields);
            prop_assert_eq!(request.parse(own), Ok(httparse::Status::Complete(head.len)));
            prop_assert!(request.path.unwrap_or_default().parse::<hyper::Uri>().is_ok());
            let said: Vec<_> = request
                .headers
                .iter()
                .filter(|field| field.name.eq_ignore_ascii_case("content-length"))
                .map(|field| std::str::from_utf8(field.value).unwrap().parse::<u64>().unwrap())
                .collect();
            match head.framing {
                Framing::Length(length) => prop_assert_eq!(said, vec![length]),
                Framing::None => prop_assert!(said.iter().all(|length| *length == 0)),
                Framing::Chunked => prop_assert!(said.is_empty()),
            }
        }
    }
}
