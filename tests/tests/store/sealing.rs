//! At rest nothing names a person.

use bedside_protocol::sitting::{self, Invitation};
use bedside_store::Once;
use bedside_tests::database::Database;

use crate::fixture::{Bed, PATIENT_EMAIL};

/// Looks at the file itself, its write-ahead log included: what no query shows is found too.
#[tokio::test]
async fn the_file_holds_no_name_and_no_address() {
    let bed = Bed::made(Database::Sqlite).await;
    let once = Once {
        caller_key: "patient:p".to_owned(),
        key: "k".to_owned(),
        request_hash: [1; 32],
    };
    let invited = bed
        .store
        .decide_session(bed.staff(), bed.session, Some(once), |record, context| {
            let invitation = Invitation {
                name: "Sam Oriole".to_owned(),
                email: "sam@example.org".to_owned(),
                phone: "+1 555 0177".to_owned(),
            };
            let (decision, _) = sitting::invite(record, invitation, context)?;
            Ok((decision, "an answer about Robin Quillfeather".to_owned()))
        });
    invited.await.expect("an invitation");
    bed.dose().await;
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(bed.database.folder()).unwrap() {
        bytes.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
    };
    assert!(holds("willow"), "the search itself works");
    for secret in [
        "Quillfeather",
        "Robin",
        PATIENT_EMAIL,
        "555 0199",
        "Thistledown",
        "0133",
        "Nightingale",
        "nurse@clinic.example",
        "Oriole",
        "sam@example.org",
        "555 0177",
    ] {
        assert!(!holds(secret), "{secret} stands in the file");
    }
}
