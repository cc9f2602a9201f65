//! The guard's machine, fed as the guard feeds it, without a socket.

use demur_guard::{HeadLimits, Machine, ParseError, RejectedRequest, Step};

/// How a connection ended.
#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Open,
    Rejected(RejectedRequest),
    Broken(ParseError),
}

/// Feeds the pieces as the guard does, handing over at most `room` bytes at a time.
pub(crate) fn drive<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> (Vec<u8>, End) {
    let mut machine = Machine::new(HeadLimits::default());
    let mut passed = Vec::new();
    let mut held = Vec::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match machine.step(&held, room) {
                Step::More => break,
                Step::Skip(count) => drop(held.drain(..count)),
                Step::Pass(count) => passed.extend(held.drain(..count)),
                Step::Reject(rejection) => return (passed, End::Rejected(rejection)),
                Step::Broken(fault) => return (passed, End::Broken(fault)),
            }
        }
    }
    (passed, End::Open)
}
