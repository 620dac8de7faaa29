//! Any bytes as a scenario file: an error or a plan, never a panic, never a hang. What compiles is compiled again
//! from its own document, with the same digest.

#![no_main]

use foreshock::scenario::{Files, KindsCheck, Source, compile, edited};
use libfuzzer_sys::fuzz_target;

/// The same short trace under every name.
struct OneTrace;

impl Files for OneTrace {
    fn read(&self, _relative: &str) -> Result<String, String> {
        Ok("0s buy 1\n1.5s\n".to_string())
    }
}

/// Plain services and a cache whose settings are all right.
struct TwoKinds;

impl KindsCheck for TwoKinds {
    fn names(&self) -> Vec<String> {
        vec!["service".to_string(), "cache".to_string()]
    }

    fn check_settings(
        &self,
        _kind: &str,
        _settings: &serde_json::Map<String, serde_json::Value>,
    ) -> Vec<(String, String)> {
        Vec::new()
    }
}

fuzz_target!(|text: &[u8]| {
    match compile(Source { name: "fuzz.yaml", text }, &OneTrace, &TwoKinds) {
        Ok(compiled) => {
            let again = edited(&compiled.plan, &[], &TwoKinds).expect("a plan's own document compiles");
            assert_eq!(again.digest, compiled.plan.digest);
        }
        Err(error) => {
            assert!(error.diagnostics().has_errors(), "an error without errors");
            let _ = (error.to_string(), error.render(true));
        }
    }
});
