//! Tokens. A token of which anything was changed is believed no more.

use std::time::Duration;

use base::supervise::Supervisor;
use proxy::judge::identify::Verifier;
use proxy::judge::keys::KeyStore;
use proxy::metrics::Metrics;
use tests::tokens::{Signing, TRUSTED, claims, header, issuer, now, signed};

use crate::{damage, run};

#[test]
fn a_token_that_was_changed_is_not_believed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    TRUSTED.write(folder.path());
    let keys = KeyStore::start(&[issuer(folder.path())], &Supervisor::default()).unwrap();
    let metrics = Metrics::new("fuzz", "").unwrap();
    let verifiers = [true, false]
        .map(|remembers| Verifier::new(keys.clone(), Duration::ZERO, remembers, &metrics));
    let signings = [Signing::Rs256, Signing::Es256, Signing::EdDsa];
    let sound =
        signings.map(|signing| signed(signing, &header(signing), &claims("kauvery-doctor")));
    let seconds = f64::from(u32::try_from(now()).unwrap());
    for token in &sound {
        assert!(verifiers.iter().all(|verifier| verifier.verify(token, seconds).is_ok()));
    }
    run("token", |dice| {
        let token = &sound[dice.below(sound.len())];
        let mut changed = token.clone().into_bytes();
        match dice.below(4) {
            // One bit, which may be one that decoding throws away.
            0 => {
                let at = dice.below(changed.len());
                changed[at] ^= 1 << dice.below(7);
            }
            // Parts of two tokens.
            1 => {
                let other: Vec<&str> = sound[dice.below(sound.len())].split('.').collect();
                let own: Vec<&str> = token.split('.').collect();
                let part = |dice: &mut tests::model::Dice, at: usize| {
                    if dice.below(2) == 0 { own[at] } else { other[at] }
                };
                let parts = [part(dice, 0), part(dice, 1), part(dice, 2)];
                changed = parts.join(".").into_bytes();
            }
            _ => damage(dice, &mut changed, 3),
        }
        let Ok(changed) = String::from_utf8(changed) else { return };
        let verifier = &verifiers[dice.below(2)];
        if verifier.verify(&changed, seconds).is_ok() {
            assert!(sound.contains(&changed), "{changed} is believed");
        }
    });
}
