//! Deduplication ids: the same job has the same id, in every process and after every crash, so that a submission whose
//! answer was lost is found again instead of being paid again.

use sha2::{Digest as _, Sha256};

use crate::form::Form;

/// What every derived id starts with.
const PREFIX: &str = "ashlar-";

/// Bytes of the digest that an id keeps: 160 bits, in ids of 47 characters. Ids of 50 characters were seen to work.
const KEPT_BYTES: usize = 20;

/// The id of a submission: a digest of everything that decides what is proven and what is paid.
///
/// Files count by their content, not by name or label. `namespace` separates installations: whoever does not know it
/// cannot occupy our ids with queries of their own. `attempt` is 0, or the number of the deliberate repetition.
pub fn dedup_id(namespace: &str, form: &Form, attempt: u32) -> String {
    let mut digest = Sha256::new();
    // Each item with its length, so that no two lists of items give the same bytes.
    let mut add = |item: &[u8]| {
        digest.update((item.len() as u64).to_be_bytes());
        digest.update(item);
    };
    add(b"ashlar-atlantic-dedup-1");
    add(namespace.as_bytes());
    add(&attempt.to_be_bytes());
    for (name, file) in form.files() {
        add(name.as_bytes());
        add(file.media_type().as_bytes());
        add(&file.sha256());
    }
    for (name, value) in form.fields() {
        if name != "externalId" && name != "dedupId" {
            add(name.as_bytes());
            add(value.as_bytes());
        }
    }
    let kept = digest.finalize();
    kept.iter().take(KEPT_BYTES).fold(PREFIX.to_owned(), |id, byte| format!("{id}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        form::{Attachment, ZIP},
        vocabulary::{JobSize, Layout, Network},
    };

    fn form(bytes: &[u8]) -> Form {
        Form {
            pie_file: Some(Attachment::from_bytes(bytes.to_vec(), "a.zip", ZIP).unwrap()),
            declared_job_size: Some(JobSize::S),
            ..Form::default()
        }
    }

    #[test]
    fn the_same_job_has_the_same_id_under_any_name_and_label() {
        let id = dedup_id("one", &form(b"PK1"), 0);
        assert_eq!(id.len(), PREFIX.len() + 2 * KEPT_BYTES);
        let mut renamed = form(b"PK1");
        renamed.pie_file = Some(Attachment::from_bytes(b"PK1".to_vec(), "b.zip", ZIP).unwrap());
        renamed.external_id = Some("label".to_owned());
        renamed.dedup_id = Some(id.clone());
        assert_eq!(dedup_id("one", &renamed, 0), id);
    }

    #[test]
    fn whatever_changes_the_job_or_its_price_changes_the_id() {
        let base = form(b"PK1");
        let ids = [
            dedup_id("one", &base, 0),
            dedup_id("two", &base, 0),
            dedup_id("one", &base, 1),
            dedup_id("one", &form(b"PK2"), 0),
            dedup_id("one", &Form { layout: Some(Layout::Auto), ..base.clone() }, 0),
            dedup_id("one", &Form { network: Some(Network::Mainnet), ..base.clone() }, 0),
            dedup_id("one", &Form { mock_fact_hash: Some(true), ..base.clone() }, 0),
            dedup_id("one", &base.with_larger_size().unwrap(), 0),
        ];
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
    }
}
