//! Settles a request when its response ends: the held credits, and whether a quota that counts successes counts it.

use demur_admission::{Hold, LimitPermit};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body::Body;

use crate::request::context::RequestContext;
use crate::response::replay::ResponseCopy;
use crate::settings::{Metering, OnAbort, SettleAt, UsageSource};

/// What is still to be settled. Dropping it before means that the client has gone.
#[derive(Debug)]
pub(crate) struct PendingSettlement {
    hold: Option<Hold>,
    /// Its concurrency slot is released when this is dropped, even if the request was settled before.
    limit_permit: Option<LimitPermit>,
    usage: ReportedUsage,
    client_gone: OnAbort,
    cut: OnAbort,
    settled_by: SettleAt,
    /// The response as it is stored for repeats, of a claimed operation.
    copy: Option<Box<ResponseCopy>>,
    is_settled: bool,
}

/// How a response's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    Complete,
    /// The upstream broke it off.
    UpstreamAborted,
    ClientAborted,
}

/// The usage that the upstream has reported.
#[derive(Debug)]
enum ReportedUsage {
    All,
    Used(u64),
    /// Boxed: rare.
    InTrailer(Box<HeaderName>),
}

impl PendingSettlement {
    /// For a response with this head. Removes the usage header, which is for the gateway only; an invalid one is noted.
    pub(crate) fn new(
        hold: Hold,
        limit_permit: Option<LimitPermit>,
        metering: &Metering,
        head: &mut HeaderMap,
        notes: &mut Vec<String>,
    ) -> Self {
        let usage = match &metering.source {
            UsageSource::Nobody => ReportedUsage::All,
            UsageSource::Trailer(name) => ReportedUsage::InTrailer(Box::new(name.clone())),
            UsageSource::Field(name) => parse_usage(head, name, &hold, notes),
        };
        let Metering { on_client_abort: client_gone, on_upstream_abort: cut, settle_at: settled_by, .. } =
            *metering;
        let hold = Some(hold);
        Self { hold, limit_permit, usage, client_gone, cut, settled_by, copy: None, is_settled: false }
    }

    /// Whether nothing depends on the end of the body any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.hold.as_ref().is_none_or(Hold::is_settled)
            && self.limit_permit.as_ref().is_none_or(LimitPermit::is_settled)
            && !matches!(self.usage, ReportedUsage::InTrailer(_))
    }

    /// The response begins, with this head.
    pub(crate) fn on_start(
        &mut self,
        context: &RequestContext,
        (status, headers): (StatusCode, &HeaderMap),
        body: &impl Body,
    ) {
        // What follows 101 is no body, and cannot be repeated.
        if self.hold.as_ref().is_some_and(Hold::is_claimed) && status != StatusCode::SWITCHING_PROTOCOLS {
            self.copy = ResponseCopy::begin(context, status, headers, body.size_hint().exact());
        }
        // An empty body is never polled.
        if !self.is_settled() && body.is_end_stream() {
            self.settle(BodyEnd::Complete);
        }
        if self.settled_by == SettleAt::Head {
            self.settle_at_head();
        }
    }

    /// The head settles the request. If the response is stored, that happens with it, and so at the end.
    fn settle_at_head(&mut self) {
        (self.client_gone, self.cut) = (OnAbort::Charge, OnAbort::Charge);
        if self.copy.is_none() {
            self.settle(BodyEnd::Complete);
        }
    }

    /// A part of the body goes to the client.
    pub(crate) fn on_data(&mut self, data: &[u8]) {
        if let Some(copy) = &mut self.copy
            && !copy.push(data)
        {
            // Too large to be stored.
            self.copy = None;
            if self.settled_by == SettleAt::Head {
                self.settle(BodyEnd::Complete);
            }
        }
    }

    /// For a failed response, which costs nothing.
    pub(crate) fn failed(mut limit_permit: Option<LimitPermit>) -> Self {
        if let Some(permit) = &mut limit_permit {
            permit.mark_failed();
        }
        let (client_gone, cut) = (OnAbort::Release, OnAbort::Release);
        let (usage, settled_by, copy) = (ReportedUsage::All, SettleAt::End, None);
        Self { hold: None, limit_permit, usage, client_gone, cut, settled_by, copy, is_settled: true }
    }

    /// Trailers have come. A usage trailer is removed: it is for the gateway only.
    pub(crate) fn on_trailers(&mut self, trailers: &mut HeaderMap) {
        if let (ReportedUsage::InTrailer(name), Some(hold)) = (&self.usage, &self.hold) {
            // The request's record is finished by now. An invalid usage is charged like a missing one.
            self.usage = parse_usage(trailers, name, hold, &mut Vec::new());
        }
        // Stored responses have no trailers.
        if !trailers.is_empty() {
            self.copy = None;
        }
    }

    /// The body has ended. Only the first call has an effect.
    pub(crate) fn settle(&mut self, end: BodyEnd) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        let is_charged = match end {
            BodyEnd::Complete => true,
            BodyEnd::UpstreamAborted => self.cut == OnAbort::Charge,
            BodyEnd::ClientAborted => self.client_gone == OnAbort::Charge,
        };
        if let Some(permit) = &mut self.limit_permit {
            if is_charged { permit.succeeded() } else { permit.mark_failed() }
        }
        let Some(hold) = self.hold.take() else { return };
        let copy = self.copy.take().filter(|_| end == BodyEnd::Complete).and_then(|copy| copy.finish());
        let used = if let ReportedUsage::Used(used) = self.usage { Some(used) } else { None };
        match (is_charged, copy, used) {
            // The operation may have been executed: it costs nothing, and is not executed again.
            (false, ..) if end == BodyEnd::ClientAborted && hold.is_claimed() => hold.post_used(0),
            (false, ..) => hold.release(),
            (true, Some(copy), used) => hold.complete(used, copy),
            (true, None, Some(used)) => hold.post_used(used),
            (true, None, None) => hold.post(),
        }
    }
}

impl Drop for PendingSettlement {
    fn drop(&mut self) {
        // A body that panics while it is read was broken off.
        self.settle(if std::thread::panicking() { BodyEnd::UpstreamAborted } else { BodyEnd::ClientAborted });
    }
}

/// Removes the usage header and parses it. If it is missing or invalid, all held credits are used.
fn parse_usage(
    headers: &mut HeaderMap,
    name: &HeaderName,
    hold: &Hold,
    notes: &mut Vec<String>,
) -> ReportedUsage {
    let used = {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| {
            let text = value.to_str().ok()?.trim();
            // The parser accepts `+7`.
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?
        })
    };
    headers.remove(name);
    // Usage does not matter if nothing is held.
    if hold.amount() > 0 {
        match used {
            None => notes.push(format!("usage header `{name}` is missing or not a number")),
            Some(used) if used > hold.amount() => {
                notes.push(format!(
                    "usage header `{name}` reports {used} credits, more than the {} held",
                    hold.amount()
                ));
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
    fn accepts_only_one_whole_number_as_usage() {
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
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(&name, value.parse().unwrap());
            }
            let usage = parse_usage(&mut headers, &name, &Hold::nothing(), &mut Vec::new());
            let used = if let ReportedUsage::Used(used) = usage { Some(used) } else { None };
            assert_eq!((used, headers.len()), (expected, 0), "{values:?}");
        }
    }
}
