//! Links: what holds for all, what differs for single ones.

use super::Checker;
use super::selectors::{LinkText, link_text};
use crate::kernel::draw::Distribution;
use crate::kernel::time::Span;
use crate::scenario::path::Path;
use crate::scenario::plan::{BandwidthPlan, LinkId, LinkPlan, Party};
use crate::scenario::raw::{RawDistribution, RawLinkFields, RawScenario};

/// Bytes that may wait before a line without a buffer of its own.
const DEFAULT_BUFFER_BYTES: u64 = 1 << 20;

/// A link on which messages take no time and none is lost.
pub(crate) fn bare_link(name: String, from: Party, to: Party) -> LinkPlan {
    LinkPlan {
        name,
        from,
        to,
        latency: Distribution::ZERO,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_delay: Span::ZERO,
        bandwidth: None,
    }
}

/// Fields of a link that were given, resolved.
#[derive(Clone, Default)]
struct GivenFields {
    latency: Option<Distribution>,
    loss_ppm: Option<u32>,
    duplicate_ppm: Option<u32>,
    reorder: Option<(u32, Span)>,
    bandwidth: Option<BandwidthPlan>,
}

impl GivenFields {
    fn apply(&self, link: &mut LinkPlan) {
        if let Some(latency) = &self.latency {
            link.latency = latency.clone();
        }
        if let Some(loss_ppm) = self.loss_ppm {
            link.loss_ppm = loss_ppm;
        }
        if let Some(duplicate_ppm) = self.duplicate_ppm {
            link.duplicate_ppm = duplicate_ppm;
        }
        if let Some((share_ppm, delay)) = self.reorder {
            link.reorder_ppm = share_ppm;
            link.reorder_delay = delay;
        }
        if self.bandwidth.is_some() {
            link.bandwidth = self.bandwidth;
        }
    }
}

impl Checker<'_> {
    /// Gives every link its fields: the default's, then a hop's latency, then its own.
    pub(crate) fn resolve_links(&mut self, raw: &RawScenario) {
        let path = Path::root().key("network");
        let defaults = self.link_fields(&path.key("default"), &raw.network.default);
        let hops: Vec<_> = self.hop_links(raw);
        for link in &mut self.links {
            defaults.apply(link);
        }
        for (at, latency, links) in hops {
            let Some(latency) = latency.and_then(|latency| self.distribution(&at.key("latency"), latency))
            else {
                continue;
            };
            for link in links {
                if let Some(plan) = self.links.get_mut(link.index()) {
                    plan.latency = latency.clone();
                }
            }
        }
        let mut given: Vec<Option<usize>> = vec![None; self.links.len()];
        for (index, link) in raw.network.links.iter().enumerate() {
            let at = path.key("links").index(index);
            let fields = self.link_fields(&at, &link.fields);
            for id in self.listed_links(&at.key("link"), &link.link) {
                if let Some(earlier) = given.get_mut(id.index()).and_then(|place| place.replace(index)) {
                    let name = self.links.get(id.index()).map_or(String::new(), |link| link.name.clone());
                    let help = format!("entry {} has it already: join the two", earlier + 1);
                    self.error_at_value(
                        &at.key("link"),
                        format!("the link `{name}` is listed twice"),
                        Some(help),
                    );
                }
                if let Some(plan) = self.links.get_mut(id.index()) {
                    fields.apply(plan);
                }
            }
        }
    }

    /// Makes the links of inserted hops; each with the hop's latency and where it stands.
    #[allow(clippy::type_complexity, reason = "three things that only the caller looks at")]
    fn hop_links<'r>(
        &mut self,
        raw: &'r RawScenario,
    ) -> Vec<(Path, Option<&'r RawDistribution>, [LinkId; 4])> {
        let mut hops = Vec::new();
        for (index, entry) in raw.timeline.iter().enumerate() {
            let Some(hop) = &entry.extra_hop else { continue };
            let path = Path::root().key("timeline").index(index).key("extra_hop");
            let position = self.service_names.iter().position(|name| *name == hop.name.0);
            let Some(LinkText { from, to, both: false }) = link_text(&hop.link) else { continue };
            let ends = (self.known_party(from), self.known_party(to));
            if let ((Some(from), Some(to)), Some(position)) = (ends, position) {
                let proxy = Party::Service(crate::scenario::plan::ServiceId(position as u32));
                let links = [
                    self.link(from, proxy),
                    self.link(proxy, to),
                    self.link(to, proxy),
                    self.link(proxy, from),
                ];
                hops.push((path, hop.latency.as_ref(), links));
            }
        }
        hops
    }

    /// The party of this name, without a word if there is none.
    fn known_party(&self, name: &str) -> Option<Party> {
        let service = self.service_names.iter().position(|known| known == name);
        let load = self.load_names.iter().position(|known| known == name);
        match (service, load) {
            (Some(service), _) => Some(Party::Service(crate::scenario::plan::ServiceId(service as u32))),
            (None, Some(load)) => Some(Party::Load(crate::scenario::plan::LoadId(load as u32))),
            (None, None) => None,
        }
    }

    /// The links a `network.links` entry is about: one, or both directions.
    fn listed_links(&mut self, path: &Path, text: &str) -> Vec<LinkId> {
        if text.contains('*') {
            let help = "use `network.default` for all links".to_string();
            self.error_at_value(path, format!("`{text}` is not one link"), Some(help));
            return Vec::new();
        }
        self.links_selected(path, text).unwrap_or_default()
    }

    fn link_fields(&mut self, path: &Path, raw: &RawLinkFields) -> GivenFields {
        GivenFields {
            latency: raw
                .latency
                .as_ref()
                .and_then(|latency| self.distribution(&path.key("latency"), latency)),
            loss_ppm: raw.loss.as_ref().map(|share| share.0),
            duplicate_ppm: raw.duplicate.as_ref().map(|share| share.0),
            reorder: raw.reorder.as_ref().map(|reorder| (reorder.share.0, reorder.delay.0)),
            bandwidth: raw.bandwidth.as_ref().map(|bandwidth| BandwidthPlan {
                bytes_per_s: bandwidth.rate.0,
                buffer_bytes: bandwidth.buffer.as_ref().map_or(DEFAULT_BUFFER_BYTES, |buffer| buffer.0),
            }),
        }
    }
}
