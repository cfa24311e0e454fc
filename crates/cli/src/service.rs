//! The sections of `ashlar.toml` that say with whom and with what the queue deals: `[atlantic]`, the managed service, and
//! `[gate]`, what happens to an allocation that is proven. Both spend or move money, so they need a file that was named.
//!
//! ```toml
//! [atlantic]
//! host = "staging"
//! key-file = "/etc/ashlar/atlantic.key"     # or ATLANTIC_API_KEY in the environment
//! network = "testnet"
//!
//! [gate]
//! execute = "webhook"
//! webhook-url = "http://127.0.0.1:8080/execute"
//! ```

use std::{path::PathBuf, sync::Arc, time::Duration};

use ashlar_atlantic::{
    Address, ApiKey, Backoff, Client, Network, Polling, PriceTable, Settings, SharpProver, SystemClock,
};
use ashlar_engine::{AtlanticTerms, Gate, MOST_PROOF_BYTES, RemoteAttempt};
use ashlar_field::Felt;
use ashlar_server::{ServerError, WebhookSecret};
use ashlar_stone::{Policy, read_bounded};
use ashlar_store::{DEFAULT_BITS, DryRun, ExecutionPort, GatePolicy, Lease, Webhook};
use serde::Deserialize;
use toml::Value;

use crate::{
    arguments::{Execute, Global},
    failure::{CommandError, Failure},
    settings,
};

/// The name of the managed service's section.
pub(crate) const ATLANTIC: &str = "atlantic";

/// The name of the gate's section.
pub(crate) const GATE: &str = "gate";

/// Where the account's key is, unless a file is named.
pub(crate) const KEY_VARIABLE: &str = "ATLANTIC_API_KEY";

/// Where the secret of the webhooks' path is, unless a file is named.
const WEBHOOK_VARIABLE: &str = "ASHLAR_ATLANTIC_WEBHOOK";

/// A key file is no longer than this.
const MOST_KEY_BYTES: u64 = 4096;

/// A price table is no longer than this.
const MOST_TABLE_BYTES: u64 = 64 << 10;

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct AtlanticSection {
    host: String,
    key_file: Option<PathBuf>,
    network: Option<String>,
    prover: Option<String>,
    deadline_seconds: u64,
    at_once: usize,
    bootloaders: Vec<String>,
    price_table: Option<PathBuf>,
    poll_milliseconds: u64,
    longest_poll_milliseconds: u64,
    retry_milliseconds: u64,
    give_up_milliseconds: u64,
}

impl Default for AtlanticSection {
    fn default() -> AtlanticSection {
        AtlanticSection {
            host: "production".to_owned(),
            key_file: None,
            network: None,
            prover: None,
            deadline_seconds: 2 * 60 * 60,
            at_once: 8,
            bootloaders: Vec::new(),
            price_table: None,
            poll_milliseconds: 5000,
            longest_poll_milliseconds: 60_000,
            retry_milliseconds: 2000,
            give_up_milliseconds: 120_000,
        }
    }
}

/// The managed service as an operator set it up.
pub(crate) struct ManagedService {
    address: Address,
    key: ApiKey,
    backoff: Backoff,
    /// How often a query is looked at.
    pub(crate) polling: Polling,
    /// On which terms it is asked.
    pub(crate) terms: AtlanticTerms,
}

/// The managed service of the settings file; `None` if it has no such section.
pub(crate) fn managed(global: &Global) -> Result<Option<ManagedService>, Failure> {
    let Some((section, path)) = settings::section(global, ATLANTIC)? else { return Ok(None) };
    let unusable = |message: String| -> Failure {
        CommandError::SettingsFile { path: path.clone(), message: format!("{ATLANTIC}: {message}") }.into()
    };
    let section: AtlanticSection =
        section.try_into().map_err(|error: toml::de::Error| unusable(settings::in_words(&error)))?;
    let key = key(section.key_file.as_ref())?
        .ok_or_else(|| unusable(format!("expected a key: key-file, or {KEY_VARIABLE} in the environment")))?;
    let network = section.network.as_deref().map(|word| Network::from_word(&word.to_uppercase()));
    if let Some(Network::Unknown(word)) = &network {
        return Err(unusable(format!("network: expected mainnet or testnet, got {word:?}")));
    }
    let bootloaders = section
        .bootloaders
        .iter()
        .map(|text| text.parse::<Felt>().map_err(|_| unusable(format!("bootloaders: {text:?} is no hash"))))
        .collect::<Result<Vec<_>, _>>()?;
    let prices = match &section.price_table {
        None => PriceTable::recorded()?,
        Some(path) => PriceTable::from_json(&read_bounded(path, "price table", MOST_TABLE_BYTES)?)?,
    };
    if section.at_once == 0 || section.deadline_seconds == 0 || section.poll_milliseconds == 0 {
        return Err(unusable(
            "at-once, deadline-seconds and poll-milliseconds must be at least 1".to_owned(),
        ));
    }
    let deadline = Duration::from_secs(section.deadline_seconds);
    let polling = Polling {
        shortest: Duration::from_millis(section.poll_milliseconds),
        longest: Duration::from_millis(section.longest_poll_milliseconds.max(section.poll_milliseconds)),
        ..Polling::until(deadline)
    };
    let backoff = Backoff {
        first: Duration::from_millis(section.retry_milliseconds.max(1)),
        total: Duration::from_millis(section.give_up_milliseconds),
        ..Backoff::default()
    };
    let terms = AtlanticTerms {
        network,
        prices,
        deadline,
        at_once: section.at_once,
        prover: section.prover.as_deref().map(SharpProver::from_word),
        bootloaders,
    };
    let address = Address::parse(&section.host)?;
    Ok(Some(ManagedService { address, key, backoff, polling, terms }))
}

