//! What is still open of a request whose answer is under way: the credits on hold, and whether a quota that
//! counts successes counts it. Both end together, by one rule.

use demur_admission::{Hold, Taken};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body;

use crate::exchange::Exchange;
use crate::replay::ResponseCopy;
use crate::settings::{SettledBy, ToldBy, Unfinished, Usage};

/// What is still to be settled. Dropped before it is, it was the client who went away.
#[derive(Debug)]
pub(crate) struct Charge {
    hold: Option<Hold>,
    /// Its slot is free when this is dropped, whatever was settled before.
    taken: Option<Taken>,
    told: Told,
    client_gone: Unfinished,
    cut: Unfinished,
    settled_by: SettledBy,
    /// What is kept for a repeat, of an operation that the client has named.
    copy: Option<Box<ResponseCopy>>,
    is_settled: bool,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The upstream broke it off.
    Cut,
    ClientGone,
}

/// How much was used, as far as the upstream has said.
#[derive(Debug)]
enum Told {
    All,
    Used(u64),
    /// Boxed: few are told so.
    InTrailer(Box<HeaderName>),
}

impl Charge {
    /// Of an answer with this head, from which is taken what was told to the gateway alone. What the upstream does
    /// not say as it should is a remark.
    pub(crate) fn of(
        hold: Hold,
        taken: Option<Taken>,
        usage: &Usage,
        head: &mut HeaderMap,
        remarks: &mut Vec<String>,
    ) -> Self {
        let told = match &usage.told_by {
            ToldBy::Nobody => Told::All,
            ToldBy::Trailer(name) => Told::InTrailer(Box::new(name.clone())),
            ToldBy::Field(name) => heard(head, name, &hold, remarks),
        };
        let Usage { client_gone, cut, settled_by, .. } = *usage;
        Self { hold: Some(hold), taken, told, client_gone, cut, settled_by, copy: None, is_settled: false }
    }

    /// Whether the end of the answer changes nothing any more, and nothing in it is for the gateway alone.
    pub(crate) fn is_over(&self) -> bool {
        self.hold.as_ref().is_none_or(Hold::is_settled)
            && self.taken.as_ref().is_none_or(Taken::is_final)
            && !matches!(self.told, Told::InTrailer(_))
    }

    /// The answer is about to go out, with this head.
    pub(crate) fn begins(
        &mut self,
        exchange: &Exchange,
        (status, headers): (StatusCode, &HeaderMap),
        content: &impl Body,
    ) {
        if self.hold.as_ref().is_some_and(Hold::is_claimed) {
            self.copy = ResponseCopy::begin(exchange, status, headers, content.size_hint().exact());
        }
        // Nobody polls content that is empty.
        if !self.is_over() && content.is_end_stream() {
            self.ends(End::Whole);
        }
        if self.settled_by == SettledBy::Head {
            self.is_decided();
        }
    }

    /// The head has settled the call. Where a copy is taken that is written down with it, and so at the end.
    fn is_decided(&mut self) {
        (self.client_gone, self.cut) = (Unfinished::Charge, Unfinished::Charge);
        if self.copy.is_none() {
            self.ends(End::Whole);
        }
    }

    /// Some of the answer's content goes out.
    pub(crate) fn passes(&mut self, data: &[u8]) {
        if let Some(copy) = &mut self.copy
            && !copy.push(data)
        {
            // Too large to be kept.
            self.copy = None;
            if self.settled_by == SettledBy::Head {
                self.ends(End::Whole);
            }
        }
    }

    /// Of an answer that costs nothing, and succeeded at nothing.
    pub(crate) fn failed(mut taken: Option<Taken>) -> Self {
        if let Some(taken) = &mut taken {
            taken.failed();
        }
        let (client_gone, cut) = (Unfinished::Release, Unfinished::Release);
        let (told, settled_by, copy) = (Told::All, SettledBy::End, None);
        Self { hold: None, taken, told, client_gone, cut, settled_by, copy, is_settled: true }
    }

    /// Trailers have come. What is told in them is not for the client.
    pub(crate) fn hears(&mut self, trailers: &mut HeaderMap) {
        if let (Told::InTrailer(name), Some(hold)) = (&self.told, &self.hold) {
            // The record of the request is written by now; what is no number is charged as said nothing.
            self.told = heard(trailers, name, hold, &mut Vec::new());
        }
        // A replay would be without them.
        if !trailers.is_empty() {
            self.copy = None;
        }
    }

    /// The answer has come to an end. The first one counts.
    pub(crate) fn ends(&mut self, end: End) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let is_charged = match end {
            End::Whole => true,
            End::Cut => self.cut == Unfinished::Charge,
            End::ClientGone => self.client_gone == Unfinished::Charge,
        };
        if let Some(taken) = &mut self.taken {
            if is_charged { taken.succeeded() } else { taken.failed() }
        }
        let Some(hold) = self.hold.take() else { return };
        let copy = self.copy.take().filter(|_| end == End::Whole).and_then(|copy| copy.finish());
        let used = if let Told::Used(used) = self.told { Some(used) } else { None };
        match (is_charged, copy, used) {
            // The client went away from work that was done perhaps: it costs nothing, and is not done again.
            (false, ..) if end == End::ClientGone && hold.is_claimed() => hold.post_used(0),
            (false, ..) => hold.release(),
            (true, Some(copy), used) => hold.complete(used, copy),
            (true, None, Some(used)) => hold.post_used(used),
            (true, None, None) => hold.post(),
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        // Content that panics as it is read has been broken off.
        self.ends(if std::thread::panicking() { End::Cut } else { End::ClientGone });
    }
}

/// Takes what was told from the fields. Nothing, and what is no number, means all.
fn heard(fields: &mut HeaderMap, name: &HeaderName, hold: &Hold, remarks: &mut Vec<String>) -> Told {
    let used = {
        let mut values = fields.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| {
            let text = value.to_str().ok()?.trim();
            // `+7` would be a number to the parser.
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?
        })
    };
    fields.remove(name);
    // What was charged before, or costs nothing, is told for nothing.
    if hold.amount() > 0 {
        match used {
            None => remarks.push(format!("the answer does not say in `{name}` how many credits were used")),
            Some(used) if used > hold.amount() => {
                remarks.push(format!("`{name}` says {used} credits, of {} that are held", hold.amount()));
            }
            Some(_) => {}
        }
    }
    used.map_or(Told::All, Told::Used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_whole_number_is_not_told() {
        let name = HeaderName::from_static("x-used");
        for (values, expected) in [
            (&["7"][..], Some(7)),
            (&[" 7 "], Some(7)),
            (&["0"], Some(0)),
            (&[], None),
            (&[""], None),
            (&["-1"], None),
            (&["+7"], None),
            (&["1.5"], None),
            (&["7", "7"], None),
            (&["99999999999999999999"], None),
        ] {
            let mut fields = HeaderMap::new();
            for value in values {
                fields.append(&name, value.parse().unwrap());
            }
            let told = heard(&mut fields, &name, &Hold::nothing(), &mut Vec::new());
            let told = if let Told::Used(used) = told { Some(used) } else { None };
            assert_eq!((told, fields.len()), (expected, 0), "{values:?}");
        }
    }
}
