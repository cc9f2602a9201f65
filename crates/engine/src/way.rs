//! A request on its way: what a stage of `pipeline.rs` comes to, and what is done with it then.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use demur_admission::{Balance, Denial, Hold, Principal, Taken};
use demur_contract::Condition;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;

use crate::arrival::{Peer, Within};
use crate::content::{Content, ContentFault};
use crate::credits::Booked;
use crate::dressing::{aim, dress};
use crate::exchange::Exchange;
use crate::panics::Panicked;
use crate::pipeline::{Engine, Stage, Target};
use crate::record::Record;
use crate::refused::Refused;
use crate::replay;
use crate::settings::Unfinished;
use crate::settle::Passage;
use crate::waiting::Waiting;

/// What becomes of a request, as far as the engine can say by itself.
pub enum Received<B> {
    /// It passes. It is to be sent to the API's upstream, and what comes of that to be told to the passage.
    Forward(Request<Content<B>>, Passage),
    /// It is answered here.
    Answered(Response<Option<Bytes>>, Record),
    /// It is not known yet: a store must be asked, or the request's content read.
    Waiting(Box<Waiting<B>>),
}

/// A request on its way to the upstream.
pub(crate) struct Way<B> {
    pub(crate) exchange: Box<Exchange>,
    pub(crate) parts: Parts,
    /// Until it has been read, or goes on.
    pub(crate) body: Option<B>,
    pub(crate) lag: Duration,
}

/// What a stage comes to.
pub(crate) enum Step<B> {
    /// The request may pass.
    Pass(Pass<B>),
    /// A browser asks whether it may ask.
    Preflight(Response<()>),
    /// The request was executed before: this was the response. Boxed: hardly any request comes again.
    Replay(Box<Response<Option<Bytes>>>),
    /// Something must be waited for.
    Wait(Wait<B>),
}

pub(crate) type Outcome<B> = Result<Step<B>, Refused>;

/// How a request passes.
pub(crate) struct Pass<B> {
    /// The API's place among the engine's.
    pub(crate) api: usize,
    pub(crate) content: Content<B>,
    pub(crate) hold: Hold,
    /// Boxed: most requests cost nothing.
    pub(crate) balance: Option<Box<Balance>>,
    /// Another target than the client asked for.
    pub(crate) target: Option<String>,
    pub(crate) timeout: Option<Duration>,
}

/// What a request waits for.
pub(crate) enum Wait<B> {
    /// Whose key it is.
    Key(Asking<Result<Arc<Principal>, Denial>>),
    /// What its limits say.
    Limits(Asking<Result<Taken, Denial>>),
    /// Its own content, of so many bytes at the most.
    Content(u64),
    /// What the ledger says. Its content has been looked into by then.
    Credits(Content<B>, Asking<Booked>),
}

type Asking<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<B> Way<B>
where
    B: Body<Data = Bytes, Error = ContentFault> + Unpin,
{
    /// What the stages work on.
    pub(crate) fn stage<'w>(&'w mut self, engine: &'w Engine) -> Stage<'w, B> {
        Stage { engine, exchange: &mut self.exchange, parts: &self.parts, body: &mut self.body }
    }

    /// The same behind a wait, with what is asked for: what is found in a request cannot wait with it, and is found
    /// again.
    pub(crate) fn stage_again<'w>(
        &'w mut self,
        engine: &'w Engine,
    ) -> Result<(Stage<'w, B>, Target<'w>), Refused> {
        let stage = self.stage(engine);
        let target = Target::again(engine, stage.parts);
        let lost = || Refused::from(Condition::Internal).because("what was found is not there any more");
        Ok((stage, target.ok_or_else(lost)?))
    }

    /// Does what a stage came to. Inlined, and what it calls is lent the request: to be handed on it would be copied
    /// each time.
    #[inline(always)]
    pub(crate) fn follow(mut self, step: Result<Outcome<B>, Panicked>, peer: Option<&Peer>) -> Received<B> {
        match step.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(Step::Pass(Pass { api, content, hold, .. })) => {
                let Self { exchange, parts, lag, .. } = self;
                let passage = Passage::new(exchange, api, hold, lag);
                Received::Forward(Request::from_parts(parts, content), passage)
            }
            Ok(Step::Wait(wait)) => {
                Received::Waiting(Box::new(Waiting { way: self, wait, peer: peer.cloned() }))
            }
            Ok(Step::Preflight(answer)) => {
                let mut response = answer.map(|()| None);
                let record = self.exchange.seal(response.headers_mut());
                Received::Answered(response, record)
            }
            Ok(Step::Replay(mut response)) => {
                self.exchange.keep_presented(&mut self.parts.headers);
                let record = self.exchange.seal(response.headers_mut());
                replay::expose(response.headers_mut());
                Received::Answered(*response, record)
            }
            Err(refused) => {
                self.exchange.keep_presented(&mut self.parts.headers);
                let (response, record) = self.exchange.refuse(refused);
                Received::Answered(response, record)
            }
        }
    }

    /// A request that passes, as the upstream should see it.
    pub(crate) fn dressed(&mut self, mut step: Outcome<B>, peer: Option<&Peer>) -> Outcome<B> {
        if let Ok(Step::Pass(pass)) = &mut step {
            self.dress(pass, peer)?;
        }
        step
    }

    fn dress(&mut self, pass: &mut Pass<B>, peer: Option<&Peer>) -> Result<(), Refused> {
        if let Some(target) = pass.target.take() {
            aim(&mut self.parts, target)?;
        }
        let mut presented = std::mem::take(&mut self.exchange.presented);
        let mut remarks = std::mem::take(&mut self.exchange.remarks);
        let keep = |key| presented.push(key);
        let (headers, balance) = (&mut self.parts.headers, pass.balance.as_deref());
        dress(&self.exchange, &mut remarks, headers, peer, balance, keep);
        (self.exchange.presented, self.exchange.remarks) = (presented, remarks);
        if let Some(time) = pass.timeout {
            self.parts.extensions.insert(Within(time));
        }
        // From here to the answer's head it is nobody's fault but the client's if it all is dropped.
        match self.exchange.usage().client_gone {
            Unfinished::Charge => pass.hold.forwarded(),
            Unfinished::Release => {
                pass.hold.forwarded_at_no_cost();
                self.exchange.taken.iter_mut().for_each(Taken::failed);
            }
        }
        Ok(())
    }
}
