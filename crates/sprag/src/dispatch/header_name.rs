//! The names of what a delivery says beside its body (DESIGN section 5), made once: a name that is made anew for
//! each of a delivery's headers is looked at letter by letter. Must not know: values.

use http::HeaderName;

pub(super) const ATTEMPT: HeaderName = HeaderName::from_static("sprag-attempt");
pub(super) const BATCH: HeaderName = HeaderName::from_static("sprag-batch");
pub(super) const COMPENSATES: HeaderName = HeaderName::from_static("sprag-compensates");
pub(super) const CONCURRENT: HeaderName = HeaderName::from_static("sprag-concurrent");
pub(super) const EPOCH: HeaderName = HeaderName::from_static("sprag-epoch");
pub(super) const FRESH: HeaderName = HeaderName::from_static("sprag-fresh");
pub(super) const HASH: HeaderName = HeaderName::from_static("sprag-hash");
pub(super) const KEY: HeaderName = HeaderName::from_static("sprag-key");
pub(super) const KIND: HeaderName = HeaderName::from_static("sprag-kind");
pub(super) const MISSING: HeaderName = HeaderName::from_static("sprag-missing");
pub(super) const OMITTED: HeaderName = HeaderName::from_static("sprag-omitted");
pub(super) const ORIGIN: HeaderName = HeaderName::from_static("sprag-origin");
pub(super) const OUT_OF_ORDER: HeaderName = HeaderName::from_static("sprag-out-of-order");
pub(super) const PASSED: HeaderName = HeaderName::from_static("sprag-passed");
pub(super) const POSITION: HeaderName = HeaderName::from_static("sprag-position");
pub(super) const PREVIOUS_HASH: HeaderName = HeaderName::from_static("sprag-previous-hash");
pub(super) const PREVIOUS_SEQUENCE: HeaderName = HeaderName::from_static("sprag-previous-sequence");
pub(super) const RECEIVED_AT: HeaderName = HeaderName::from_static("sprag-received-at");
pub(super) const REDELIVERY: HeaderName = HeaderName::from_static("sprag-redelivery");
pub(super) const REPEATS: HeaderName = HeaderName::from_static("sprag-repeats");
pub(super) const SEQUENCE: HeaderName = HeaderName::from_static("sprag-sequence");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("sprag-signature");
pub(super) const SOURCE: HeaderName = HeaderName::from_static("sprag-source");
pub(super) const SOURCE_ID: HeaderName = HeaderName::from_static("sprag-source-id");
pub(super) const TYPE: HeaderName = HeaderName::from_static("sprag-type");
pub(super) const UNMET: HeaderName = HeaderName::from_static("sprag-unmet");
pub(super) const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
pub(super) const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
pub(super) const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