/// The account's key, from a file or from the environment.
pub(crate) fn key(file: Option<&PathBuf>) -> Result<Option<ApiKey>, Failure> {
    let unfit = || ashlar_atlantic::Error::Key { got: "others" }.into();
    secret(file, "key", KEY_VARIABLE, unfit)?.map(|text| Ok(ApiKey::new(&text)?)).transpose()
}

/// What the path of the service's webhooks holds, from a file or from the environment; `None` if they are not received.
pub(crate) fn webhook_secret(file: Option<&PathBuf>) -> Result<Option<WebhookSecret>, Failure> {
    let unfit = || ServerError::WebhookSecret { got: "other characters".to_owned() }.into();
    let text = secret(file, "secret", WEBHOOK_VARIABLE, unfit)?;
    text.map(|text| Ok(WebhookSecret::parse(text.trim())?)).transpose()
}

/// A text that nobody else is to know, from a file or from the environment; it is in no flag, which everybody could see.
fn secret(
    file: Option<&PathBuf>,
    what: &'static str,
    variable: &str,
    unfit: impl Fn() -> Failure,
) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        let bytes = read_bounded(path, what, MOST_KEY_BYTES)?;
        return String::from_utf8(bytes).map(Some).map_err(|_| unfit());
    }
    match std::env::var(variable) {
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(unfit()),
    }
}

impl ManagedService {
    /// A client for one job, whose deduplication ids are its own; its waits end when the clock is woken.
    pub(crate) fn client(&self, lease: &Lease, clock: &SystemClock) -> Client {
        let mut settings = self.settings(&RemoteAttempt::namespace(lease));
        settings.backoff = self.backoff;
        settings.limits.artefact = MOST_PROOF_BYTES;
        Client::with_clock(settings, Arc::new(clock.clone()))
    }

    /// Whether the service answers.
    pub(crate) fn is_alive(&self) -> Result<bool, ashlar_atlantic::Error> {
        Client::new(self.settings("")).is_alive()
    }

    fn settings(&self, namespace: &str) -> Settings {
        Settings::new(self.address.clone(), Some(self.key.clone()), namespace)
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct GateSection {
    execute: Execute,
    webhook_url: Option<String>,
    webhook_repeatable: bool,
    minimum_bits: u32,
    proof_age: u32,
}

impl Default for GateSection {
    fn default() -> GateSection {
        GateSection {
            execute: Execute::DryRun,
            webhook_url: None,
            webhook_repeatable: false,
            minimum_bits: DEFAULT_BITS,
            proof_age: 24,
        }
    }
}

/// What happens to proven allocations of the queue; `None`, so that they wait, if the settings file does not say.
pub(crate) fn gate(global: &Global) -> Result<Option<Gate>, Failure> {
    let Some((section, path)) = settings::section(global, GATE)? else { return Ok(None) };
    let unusable = |message: String| -> Failure {
        CommandError::SettingsFile { path: path.clone(), message: format!("{GATE}: {message}") }.into()
    };
    gate_of(section, &unusable).map(Some)
}

fn gate_of(section: Value, unusable: &dyn Fn(String) -> Failure) -> Result<Gate, Failure> {
    let section: GateSection =
        section.try_into().map_err(|error: toml::de::Error| unusable(settings::in_words(&error)))?;
    let port = port(section.execute, section.webhook_url.as_deref(), section.webhook_repeatable)?
        .ok_or_else(|| unusable("execute = \"webhook\" needs webhook-url".to_owned()))?;
    let age = Duration::from_secs(u64::from(section.proof_age) * 3600);
    // Fewer bits than the default are the operator's word, in a file that was named.
    let policy = GatePolicy::with_fewer_bits(Policy::strict(section.minimum_bits), age);
    Ok(Gate { policy, port })
}

/// What happens when the gate opens; `None` if a webhook is wanted and has no address.
pub(crate) fn port(
    execute: Execute,
    address: Option<&str>,
    repeatable: bool,
) -> Result<Option<Arc<dyn ExecutionPort>>, Failure> {
    Ok(match (execute, address) {
        (Execute::DryRun, _) => Some(Arc::new(DryRun)),
        (Execute::Webhook, Some(address)) => Some(Arc::new(Webhook::new(address, repeatable)?)),
        (Execute::Webhook, None) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(text: &str) -> Result<Gate, String> {
        let table = text.parse().unwrap();
        let unusable = |message| CommandError::SettingsFile { path: "a.toml".to_owned(), message }.into();
        gate_of(Value::Table(table), &unusable).map_err(|failure: Failure| failure.one_line())
    }

    #[test]
    fn a_gate_rehearses_unless_it_is_told_to_send() {
        let rehearsal = gate("").unwrap();
        assert!(rehearsal.port.is_rehearsal());
        assert_eq!(rehearsal.policy.proof().least_conjectured_bits, DEFAULT_BITS);
        let sending =
            gate("execute = 'webhook'\nwebhook-url = 'http://127.0.0.1:1/x'\nproof-age = 2").unwrap();
        assert!(!sending.port.is_rehearsal() && !sending.port.repeatable());
        assert_eq!(sending.policy.most_age(), Duration::from_secs(7200));
    }

    #[test]
    fn a_gate_that_makes_no_sense_is_refused() {
        for (text, because) in [
            ("execute = 'webhook'", "webhook-url"),
            ("execute = 'often'", "often"),
            ("speed = 1", "speed"),
            ("minimum-bits = -1", "minimum-bits"),
        ] {
            let refused = gate(text).map(drop).unwrap_err();
            assert!(refused.contains(because), "{text}: {refused}");
        }
    }
}
