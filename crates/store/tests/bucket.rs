//! Artefacts in a bucket, on a real server: shared by machines that share nothing else, never believed, and swept as the
//! folder is. What holds of artefacts in general is tested on the folder alone too.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ashlar_fault::Fault as _;
use ashlar_store::{
    Artefact, ArtefactKind, BucketAddress, BucketKeys, BucketSettings, ContentHash, Database, Error, JobId,
    Lane, Moment, NewInput, NewSubmission, NewWork, ProofStatus, Purpose, Store, StoredContent, Swept,
};
use tempfile::TempDir;

use crate::{
    databases::{Kind, Records},
    object_server::{KEY, ObjectServer, SECRET},
    support,
};

/// How a server is reached, by somebody whose patience tests have.
fn settings_with(server: &ObjectServer, key: &str, secret: &str) -> BucketSettings {
    let address = BucketAddress::parse(&server.address()).unwrap();
    let keys = BucketKeys::new(key, secret, None).unwrap();
    BucketSettings { patience: Duration::from_millis(300), ..BucketSettings::new(address, keys) }
}

fn settings(server: &ObjectServer) -> BucketSettings {
    settings_with(server, KEY, SECRET)
}

/// A machine: a data folder of its own, with records of its own.
struct Machine {
    folder: TempDir,
    store: Store,
}

async fn machine(bucket: Option<&BucketSettings>) -> Machine {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open_with(folder.path(), &Database::Folder, bucket).await.unwrap();
    Machine { folder, store }
}

impl Machine {
    async fn keep(&self, bytes: &[u8]) -> Artefact {
        self.store.artefacts().put(ArtefactKind::Proof, bytes).await.unwrap()
    }

    async fn read(&self, artefact: &Artefact) -> Result<Vec<u8>, Error> {
        self.store.artefacts().read(artefact).await
    }

