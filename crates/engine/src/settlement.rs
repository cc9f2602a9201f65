//! What is still open of a request whose answer is under way: the credits on hold, and whether a quota that
//! counts successes counts it. Both end together, by one rule.

use demur_admission::{Hold, LimitPermit};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body;

use crate::exchange::Exchange;
use crate::replay::ResponseCopy;
use crate::settings::{Metering, OnAbort, SettleAt, UsageSource};

/// What is still to be settled. Dropped before it is, it was the client who went away.
#[derive(Debug)]
pub(crate) struct PendingSettlement {
    hold: Option<Hold>,
    /// Its slot is free when this is dropped, whatever was settled before.
    taken: Option<LimitPermit>,
    told: ReportedUsage,
    client_gone: OnAbort,
    cut: OnAbort,
    settled_by: SettleAt,
    /// What is kept for a repeat, of an operation that the client has named.
    copy: Option<Box<ResponseCopy>>,
    is_settled: bool,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Whole,
    /// The upstream broke it off.
    Cut,
    ClientGone,
}

/// How much was used, as far as the upstream has said.
#[derive(Debug)]
enum ReportedUsage {
    All,
    Used(u64),
    /// Boxed: few are told so.
    InTrailer(Box<HeaderName>),
}

impl PendingSettlement {
    /// Of an answer with this head, from which is taken what was told to the gateway alone. What the upstream does
    /// not say as it should is a remark.
    pub(crate) fn of(
        hold: Hold,
        taken: Option<LimitPermit>,
        usage: &Metering,
        head: &mut HeaderMap,
        remarks: &mut Vec<String>,
    ) -> Self {
        let told = match &usage.told_by {
            UsageSource::Nobody => ReportedUsage::All,
            UsageSource::Trailer(name) => ReportedUsage::InTrailer(Box::new(name.clone())),
            UsageSource::Field(name) => parse_usage(head, name, &hold, remarks),
        };
        let Metering { client_gone, cut, settled_by, .. } = *usage;
        Self { hold: Some(hold), taken, told, client_gone, cut, settled_by, copy: None, is_settled: false }
    }

    /// Whether the end of the answer changes nothing any more, and nothing in it is for the gateway alone.
    pub(crate) fn is_settled(&self) -> bool {
        self.hold.as_ref().is_none_or(Hold::is_settled)
            && self.taken.as_ref().is_none_or(LimitPermit::is_settled)
            && !matches!(self.told, ReportedUsage::InTrailer(_))
    }

    /// The answer is about to go out, with this head.
    pub(crate) fn on_start(
        &mut self,
        exchange: &Exchange,
        (status, headers): (StatusCode, &HeaderMap),
        content: &impl Body,
    ) {
        if self.hold.as_ref().is_some_and(Hold::is_claimed) {
            self.copy = ResponseCopy::begin(exchange, status, headers, content.size_hint().exact());
        }
        // Nobody polls content that is empty.
        if !self.is_settled() && content.is_end_stream() {
            self.settle(BodyEnd::Whole);
        }
        if self.settled_by == SettleAt::Head {
            self.is_decided();
        }
    }

    /// The head has settled the call. Where a copy is taken that is written down with it, and so at the end.
    fn is_decided(&mut self) {
        (self.client_gone, self.cut) = (OnAbort::Charge, OnAbort::Charge);
        if self.copy.is_none() {
            self.settle(BodyEnd::Whole);
        }
    }

    /// Some of the answer's content goes out.
    pub(crate) fn passes(&mut self, data: &[u8]) {
        if let Some(copy) = &mut self.copy
            && !copy.push(data)
        {
            // Too large to be kept.
            self.copy = None;
            if self.settled_by == SettleAt::Head {
                self.settle(BodyEnd::Whole);
            }
        }
    }

    /// Of an answer that costs nothing, and succeeded at nothing.
    pub(crate) fn failed(mut taken: Option<LimitPermit>) -> Self {
        if let Some(taken) = &mut taken {
            taken.mark_failed();
        }
        let (client_gone, cut) = (OnAbort::Release, OnAbort::Release);
        let (told, settled_by, copy) = (ReportedUsage::All, SettleAt::End, None);
        Self { hold: None, taken, told, client_gone, cut, settled_by, copy, is_settled: true }
    }

    /// Trailers have come. What is told in them is not for the client.
    pub(crate) fn on_trailers(&mut self, trailers: &mut HeaderMap) {
        if let (ReportedUsage::InTrailer(name), Some(hold)) = (&self.told, &self.hold) {
            // The record of the request is written by now; what is no number is charged as said nothing.
            self.told = parse_usage(trailers, name, hold, &mut Vec::new());
        }
        // A replay would be without them.
        if !trailers.is_empty() {
            self.copy = None;
        }
    }

    /// The answer has come to an end. The first one counts.
    pub(crate) fn settle(&mut self, end: BodyEnd) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let is_charged = match end {
            BodyEnd::Whole => true,
            BodyEnd::Cut => self.cut == OnAbort::Charge,
            BodyEnd::ClientGone => self.client_gone == OnAbort::Charge,
        };
        if let Some(taken) = &mut self.taken {
            if is_charged { taken.succeeded() } else { taken.mark_failed() }
        }
        let Some(hold) = self.hold.take() else { return };
        let copy = self.copy.take().filter(|_| end == BodyEnd::Whole).and_then(|copy| copy.finish());
        let used = if let ReportedUsage::Used(used) = self.told { Some(used) } else { None };
        match (is_charged, copy, used) {
            // The client went away from work that was done perhaps: it costs nothing, and is not done again.
            (false, ..) if end == BodyEnd::ClientGone && hold.is_claimed() => hold.post_used(0),
            (false, ..) => hold.release(),
            (true, Some(copy), used) => hold.complete(used, copy),
            (true, None, Some(used)) => hold.post_used(used),
            (true, None, None) => hold.post(),
        }
    }
}

impl Drop for PendingSettlement {
    fn drop(&mut self) {
        // Content that panics as it is read has been broken off.
        self.settle(if std::thread::panicking() { BodyEnd::Cut } else { BodyEnd::ClientGone });
    }
}

/// Takes what was told from the fields. Nothing, and what is no number, means all.
fn parse_usage(
    fields: &mut HeaderMap,
    name: &HeaderName,
    hold: &Hold,
    remarks: &mut Vec<String>,
) -> ReportedUsage {
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
    used.map_or(ReportedUsage::All, ReportedUsage::Used)
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
            let told = parse_usage(&mut fields, &name, &Hold::nothing(), &mut Vec::new());
            let told = if let ReportedUsage::Used(used) = told { Some(used) } else { None };
            assert_eq!((told, fields.len()), (expected, 0), "{values:?}");
        }
    }
}
