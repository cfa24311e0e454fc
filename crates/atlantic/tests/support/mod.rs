//! What the tests with the mock share.

use std::{sync::Arc, time::Duration};

use ashlar_atlantic::{
    Address, ApiKey, Attachment, Client, Form, Goal, JobSize, Layout, Network, QueryId, Settings, Timeouts,
    ZIP,
};
use ashlar_atlantic_mock::{FakeClock, Mock, Script, Submission};

/// The key of the tests.
pub(crate) const KEY: &str = "0123-the-account-s-key-4567";

/// A mock, a client of it, and the clock by which both live.
pub(crate) struct Stage {
    pub(crate) mock: Mock,
    pub(crate) client: Client,
    pub(crate) clock: FakeClock,
}

/// With everything on Route S.
pub(crate) fn stage() -> Stage {
    scripted(|_| Script::route_s())
}

/// With a script of one's own.
pub(crate) fn scripted(script: impl Fn(&Submission) -> Script + Send + Sync + 'static) -> Stage {
    let clock = FakeClock::default();
    let mock = Mock::builder(Arc::new(clock.clone())).keys(&[KEY]).script(script).start().unwrap();
    let client = client(&mock, &clock);
    Stage { mock, client, clock }
}

/// Another client of the same mock, as after a crash.
pub(crate) fn client(mock: &Mock, clock: &FakeClock) -> Client {
    Client::with_clock(settings(mock), Arc::new(clock.clone()))
}

pub(crate) fn settings(mock: &Mock) -> Settings {
    let key = ApiKey::new(KEY).unwrap();
    let mut settings = Settings::new(Address::parse(&mock.address()).unwrap(), Some(key), "tests");
    settings.timeouts = Timeouts { answer: Duration::from_secs(10), ..Timeouts::default() };
    settings
}

/// A position-independent execution that ends with a fact on Starknet.
pub(crate) fn form() -> Form {
    Form {
        pie_file: Some(Attachment::from_bytes(b"PK\x03\x04the run".to_vec(), "run.zip", ZIP).unwrap()),
        declared_job_size: Some(JobSize::S),
        layout: Some(Layout::Auto),
        result: Some(Goal::ProofVerificationOnL2),
        network: Some(Network::Testnet),
        external_id: Some("test".to_owned()),
        ..Form::default()
    }
}

/// An id on the wire.
pub(crate) fn id(text: &str) -> QueryId {
    QueryId::parse(text).unwrap()
}