    /// Files below the folder of artefacts, temporary ones included.
    fn near(&self) -> usize {
        files(&self.folder.path().join("artefacts"))
    }
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

fn object_of(artefact: &Artefact) -> String {
    let digits = artefact.sha256.to_string();
    format!("artefacts/{}/{digits}", &digits[..2])
}

/// Submits a program that is among the artefacts already.
async fn submit_program(store: &Store, program: &Artefact) -> Result<(), Error> {
    let submission = NewSubmission {
        job: support::job_of(Purpose::Program),
        allocations: Vec::new(),
        inputs: vec![NewInput { role: "program", sha256: program.sha256, size: program.size }],
        work: NewWork {
            lane: Lane::ProveSmall,
            priority: 5,
            memory_bytes: 1,
            not_before: Moment::now(),
            deadline: None,
            attempt_time: Duration::from_secs(60),
            budget: 3,
        },
        key: None,
        notes: Vec::new(),
        commitment: None,
    };
    store.submit(&submission, 10, Moment::now()).await.map(drop)
}

// What holds wherever artefacts are.

async fn stored_bytes_are_read_back_under_their_hash(machine: Machine) {
    for bytes in [b"".to_vec(), b"abc".to_vec(), vec![7; 3_000_001]] {
        let artefact = machine.keep(&bytes).await;
        assert_eq!(artefact.sha256, ContentHash::of(&bytes));
        assert_eq!(machine.read(&artefact).await.unwrap(), bytes);
        assert_eq!(machine.keep(&bytes).await, artefact, "twice is once");
        let near = machine.store.artefacts().bring_near(&artefact).await.unwrap();
        assert_eq!(fs::read(near).unwrap(), bytes);
    }
    assert_eq!(machine.near(), 3);
}

/// Takes content in as it would come over the wire.
async fn arrive(machine: &Machine, bytes: &[u8]) -> Result<StoredContent, Error> {
    let mut arriving = machine.store.artefacts().receive();
    for piece in bytes.chunks(30_000) {
        arriving = arriving.take(piece).await?;
    }
    arriving.finish().await
}

async fn content_that_arrives_is_stored_as_if_it_had_been_there(machine: Machine) {
    // One request, and parts: fewer than one, one, and one more.
    for length in [0, 3, (8 << 20) - 1, 8 << 20, (16 << 20) + 1] {
        let bytes: Vec<u8> = (0..length as u32).map(|n| (n % 251) as u8).collect();
        let content = arrive(&machine, &bytes).await.unwrap();
        assert_eq!(content, StoredContent { sha256: ContentHash::of(&bytes), size: bytes.len() as u64 });
        let artefact = Artefact { kind: ArtefactKind::Log, sha256: content.sha256, size: content.size };
        fs::remove_file(machine.store.artefacts().path(content.sha256)).unwrap();
        if machine.store.look_at_bucket().await.unwrap().is_some() {
            assert_eq!(machine.read(&artefact).await.unwrap(), bytes, "{length}");
        }
        assert_eq!(arrive(&machine, &bytes).await.unwrap(), content);
        assert_eq!(machine.read(&artefact).await.unwrap(), bytes, "{length}");
        submit_program(&machine.store, &artefact).await.unwrap();
    }
}

async fn another_size_is_another_content(machine: Machine) {
    let artefact = machine.keep(b"abc").await;
    for size in [0, 2] {
        assert!(machine.read(&Artefact { size, ..artefact }).await.is_err(), "{size}");
    }
    assert_eq!(machine.read(&artefact).await.unwrap(), b"abc");
}

async fn keeping_again_repairs_what_was_altered(machine: Machine) {
    let artefact = machine.keep(b"abc").await;
    fs::write(machine.store.artefacts().path(artefact.sha256), b"abd").unwrap();
    machine.keep(b"abc").await;
    assert_eq!(machine.read(&artefact).await.unwrap(), b"abc");
}

async fn what_is_nowhere_is_damage(machine: Machine) {
    let nowhere = Artefact { kind: ArtefactKind::Proof, sha256: ContentHash::of(b"never kept"), size: 10 };
    let missing = machine.read(&nowhere).await.unwrap_err();
    assert!(missing.is_damage(), "{missing}");
    assert!(machine.store.artefacts().bring_near(&nowhere).await.unwrap_err().is_damage());
    assert_eq!(machine.near(), 0);
}

async fn a_sweep_takes_old_orphans_and_leaves_what_is_named(machine: Machine) {
    let store = &machine.store;
    let job = support::record_proof(store, &support::proposal(1), b"a proof").await;
    let orphan = machine.keep(b"nobody names this").await;
    let lost = JobId::fresh();
    store.artefacts().write_manifest(lost, &[orphan]).await.unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(store.sweep_orphans(hour).await.unwrap(), Swept::default());
    assert_eq!(store.sweep_bucket(hour).await.unwrap(), Swept::default());
    assert_eq!(store.sweep_orphans(Duration::ZERO).await.unwrap().files, 2);
    store.sweep_bucket(Duration::ZERO).await.unwrap();
    assert!(machine.read(&orphan).await.unwrap_err().is_damage());
    let proof = store.artefacts_of(job).await.unwrap()[0];
    fs::remove_file(store.artefacts().manifest_path(lost)).unwrap_err();
    assert!(store.artefacts().manifest_path(job).exists());
    assert_eq!(machine.read(&proof).await.unwrap(), b"a proof");
    assert_eq!(store.scrub().await.unwrap(), []);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

macro_rules! wherever {
    ($($name:ident),* $(,)?) => {
        mod folder {
            $(#[test] fn $name() {
                super::block_on(async { super::$name(super::machine(None).await).await });
            })*
        }
        mod bucket {
            $(#[test] fn $name() {
                let Some(server) = crate::object_server::ObjectServer::start() else { return };
                let settings = crate::bucket::settings(&server);
                super::block_on(async { super::$name(super::machine(Some(&settings)).await).await });
            })*
        }
    };
}

wherever!(
    stored_bytes_are_read_back_under_their_hash,
    content_that_arrives_is_stored_as_if_it_had_been_there,
    another_size_is_another_content,
    keeping_again_repairs_what_was_altered,
    what_is_nowhere_is_damage,
    a_sweep_takes_old_orphans_and_leaves_what_is_named,
);

// What a bucket brings.

#[tokio::test]
async fn one_machine_keeps_and_another_that_shares_no_folder_reads() {
    let Some(server) = ObjectServer::start() else { return };
    let (one, other) = (machine(Some(&settings(&server))).await, machine(Some(&settings(&server))).await);
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let artefact = one.keep(&bytes).await;
    assert_eq!(other.near(), 0);
    assert_eq!(other.read(&artefact).await.unwrap(), bytes);
    assert_eq!(other.near(), 1, "it is near from now on");
    let third = machine(Some(&settings(&server))).await;
    let near = third.store.artefacts().bring_near(&artefact).await.unwrap();
    assert_eq!(fs::read(near).unwrap(), bytes);
}

