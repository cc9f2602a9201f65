//! One file serves a gateway and a service.

use std::path::Path;

use demur_source::Source;
use demur_tower::ServiceConfig;
use serde_json::Value as Json;

#[test]
fn whatever_a_gateway_reads_a_service_passes_over() {
    let schema: Json = serde_json::from_str(include_str!("../../../docs/schema/configuration.json")).unwrap();
    let keys = schema["properties"].as_object().unwrap();
    assert!(keys.contains_key("listen") && keys.len() > 8, "{keys:?}");
    for key in keys.keys() {
        let source = Source::new("demur.yaml", format!("{{ {key}: 1 }}"));
        let mistakes = ServiceConfig::load(&source, Path::new("")).unwrap_err().to_string();
        assert!(!mistakes.contains("unknown key"), "{mistakes}");
    }
    let source = Source::new("demur.yaml", "{ listn: 1 }".to_owned());
    let mistakes = ServiceConfig::load(&source, Path::new("")).unwrap_err().to_string();
    assert!(mistakes.contains("unknown key `listn` in"), "{mistakes}");
}
