//! `ashlar keys`: keys of the HTTP API.

use ashlar_server::Secret;
use ashlar_store::{ApiKey, KeyId, KeyReach, KeyScope, NewApiKey};
use serde_json::{Value, json};

use crate::{
    arguments::Keys,
    failure::{CommandError, Failure},
    session::Session,
};

pub(crate) async fn run(session: &Session, verb: Keys) -> Result<(), Failure> {
    let store = session.store().await?;
    let done = match verb {
        Keys::Create { name, scopes, all_jobs } => {
            let secret = Secret::fresh().map_err(|error| CommandError::Broken(Box::new(error)))?;
            let reach = if all_jobs { KeyReach::All } else { KeyReach::Own };
            let new = NewApiKey { name, sha256: secret.sha256(), scopes: read(&scopes)?, reach };
            let key = store.record_key(&new).await?;
            session.console.remark("shown once: only its hash is kept");
            session.console.text(&format!("{}\n", secret.reveal()))?;
            let mut data = data(&key);
            if let Value::Object(entries) = &mut data {
                entries.insert("secret".to_owned(), json!(secret.reveal()));
            }
            session.console.document("ashlar.key/1", data)
        }
        Keys::List => {
            let keys = store.keys().await?;
            for key in &keys {
                session.console.text(&line(key))?;
            }
            let all: Vec<Value> = keys.iter().map(data).collect();
            session.console.document("ashlar.keys/1", json!({ "keys": all }))
        }
        Keys::Revoke { id } => {
            let id = KeyId::parse(&id).ok_or(ashlar_store::Error::UnknownKey { given: id })?;
            store.revoke_key(id).await?;
            session.console.remark(&format!("{id} opens nothing from now on"));
            session.console.document("ashlar.key/1", json!({ "id": id, "revoked": true }))
        }
    };
    store.close().await;
    done
}

fn read(words: &[String]) -> Result<Vec<KeyScope>, CommandError> {
    let mut scopes = Vec::new();
    for word in words {
        let scope = KeyScope::parse(word).ok_or_else(|| {
            let known: Vec<&str> = KeyScope::ALL.iter().map(|scope| scope.word()).collect();
            CommandError::Usage(format!("--scopes: expected {}, got {word:?}", known.join(", ")))
        })?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

fn words(key: &ApiKey) -> String {
    key.scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(",")
}

fn line(key: &ApiKey) -> String {
    let end = key.revoked_at.map_or_else(|| "in use".to_owned(), |at| format!("revoked {at}"));
    format!("{}  {:20} {:6} {:4}  made {}  {end}\n", key.id, key.name, words(key), key.reach, key.created_at)
}

fn data(key: &ApiKey) -> Value {
    json!({
        "id": key.id, "name": key.name, "scopes": key.scopes, "reach": key.reach,
        "created_at": key.created_at, "revoked_at": key.revoked_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_once_each_and_unknown_ones_refused() {
        let of = |words: &[&str]| read(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["read", "submit", "read"]).unwrap(), [KeyScope::Read, KeyScope::Submit]);
        assert!(matches!(of(&["write"]), Err(CommandError::Usage(_))));
    }
}