#[tokio::test]
async fn records_of_several_machines_lead_to_the_same_proof() {
    let Some(server) = ObjectServer::start() else { return };
    let Some(records) = Records::new(Kind::Postgres) else { return };
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let open = async |folder: &TempDir| {
        Store::open_with(folder.path(), &records.database, Some(&settings(&server))).await.unwrap()
    };
    let (one_store, other_store) = (open(&one).await, open(&other).await);
    let job = support::record_proof(&one_store, &support::proposal(1), b"a proof").await;
    let evidence = other_store.evidence_of(&other_store.job(job).await.unwrap()).await.unwrap().unwrap();
    assert_eq!(evidence.bytes, b"a proof");
    assert!(other_store.artefacts().path(evidence.sha256).is_file());
    // Neither takes the other's for orphans.
    for store in [&one_store, &other_store] {
        assert_eq!(store.sweep_bucket(Duration::ZERO).await.unwrap(), Swept::default());
        assert_eq!(store.scrub().await.unwrap(), []);
    }
    assert!(server.object(&format!("manifests/{job}.json")).is_file());
}

#[tokio::test]
async fn an_object_that_was_altered_is_refused_and_what_is_near_stays() {
    let Some(server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    let artefact = one.keep(b"the proof").await;
    let object = server.object(&object_of(&artefact));
    for liar in [b"the proog".as_slice(), b"the proo", b"", b"the proof and more"] {
        fs::write(&object, liar).unwrap();
        let other = machine(Some(&settings(&server))).await;
        for refused in [
            other.read(&artefact).await.unwrap_err(),
            other.store.artefacts().bring_near(&artefact).await.unwrap_err(),
        ] {
            assert!(matches!(refused, Error::AlteredObject { .. }), "{refused}");
            assert_eq!(refused.code().0, 8255);
        }
        assert_eq!(other.near(), 0, "neither the content nor a draft of it");
        // Who has the content goes on with it.
        assert_eq!(one.read(&artefact).await.unwrap(), b"the proof");
        // A near copy that is wrong is not replaced by what is wrong too.
        let path = other.store.artefacts().path(artefact.sha256);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, b"the prooh").unwrap();
        assert!(matches!(other.read(&artefact).await, Err(Error::AlteredObject { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"the prooh");
    }
    // Keeping the content again mends the bucket.
    one.keep(b"the proof").await;
    let other = machine(Some(&settings(&server))).await;
    assert_eq!(other.read(&artefact).await.unwrap(), b"the proof");
}

#[tokio::test]
async fn a_near_copy_that_was_altered_or_removed_is_fetched_again() {
    let Some(server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    let artefact = one.keep(b"the proof").await;
    let path = one.store.artefacts().path(artefact.sha256);
    for altered in [Some(b"another".as_slice()), None] {
        match altered {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => fs::remove_file(&path).unwrap(),
        }
        assert_eq!(one.read(&artefact).await.unwrap(), b"the proof");
        assert_eq!(fs::read(&path).unwrap(), b"the proof");
    }
}

#[tokio::test]
async fn an_object_that_is_gone_is_missing() {
    let Some(server) = ObjectServer::start() else { return };
    let (one, other) = (machine(Some(&settings(&server))).await, machine(Some(&settings(&server))).await);
    let artefact = one.keep(b"the proof").await;
    fs::remove_file(server.object(&object_of(&artefact))).unwrap();
    let missing = other.read(&artefact).await.unwrap_err();
    assert!(matches!(missing, Error::MissingObject { .. }), "{missing}");
    assert_eq!(missing.code().0, 8254);
    assert_eq!(one.read(&artefact).await.unwrap(), b"the proof", "near it still is");
}

#[tokio::test]
async fn a_scrub_finds_what_is_gone_and_mends_what_is_near() {
    let Some(server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    let job = support::record_proof(&one.store, &support::proposal(1), b"a proof").await;
    let proof = one.store.artefacts_of(job).await.unwrap()[0];
    let path = one.store.artefacts().path(proof.sha256);
    fs::write(&path, b"another proof").unwrap();
    assert_eq!(one.store.scrub().await.unwrap(), []);
    assert_eq!(fs::read(&path).unwrap(), b"a proof");
    // Another machine would not find it.
    fs::remove_file(server.object(&object_of(&proof))).unwrap();
    assert_eq!(one.store.scrub().await.unwrap(), [(job, proof.sha256)]);
}

#[tokio::test]
async fn nothing_is_recorded_while_the_bucket_is_away_and_what_is_near_is_served() {
    let Some(mut server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    let store = &one.store;
    let before = support::record_proof(store, &support::proposal(2), b"kept before").await;
    let kept = store.artefacts_of(before).await.unwrap()[0];
    let job = support::job_in_verification(store, &support::proposal(1)).await;
    server.end();

    let away = store.conclude_verified(job, &support::verified_record(), b"a proof").await.unwrap_err();
    assert!(matches!(away, Error::BucketUnreachable { .. }), "{away}");
    assert_eq!(away.code().0, 8252);
    assert!(away.may_pass() && away.is_of_bucket());
    assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Verifying);
    assert_eq!(store.artefacts_of(job).await.unwrap(), []);
    for length in [3, (8 << 20) + 1] {
        let refused = arrive(&one, &vec![7; length]).await;
        assert!(matches!(refused, Err(Error::BucketUnreachable { .. })), "{length}: {refused:?}");
    }
    assert!(matches!(store.sweep_bucket(Duration::ZERO).await, Err(Error::BucketUnreachable { .. })));
    // Whether anything is damaged nobody can say.
    assert!(matches!(store.scrub().await, Err(Error::BucketUnreachable { .. })));
    assert_eq!(one.read(&kept).await.unwrap(), b"kept before");
    assert!(store.artefacts().bring_near(&kept).await.is_ok());
    let other = machine(Some(&settings(&server))).await;
    assert!(matches!(other.read(&kept).await, Err(Error::BucketUnreachable { .. })));

    server.go_on();
    let artefact = store.conclude_verified(job, &support::verified_record(), b"a proof").await.unwrap();
    let other = machine(Some(&settings(&server))).await;
    assert_eq!(other.read(&artefact).await.unwrap(), b"a proof");
}

#[tokio::test]
async fn a_row_is_not_written_for_an_object_that_a_sweep_took() {
    let Some(server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    let program = one.keep(b"a program").await;
    fs::remove_file(server.object(&object_of(&program))).unwrap();
    let refused = submit_program(&one.store, &program).await.unwrap_err();
    assert!(matches!(refused, Error::MissingObject { .. }), "{refused}");
    assert_eq!(one.store.jobs(None, 10).await.unwrap().len(), 0);
    one.keep(b"a program").await;
    submit_program(&one.store, &program).await.unwrap();
}

#[tokio::test]
async fn a_sweep_looks_beyond_the_first_page_and_touches_nothing_foreign() {
    let Some(server) = ObjectServer::start() else { return };
    let one = machine(Some(&settings(&server))).await;
    // A page of a listing has a thousand names; these come first.
    let foreign = server.object("artefacts/00");
    fs::create_dir_all(&foreign).unwrap();
    for n in 0..1001 {
        fs::write(foreign.join(format!("foreign-{n:04}")), b"not ours").unwrap();
    }
    fs::write(server.object("notes.txt"), b"not ours either").unwrap();
    let orphan = one.keep(b"an orphan").await;
    assert!(!orphan.sha256.to_string().starts_with("00"));
    let swept = one.store.sweep_bucket(Duration::ZERO).await.unwrap();
    assert_eq!(swept, Swept { files: 1, bytes: orphan.size });
    assert!(!server.object(&object_of(&orphan)).exists());
    assert_eq!(files(&foreign), 1001);
    assert!(server.object("notes.txt").exists());
}

#[tokio::test]
async fn the_artefacts_of_other_records_are_nobody_s_orphans() {
    let Some(server) = ObjectServer::start() else { return };
    let (one, stranger) = (machine(Some(&settings(&server))).await, machine(Some(&settings(&server))).await);
    let artefact = one.keep(b"old, and not named yet").await;
    one.store.sweep_bucket(Duration::from_secs(3600)).await.unwrap();
    assert!(one.store.look_at_bucket().await.unwrap().unwrap().starts_with("s3://proofs/team/a at http://"));
    for refused in [
        stranger.store.sweep_bucket(Duration::ZERO).await.map(drop),
        stranger.store.look_at_bucket().await.map(drop),
    ] {
        assert!(matches!(refused, Err(Error::BucketOfOthers { .. })));
    }
    assert!(server.object(&object_of(&artefact)).exists());
    // An account that nobody can read is not one's own either.
    fs::write(server.object("records.json"), vec![b'['; 100_000]).unwrap();
    assert!(matches!(one.store.sweep_bucket(Duration::ZERO).await, Err(Error::BucketOfOthers { .. })));
    assert!(server.object(&object_of(&artefact)).exists());
}

#[tokio::test]
async fn keys_that_do_not_open_are_refused_and_shown_nowhere() {
    let Some(server) = ObjectServer::start() else { return };
    for settings in
        [settings_with(&server, KEY, "not-the-secret"), settings_with(&server, "AKIAOTHER", SECRET)]
    {
        let machine = machine(Some(&settings)).await;
        let nowhere = Artefact { kind: ArtefactKind::Log, sha256: ContentHash::of(b"x"), size: 1 };
        let errors = [
            machine.store.artefacts().keep(b"abc").await.map(drop),
            machine.read(&nowhere).await.map(drop),
            machine.store.sweep_bucket(Duration::ZERO).await.map(drop),
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(matches!(error, Error::BucketRefused { .. }), "{error}");
            assert_eq!(error.code().0, 8253);
            let shown = format!("{error} {error:?} {:?} {:?} {:?}", error.hint(), machine.store, settings);
            for key in [KEY, SECRET, "AKIAOTHER", "not-the-secret", "Signature="] {
                assert!(!shown.contains(key), "{shown}");
            }
        }
    }
    assert!(!server.object("").exists(), "nothing was written");
}

// A server of nobody's making.

/// Answers every request with the same bytes, again and again if they are to have no end, and counts what it sent.
fn liar(head: &'static str, body: Vec<u8>, endless: bool) -> (BucketSettings, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = listener.local_addr().unwrap();
    let sent = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let mut open = stream.write_all(head.as_bytes()).is_ok();
            while open {
                open = stream.write_all(&body).is_ok() && endless;
                counted.fetch_add(body.len() as u64, Ordering::Relaxed);
            }
        }
    });
    let address = BucketAddress::parse(&format!("s3://proofs?endpoint=http://{endpoint}")).unwrap();
    let keys = BucketKeys::new(KEY, SECRET, Some("token-of-the-session")).unwrap();
    (BucketSettings { patience: Duration::from_millis(300), ..BucketSettings::new(address, keys) }, sent)
}

#[tokio::test]
async fn a_server_that_never_stops_sending_is_left() {
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\r\n";
    let (settings, sent) = liar(endless, vec![b'x'; 100_000], true);
    let machine = machine(Some(&settings)).await;
    let artefact = Artefact { kind: ArtefactKind::Proof, sha256: ContentHash::of(b"abc"), size: 3 };
    let refused = machine.read(&artefact).await.unwrap_err();
    assert!(matches!(refused, Error::AlteredObject { .. }), "{refused}");
    assert_eq!(machine.near(), 0);
    assert!(sent.load(Ordering::Relaxed) < 100 << 20, "it was left long before its end");
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error_and_repeats_nothing() {
    let echo = format!("<Error><Code>{KEY}</Code><Message>{SECRET} token-of-the-session</Message></Error>");
    for head in [
        "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:9/\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ] {
        let (settings, _) = liar(head, echo.clone().into_bytes(), false);
        let machine = machine(Some(&settings)).await;
        let artefact = Artefact { kind: ArtefactKind::Proof, sha256: ContentHash::of(b"abc"), size: 3 };
        let errors = [
            machine.read(&artefact).await.map(drop),
            machine.store.sweep_bucket(Duration::ZERO).await.map(drop),
            submit_program(&machine.store, &artefact).await,
        ];
        for error in errors.map(Result::unwrap_err) {
            assert!(
                error.is_of_bucket()
                    || matches!(error, Error::MissingObject { .. } | Error::BucketOfOthers { .. }),
                "{head}: {error}"
            );
            let shown = format!("{error} {error:?}");
            for key in [KEY, SECRET, "token-of-the-session"] {
                assert!(!shown.contains(key), "{shown}");
            }
        }
        assert_eq!((machine.near(), machine.store.jobs(None, 10).await.unwrap().len()), (0, 0));
    }
}
