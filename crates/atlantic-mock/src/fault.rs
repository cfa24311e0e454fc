//! Misbehaviour: what goes wrong, where, and when.

use std::time::Duration;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Any.
    Any,
    /// A submission.
    Submit,
    /// A look by id.
    Show,
    /// A look by deduplication id.
    ByDedupId,
    /// A look at jobs.
    Jobs,
    /// A listing.
    List,
    /// A request for an artefact.
    Artefact,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 401 with `INVALID_API_KEY`, and the key repeated in the body.
    InvalidKey,
    /// 402 with the headers of x402.
    PaymentRequired,
    /// 400 with `INSUFFICIENT_CREDITS`.
    InsufficientCredits,
    /// Any status with any code.
    Code(u16, String),
    /// A status and a body as they are.
    Raw(u16, Vec<u8>),
    /// A page of a proxy.
    Html(u16),
    /// A text taken apart: `{"0":"5","1":"0","2":"3"}`.
    NumericKeys(u16),
    /// `404 page not found`.
    NotFoundPage,
    /// A redirect to another address.
    Redirect(String),
    /// The request is not looked at; the connection ends.
    ResetBefore,
    /// The request is performed; the connection ends without an answer.
    ResetAfter,
    /// The request is performed; the answer is a proxy's.
    HtmlAfter(u16),
    /// The answer comes one byte at a time, with this between.
    Slow(Duration),
    /// The answer has the length, but ends in the middle.
    CutOff,
    /// The answer is blown up to so many bytes.
    Huge(usize),
}

/// When it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// For the next so many requests.
    Next(u32),
    /// After so many requests, for the next so many.
    After(u32, u32),
    /// For each request whose number, from 1, is divisible by this: `Every(2)` is every second one.
    Every(u32),
    /// For so many in a thousand, by a generator that starts with this number: the same every time.
    PerMille(u16, u64),
}

/// A rule of misbehaviour with its own count.
#[derive(Debug)]
pub(crate) struct Rule {
    endpoint: Endpoint,
    fault: Fault,
    when: When,
    count: u32,
    generator: u64,
}

impl Rule {
    pub(crate) fn new(endpoint: Endpoint, fault: Fault, when: When) -> Rule {
        let generator = match when {
            When::PerMille(_, seed) => seed,
            _ => 0,
        };
        Rule { endpoint, fault, when, count: 0, generator }
    }

    /// The fault, if this request has it. Requests to other endpoints do not count.
    pub(crate) fn strike(&mut self, endpoint: Endpoint) -> Option<Fault> {
        if self.endpoint != Endpoint::Any && self.endpoint != endpoint {
            return None;
        }
        self.count += 1;
        let strikes = match self.when {
            When::Always => true,
            When::Next(requests) => self.count <= requests,
            When::After(skipped, requests) => self.count > skipped && self.count - skipped <= requests,
            When::Every(number) => number > 0 && self.count.is_multiple_of(number),
            When::PerMille(share, _) => self.random() % 1000 < u64::from(share),
        };
        strikes.then(|| self.fault.clone())
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.generator = self.generator.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.generator;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(when: When, requests: usize) -> Vec<bool> {
        let mut rule = Rule::new(Endpoint::Submit, Fault::NotFoundPage, when);
        assert!(rule.strike(Endpoint::Show).is_none());
        (0..requests).map(|_| rule.strike(Endpoint::Submit).is_some()).collect()
    }

    #[test]
    fn misbehaviour_keeps_to_its_schedule() {
        assert_eq!(strikes(When::Every(2), 5), [false, true, false, true, false]);
        assert_eq!(strikes(When::Next(2), 4), [true, true, false, false]);
        assert_eq!(strikes(When::After(1, 2), 4), [false, true, true, false]);
        let half = strikes(When::PerMille(500, 7), 1000).into_iter().filter(|struck| *struck).count();
        assert!((400..600).contains(&half), "{half}");
        assert_eq!(strikes(When::PerMille(500, 7), 50), strikes(When::PerMille(500, 7), 50));
    }
}
