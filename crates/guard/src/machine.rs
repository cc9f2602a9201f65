//! A connection's incoming bytes, message by message: a head, its content, the next head. Knows no socket and
//! no clock, so that fuzzing it is fuzzing the guard.

use std::sync::Arc;

use crate::head::{interrupted, resume};
use crate::scan::Scan;
use crate::{BodyProgress, Chunks, Framing, HeadLimits, HeadVerdict, ParseError, RejectedRequest};

/// What a connection's bytes are at this point.
#[derive(Debug, Clone)]
pub struct Machine {
    state: MachineState,
    /// Those of all connections of a listener, of which most are idle.
    bounds: Arc<HeadLimits>,
}

/// What to do with the bytes at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Keep them all, and come again with more behind them.
    More,
    /// Drop that many; they belong to no message.
    Skip(usize),
    /// Hand over that many.
    Pass(usize),
    /// They start with a head that is refused. From here on all is dropped.
    Reject(RejectedRequest),
    /// They go on with something that breaks the content's framing. From here on it is this.
    Broken(ParseError),
}

#[derive(Debug, Clone)]
enum MachineState {
    Head(Scan),
    /// A good head of which that many bytes have not been handed over.
    Accepted {
        left: usize,
        framing: Framing,
    },
    Length {
        left: u64,
    },
    Chunked(Chunks),
    Transparent,
    Rejected,
    Broken(ParseError),
}

impl Machine {
    /// Before the first byte of a connection.
    pub fn new(bounds: impl Into<Arc<HeadLimits>>) -> Self {
        Self { state: MachineState::Head(Scan::default()), bounds: bounds.into() }
    }

    pub(crate) fn bounds(&self) -> &HeadLimits {
        &self.bounds
    }

    /// Judges what `bytes` start with. They start where the bytes before them were dropped or handed over to;
    /// `room` is how many can be handed over now.
    pub fn step(&mut self, bytes: &[u8], room: usize) -> Step {
        let within = bytes.get(..room).unwrap_or(bytes);
        if within.is_empty() {
            return Step::More;
        }
        match &mut self.state {
            MachineState::Head(scan) => match resume(scan, bytes, &self.bounds) {
                HeadVerdict::Incomplete => Step::More,
                HeadVerdict::Good(head) => {
                    self.state = MachineState::Accepted { left: head.len, framing: head.framing };
                    Step::Skip(head.skipped)
                }
                HeadVerdict::Bad(rejection) => {
                    self.state = MachineState::Rejected;
                    Step::Reject(rejection)
                }
            },
            MachineState::Accepted { left, framing } => {
                let here = within.len().min(*left);
                *left -= here;
                if *left == 0 {
                    self.state = content(*framing);
                }
                Step::Pass(here)
            }
            MachineState::Length { left } => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(within.len());
                // `usize` is never wider than 64 bits.
                *left -= here as u64;
                if *left == 0 {
                    self.state = content(Framing::None);
                }
                Step::Pass(here)
            }
            MachineState::Chunked(chunks) => {
                let fed = chunks.feed(within);
                match fed.progress {
                    BodyProgress::More => {}
                    BodyProgress::Done => self.state = content(Framing::None),
                    BodyProgress::Bad(fault) => self.state = MachineState::Broken(fault),
                }
                match self.state {
                    MachineState::Broken(fault) if fed.consumed == 0 => Step::Broken(fault),
                    _ => Step::Pass(fed.consumed),
                }
            }
            MachineState::Transparent => Step::Pass(within.len()),
            MachineState::Rejected => Step::Skip(bytes.len()),
            MachineState::Broken(fault) => Step::Broken(*fault),
        }
    }

    /// No more of `bytes` will come, or not in time. Answers with the rejection of a head that they begin;
    /// empty lines alone begin none.
    pub fn interrupt(&mut self, bytes: &[u8], fault: ParseError) -> Option<RejectedRequest> {
        let MachineState::Head(scan) = &self.state else { return None };
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            return None;
        }
        let rejection = interrupted(scan, bytes, &self.bounds, fault);
        self.state = MachineState::Rejected;
        Some(rejection)
    }

    /// From the next message on, or at once between two of them, bytes pass unexamined: another protocol was
    /// agreed on. Has no effect after a rejection or a broken content.
    pub fn transparent(&mut self) {
        if self.awaits_head() {
            self.state = MachineState::Transparent;
        }
    }

    /// Whether the next byte is that of a head or belongs to one that is not yet complete.
    pub fn awaits_head(&self) -> bool {
        matches!(self.state, MachineState::Head(_))
    }

    /// Whether a head was accepted of which the message is not complete.
    pub fn mid_message(&self) -> bool {
        matches!(
            self.state,
            MachineState::Accepted { .. }
                | MachineState::Length { .. }
                | MachineState::Chunked(_)
                | MachineState::Broken(_)
        )
    }

    /// Whether a head was refused, so that nothing more is believed.
    pub fn is_rejected(&self) -> bool {
        matches!(self.state, MachineState::Rejected)
    }

    /// Whether bytes pass unexamined.
    pub fn is_transparent(&self) -> bool {
        matches!(self.state, MachineState::Transparent)
    }
}

fn content(framing: Framing) -> MachineState {
    match framing {
        Framing::None => MachineState::Head(Scan::default()),
        Framing::Length(left) => MachineState::Length { left },
        Framing::Chunked => MachineState::Chunked(Chunks::default()),
    }
}
